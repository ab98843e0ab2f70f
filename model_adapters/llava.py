"""LLaVA-1.5: a CLIP-like tower, a projector and a Llama-like decoder."""

import torch
from torch import Tensor, nn

from model_adapters.vision import VisionAdapter


class LlavaAdapter(VisionAdapter):
    model_types = ("llava",)
    processor_needs = ("patch_size", "vision_feature_select_strategy")

    def image_features(self, images: dict[str, Tensor]) -> list[Tensor]:
        return [torch.cat(list(self.model.model.get_image_features(images["pixel_values"]).pooler_output))]

    @property
    def projectors(self) -> list[nn.Module]:
        return [self.model.model.multi_modal_projector]
