"""Qwen2-VL, Qwen2.5-VL and Qwen3-VL: rotary sections on all three axes, 2 x 2 patches merged into one token."""

from pathlib import Path

from transformers import (
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2VLConfig,
    Qwen2VLForConditionalGeneration,
    Qwen2VLImageProcessor,
    Qwen2VLProcessor,
    Qwen2VLVideoProcessor,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
    Qwen3VLProcessor,
    Qwen3VLVideoProcessor,
)

from tests.tiny.parts import byte_level_tokenizer, save, text_sizes

MARKS = [
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
]
TEMPLATE = (
    "{% for message in messages %}{% if loop.first and message['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\n' }}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '<|vision_start|><|image_pad|><|vision_end|>' }}"
    "{% else %}{{ part['text'] }}{% endif %}{% endfor %}{{ '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
PATCH, MERGED = 4, 8
PIXELS = {"shortest_edge": 2 * MERGED**2, "longest_edge": 12 * MERGED**2}
"""Images take 2 to 12 tokens."""
ROTARY = {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [1, 1, 2]}
"""Heads of 8 have 4 frequencies: one for the time, one for the height, two for the width."""
VISION = {"depth": 3, "num_heads": 2, "patch_size": PATCH, "spatial_merge_size": 2, "temporal_patch_size": 2}


def processor_of(kind: type, video: type, tokenizer: PreTrainedTokenizerFast):
    patches = {"size": PIXELS, "patch_size": PATCH, "merge_size": 2, "temporal_patch_size": 2}
    return kind(Qwen2VLImageProcessor(**patches), tokenizer, video(**patches), chat_template=TEMPLATE)


def special_ids(tokenizer: PreTrainedTokenizerFast) -> dict[str, int]:
    names = {"image": "image_pad", "video": "video_pad", "vision_start": "vision_start", "vision_end": "vision_end"}
    return {f"{key}_token_id": tokenizer.convert_tokens_to_ids(f"<|{name}|>") for key, name in names.items()}


def tokenizer() -> PreTrainedTokenizerFast:
    return byte_level_tokenizer(MARKS, end="<|im_end|>", begins=False)


def tiny_qwen2_vl(folder: Path, seed: int = 0) -> Path:
    """Qwen2-VL with its head tied to the embeddings, as the 2B is."""
    words = tokenizer()
    config = Qwen2VLConfig(
        text_config=text_sizes(words, rope_parameters=ROTARY, tie_word_embeddings=True),
        vision_config={**VISION, "embed_dim": 16, "hidden_size": 32, "mlp_ratio": 2},
        tie_word_embeddings=True,
        **special_ids(words),
    )
    processor = processor_of(Qwen2VLProcessor, Qwen2VLVideoProcessor, words)
    return save(Qwen2VLForConditionalGeneration(config), processor, folder, seed)


def tiny_qwen2_5_vl(folder: Path, seed: int = 0) -> Path:
    """Qwen2.5-VL: the tower attends in windows of 2 x 2 tokens, but for one layer."""
    words = tokenizer()
    windows = {"window_size": 2 * MERGED, "fullatt_block_indexes": [1]}
    config = Qwen2_5_VLConfig(
        text_config=text_sizes(words, rope_parameters=ROTARY),
        vision_config={**VISION, **windows, "hidden_size": 16, "intermediate_size": 32, "out_hidden_size": 32},
        tie_word_embeddings=False,
        **special_ids(words),
    )
    processor = processor_of(Qwen2_5_VLProcessor, Qwen2VLVideoProcessor, words)
    return save(Qwen2_5_VLForConditionalGeneration(config), processor, folder, seed)


def tiny_qwen3_vl(folder: Path, seed: int = 0) -> Path:
    """Qwen3-VL: features of two layers of the tower enter behind the first two of the three layers of the decoder."""
    words = tokenizer()
    places = {"num_position_embeddings": 16, "deepstack_visual_indexes": [0, 1]}
    interleaved = {**ROTARY, "mrope_interleaved": True}
    config = Qwen3VLConfig(
        text_config=text_sizes(words, num_hidden_layers=3, rope_parameters=interleaved, head_dim=8),
        vision_config={**VISION, **places, "hidden_size": 16, "intermediate_size": 32, "out_hidden_size": 32},
        tie_word_embeddings=False,
        **special_ids(words),
    )
    processor = processor_of(Qwen3VLProcessor, Qwen3VLVideoProcessor, words)
    return save(Qwen3VLForConditionalGeneration(config), processor, folder, seed)
