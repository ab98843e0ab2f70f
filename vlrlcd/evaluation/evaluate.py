"""A student on a split: greedy answers, controls, scores with intervals, and the files that others read."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_adapters.eyes import Grounding
from vlrlcd.config import Config
from vlrlcd.data.card import Card
from vlrlcd.data.example import Example
from vlrlcd.data.prompts import Templates
from vlrlcd.data.tasks import CHOICE
from vlrlcd.evaluation import metrics, scores
from vlrlcd.evaluation.answers import Answer, AnswerLog, Student, answer
from vlrlcd.evaluation.controls import CONTROLS
from vlrlcd.evaluation.grounding import clip_scores
from vlrlcd.evaluation.intervals import Metric, differences
from vlrlcd.evaluation.predictions import write_predictions
from vlrlcd.evaluation.rationales import corpus_scores
from vlrlcd.evaluation.samples import write_samples
from vlrlcd.processes import ranks

SIGHT = "blank"
"""The control against which the gain from sight is measured."""


@dataclass(frozen=True)
class Questions:
    """What is asked: the examples of a split, and the training prompts for the majority answer (none leaves it out)."""

    card: Card
    templates: Templates
    examples: list[Example]
    seen: list[Example]

    @property
    def ask_directly(self) -> bool:
        """Whether anybody gave direct answers to compare with."""
        return any(example.direct_answers for example in self.examples)


@dataclass(frozen=True)
class Destination:
    """Where the files of an evaluation go: `answers/NAME.jsonl`, `predictions_NAME.json` and `.jsonl`."""

    folder: Path
    name: str


def evaluate(
    student: Student,
    config: Config,
    questions: Questions,
    goal: Destination,
    controls: Sequence[str],
    depends_on: dict[str, Any] | None = None,
) -> dict[str, Metric]:
    """All metrics of a student. Collective: every process answers its share, the first one scores and writes.

    Args:
        student: answers.
        config: everything else that the answers and figures depend on.
        questions: what is asked.
        goal: where files go; answers that lie there are not asked for again.
        controls: of CONTROLS, what it is asked again without.
        depends_on: what the answers that lie there must have been made with.

    Raises:
        Stopped: a signal came; what was answered is kept.
        UserError: answers lie there that were made with something else, or another command is writing to them.
        AdapterError: the model of `evaluation.clip` cannot be loaded.
    """
    with closing(AnswerLog(goal.folder / "answers" / f"{goal.name}.jsonl", depends_on or {})) as log:

        def asked(templates: Templates, examples: list[Example], prompt: str, name: str = "") -> list[Answer]:
            limits = (config.sampling.max_new_tokens, config.evaluation.prompts_per_pass)
            return answer(student, templates, examples, prompt, log, *limits, name)

        explained = asked(questions.templates, questions.examples, "student")
        direct = None
        if config.evaluation.direct and questions.ask_directly:
            direct = [found.text.strip() for found in asked(questions.templates, questions.examples, "direct")]
        sighted = [example for example in questions.examples if example.images]
        sees = student.adapter.sees_images or questions.templates.describes
        unseeing: dict[str, dict[str, str]] = {}
        for name in controls if sees and sighted else ():
            templates, examples = CONTROLS[name](questions.templates, sighted, config.run.seed)
            texts = [found.text for found in asked(templates, examples, "student", name)]
            unseeing[name] = dict(zip((example.id for example in examples), texts, strict=True))
        return ranks.once(lambda: _scored(config, questions, goal, explained, direct, unseeing))


def _scored(
    config: Config,
    questions: Questions,
    goal: Destination,
    explained: list[Answer],
    direct: list[str] | None,
    unseeing: dict[str, dict[str, str]],
) -> dict[str, Metric]:
    examples, wanted = questions.examples, config.evaluation
    texts = [found.text for found in explained]
    card, explanations = questions.card, questions.card.explanations(texts)
    named = metrics.named(card.check, examples, texts) if card.check else None
    found: dict[str, metrics.Scores] = {}
    if named:
        found |= scores.checked_scores(card.check, examples, named, questions.seen)
        if card.check.rule:
            print(f"accuracy is by {card.check.rule()}")
    if direct:
        found |= scores.direct_scores(examples, direct)
    found |= scores.explanation_scores(card, examples, explained)
    if wanted.clip:
        found |= clip_scores(Grounding(wanted.clip, wanted.clip_architecture), examples, explanations)
    write_samples(
        goal.folder / f"predictions_{goal.name}.jsonl",
        questions.templates,
        examples,
        explained,
        named or texts,
        found,
    )
    choices = named if card.check is CHOICE else None
    write_predictions(
        goal.folder / f"predictions_{goal.name}.json", [example.id for example in examples], choices, direct
    )
    found |= _without_sight(questions, found, unseeing)
    table = scores.summarised(examples, found, wanted, config.run.seed)
    return {**table, **corpus_scores(examples, explanations, wanted.resamples, config.run.seed)}


def _without_sight(
    questions: Questions, found: dict[str, metrics.Scores], unseeing: dict[str, dict[str, str]]
) -> dict[str, metrics.Scores]:
    """The headline metric under each control, and the gain from sight; examples without images do not count."""
    main, examples = scores.headline(questions.card), questions.examples
    blind = {}
    for name, texts in unseeing.items():
        values = scores.headline_scores(questions.card, examples, [texts.get(e.id, "") for e in examples])
        asked = (value if example.id in texts else None for example, value in zip(examples, values, strict=True))
        blind[f"{main}_{name}"] = list(asked)
    if SIGHT in unseeing:
        blind["gain_from_sight"] = differences(found[main], blind[f"{main}_{SIGHT}"])
    return blind
