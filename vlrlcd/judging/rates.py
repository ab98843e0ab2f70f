"""A judge's habits, read off its verdicts on pairs that it saw in both orders."""

from collections.abc import Sequence

from vlrlcd.evaluation.intervals import Metric, interval, ratio_interval
from vlrlcd.judging.verdicts import Judged

SAME = {("A", "B"), ("B", "A"), ("C", "C")}
"""Letters of both games that name the same winner, or none."""


def judge_rates(judged: Sequence[Judged], resamples: int, seed: int) -> dict[str, Metric]:
    """The rates, with intervals over pairs.

    `judge_consistency` is the share of pairs in which both games have the same winner, of those with two readable
    verdicts; `judge_first_position` the share of games won by the answer shown first, of those with a winner;
    `judge_unparsable` is a share of all games. They are of the pairs that the judge was asked about: of equal texts
    both games would be one request. `judge_equal_answers` is the share of these pairs, and `judge_ties` that of games
    without a winner, both of all pairs.
    """
    asked = [one.letters for one in judged if not one.pair.equal]

    def counted(wanted: str | None) -> list[float]:
        return [float(pair.count(wanted)) for pair in asked]

    firsts, seconds, ties = counted("A"), counted("B"), [one.letters.count("C") / 2 for one in judged]
    decided = [sum(pair) for pair in zip(firsts, seconds, strict=True)]
    return {
        "judge_consistency": interval([_same(pair) for pair in asked], resamples, seed),
        "judge_first_position": ratio_interval(firsts, decided, resamples, seed),
        "judge_equal_answers": interval([float(one.pair.equal) for one in judged], resamples, seed),
        "judge_ties": interval(ties, resamples, seed),
        "judge_unparsable": interval([count / 2 for count in counted(None)], resamples, seed),
    }


def _same(letters: tuple[str | None, str | None]) -> float | None:
    return None if None in letters else float(letters in SAME)
