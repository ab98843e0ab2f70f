"""`Describer`: images to text, and what the text depends on."""

import hashlib
import json
from dataclasses import asdict
from functools import cached_property

from PIL import Image

from model_adapters.eyes.captions import CAPTION_TOKENS, Captioner
from model_adapters.eyes.checkpoint import Source, find, load
from model_adapters.eyes.tags import LabelGroup, Tagger

VERSION = 1
"""Of the wording of descriptions; a change makes old ones stale."""


class Describer:
    """Zero-shot tags in groups, after a caption where a CoCa model is given. Weights are read when first needed."""

    def __init__(self, checkpoint: str, groups: list[LabelGroup], architecture: str = "", captioner: str = ""):
        """Looks at the files; reads no weights.

        Args:
            checkpoint: a folder with open_clip_config.json and weights, or a weights file.
            groups: the labels, at least one group.
            architecture: open_clip's name for the model of a weights file.
            captioner: folder of a CoCa model.

        Raises:
            AdapterError: a model is not there or is none of open_clip's; while describing, also that its weights cannot
                be loaded, naming the folder.
        """
        self.groups = tuple(groups)
        self._tags_from = find(checkpoint, architecture)
        self._captions_from = find(captioner, "") if captioner else None

    def describe(self, images: list[Image.Image]) -> list[str]:
        """One line for each image: the caption, then a sentence for each group."""
        captions = [[caption] for caption in self._captioner(images)] if self._captions_from else [[] for _ in images]
        told = zip(captions, self._tagger(images), strict=True)
        return [" ".join(f"{sentence}." for sentence in [*caption, *tags] if sentence) for caption, tags in told]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of all that a description depends on besides the image: every file, the labels, the wording."""
        sources = [source for source in (self._tags_from, self._captions_from) if source]
        said = {
            "version": VERSION,
            "caption_tokens": CAPTION_TOKENS,
            "groups": [asdict(group) for group in self.groups],
            "models": [_contents(source) for source in sources],
        }
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    @cached_property
    def _tagger(self) -> Tagger:
        return Tagger(load(self._tags_from), self.groups)

    @cached_property
    def _captioner(self) -> Captioner:
        return Captioner(load(self._captions_from), self._captions_from)


def _contents(source: Source) -> dict:
    def sha256(path) -> str:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    return {"architecture": source.architecture, "files": {path.name: sha256(path) for path in source.files}}
