"""Captions of CoCa: greedy, over the model's own forward pass.

open_clip's `generate` asks transformers for a beam search that transformers 5 no longer has.
"""

import torch
from PIL import Image
from torch import Tensor

from model_adapters.base import AdapterError
from model_adapters.eyes.checkpoint import OpenClip, Source

CAPTION_TOKENS = 30
"""Begin and end included; what open_clip's `generate` writes at most."""


class Captioner:
    """A CoCa that writes one caption for each image.

    Raises:
        AdapterError: the model has no decoder, or a tokenizer without a token to begin with.
    """

    def __init__(self, clip: OpenClip, source: Source):
        if not hasattr(clip.model, "text_decoder"):
            raise AdapterError(
                f"{source.path}: eyes.captioner must be a CoCa model, and this one writes no captions; leave it empty "
                "or name another folder."
            )
        if not hasattr(clip.tokenizer, "sot_token_id"):
            raise AdapterError(
                f"{source.path}: captions are read with open_clip's own tokenizer, and this model has another; choose "
                "another CoCa for eyes.captioner."
            )
        self.clip = clip
        lengths = (clip.model.context_length, clip.model.text.context_length)
        self.tokens = min(CAPTION_TOKENS, *lengths)

    @torch.no_grad()
    def __call__(self, images: list[Image.Image]) -> list[str]:
        """A caption for each image, without its full stop; empty where the model says nothing."""
        return [self._text(row) for row in self._greedy(self.clip.batch(images)).tolist()]

    def _greedy(self, pixels: Tensor) -> Tensor:
        """The likeliest next token again and again, `[B, T]`; a row goes on after its end until all have ended."""
        model, tokenizer = self.clip.model, self.clip.tokenizer
        seen = model(pixels)
        ids_BT = torch.full((len(pixels), 1), tokenizer.sot_token_id, device=pixels.device)
        ended_B = torch.zeros(len(pixels), dtype=torch.bool, device=pixels.device)
        while ids_BT.shape[1] < self.tokens and not ended_B.all():
            found = model(
                None,
                ids_BT,
                image_latent=seen["image_features"],
                image_embs=seen["image_embs"],
                output_labels=False,
            )
            next_B = found["logits"][:, -1].argmax(-1)
            ids_BT = torch.cat([ids_BT, next_B[:, None]], dim=1)
            ended_B |= self._ends(next_B)
        return ids_BT

    def _ends(self, ids: Tensor) -> Tensor:
        # the padding token was never a target in training
        return (ids == self.clip.tokenizer.eot_token_id) | (ids == self.clip.model.pad_id)

    def _text(self, ids: list[int]) -> str:
        tokenizer = self.clip.tokenizer
        ends = {tokenizer.eot_token_id, self.clip.model.pad_id}
        length = next((place for place, i in enumerate(ids) if i in ends), len(ids))
        words = tokenizer.decode([i for i in ids[:length] if i != tokenizer.sot_token_id])
        return " ".join(words.split()).rstrip(" .")
