"""What the checks look at: each piece is made when the first check asks for it."""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch

from model_adapters import ModelAdapter
from vlrlcd.cli import Reading, same_command
from vlrlcd.config import Config
from vlrlcd.data.card import Card, load_card
from vlrlcd.data.encode import Length, length
from vlrlcd.data.example import Example, ImageSource
from vlrlcd.data.images import bad_images
from vlrlcd.data.prompts import Templates
from vlrlcd.data.splits import held_out_examples, training_examples
from vlrlcd.doctor.anchors import Stored, stored
from vlrlcd.doctor.remarks import NotThere
from vlrlcd.engine import deepspeed_settings
from vlrlcd.errors import UserError
from vlrlcd.job import descriptions_of
from vlrlcd.methods import METHODS
from vlrlcd.student import DTYPES, Student, student_adapter

T = TypeVar("T")


class piece(Generic[T]):  # noqa: N801, as `property`
    """A property that is made once. Who asks first hears what is wrong with it; to all others it is not there."""

    def __init__(self, name: str):
        self.name = name

    def __call__(self, make: Callable[[Any], T]) -> "piece[T]":
        self.make = make
        return self

    def __get__(self, owner: Any, kind: type) -> T:
        kept = vars(owner).setdefault("_kept", {})
        if self.name not in kept:
            kept[self.name] = NotThere(self.name)
            kept[self.name] = self.make(owner)
        if isinstance(kept[self.name], NotThere):
            raise kept[self.name]
        return kept[self.name]


@dataclass(frozen=True)
class Rows:
    """The rows of a split that can be used, and what is wrong with the others."""

    examples: list[Example]
    faults: list[str]


class Pieces:
    """Of one run, none of it changed or trained."""

    def __init__(self, reading: Reading, processes: int, source: str):
        """Args:
        reading: of the configuration.
        processes: that would train together.
        source: the YAML, for commands and for the run's name.
        """
        self.reading, self.processes, self.source = reading, processes, source

    @piece("the configuration")
    def config(self) -> Config:
        if self.reading.config is None:
            raise NotThere("the configuration")
        return self.reading.config

    @piece("the DeepSpeed file")
    def settings(self) -> dict:
        return deepspeed_settings(self.config, self.processes)

    @piece("the student's configuration and processor")
    def adapter(self) -> ModelAdapter:
        return student_adapter(self.config.model)

    @piece("the student's shape")
    def skeleton(self) -> Student:
        """The student of stage II without a weight, on the meta device."""
        bare, method = copy.copy(self.adapter), METHODS[self.config.stage2.method]
        objective = method and method.objective
        settings = self.config.model
        with torch.device("meta"):
            # `take` would compare numbers, and here are none
            bare.model = bare.auto_model.from_config(copy.deepcopy(bare.config), dtype=DTYPES[settings.dtype])
            return Student(bare, settings, bool(objective), seed=0, with_values=bool(objective and objective.values))

    @piece("the data set's card")
    def card(self) -> Card:
        return load_card(self.config.data.dataset)

    @piece("the training rows")
    def train(self) -> Rows:
        return self._rows(training_examples)

    @piece("the held-out rows")
    def held_out(self) -> Rows:
        return self._rows(held_out_examples)

    def _rows(self, read: Callable[..., list[Example]]) -> Rows:
        faults: list[str] = []
        try:
            return Rows(read(self.config, self.card, lambda fault: faults.append(str(fault))), faults)
        except UserError:
            # with every row at fault the split is empty, which says less
            if not faults:
                raise
            return Rows([], faults)

    @property
    def examples(self) -> list[Example]:
        """The rows of both splits, as far as they are there."""
        found: list[Example] = []
        for name in ("train", "held_out"):
            try:
                found += getattr(self, name).examples
            except (NotThere, UserError):
                continue
        if not found:
            raise NotThere("a row of data")
        return found

    @piece("the images")
    def bad_images(self) -> dict[ImageSource, str]:
        """What is wrong with those that cannot be decoded."""
        return {source: str(fault) for source, fault in bad_images(self.examples)}

    def usable(self, examples: Sequence[Example]) -> list[Example]:
        """The examples whose images can all be decoded."""
        return [example for example in examples if not any(image in self.bad_images for image in example.images)]

    @piece("the prompt templates")
    def templates(self) -> Templates:
        """With words for the images where the student is told them."""
        plain = Templates(self.card)
        described = descriptions_of(self.config, self.card, self.usable(self.examples))
        return plain.described(described.__getitem__) if described else plain

    @piece("the prompts' lengths")
    def lengths(self) -> tuple[list[Length], list[str]]:
        """Of the usable rows, and what is wrong with rows that have none."""
        found, faults = [], []
        for example in self.usable(self.examples):
            try:
                found.append(length(self.adapter, self.templates, example))
            except UserError as fault:
                faults.append(str(fault))
        return found, faults

    @piece("the anchors")
    def anchors(self) -> Stored:
        train = self.usable(self.train.examples)
        if not train:
            raise NotThere("a training row that can be used")
        return stored(self.config, self.card, train, same_command("scripts/collect_anchors.py", self.source))
