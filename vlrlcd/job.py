"""Everything a run needs before a weight is loaded, with every check of the user's files."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

import torch

from model_adapters import ModelAdapter, PromptRow, Tokens
from model_adapters.eyes import Grounding
from vlrlcd.anchors.quality import SetAside
from vlrlcd.anchors.ready import ReadyAnchors, ready_anchors
from vlrlcd.anchors.unreadable import unreadable
from vlrlcd.cli import same_command
from vlrlcd.config import Config, used_stages
from vlrlcd.data.card import Card, load_card
from vlrlcd.data.descriptions import check_eyes, describe_all, image_sources
from vlrlcd.data.encode import check_lengths, image_ids, length
from vlrlcd.data.example import Example, ImageSource
from vlrlcd.data.images import check_images
from vlrlcd.data.prompts import Templates
from vlrlcd.data.splits import asked_examples, held_out_examples, training_examples
from vlrlcd.engine import deepspeed_settings
from vlrlcd.errors import UserError
from vlrlcd.evaluation.evaluate import Questions
from vlrlcd.group import Group
from vlrlcd.judging.judges import open_judge
from vlrlcd.methods import METHODS
from vlrlcd.processes import ranks
from vlrlcd.ranking.scorers import SCORERS, Scorer
from vlrlcd.student import part_tuning, student_adapter
from vlrlcd.tracking import check_trackers


@dataclass(frozen=True)
class Job:
    """Checked inputs of a run.

    Attributes:
        adapter: without its weights.
        train: the prompts that are trained on, each with an anchor.
        seen: all training prompts, for the majority answer; none where they are what is asked.
        layout: what a checkpoint to resume from depends on besides the configuration.
        anchors: the teacher's answers, what was set aside, what they cost.
    """

    adapter: ModelAdapter
    card: Card
    templates: Templates
    train: list[Example]
    seen: list[Example]
    held_out: list[Example]
    layout: dict[str, str]
    anchors: ReadyAnchors

    @property
    def questions(self) -> Questions:
        """What is asked in an evaluation."""
        return Questions(self.card, self.templates, self.held_out, self.seen)


def prepare(config: Config, source: str | Path = "the configuration") -> Job:
    """Reads and checks configuration, checkpoint family, data, images, anchors and lengths, in this order; no network.

    The first process alone decodes and describes images, counts tokens and opens the anchor store; the others are told
    descriptions and anchors.

    Args:
        config: everything that the run depends on.
        source: the name of the YAML, for errors.

    Raises:
        UserError, AdapterError: one sentence that names the place and the cure.
    """
    check_precision(config)
    deepspeed_settings(config, ranks.count())
    layout: dict[str, str] = {}
    adapter = student_adapter(config.model)
    part_tuning(adapter, config.model)
    check_method(config)
    judge_words(config, adapter)
    check_eyes(config, adapter)
    check_clip(config)
    check_trackers(config)
    card = load_card(config.data.dataset)
    train = training_examples(config, card)
    held_out = held_out_examples(config, card)
    check_processes(config, train, ranks.count())
    templates = Templates(card)

    def checked_images() -> list[SetAside]:
        check_images(held_out)
        return unreadable(config.data, train)

    def checked_anchors() -> ReadyAnchors:
        check_judge(config, card, train)
        check_oracle(config, card, train)
        command = same_command("scripts/collect_anchors.py", source)
        return replace(ready_anchors(config, card, templates, train, command), unreadable=left_out)

    def check_prompts() -> None:
        check_lengths(adapter, templates, [*train, *held_out], config.sampling.max_new_tokens)
        for fault in long_anchors(config, adapter, templates, train, anchors.texts):
            raise UserError(fault)

    left_out = ranks.once(checked_images)
    train = [example for example in train if example.id not in {row.id for row in left_out}]
    check_processes(config, train, ranks.count())
    anchors = ranks.once(checked_anchors)
    if descriptions := descriptions_of(config, card, [*train, *held_out]):
        templates = templates.described(descriptions.__getitem__)
        layout["descriptions"] = sha256("\n".join(descriptions.values()).encode()).hexdigest()[:12]
    ranks.once(check_prompts)
    seen = [] if config.data.train_split == config.evaluation.split else train
    train = [example for example in train if example.id in anchors.texts]
    check_processes(config, train, ranks.count())
    return Job(adapter, card, templates, train, seen, held_out, layout, anchors)


def prepare_questions(config: Config) -> tuple[ModelAdapter, Questions]:
    """Reads and checks what evaluating a checkpoint needs; no anchors, no training.

    The majority answer is taken from the training prompts where there are any, and they are not what is asked.

    Raises:
        UserError, AdapterError: one sentence that names the place and the cure.
    """
    check_precision(config)
    adapter = student_adapter(config.model)
    check_eyes(config, adapter)
    check_clip(config)
    card = load_card(config.data.dataset)
    examples = asked_examples(config, card)
    templates = Templates(card)
    ranks.once(lambda: check_images(examples))
    if descriptions := descriptions_of(config, card, examples):
        templates = templates.described(descriptions.__getitem__)
    ranks.once(lambda: check_lengths(adapter, templates, examples, config.sampling.max_new_tokens))
    return adapter, Questions(card, templates, examples, _seen(config, card))


def _seen(config: Config, card: Card) -> list[Example]:
    if config.data.train_split == config.evaluation.split:
        return []
    try:
        return training_examples(config, card)
    except UserError as fault:
        if ranks.first():
            print(f"the majority answer is left out: {fault}")
        return []


def check_clip(config: Config) -> None:
    """Raises AdapterError if the model that measures grounding cannot be read."""
    clip, architecture = config.evaluation.clip, config.evaluation.clip_architecture
    if clip:
        Grounding(clip, architecture)


def descriptions_of(config: Config, card: Card, examples: Sequence[Example]) -> dict[ImageSource, str]:
    """Words for every image; none where the student has no eyes."""
    sources = image_sources(examples)
    if not config.eyes.checkpoint or not sources:
        return {}
    return dict(zip(sources, ranks.once(lambda: describe_all(config, card, sources)), strict=True))


def long_anchors(
    config: Config, adapter: ModelAdapter, templates: Templates, train: Sequence[Example], anchors: Mapping[str, str]
) -> Iterator[str]:
    """A sentence for each row whose anchor does not fit: into the prompt that the student ranks with, which shows it
    and perhaps a candidate, or, where it ranks nothing, behind its own prompt."""
    scorer, most = _scorer(config), adapter.max_positions
    for example in train:
        if (anchor := anchors.get(example.id)) is None:
            continue
        answer = adapter.encode_answer(anchor)
        if scorer:
            yield from _long_judge_prompt(scorer, config, adapter, templates, example, answer, anchor)
        elif (own := length(adapter, templates, example)).tokens + len(answer) > most:
            yield (
                f"{example.place}: the prompt has {own.tokens} tokens, {own.image_tokens} of them image, and with its "
                f"anchor's {len(answer)} it passes the model's {most}; shorten the anchor, or leave the row out."
            )


def _long_judge_prompt(scorer, config, adapter, templates, example, answer, anchor) -> Iterator[str]:
    longest, images = config.sampling.max_new_tokens, image_ids(adapter, example, templates.render("student", example))
    row = PromptRow((), {}, images)
    prompt = scorer.layout(adapter, templates, Group(example, row, anchor, answer, check=None))
    tokens = len(prompt.row.ids) + max(len(branch) for branch in prompt.branches)
    if tokens + longest > adapter.max_positions:
        yield (
            f"{example.place}: the judge's prompt with the anchor has {tokens} tokens, {row.image_tokens} of them "
            f"image, and with sampling.max_new_tokens={longest} it passes the model's {adapter.max_positions}; "
            "shorten the anchor, lower sampling.max_new_tokens, or leave the row out."
        )


def _scorer(config: Config) -> Scorer | None:
    """What the student ranks with, where the method lets it."""
    method = METHODS[config.stage2.method]
    asks = method and method.supervision and method.supervision.scorer
    return SCORERS[asks(config.ranking)] if asks else None


def check_method(config: Config) -> None:
    """Raises UserError if the method does not have what it learns from."""
    method, name = METHODS[config.stage2.method], config.stage2.method
    supervision = method and method.supervision
    if supervision and supervision.draws_all and config.sampling.candidates < 2:
        raise UserError(
            f"sampling.candidates={config.sampling.candidates}: {name} ranks candidates and needs 2 or more."
        )
    if config.ranking.control != "none" and not (supervision and supervision.scaled):
        raise UserError(
            f"ranking.control={config.ranking.control} takes the place of margins, and stage2.method={name} has none; "
            "leave it out."
        )
    if config.ranking.control in ("d_permuted", "d_uniform") and not method.objective.learns_d:
        raise UserError(
            f"ranking.control={config.ranking.control} takes the place of D, and stage2.method={name} learns from the "
            "margins themselves; use stage2.method=ldl_grpo or another control."
        )


def judge_words(config: Config, adapter: ModelAdapter) -> tuple[Tokens, ...]:
    """The tokens that the scorer reads its score off: of Yes and of No, or each grade's; none for whole answers.

    Raises:
        UserError: the vocabulary has no tokens of their own for them.
    """
    scorer = _scorer(config)
    if not (scorer and scorer.reading):
        return ()
    (words,) = scorer.reading(adapter).keywords.values()
    return tuple(word if isinstance(word, tuple) else (word,) for word in words)


def check_oracle(config: Config, card: Card, train: Sequence[Example]) -> None:
    """Raises UserError naming the first row that ranking.control=oracle cannot check."""
    if config.ranking.control != "oracle":
        return
    for example in train:
        if card.check is None or not card.check.has_key(example):
            raise UserError(
                f"{example.place}: ranking.control=oracle needs an answer that can be checked, and this row has none; "
                "choose another control, or a data set whose answers can be checked and rows that have one."
            )


def asks_judge(config: Config) -> bool:
    """Whether the method asks the configuration's judge while it trains."""
    method = METHODS[config.stage2.method]
    return bool(method and method.supervision and method.supervision.judged)


def check_judge(config: Config, card: Card, train: list[Example]) -> None:
    """Raises UserError if the method asks a judge, and that one could not be asked."""
    if asks_judge(config):
        with open_judge(config, card, train) as judge:
            judge.check()


def check_precision(config: Config) -> None:
    """Raises UserError for a precision that this machine cannot train in."""
    if config.model.dtype == "float16" and not torch.cuda.is_available():
        raise UserError(
            "model.dtype=float16 needs a GPU, for its arithmetic and its loss scaling, and this machine has none; use "
            "--model.dtype=bfloat16 or --model.dtype=float32."
        )


def check_processes(config: Config, train: Sequence[Example], processes: int) -> None:
    """Raises UserError if so many processes would not all have work in every step."""
    per_step = {stage: getattr(config, stage).prompts_per_step for stage in used_stages(config)}
    sizes = {
        f"{config.data.root} with {len(train)} training prompts": len(train),
        **{f"{stage}.prompts_per_step={size}": size for stage, size in per_step.items()},
    }
    for said, size in sizes.items():
        if size < processes:
            raise UserError(
                f"{said} is too little for {processes} processes, some would never have work: start fewer "
                "(deepspeed --num_gpus N) or give them more."
            )
