"""A student on a split: greedy answers, scores with intervals, the official prediction file."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from vlrlcd.config import Config
from vlrlcd.data.descriptions import BLANK
from vlrlcd.data.encode import encode
from vlrlcd.data.example import Example
from vlrlcd.data.images import blank
from vlrlcd.data.prompts import Templates
from vlrlcd.engine import Engine
from vlrlcd.evaluation import metrics, truth
from vlrlcd.evaluation.intervals import differences, interval
from vlrlcd.evaluation.predictions import write_predictions
from vlrlcd.job import Job
from vlrlcd.processes import ranks
from vlrlcd.processes.stopping import stop_if_asked
from vlrlcd.progress import progress
from vlrlcd.sampling import SamplingSettings


@dataclass(frozen=True)
class Answers:
    """Greedy answers in the order of the examples."""

    texts: list[str]
    truncated: list[float]


def answer(
    engine: Engine, templates: Templates, examples: list[Example], kind: str, config: Config, label: str
) -> Answers:
    """Greedy answers to the `student` or `direct` prompt of every example, shared out over the processes.

    Raises:
        Stopped: a signal came.
    """
    settings = SamplingSettings(branches=1, max_new_tokens=config.sampling.max_new_tokens, temperature=0.0)
    (own, real), size = ranks.own_share(examples), config.evaluation.prompts_per_pass
    found: list[tuple[str, float]] = []
    with engine.rollout():
        for start in progress(range(0, len(own), size), desc=f"evaluate {label}", unit="batch"):
            stop_if_asked()
            part = own[start : start + size]
            batch = engine.adapter.collate([encode(engine.adapter, templates.render(kind, e)) for e in part])
            draws = engine.sample(batch, settings, np.zeros((len(part), 1, settings.max_new_tokens)))
            found += [(engine.adapter.chat.decode(row[0].ids), float(row[0].truncated)) for row in draws]
    texts, truncated = zip(*ranks.collected(found[:real]), strict=True)
    return Answers(list(texts), list(truncated))


def blanked(examples: list[Example]) -> list[Example]:
    """The same questions with every image grey."""
    return [replace(example, images=tuple(blank(image) for image in example.images)) for example in examples]


def blind(engine: Engine, templates: Templates, examples: list[Example], config: Config, label: str) -> Answers:
    """What the student answers without sight: to grey images, or to descriptions that say nothing."""
    if templates.describes:
        return answer(engine, templates.described(lambda _: BLANK), examples, "student", config, label)
    return answer(engine, templates, blanked(examples), "student", config, label)


def evaluate(engine: Engine, config: Config, job: Job, stage: str, folder: Path) -> dict[str, dict]:
    """All metrics of one stage with 95 % intervals; writes `predictions_{split}_{stage}.json` into `folder`."""
    wanted, card, templates, examples, seen = config.evaluation, job.card, job.templates, job.held_out, job.train
    scores: dict[str, list[float | None]] = {}
    explained = answer(engine, templates, examples, "student", config, stage)
    scores["truncated"] = explained.truncated
    choices = None
    if card.task == "multiple_choice":
        scores["accuracy"] = metrics.multiple_choice(examples, explained.texts)
        scores["majority"] = metrics.majority(examples, seen)
        choices = metrics.chosen(examples, explained.texts)
        if wanted.blind and (engine.adapter.sees_images or templates.describes) and stage == "stage2":
            unseen = blind(engine, templates, examples, config, f"{stage}, blind")
            scores["accuracy_blind"] = metrics.multiple_choice(examples, unseen.texts)
            scores["gain_from_sight"] = differences(scores["accuracy"], scores["accuracy_blind"])
    direct = None
    if wanted.direct and any(example.direct_answers for example in examples):
        direct = answer(engine, templates, examples, "direct", config, f"{stage}, direct answers").texts
        scores["direct_answer"] = metrics.direct_answer_official(examples, direct)
    if any(example.scene for example in examples):
        scores["truthful_rationales"] = truth.truthful_rationales(examples, explained.texts)
        scores["claims_per_rationale"] = truth.claims_per_rationale(examples, explained.texts)
    if ranks.first():
        path = folder / f"predictions_{wanted.split}_{stage}.json"
        write_predictions(path, [example.id for example in examples], choices, direct)
    return {name: interval(values, wanted.resamples, config.run.seed) for name, values in scores.items()}
