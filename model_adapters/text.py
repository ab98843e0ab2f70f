"""Text-only students: any causal language model of transformers whose head follows its decoder directly."""

import torch
from torch import Tensor, nn
from transformers import AutoModelForCausalLM

from model_adapters.base import AdapterError, ModelAdapter, Prefix, PromptBatch, Tokens
from model_adapters.seam import seam_gap


class TextAdapter(ModelAdapter):
    model_types = ()
    """None by name: the registry falls back on it for every causal language model without a family of its own."""
    sees_images = False
    auto_model = AutoModelForCausalLM

    def load_model(self, dtype: torch.dtype, device_map: str | dict | None = None) -> "TextAdapter":
        try:
            super().load_model(dtype, device_map)
        except ValueError as error:
            if "attention implementation" not in str(error):
                raise
            reason = str(error).split(". ")[0]
            raise AdapterError(self._refusal(f"its attention takes no mask of ours ({reason})")) from None
        # a teacher is only generated from, perhaps spread over several devices
        if device_map is None:
            self._check_seam()
        return self

    @property
    def placeholder_ids(self) -> Tokens:
        return ()

    @property
    def decoder(self) -> nn.Module:
        return self.model.get_decoder()

    def logits(self, hidden: Tensor) -> Tensor:
        return self.model.get_output_embeddings()(hidden)

    def image_ids(self, sizes_hw: list[tuple[int, int]]) -> list[Tokens]:
        self._refuse_images(len(sizes_hw))
        return []

    def encode_images(self, images: list) -> dict[str, Tensor]:
        self._refuse_images(len(images))
        return {}

    def embed(self, batch: PromptBatch) -> Prefix:
        no_image_BP = torch.zeros_like(batch.mask_BP)
        return Prefix(self.embed_tokens(batch.ids_BP), batch.mask_BP, self.positions(batch), no_image_BP)

    def _check_seam(self) -> None:
        try:
            gap = seam_gap(self)
            # some layers keep from attention what they are handed, others mend its mask; those go by masks alone
            self.takes_layouts = self.takes_layouts and seam_gap(self, by_layout=True) < SEAM_TOLERANCE
        except (TypeError, ValueError, RuntimeError, AttributeError, IndexError, KeyError) as error:
            raise AdapterError(self._refusal(f"it cannot be run in two parts ({error})")) from None
        if not gap < SEAM_TOLERANCE:
            raise AdapterError(
                self._refusal(
                    "something stands between its decoder and its head, scales its logits, or remembers more than keys "
                    "and values"
                )
            )

    def _refuse_images(self, images: int) -> None:
        if images:
            raise AdapterError(
                f"{self.checkpoint} ({self.config.model_type}) reads text only, and a row has {images} image(s): "
                "choose a student that sees, or data without images."
            )

    def _refusal(self, why: str) -> str:
        return f"{self.checkpoint}: model_type '{self.config.model_type}' cannot be a text-only student here: {why}."


SEAM_TOLERANCE = 1e-2
"""Of the largest logit; wide enough for half precision, where a scale or a missing step shows far more."""
