"""Prompts in a fixed random order: what step i trains on depends on the seed and i alone."""

import math

from model_adapters import ModelAdapter, PromptRow
from vlrlcd.data.example import Example, Message
from vlrlcd.data.images import decode, size_hw
from vlrlcd.data.prompts import Templates
from vlrlcd.draws import generator
from vlrlcd.errors import UserError
from vlrlcd.group import Group


def encode(adapter: ModelAdapter, messages: list[Message]) -> PromptRow:
    """A prompt to ids and image tensors; its images are decoded here and not before."""
    parts = [
        {**m, "content": [{**p, "image": decode(p["image"])} if p["type"] == "image" else p for p in m["content"]]}
        for m in messages
    ]
    return adapter.encode(parts)


class GroupLoader:
    """Groups by step, each with its prompt encoded and its anchor, candidates still missing."""

    def __init__(
        self,
        adapter: ModelAdapter,
        templates: Templates,
        examples: list[Example],
        anchors: dict[str, str],
        prompts_per_step: int,
        seed: int,
    ):
        self.adapter, self.templates, self.anchors, self.seed = adapter, templates, anchors, seed
        self.examples = examples
        self.steps_per_epoch = math.ceil(len(examples) / prompts_per_step)
        self.prompts_per_step = prompts_per_step

    def steps(self, epochs: float) -> int:
        """Optimiser steps of so many passes over the prompts."""
        return math.ceil(epochs * self.steps_per_epoch)

    def groups(self, step: int) -> list[Group]:
        """The groups of one step; the last step of an epoch may have fewer."""
        epoch, within = divmod(step, self.steps_per_epoch)
        order = generator(self.seed, "order", epoch).permutation(len(self.examples))
        chosen = order[within * self.prompts_per_step : (within + 1) * self.prompts_per_step]
        return [self._group(self.examples[i]) for i in chosen]

    def _group(self, example: Example) -> Group:
        anchor = self.anchors[example.id]
        row = encode(self.adapter, self.templates.render("student", example))
        return Group(example, row, anchor, self.adapter.encode_answer(anchor))


def check_lengths(adapter: ModelAdapter, templates: Templates, examples: list[Example], max_new_tokens: int) -> None:
    """Preflight: every prompt and its answer fit the model's context. Images are never cut.

    Raises:
        UserError: names the row, its tokens and how many of them are image.
    """
    for example in examples:
        counts = tuple(adapter.image_token_counts([size_hw(source) for source in example.images]))
        tokens = len(adapter.encode_text(templates.render("student", example), counts))
        if tokens + max_new_tokens > adapter.max_positions:
            raise UserError(
                f"{example.place}: the prompt has {tokens} tokens, {sum(counts)} of them image, and with "
                f"sampling.max_new_tokens={max_new_tokens} it passes the model's {adapter.max_positions}; shorten the "
                "question, lower sampling.max_new_tokens, or leave the row out."
            )
