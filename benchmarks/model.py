"""A LLaVA of about nine million parameters with random weights, held in memory."""

import torch
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

from model_adapters.llava import LlavaAdapter

PATCH = 14


class RandomLlava(LlavaAdapter):
    """The LLaVA adapter over weights that come from no checkpoint; prompts are token ids, so it needs no processor."""

    def __init__(self, image_tokens: int, longest: int):
        side = round(image_tokens**0.5)
        if side * side != image_tokens:
            raise SystemExit(f"--image-tokens {image_tokens} is not a square number")
        self.pixels = side * PATCH
        vision = CLIPVisionConfig(
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=3,
            num_attention_heads=4,
            image_size=self.pixels,
            patch_size=PATCH,
        )
        text = LlamaConfig(
            vocab_size=4096,
            hidden_size=256,
            intermediate_size=688,
            num_hidden_layers=8,
            num_attention_heads=8,
            num_key_value_heads=8,
            max_position_embeddings=longest,
            tie_word_embeddings=False,
        )
        self.config = LlavaConfig(
            vision_config=vision,
            text_config=text,
            image_token_index=4,
            vision_feature_layer=-2,
            image_seq_length=image_tokens,
            tie_word_embeddings=False,
        )
        torch.manual_seed(0)
        self.take(LlavaForConditionalGeneration._from_config(self.config, attn_implementation="sdpa").eval())
        self.model.requires_grad_(True)
        for prefix in self.modules["vision_tower"]:
            self.model.get_submodule(prefix).requires_grad_(False)

    # no token ends an answer: both sides write exactly as many tokens as asked
    stop_ids = ()
