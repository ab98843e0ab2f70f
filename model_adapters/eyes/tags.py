"""Zero-shot tags: the labels of each group that an image is nearest to."""

from dataclasses import dataclass
from functools import cached_property

import torch
from PIL import Image
from torch import Tensor

from model_adapters.eyes.checkpoint import OpenClip

TEXTS_AT_ONCE = 256


@dataclass(frozen=True)
class LabelGroup:
    """Labels that compete with each other.

    Attributes:
        labels: what can be said.
        prompt: how a label is put to the model, with `{}` in its place.
        say: how many labels are said of an image.
        title: what stands before them, followed by a colon; empty for nothing.
    """

    labels: tuple[str, ...]
    prompt: str = "a photo of {}"
    say: int = 1
    title: str = ""

    def told(self, labels: list[str]) -> str:
        """The labels of one image as a sentence without its full stop."""
        return f"{self.title}: {', '.join(labels)}" if self.title else ", ".join(labels)


class Tagger:
    """A model with label groups; the labels' features are computed once."""

    def __init__(self, clip: OpenClip, groups: tuple[LabelGroup, ...]):
        self.clip, self.groups = clip, groups

    @torch.no_grad()
    def __call__(self, images: list[Image.Image]) -> list[list[str]]:
        """For each image one sentence per group, the nearest label first."""
        images_BD = self.clip.model.encode_image(self.clip.batch(images), normalize=True)
        return [list(told) for told in zip(*(self._told(group, images_BD) for group in self.groups), strict=True)]

    def _told(self, group: LabelGroup, images_BD: Tensor) -> list[str]:
        nearest_BS = (images_BD @ self._features[group].T).topk(min(group.say, len(group.labels))).indices
        return [group.told([group.labels[i] for i in row]) for row in nearest_BS.tolist()]

    @cached_property
    def _features(self) -> dict[LabelGroup, Tensor]:
        return {
            group: self._encoded([group.prompt.replace("{}", label) for label in group.labels]) for group in self.groups
        }

    def _encoded(self, texts: list[str]) -> Tensor:
        parts = [texts[start : start + TEXTS_AT_ONCE] for start in range(0, len(texts), TEXTS_AT_ONCE)]
        tokens = (self.clip.tokenizer(part).to(self.clip.device) for part in parts)
        return torch.cat([self.clip.model.encode_text(part, normalize=True) for part in tokens])
