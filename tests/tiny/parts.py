"""What the tiny checkpoints are put together from."""

import json
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import nn
from transformers import GenerationConfig, PreTrainedTokenizerFast

WORDS = [
    "USER: what colour is the round thing left of the square? Answer: red ASSISTANT: it is a blue cube",
    "Below are a reference answer and a candidate answer to this question. Reply Yes or No.",
    *[" Yes No yes no YES NO"] * 3,
]
PAD, BEGIN, END = "<pad>", "<s>", "</s>"
BLANK = "\u2581"


def byte_level_tokenizer(
    marks: list[str], end: str = END, begins: bool = True, **named: str
) -> PreTrainedTokenizerFast:
    """A byte-level BPE.

    Args:
        marks: special tokens besides <pad>, <s> and </s>.
        end: the token that ends an answer.
        begins: every text begins with <s>; Qwen's have no such token.
        named: marks that the family's processor looks up by a name.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=360,
        special_tokens=list(dict.fromkeys([PAD, BEGIN, END, *marks])),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(WORDS, trainer)
    if begins:
        begin = tokenizer.token_to_id(BEGIN)
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[(BEGIN, begin)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BEGIN if begins else None,
        eos_token=end,
        additional_special_tokens=marks,
        model_specific_special_tokens=named,
    )


def sentencepiece_like_tokenizer(marks: list[str]) -> PreTrainedTokenizerFast:
    """A BPE as Llama 2 and Vicuna have it: blanks are letters, one is put in front of every piece of text, and what has
    no letter falls back on bytes.
    """
    letters = [chr(code) for code in range(33, 127)] + [BLANK]
    specials = list(dict.fromkeys([PAD, BEGIN, END, "<unk>", *marks]))
    trainee = Tokenizer(models.BPE())
    trainee.normalizer = normalizers.Replace(" ", BLANK)
    trainee.pre_tokenizer = pre_tokenizers.Split(BLANK, "merged_with_next")
    trainer = trainers.BpeTrainer(
        vocab_size=260, special_tokens=specials, initial_alphabet=letters, show_progress=False
    )
    trainee.train_from_iterator(WORDS, trainer)
    learned = json.loads(trainee.to_str())["model"]
    vocabulary = learned["vocab"] | {f"<0x{byte:02X}>": len(learned["vocab"]) + byte for byte in range(256)}
    merges = [tuple(pair) for pair in learned["merges"]]
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend(BLANK), normalizers.Replace(" ", BLANK)])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(BLANK, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.add_special_tokens(specials)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[(BEGIN, tokenizer.token_to_id(BEGIN))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BEGIN,
        eos_token=END,
        unk_token="<unk>",
        additional_special_tokens=marks,
    )


def text_sizes(tokenizer: PreTrainedTokenizerFast, **more) -> dict:
    """What the configuration of a two-layer decoder with grouped key-value heads says, in Llama's words."""
    return {
        "vocab_size": len(tokenizer),
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
        "tie_word_embeddings": False,
        **token_ids(tokenizer),
        **more,
    }


def token_ids(tokenizer: PreTrainedTokenizerFast) -> dict[str, int | None]:
    return {f"{name}_token_id": getattr(tokenizer, f"{name}_token_id") for name in ("pad", "bos", "eos")}


def scatter_weights(model: nn.Module, seed: int) -> None:
    """Weights large enough that attention, images and next-token distributions are far from uniform."""
    rng = torch.Generator().manual_seed(seed)
    # a head that is the embeddings would make log-probs too large to compare to five digits
    embedding_std = 0.3 if model.config.tie_word_embeddings else 1.0
    for name, parameter in model.named_parameters():
        fan_in = parameter.shape[1:].numel()
        if "embed" in name and "patch" not in name:
            parameter.data.normal_(std=embedding_std, generator=rng)
        elif parameter.dim() > 1:
            parameter.data.normal_(std=1.5 / fan_in**0.5, generator=rng)
        else:
            noise = torch.empty_like(parameter).normal_(std=0.1, generator=rng)
            # a norm or bias begins constant; what began random would make every checkpoint another
            parameter.data = noise + (parameter.data if (parameter == parameter[0]).all() else 0)


def save(model: nn.Module, processor, folder: Path, seed: int) -> Path:
    """Scatters the weights and writes a checkpoint in the Hugging Face layout."""
    scatter_weights(model, seed)
    model.generation_config = GenerationConfig(**token_ids(getattr(processor, "tokenizer", processor)))
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
