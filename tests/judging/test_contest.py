"""From judged pairs to figures and files."""

import json

import pytest

from tests.judging.pairs import pair
from vlrlcd.config import Config
from vlrlcd.judging.contest import TRUNCATED, WHOLE, Contest, Side, results, write_results
from vlrlcd.judging.pairs import References
from vlrlcd.judging.verdicts import Verdict

COUNT = 60


class Recorded:
    """A judge for whom whoever has more of a sign in it is better; `silent` questions have no verdict."""

    def __init__(self, silent=()):
        self.silent = silent

    def verdicts(self, games):
        return [None if game.example.id in self.silent else self._verdict(game) for game in games]

    def _verdict(self, game):
        ahead = game.first.count("+") - game.second.count("+")
        return Verdict((f"by {ahead}",), "A" if ahead > 0 else "B" if ahead < 0 else "C")


def side(stage, signs, rounds=(WHOLE,)):
    pairs = [
        pair(number, "+" * signs(number) + "." * (number % 7), "+..." + "." * (number % 5)) for number in range(COUNT)
    ]
    return Side(stage, "file", dict.fromkeys(rounds, pairs))


def found(*sides, silent=()):
    return results(Contest(sides, References("them", [])), Recorded(silent), 50, 0)


def test_figures_of_one_student():
    (result,) = found(side("stage2", lambda number: 2 if number % 4 else 0))
    assert result.metrics["win_rate"]["value"] == 0.75 and result.metrics["judge_consistency"]["value"] == 1.0
    assert "win_rate_truncated" not in result.metrics and "win_rate_difference" not in result.metrics
    assert set(result.metrics) == {
        *("win_rate", "win_rate_length_controlled", "win_rate_length_matched"),
        *("judge_consistency", "judge_first_position", "judge_equal_answers", "judge_ties", "judge_unparsable"),
    }


def test_two_students_and_their_difference():
    better, worse = side("stage2", lambda n: 2 if n % 4 else 0), side("stage1", lambda n: 2 if n % 2 else 0)
    one, other = found(better, worse)
    assert one.metrics["win_rate_difference"]["value"] == pytest.approx(0.75 - 0.5)
    assert one.metrics["win_rate_difference"]["low"] > 0 and "win_rate_difference" not in other.metrics
    controlled = [result.metrics["win_rate_length_controlled"]["value"] for result in (one, other)]
    difference = one.metrics["win_rate_length_controlled_difference"]["value"]
    assert difference == pytest.approx(controlled[0] - controlled[1])
    turned = found(worse, better)[0].metrics["win_rate_difference"]["value"]
    assert turned == -one.metrics["win_rate_difference"]["value"]


def test_the_truncated_round_counts_alone():
    one, other = (side(name, lambda n: 2, (WHOLE, TRUNCATED)) for name in ("stage2", "stage1"))
    first, _ = found(one, Side("stage1", "file", {**other.rounds, TRUNCATED: [pair(n, "", "+") for n in range(COUNT)]}))
    assert first.metrics["win_rate_truncated"]["value"] == 1.0
    assert first.metrics["win_rate_truncated_difference"]["value"] == 1.0
    assert first.metrics["win_rate_difference"]["value"] == 0.0


def test_a_question_that_lacks_a_verdict_counts_for_nobody():
    one, other = found(side("stage2", lambda n: 2), side("stage1", lambda n: n % 2), silent=("id0", "id5"))
    for result in (one, other):
        assert [judged.pair.example.id for judged in result.judged[WHOLE]] == [
            f"id{number}" for number in range(COUNT) if number not in (0, 5)
        ]
        assert result.metrics["win_rate"]["n"] == COUNT - 2
    assert one.metrics["win_rate_difference"]["n"] == COUNT - 2


def test_nothing_judged_is_no_figure():
    (result,) = found(side("stage2", lambda n: 2), silent=[f"id{number}" for number in range(COUNT)])
    assert {metric["value"] for metric in result.metrics.values()} == {None}


def test_another_judgement_replaces_the_one_before(tmp_path):
    rounds = (WHOLE, TRUNCATED)
    both = found(side("stage2", lambda n: 2, rounds), side("stage1", lambda n: 0, rounds))
    write_results(tmp_path, both, Config(), "mc", "the judge", "them")
    (one,) = found(side("stage2", lambda n: 0))
    write_results(tmp_path, [one], Config(), "mc", "another", "them")
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == ["eval.json", "judged.jsonl"]
    assert json.loads((tmp_path / "eval.json").read_text())["mc"]["val"]["stage2"] == one.metrics


def test_a_judgement_without_a_second_student_takes_the_earlier_one_s_figures_away(tmp_path):
    (tmp_path / "eval.json").write_text(json.dumps({"mc": {"val": {"other": {"accuracy": {"value": 1}}}}}))
    write_results(
        tmp_path, found(side("stage2", lambda n: 2), side("other", lambda n: 0)), Config(), "mc", "judge", "them"
    )
    assert "win_rate" in json.loads((tmp_path / "eval.json").read_text())["mc"]["val"]["other"]
    write_results(tmp_path, found(side("stage2", lambda n: 0)), Config(), "mc", "judge", "them")
    assert json.loads((tmp_path / "eval.json").read_text())["mc"]["val"]["other"] == {"accuracy": {"value": 1}}


def test_what_is_written(tmp_path):
    rounds = (WHOLE, TRUNCATED)
    both = found(side("stage2", lambda n: 2, rounds), side("stage1", lambda n: 0, rounds))
    (tmp_path / "eval.json").write_text(json.dumps({"mc": {"val": {"stage2": {"accuracy": {"value": 1}}}}}))
    write_results(tmp_path, both, Config(), "mc", "the judge", "them")
    names = [
        "eval.json",
        "judged.jsonl",
        "judged_other.jsonl",
        "judged_other_truncated.jsonl",
        "judged_truncated.jsonl",
    ]
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == names
    table = json.loads((tmp_path / "eval.json").read_text())["mc"]["val"]
    assert table["stage2"] == {"accuracy": {"value": 1}, **both[0].metrics} and table["stage1"] == both[1].metrics
    lines = [json.loads(line) for line in (tmp_path / "judged.jsonl").read_text().splitlines()]
    assert len(lines) == COUNT and lines[1] == {
        "id": "id1",
        "score": 1.0,
        "verdicts": ["A", "B"],
        "said": [["by 1"], ["by -1"]],
        "lengths": [3, 5],
        "answer": "++.",
        "reference": "+....",
        "judge": "the judge",
        "against": "them",
    }
