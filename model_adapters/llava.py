"""LLaVA-1.5: a CLIP-like tower, a projector and a Llama-like decoder."""

import torch
from torch import Tensor, nn

from model_adapters.base import AdapterError, ModelAdapter, Prefix, PromptBatch


class LlavaAdapter(ModelAdapter):
    model_types = ("llava",)
    sees_images = True
    vision_modules = ("model.vision_tower",)
    lora_targets = r"model\.language_model\..*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"

    def __init__(self, checkpoint: str, config):
        super().__init__(checkpoint, config)
        if self.processor.patch_size is None or self.processor.vision_feature_select_strategy is None:
            raise AdapterError(
                f"{checkpoint}: processor_config.json lacks patch_size or vision_feature_select_strategy, "
                "so the number of image tokens is unknown; copy both from the model's config.json."
            )

    @property
    def placeholder_ids(self) -> tuple[int, ...]:
        return (self.config.image_token_id,)

    @property
    def decoder(self) -> nn.Module:
        return self.model.model.language_model

    def logits(self, hidden: Tensor) -> Tensor:
        return self.model.lm_head(hidden)

    def image_token_counts(self, sizes_hw: list[tuple[int, int]]) -> list[int]:
        if not sizes_hw:
            return []
        return self.processor._get_num_multimodal_tokens(image_sizes=sizes_hw)["num_image_tokens"]

    def encode_images(self, images: list) -> dict[str, Tensor]:
        if not images:
            return {}
        return {"pixel_values": self.processor.image_processor(images, return_tensors="pt")["pixel_values"]}

    def embed(self, batch: PromptBatch) -> Prefix:
        embeds_BPH = self.embed_tokens(batch.ids_BP)
        pixels = batch.images.get("pixel_values")
        features_NH = self._features(self._blank(embeds_BPH) if pixels is None else pixels.to(embeds_BPH.dtype))
        if pixels is None:
            embeds_BPH = embeds_BPH + 0 * features_NH.sum()
        else:
            is_image_BP1 = (batch.ids_BP == self.config.image_token_id)[..., None]
            embeds_BPH = embeds_BPH.masked_scatter(is_image_BP1, features_NH.to(embeds_BPH.dtype))
        positions_BP = (batch.mask_BP.long().cumsum(-1) - 1).clamp(min=0)
        return Prefix(embeds_BPH, batch.mask_BP, positions_BP, positions_BP[:, -1] + 1)

    def _features(self, pixels: Tensor) -> Tensor:
        return torch.cat(list(self.model.model.get_image_features(pixels).pooler_output))

    def _blank(self, like: Tensor) -> Tensor:
        vision = self.config.vision_config
        return like.new_zeros(1, vision.num_channels, vision.image_size, vision.image_size)
