"""Answers as token ids behind a prompt."""

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from model_adapters.chat import ChatFormat
from tests.tiny import CHATML_TEMPLATE

MARKS = ["<|im_start|>", "<|im_end|>"]


@pytest.fixture(scope="module")
def tokenizer():
    """One that has a token for two line breaks."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=259, special_tokens=MARKS, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(["\n\n\n\n"] * 9, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, additional_special_tokens=MARKS, chat_template=CHATML_TEMPLATE
    )


@pytest.mark.parametrize("answer", ["red", "\nred", "\n\n", ""])
def test_an_answer_that_would_merge_with_the_prompt_stays_behind_it(tokenizer, answer):
    chat = ChatFormat(tokenizer, ())
    prompt = chat.encode([{"role": "user", "content": [{"type": "text", "text": "why?"}]}])
    ids = chat.encode_answer(answer)
    written = chat.render([{"role": "user", "content": [{"type": "text", "text": "why?"}]}]) + answer
    assert tokenizer.decode([*prompt, *ids]) == written
    together = tokenizer(written)["input_ids"]
    assert ([*prompt, *ids] == together) == (not answer.startswith("\n"))
