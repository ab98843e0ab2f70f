"""What a person must know before believing the figures."""

from collections.abc import Callable, Mapping

from vlrlcd.evaluation.intervals import Metric
from vlrlcd.judging.win_rate import BOTH_SIDES, LEAST, WITHOUT_VALUE

COIN = 0.5
"""What a coin in the judge's place has: in half of the pairs it says the same twice, and half of its winners stand
first."""
ONE_PLACE = 0.9
"""From this share on, a judge chooses a place and not an answer."""
MANY = 0.05
"""This share of verdicts that cannot be read is too much."""


def warnings(metrics: Mapping[str, Metric]) -> list[str]:
    """What a person must know before believing the win rates, in plain words; none where nothing is wrong."""
    return [words for name, said in RULES.items() if name in metrics and (words := said(metrics[name]))]


def _of_consistency(found: Metric) -> str | None:
    if found["value"] is None or found["low"] > COIN:
        return None
    return (
        f"the judge says the same in both orders in {found['value']:.0%} of the pairs, and a coin would in {COIN:.0%}: "
        "do not rely on these win rates, take a better judge or more pairs"
    )


def _of_place(found: Metric) -> str | None:
    if found["value"] is None or found["low"] <= COIN <= found["high"]:
        return None
    place = "first" if found["value"] > COIN else "second"
    if not 1 - ONE_PLACE < found["value"] < ONE_PLACE:
        return f"the judge nearly always chooses the answer shown {place}: its verdicts tell the order, not the answers"
    return (
        f"the judge prefers the answer shown {place} ({found['value']:.0%} of its winners stand first): both orders "
        "keep that from helping either side, but it draws every win rate towards a half"
    )


def _of_unparsable(found: Metric) -> str | None:
    if found["value"] is None or found["value"] < MANY:
        return None
    return (
        f"{found['value']:.0%} of the verdicts cannot be read and count as ties: see in judged.jsonl what the judge "
        "says, then raise judge.max_tokens or take a better judge"
    )


def _of_length(found: Metric) -> str | None:
    if found["value"] is not None or not found["n"]:
        return None
    return (
        "there is no length-controlled win rate: the same side is the longer one in nearly every pair (in all but "
        f"{LEAST - 1} or {BOTH_SIDES:.1%}), or more than {WITHOUT_VALUE:.1%} of the resamples have none, so what "
        "length does cannot be told from who answered; compare with references of about this length, or more pairs"
    )


RULES: dict[str, Callable[[Metric], str | None]] = {
    "judge_consistency": _of_consistency,
    "judge_first_position": _of_place,
    "judge_unparsable": _of_unparsable,
    "win_rate_length_controlled": _of_length,
}
"""By the metric that each is about."""
