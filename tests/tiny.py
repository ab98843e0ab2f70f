"""Tiny checkpoints with random weights, one per `config.model_type`, built offline in well under a second."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2Config,
)

WORDS = [
    "USER: what colour is the round thing left of the square? Answer: red ASSISTANT: it is a blue cube",
    "Below are a reference answer and a candidate answer to this question. Reply Yes or No.",
    *[" Yes No yes no YES NO"] * 3,
]
LLAVA_TEMPLATE = (
    "{% for message in messages %}"
    "{% if message['role'] != 'system' %}{{ message['role'].upper() + ': ' }}{% endif %}"
    "{% for part in message['content'] if part['type'] == 'image' %}{{ '<image>\n' }}{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] + ' ' }}{% endfor %}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}"
)
"""What llava-hf/llava-1.5-7b-hf ships, in fewer words: images first, and no end token after an answer."""


def byte_level_tokenizer(specials: list[str], placeholders: list[str], vocabulary: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE that begins every text with `<s>`; `specials` must hold <pad>, <s> and </s>."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(WORDS, trainer)
    begin = tokenizer.token_to_id("<s>")
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", begin)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=placeholders,
    )


def scatter_weights(model: nn.Module, seed: int) -> None:
    """Weights large enough that attention, images and next-token distributions are far from uniform."""
    rng = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        fan_in = parameter.shape[1:].numel()
        if "embed" in name and "patch" not in name:
            parameter.data.normal_(std=1.0, generator=rng)
        elif parameter.dim() > 1:
            parameter.data.normal_(std=1.5 / fan_in**0.5, generator=rng)
        else:
            parameter.data += torch.empty_like(parameter).normal_(std=0.1, generator=rng)


def tiny_llava(folder: Path, seed: int = 0) -> Path:
    """LLaVA-1.5: a CLIP tower with 9 tokens an image, and a Llama decoder with grouped key-value heads."""
    tokenizer = byte_level_tokenizer(["<pad>", "<s>", "</s>", "<image>"], ["<image>"], vocabulary=360)
    pixels, patch = 42, 14
    processor = LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": pixels}, crop_size={"height": pixels, "width": pixels}),
        tokenizer,
        patch_size=patch,
        vision_feature_select_strategy="default",
        chat_template=LLAVA_TEMPLATE,
        num_additional_image_tokens=1,
    )
    vision = CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=3,
        num_attention_heads=2,
        image_size=pixels,
        patch_size=patch,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_layer=-2,
        image_seq_length=(pixels // patch) ** 2,
        tie_word_embeddings=False,
    )
    model = LlavaForConditionalGeneration(config)
    scatter_weights(model, seed)
    model.generation_config = GenerationConfig(
        pad_token_id=tokenizer.pad_token_id, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id
    )
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


WORDS_OF_MESSAGE = "message['content'] if message['content'] is string else message['content'][0]['text']"
CHATML_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    f"{{{{ {WORDS_OF_MESSAGE} }}}}{{{{ '<|im_end|>\n' }}}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""As Qwen writes a conversation, without its default system message."""
HEADER_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ '<|head|>' + message['role'] + '<|/head|>\n\n' }}"
    f"{{{{ ({WORDS_OF_MESSAGE}) | trim }}}}{{{{ '</s>' }}}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|head|>assistant<|/head|>\n\n' }}{% endif %}"
)
"""As Llama 3 writes one: the template itself begins the text."""


def tiny_text(folder: Path, config: type, template: str, marks: list[str], end: str, seed: int = 0, **more) -> Path:
    """A text-only student: a decoder with grouped key-value heads, and a tokenizer with this chat template.

    Args:
        folder: where it goes.
        config: the family's configuration class.
        template: its chat template.
        marks: special tokens that the template writes, besides <pad>, <s> and </s>.
        end: the token that ends an answer.
        seed: of the weights.
        more: of the configuration.
    """
    tokenizer = byte_level_tokenizer(["<pad>", "<s>", "</s>", *marks], marks, vocabulary=360)
    tokenizer.eos_token, tokenizer.chat_template = end, template
    ids = {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")}
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "max_position_embeddings": 512}
    heads = {"num_attention_heads": 4, "num_key_value_heads": 2, "tie_word_embeddings": False}
    model = AutoModelForCausalLM.from_config(config(vocab_size=len(tokenizer), **sizes, **heads, **ids, **more))
    scatter_weights(model, seed)
    model.generation_config = GenerationConfig(**ids)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def tiny_qwen2(folder: Path, seed: int = 1) -> Path:
    """Qwen2: biases in the attention, ChatML."""
    return tiny_text(folder, Qwen2Config, CHATML_TEMPLATE, ["<|im_start|>", "<|im_end|>"], "<|im_end|>", seed)


def tiny_llama(folder: Path, seed: int = 0) -> Path:
    """Llama 3."""
    return tiny_text(folder, LlamaConfig, HEADER_TEMPLATE, ["<|head|>", "<|/head|>"], "</s>", seed)


FAMILIES = {"llava": tiny_llava, "qwen2": tiny_qwen2, "llama": tiny_llama}
