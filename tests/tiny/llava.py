"""LLaVA-1.5 and LLaVA-NeXT."""

from pathlib import Path

from transformers import (
    CLIPImageProcessor,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaNextConfig,
    LlavaNextForConditionalGeneration,
    LlavaNextImageProcessor,
    LlavaNextProcessor,
    LlavaProcessor,
    MistralConfig,
)

from tests.tiny.parts import byte_level_tokenizer, save, sentencepiece_like_tokenizer, text_sizes

TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] != 'system' %}{{ message['role'].upper() + ': ' }}{% endif %}"
    "{% for part in message['content'] if part['type'] == 'image' %}{{ '<image>\n' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] + ' ' }}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
"""What llava-hf/llava-1.5-7b-hf ships, in fewer words: images first, and no end token after an answer."""
NEXT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' }}"
    "{% for part in message['content'] if part['type'] == 'image' %}{{ '<image>\n' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}{{ ' [/INST]' }}"
    "{% else %}{{ ' ' + message['content'][0]['text'] + '</s>' }}{% endif %}{% endfor %}"
)
"""As llava-hf/llava-v1.6-mistral-7b-hf writes one: what asks for an answer is the end of the question."""
PATCH = 14
COUNTING = {"patch_size": PATCH, "vision_feature_select_strategy": "default", "num_additional_image_tokens": 1}


def vision_config(pixels: int) -> CLIPVisionConfig:
    return CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=pixels,
        patch_size=PATCH,
    )


def image_size(pixels: int) -> dict:
    return {"size": {"shortest_edge": pixels}, "crop_size": {"height": pixels, "width": pixels}}


def tiny_llava(folder: Path, seed: int = 0) -> Path:
    """LLaVA-1.5: a CLIP tower with 9 tokens an image, and a Llama decoder with Vicuna's kind of tokenizer."""
    tokenizer, pixels = sentencepiece_like_tokenizer(["<image>"]), 42
    processor = LlavaProcessor(CLIPImageProcessor(**image_size(pixels)), tokenizer, chat_template=TEMPLATE, **COUNTING)
    config = LlavaConfig(
        vision_config=vision_config(pixels),
        text_config=LlamaConfig(**text_sizes(tokenizer)),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
        image_seq_length=(pixels // PATCH) ** 2,
        tie_word_embeddings=False,
    )
    return save(LlavaForConditionalGeneration(config), processor, folder, seed)


def tiny_llava_next(folder: Path, seed: int = 0) -> Path:
    """LLaVA-NeXT: tiles of 4 tokens, at most 2 x 2 of them beside the whole; a Mistral decoder."""
    tokenizer, pixels = byte_level_tokenizer(["<image>"]), 28
    grids = [[pixels * rows, pixels * columns] for rows, columns in ((1, 2), (2, 1), (2, 2), (1, 3), (3, 1))]
    images = LlavaNextImageProcessor(**image_size(pixels), image_grid_pinpoints=grids)
    processor = LlavaNextProcessor(images, tokenizer, chat_template=NEXT_TEMPLATE, **COUNTING)
    config = LlavaNextConfig(
        vision_config=vision_config(pixels),
        text_config=MistralConfig(**text_sizes(tokenizer, sliding_window=None)),
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
        image_grid_pinpoints=grids,
        tie_word_embeddings=False,
    )
    return save(LlavaNextForConditionalGeneration(config), processor, folder, seed)
