"""Groups in a fixed random order: what step i trains on depends on the seed and i alone."""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

from model_adapters import ModelAdapter, PromptRow
from vlrlcd.data.encode import encode
from vlrlcd.data.example import Example
from vlrlcd.data.prompts import Templates
from vlrlcd.data.tasks import Check
from vlrlcd.draws import generator
from vlrlcd.group import Group
from vlrlcd.processes.ranks import own_share

KEPT_BYTES = 2**30
"""What encoded prompts may take in each process; a small data set is decoded and tokenised in its first epoch alone."""


TOKEN_BYTES = 36
"""A number of Python's and its place in a tuple."""


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
        check: Check | None,
        rows: "RowCache",
    ):
        """`rows`: what is encoded already, perhaps of another stage."""
        self.adapter, self.templates, self.anchors, self.seed = adapter, templates, anchors, seed
        self.examples, self.check = examples, check
        self.steps_per_epoch = math.ceil(len(examples) / prompts_per_step)
        self.prompts_per_step = prompts_per_step
        self._rows = rows

    def steps(self, epochs: float) -> int:
        """Optimiser steps of so many passes over the prompts."""
        return math.ceil(epochs * self.steps_per_epoch)

    def groups(self, step: int) -> list[Group]:
        """This process's groups of one step; the last step of an epoch may have fewer.

        Every process gets the same number: what fills up a share has weight 0.
        """
        epoch, within = divmod(step, self.steps_per_epoch)
        order = generator(self.seed, "order", epoch).permutation(len(self.examples))
        chosen = order[within * self.prompts_per_step : (within + 1) * self.prompts_per_step]
        own, real = own_share(chosen.tolist())
        return [self._group(self.examples[i], weight=float(place < real)) for place, i in enumerate(own)]

    def _group(self, example: Example, weight: float) -> Group:
        anchor = self.anchors[example.id]
        row = self._rows.get(example.id, lambda: encode(self.adapter, self.templates.render("student", example)))
        answer, said = self.adapter.encode_answer(anchor), self.templates.descriptions(example)
        return Group(example, row, anchor, answer, self.check, weight=weight, descriptions=said)


class RowCache:
    """Encoded prompts, as many of those used last as fit into so many bytes."""

    def __init__(self, limit: int = KEPT_BYTES):
        self.limit, self.bytes = limit, 0
        self._rows: OrderedDict[str, PromptRow] = OrderedDict()

    def get(self, name: str, make: Callable[[], PromptRow]) -> PromptRow:
        """The row of this name, made where it is not there."""
        if name in self._rows:
            self._rows.move_to_end(name)
            return self._rows[name]
        row = make()
        self._rows[name], self.bytes = row, self.bytes + _bytes(row)
        while self.bytes > self.limit:
            _, oldest = self._rows.popitem(last=False)
            self.bytes -= _bytes(oldest)
        return row


def _bytes(row: PromptRow) -> int:
    return sum(tensor.nbytes for tensor in row.images.values()) + TOKEN_BYTES * (len(row.ids) + row.image_tokens)


def groups_ahead(loader: GroupLoader, steps: range) -> Iterator[list[Group]]:
    """The groups of each step; those of the next one are decoded and tokenised while this one is learned from."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(loader.groups, steps.start) if steps else None
        for step in steps:
            groups = waiting.result()
            if step + 1 < steps.stop:
                waiting = pool.submit(loader.groups, step + 1)
            yield groups


def shuffled_anchors(anchors: dict[str, str], seed: int) -> dict[str, str]:
    """The control `anchors_shuffled`: every prompt gets the anchor of another prompt (a random cycle)."""
    ids = list(anchors)
    order = [ids[i] for i in generator(seed, "anchors_shuffled").permutation(len(ids))]
    return {own: anchors[other] for own, other in zip(order, order[1:] + order[:1], strict=True)}
