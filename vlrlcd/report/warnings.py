"""What a reader should know before trusting the figures: one sentence with the figure in it and what to do."""

from collections.abc import Callable, Iterator
from statistics import fmean
from typing import Any

from vlrlcd.report.read import Run, mapping, number
from vlrlcd.report.scores import Metrics, measured, stage_title
from vlrlcd.report.wording import percent, signed

LAST_STEPS = 20
"""Over so many steps of stage II a figure of training is averaged."""
TRUNCATED = 0.05
TIED = 0.5
DRIFT = 0.5
"""Nats per token: there the student gives its own tokens e^0.5, 1.6 times, the probability that they had after stage I.
The quickstart, which gains 26 points, ends at 0.10. [ours]"""
CONSISTENT = 0.5
UNPARSABLE = 0.05


def warnings(run: Run) -> list[str]:
    """The sentences of all rules that hold; none where all is well or nothing was measured."""
    found = [
        sentence.format(where=f"{task}, {split}", stage=stage_title(stage).lower(), **figures)
        for task, split, by_stage in measured(run)
        for metric, sentence, holds in OF_EVALUATION
        for stage, figures in _last(by_stage, metric)
        if holds(figures)
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
        "{where}: sight gains {points} points {stage}, interval {low_points} to {high_points}: the "
        "answers may not depend on the images; look at the questions and at the image processor before trusting the "
        "accuracy.",
        lambda found: found["low"] <= 0,
    ),
    (
        "judge_consistency",
        "{where}: the judge keeps its verdict in {share} of the pairs when the two answers swap places, so it "
        "follows the position; take another judge and leave the win rate out.",
        lambda found: found["value"] < CONSISTENT,
    ),
    (
        "judge_unparsable",
        "{where}: {share} of the judge's verdicts cannot be read; sharpen its prompt or raise its token limit, "
        "because the win rate stands on the others alone.",
        lambda found: found["value"] > UNPARSABLE,
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
        found = mapping(metrics.get(metric))
        if (value := number(found.get("value"))) is not None:
            low, high = (value if (end := number(found.get(key))) is None else end for key in ("low", "high"))
            ends = {"points": value, "low_points": low, "high_points": high}
            points = {name: signed(100 * share, 1) for name, share in ends.items()}
            yield stage, {"value": value, "low": low, "high": high, "share": percent(value), **points}
            return


def _recent(run: Run, quantity: str) -> Iterator[tuple[float, int]]:
    """Mean over the last steps of stage II and how many these are; a step done again counts as done last."""
    steps = {str(row.get("step")): number(row.get(quantity)) for row in run.metrics if row.get("stage") == "stage2"}
    known = [value for value in steps.values() if value is not None][-LAST_STEPS:]
    if known:
        yield fmean(known), len(known)
