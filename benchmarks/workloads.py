"""What the step is measured on: students of random weights in real shapes, with their own processors, and prompts."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoModelForImageTextToText,
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaProcessor,
    Qwen2_5_VLConfig,
    Qwen2_5_VLProcessor,
    Qwen2Config,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)
from transformers.initialization import no_init_weights

from tests.tiny import CHATML_TEMPLATE, llava, qwen_vl
from tests.tiny.parts import byte_level_tokenizer, sentencepiece_like_tokenizer, token_ids

STD = 0.02
LONGEST = 8192
Sizes = dict[str, Any]


@dataclass(frozen=True)
class Workload:
    """Attributes:
    build: (decoder, tower, image side) to (configuration, processor).
    decoder, tower: sizes in the words of the family's configuration.
    side: of the square image in pixels, 0 for none.
    text_tokens: of the prompt, the template's own included.
    """

    build: Callable[[Sizes, Sizes, int], tuple[Any, Any]]
    decoder: Sizes
    tower: Sizes
    side: int
    text_tokens: int
    prompts: int = 2
    candidates: int = 8
    answer_tokens: int = 48
    dtype: str = "float32"
    tuning: str = "full"
    recompute: bool = False


def llava_parts(decoder: Sizes, tower: Sizes, side: int):
    tokenizer = sentencepiece_like_tokenizer(["<image>"])
    pixels = CLIPImageProcessor(**llava.image_size(side))
    processor = LlavaProcessor(pixels, tokenizer, chat_template=llava.TEMPLATE, **llava.COUNTING)
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(image_size=side, patch_size=llava.PATCH, **tower),
        text_config=LlamaConfig(max_position_embeddings=LONGEST, **token_ids(tokenizer), **decoder),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
        image_seq_length=(side // llava.PATCH) ** 2,
        tie_word_embeddings=False,
    )
    return config, processor


def qwen_vl_parts(decoder: Sizes, tower: Sizes, side: int):
    tokenizer = qwen_vl.tokenizer()
    patches = {"patch_size": 14, "merge_size": 2, "temporal_patch_size": 2}
    patches["size"] = {"shortest_edge": side * side, "longest_edge": side * side}
    parts = Qwen2VLImageProcessor(**patches), tokenizer, Qwen2VLVideoProcessor(**patches)
    processor = Qwen2_5_VLProcessor(*parts, chat_template=qwen_vl.TEMPLATE)
    config = Qwen2_5_VLConfig(
        text_config={"max_position_embeddings": LONGEST, **token_ids(tokenizer), **decoder},
        vision_config={"patch_size": 14, "spatial_merge_size": 2, "temporal_patch_size": 2, **tower},
        tie_word_embeddings=decoder["tie_word_embeddings"],
        **qwen_vl.special_ids(tokenizer),
    )
    return config, processor


def text_parts(decoder: Sizes, tower: Sizes, side: int):
    tokenizer = byte_level_tokenizer(["<|endoftext|>", "<|im_start|>", "<|im_end|>"], "<|im_end|>")
    tokenizer.chat_template = CHATML_TEMPLATE
    return Qwen2Config(max_position_embeddings=LONGEST, **token_ids(tokenizer), **decoder), tokenizer


def rotary(*sections: int) -> Sizes:
    return {"rope_parameters": {"rope_type": "default", "rope_theta": 1e6, "mrope_section": list(sections)}}


def sizes(hidden: int, intermediate: int, layers: int, heads: int, key_values: int, vocabulary: int) -> Sizes:
    return {
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": key_values,
        "vocab_size": vocabulary,
        "tie_word_embeddings": False,
    }


def clip(hidden: int, intermediate: int, layers: int, heads: int) -> Sizes:
    return {
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
    }


def qwen_tower(hidden: int, intermediate: int, depth: int, heads: int, out: int, whole: list[int]) -> Sizes:
    return {
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "depth": depth,
        "num_heads": heads,
        "out_hidden_size": out,
        "window_size": 112,
        "fullatt_block_indexes": whole,
    }


BIG = {"prompts": 4, "answer_tokens": 128, "dtype": "bfloat16", "tuning": "lora", "recompute": True}
TIED = {"tie_word_embeddings": True}
WORKLOADS = {
    "llava_9m": Workload(
        llava_parts, sizes(256, 688, 8, 8, 8, 4096), clip(128, 256, 3, 4), side=24 * 14, text_tokens=24
    ),
    "qwen_vl_9m": Workload(
        qwen_vl_parts,
        {**sizes(256, 688, 8, 8, 2, 4096), **rotary(4, 6, 6)},
        qwen_tower(128, 256, 3, 4, 256, [1]),
        side=20 * 28,
        text_tokens=40,
    ),
    "text_9m": Workload(text_parts, sizes(256, 688, 8, 8, 2, 4096), {}, side=0, text_tokens=64),
    "llava_1_5_7b": Workload(
        llava_parts,
        sizes(4096, 11008, 32, 32, 32, 32064),
        clip(1024, 4096, 24, 16),
        side=24 * 14,
        text_tokens=64,
        **BIG,
    ),
    "qwen2_5_vl_3b": Workload(
        qwen_vl_parts,
        {**sizes(2048, 11008, 36, 16, 2, 151936), **rotary(16, 24, 24), **TIED},
        qwen_tower(1280, 3420, 32, 16, 2048, [7, 15, 23, 31]),
        side=20 * 28,
        text_tokens=64,
        **BIG,
    ),
}


def random_model(config, device: str, dtype: str):
    """Weights of which activations stay finite: normal with a small deviation, norms 1, biases 0."""
    auto = AutoModelForImageTextToText if hasattr(config, "vision_config") else AutoModelForCausalLM
    with torch.device(device), no_init_weights():
        model = auto.from_config(config, dtype=getattr(torch, dtype), attn_implementation="sdpa").eval()
    draw = torch.Generator(device).manual_seed(0)
    for name, parameter in model.named_parameters():
        if parameter.dim() > 1:
            parameter.data.normal_(0, STD, generator=draw)
        else:
            parameter.data.fill_(float("norm" in name and name.endswith("weight")))
    return model
