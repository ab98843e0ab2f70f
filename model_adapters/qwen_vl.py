"""Qwen-VL: images of any resolution, rotary positions on three axes (time, height, width)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from model_adapters.base import AdapterError, Prefix, PromptBatch, Tokens
from model_adapters.vision import VisionAdapter


class QwenVLAdapter(VisionAdapter):
    """Qwen2-VL, and Qwen2.5-VL with its windowed tower."""

    model_types = ("qwen2_vl", "qwen2_5_vl")
    modules = {"vision_tower": ("model.visual",), "projector": ("model.visual.merger",)}
    processor_needs = ("image_processor.merge_size", "image_processor.patch_size", "image_processor.size")

    @property
    def placeholder_ids(self) -> Tokens:
        return (self.config.image_token_id, self.config.video_token_id)

    def limit_pixels(self, least: int, most: int) -> None:
        images = self.processor.image_processor
        least, most = least or images.size["shortest_edge"], most or images.size["longest_edge"]
        token = (images.patch_size * images.merge_size) ** 2
        if not token <= most or not least <= most:
            raise AdapterError(
                f"model.min_pixels={least} and model.max_pixels={most}, given or the checkpoint's own: the upper bound "
                f"must be at least the lower one and the {token} pixels of one token."
            )
        images.size["shortest_edge"], images.size["longest_edge"] = least, most

    def image_features(self, images: dict[str, Tensor]) -> list[Tensor]:
        found = self.model.model.get_image_features(images["pixel_values"], images["image_grid_thw"])
        return [torch.cat(found.pooler_output)]

    @property
    def projectors(self) -> list[nn.Module]:
        return [self.model.model.visual.merger]

    def positions(self, batch: PromptBatch) -> Tensor:
        if "image_grid_thw" not in batch.images:
            return super().positions(batch).expand(3, -1, -1)
        # row by row in Python: on a GPU each of its many small reads would wait for the device
        ids_BP, grids = batch.ids_BP.cpu(), batch.images["image_grid_thw"].cpu()
        positions_3BP, _ = self.model.model.get_rope_index(
            ids_BP, self._kinds(ids_BP), image_grid_thw=grids, attention_mask=batch.mask_BP.cpu()
        )
        return positions_3BP.to(batch.ids_BP.device)

    def _kinds(self, ids_BP: Tensor) -> Tensor:
        """1 for an image's tokens, 0 for text."""
        return (ids_BP == self.config.image_token_id).long()

    def stock_inputs(self, batch: PromptBatch) -> dict[str, Tensor]:
        return {**super().stock_inputs(batch), "mm_token_type_ids": self._kinds(batch.ids_BP)}


class Qwen3VLAdapter(QwenVLAdapter):
    """Qwen3-VL: features of inner layers of the tower are added inside the decoder (deepstack)."""

    model_types = ("qwen3_vl",)
    modules = {
        "vision_tower": ("model.visual",),
        "projector": ("model.visual.merger", "model.visual.deepstack_merger_list"),
    }

    def image_features(self, images: dict[str, Tensor]) -> list[Tensor]:
        found = self.model.model.get_image_features(images["pixel_values"], images["image_grid_thw"])
        return [torch.cat(found.pooler_output), *(torch.cat(layer) for layer in found.deepstack_features)]

    @property
    def projectors(self) -> list[nn.Module]:
        tower = self.model.model.visual
        return [tower.merger, *tower.deepstack_merger_list]

    def prefix_inputs(self, prefix: Prefix, length: int) -> dict[str, Any]:
        if not prefix.deep_features:
            return {}
        is_image_BL = pad(prefix.is_image_BP, (0, length - prefix.is_image_BP.shape[1]))
        return {"visual_pos_masks": is_image_BL, "deepstack_visual_embeds": prefix.deep_features}
