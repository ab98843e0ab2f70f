"""LLaVA-NeXT: an image of any resolution as tiles and a small whole; the decoder is a Llama, Mistral or Qwen2."""

import torch
from torch import Tensor
from transformers.models.llava_next.modeling_llava_next import image_size_to_num_patches

from model_adapters.vision import VisionAdapter


class LlavaNextAdapter(VisionAdapter):
    model_types = ("llava_next",)
    modules = {
        "vision_tower": ("model.vision_tower",),
        "projector": ("model.multi_modal_projector", "model.image_newline"),
    }
    processor_needs = ("patch_size", "vision_feature_select_strategy", "image_processor.image_grid_pinpoints")

    def encode_images(self, images: list) -> dict[str, Tensor]:
        encoded = super().encode_images(images)
        if encoded:
            # the processor pads every image to the tile count of the largest; rows of other batches have another one
            padded, sizes = encoded["pixel_values"], encoded["image_sizes"]
            encoded["pixel_values"] = torch.cat([tiles[: self._tiles(size)] for tiles, size in zip(padded, sizes)])
        return encoded

    def _tiles(self, size_hw: Tensor) -> int:
        return image_size_to_num_patches(
            size_hw, self.config.image_grid_pinpoints, self.config.vision_config.image_size
        )

    def image_features(self, images: dict[str, Tensor]) -> list[Tensor]:
        found = self.model.model.get_image_features(images["pixel_values"], images["image_sizes"])
        return [torch.cat(list(found.pooler_output))]
