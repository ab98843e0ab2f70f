"""Text-only students."""

from pathlib import Path

from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

from tests.tiny.parts import END, byte_level_tokenizer, save, text_sizes

CHATML_TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
"""As Qwen writes a conversation, without its default system message: the words of a message are one string."""
HEADER_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ '<|head|>' + message['role'] + '<|/head|>\n\n' }}"
    "{{ message['content'] | trim }}{{ '</s>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|head|>assistant<|/head|>\n\n' }}{% endif %}"
)
"""As Llama 3 writes one: the template itself begins the text."""


def tiny_text(folder: Path, config: type, template: str, marks: list[str], end: str, seed: int = 0, **more) -> Path:
    """A decoder, and a tokenizer with this chat template.

    Args:
        folder: where it goes.
        config: the family's configuration class.
        template: its chat template.
        marks: special tokens that the template writes, besides <pad>, <s> and </s>.
        end: the token that ends an answer.
        seed: of the weights.
        more: of the configuration.
    """
    tokenizer = byte_level_tokenizer(marks, end)
    tokenizer.chat_template = template
    model = AutoModelForCausalLM.from_config(config(**text_sizes(tokenizer, **more)))
    return save(model, tokenizer, folder, seed)


def tiny_qwen2(folder: Path, seed: int = 1) -> Path:
    """Qwen2: biases in the attention, ChatML."""
    return tiny_text(
        folder, Qwen2Config, CHATML_TEMPLATE, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], "<|im_end|>", seed
    )


def tiny_llama(folder: Path, seed: int = 0) -> Path:
    """Llama 3."""
    return tiny_text(folder, LlamaConfig, HEADER_TEMPLATE, ["<|head|>", "<|/head|>"], END, seed)
