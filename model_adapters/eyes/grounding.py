"""How near a text is to an image and to other texts, in the space of an open_clip model."""

from functools import cached_property

import torch
from PIL import Image
from torch import Tensor

from model_adapters.eyes.checkpoint import OpenClip, find, load


class Grounding:
    """An open_clip model that compares; weights are read when first needed."""

    def __init__(self, checkpoint: str, architecture: str = ""):
        """Looks at the files; reads no weights.

        Args:
            checkpoint: a folder with open_clip_config.json and weights, or a weights file.
            architecture: open_clip's name for the model of a weights file.

        Raises:
            AdapterError: the model is not there or is none of open_clip's; while comparing, also that it cannot be
                loaded.
        """
        self._source = find(checkpoint, architecture, "evaluation.clip_architecture")

    @torch.no_grad()
    def images(self, images: list[Image.Image]) -> Tensor:
        """Unit features `[B, D]`, float32 on the CPU."""
        return self._clip.model.encode_image(self._clip.batch(images), normalize=True).float().cpu()

    @torch.no_grad()
    def texts(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """Unit features `[B, D]`, float32 on the CPU, and whether each text was cut at the model's context, `[B]`."""
        room = self._clip.tokenizer.context_length
        ids_BT = self._clip.tokenizer(texts, context_length=room)
        # what fits is followed by padding in twice the room; what does not has an end-of-text put in its last place
        cut_B = (self._clip.tokenizer(texts, context_length=2 * room)[:, :room] != ids_BT).any(1)
        features_BD = self._clip.model.encode_text(ids_BT.to(self._clip.device), normalize=True)
        return features_BD.float().cpu(), cut_B

    @cached_property
    def _clip(self) -> OpenClip:
        return load(self._source)
