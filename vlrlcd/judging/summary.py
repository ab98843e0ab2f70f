"""What a person reads on the terminal: what is asked, then win rates and the judge's habits."""

from collections.abc import Sequence

from vlrlcd.evaluation.intervals import Metric
from vlrlcd.judging.cautions import warnings
from vlrlcd.judging.contest import Contest, Result
from vlrlcd.judging.judges import Judge

SHOWN = {
    "win_rate": "win rate, a tie a half",
    "win_rate_length_controlled": "length-controlled",
    "win_rate_length_matched": "length-matched",
    "win_rate_truncated": "truncated",
    "judge_consistency": "same in both orders",
    "judge_first_position": "winner shown first",
    "judge_equal_answers": "equal answers, not asked about",
    "judge_ties": "ties",
    "judge_unparsable": "unparsable",
    "win_rate_difference": "difference",
    "win_rate_length_controlled_difference": "difference, length-controlled",
    "win_rate_truncated_difference": "difference, truncated",
}
"""Metrics in the order in which they are printed."""


def print_contest(contest: Contest, judge: Judge) -> None:
    """Who judges what against what, and how much is still to be asked."""
    games, todo = contest.games, judge.missing(contest.games)
    print(f"judge        {judge.name}")
    for side in contest.sides:
        print(f"answers      {side.path} ({side.stage})")
    print(f"against      {contest.references.name}")
    if contest.references.flagged:
        print(
            f"  of them    {contest.references.flagged:,} are cut, filtered or refusals, and are compared as they are"
        )
    print(f"games        {len(games):,} of {len(contest.pairs):,} questions, {len(todo):,} verdicts to ask for")


def print_results(found: Sequence[Result]) -> None:
    """A table with a column per student, and what to be warned of."""
    print(f"\n{'percent, 95 % intervals':<36}" + "".join(f"{result.side.stage:>32}" for result in found))
    for name, said in SHOWN.items():
        cells = [_cell(result.metrics.get(name)) for result in found]
        if any(cells):
            print(f"{said:<36}" + "".join(f"{cell:>32}" for cell in cells).rstrip())
    for result in found:
        for words in warnings(result.metrics):
            print(f"warning: {result.side.stage}: {words}")


def _cell(metric: Metric | None) -> str:
    if metric is None:
        return ""
    if metric["value"] is None:
        return f"- (n {metric['n']:,})"
    value, *bounds = (None if metric[key] is None else 100 * metric[key] for key in ("value", "low", "high"))
    between = "no interval" if None in bounds else "{:.1f}, {:.1f}".format(*bounds)
    return f"{value:.1f} [{between}] (n {metric['n']:,})"
