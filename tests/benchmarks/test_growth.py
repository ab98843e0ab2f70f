"""The tables of growth."""

from benchmarks.growth import grown, spread_over


def found(candidates, seconds, operations, prompts=2):
    phases = dict.fromkeys(("step", "sample", "rank", "reference", "forward", "backward"), [seconds, 9 * seconds, 0.0])
    counts = {"learning": operations, "rank": 0, "reference": 0}
    return {"candidates": candidates, "prompts": prompts, "ours": phases, "counts": counts}


def test_growth_is_told_beside_what_was_counted():
    table = list(grown("candidates", [found(2, 1.0, 10), found(8, 3.0, 35)]))
    assert table[2] == "| 2 | 1.00 | 0.250 | 1.00 | 1.00 | 1.00 |"
    assert table[3] == "| 8 | 3.00 | 0.188 | 3.00 | 3.00 | 3.50 |"


def test_processes_share_the_prompts():
    table = list(spread_over([found(8, 4.0, 1), found(8, 2.5, 1, prompts=1)]))
    assert table[2:] == ["| 1 | 2 | 4.00 |", "| 2 | 1 | 2.50 |"]
