"""What a reader should know before trusting the figures: one sentence with the figure in it and what to do."""

from collections.abc import Callable, Iterator
from statistics import fmean
from typing import Any

from vlrlcd.evaluation.intervals import Metric
from vlrlcd.judging import cautions
from vlrlcd.report.read import Run, mapping, number
from vlrlcd.report.scores import Metrics, figure, gained_in, measured
from vlrlcd.report.stages import own, stage_title
from vlrlcd.report.wording import GAINED, percent

LAST_STEPS = 20
"""Over so many steps of stage II a figure of training is averaged."""
TRUNCATED = 0.05
TIED = 0.5
DRIFT = 0.5
"""Nats per token: there the student gives its own tokens e^0.5, 1.6 times, the probability that they had after stage I.
The quickstart, which gains 26 points, ends at 0.10. [ours]"""


def warnings(run: Run) -> list[str]:
    """The sentences of all rules that hold; none where all is well or nothing was measured."""
    found = [
        sentence.format(where=f"{task}, {split}", stage=stage_title(stage).lower(), **figures)
        for task, split, by_stage in measured(run)
        for metric, sentence, holds in OF_EVALUATION
        for stage, figures in _last(own(by_stage), metric)
        if holds(figures)
    ]
    found += [
        f"{task}, {split}: {stage_title(stage).lower()}, {words}."
        for task, split, by_stage in measured(run)
        for stage, words in _of_judge(own(by_stage))
    ]
    return found + [
        sentence.format(value=value, share=percent(value), steps=steps)
        for quantity, sentence, most in OF_TRAINING
        for value, steps in _recent(run, quantity)
        if value > most
    ]


Rule = tuple[str, str, Callable[[dict[str, Any]], bool]]
OF_EVALUATION: list[Rule] = [
    (
        "truncated",
        "{where}: {share} of the answers {stage} were cut off at the token limit; raise sampling.max_new_tokens, "
        "because a cut-off answer names no choice.",
        lambda found: found["value"] > TRUNCATED,
    ),
    (
        "gain_from_sight",
        "{where}: sight gains {gain} {gained} {stage}, interval {low_gain} to {high_gain}: the answers may not depend "
        "on the images; look at the questions and at the image processor before trusting any figure.",
        lambda found: found["low"] <= 0,
    ),
]
OF_TRAINING = [
    (
        "truncated_share",
        "{share} of the candidates of the last {steps} steps were cut off at the token limit; raise "
        "sampling.max_new_tokens.",
        TRUNCATED,
    ),
    (
        "tied_share",
        "{share} of the groups of the last {steps} steps were tied and taught nothing; raise sampling.temperature "
        "or sampling.candidates, or take harder questions.",
        TIED,
    ),
    (
        "kl",
        "The student drifts: the last {steps} steps have a mean KL of {value:.2f} nats per token from the student "
        "after stage 1; raise stage2.beta or lower stage2.learning_rate, and read the candidates.",
        DRIFT,
    ),
]


def _last(by_stage: Metrics, metric: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The last stage that measured it, with its figures; a missing interval is the value itself."""
    for stage, metrics in reversed(by_stage.items()):
        found = _metric(metrics.get(metric))
        if found["value"] is not None:
            unit, gained = GAINED[gained_in(*by_stage.values())]
            ends = {"gain": "value", "low_gain": "low", "high_gain": "high"}
            gains = {name: figure(unit, found[end]) for name, end in ends.items()}
            yield stage, {**found, "share": percent(found["value"]), "gained": gained, **gains}
            return


def _of_judge(by_stage: Metrics) -> Iterator[tuple[str, str]]:
    """What `vlrlcd.judging.cautions` says of the last stage that was judged."""
    for stage, metrics in reversed(by_stage.items()):
        if found := {name: _metric(metrics[name]) for name in cautions.RULES if name in metrics}:
            yield from ((stage, words) for words in cautions.warnings(found))
            return


def _metric(found: Any) -> Metric:
    """What eval.json holds of a metric; a missing interval is the value itself."""
    value, n = (number(mapping(found).get(key)) for key in ("value", "n"))
    low, high = (value if (end := number(mapping(found).get(key))) is None else end for key in ("low", "high"))
    return {"value": value, "low": low, "high": high, "n": n}


def _recent(run: Run, quantity: str) -> Iterator[tuple[float, int]]:
    """Mean over the last steps of stage II and how many these are; a step done again counts as done last."""
    steps = {str(row.get("step")): number(row.get(quantity)) for row in run.metrics if row.get("stage") == "stage2"}
    known = [value for value in steps.values() if value is not None][-LAST_STEPS:]
    if known:
        yield fmean(known), len(known)
