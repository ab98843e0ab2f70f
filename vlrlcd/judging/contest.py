"""Students' answers before a judge: what is compared with what, the figures, and what is written down."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from vlrlcd.config import Config
from vlrlcd.data.card import Card
from vlrlcd.evaluation.intervals import Metric, differences, interval
from vlrlcd.evaluation.stages import JUDGED, OTHER
from vlrlcd.evaluation.table import OF_A_JUDGE, add_metrics, read_table
from vlrlcd.judging.judges import Judge
from vlrlcd.judging.pairs import Pair, References, answers, paired, questions, references, truncated
from vlrlcd.judging.rates import judge_rates
from vlrlcd.judging.texts import answers_file, stage_of
from vlrlcd.judging.verdicts import Game, Judged, games, judged
from vlrlcd.judging.win_rate import Scored, win_rate_differences, win_rates

WHOLE, TRUNCATED = "", "_truncated"
"""Rounds: the answers as they are, and both cut to the shorter one's length. Files and metrics end in these."""


@dataclass(frozen=True)
class Side:
    """One student's answers against the references.

    Attributes:
        stage: under which eval.json keeps its figures; `other` for a second student that is no other stage of the
            same run as the first.
        path: of its answers.
        rounds: the pairs in the order of the questions, by round.
    """

    stage: str
    path: Path
    rounds: Mapping[str, list[Pair]]


@dataclass(frozen=True)
class Contest:
    """What is put to a judge: one student, or two against the same references."""

    sides: Sequence[Side]
    references: References

    @property
    def pairs(self) -> list[Pair]:
        """The first student's answers, as they are."""
        return self.sides[0].rounds[WHOLE]

    @property
    def games(self) -> list[Game]:
        """All games of all rounds and students."""
        return [game for side in self.sides for pairs in side.rounds.values() for game in games(pairs)]


@dataclass(frozen=True)
class Result:
    """The judged pairs of one student by round, and its figures."""

    side: Side
    judged: Mapping[str, list[Judged]]
    metrics: dict[str, Metric]


def contest(
    config: Config, card: Card, given: str, reference: str, other: str, truncate: bool, source: str | Path
) -> Contest:
    """Reads everything that is compared.

    Args:
        config: names split, teacher and store.
        card: of the data set.
        given: file or folder of the student's answers.
        reference: file or folder of the reference answers, or `anchors`.
        other: file or folder of a second student's answers; empty without one.
        truncate: also compare answers cut to the shorter one's length.
        source: the name of the YAML, for an error.

    Raises:
        UserError: see `vlrlcd.judging.pairs` and `vlrlcd.judging.texts`.
    """
    wanted, split = questions(config, card), config.evaluation.split
    paths = [answers_file(named, split) for named in (given, other) if named]
    texts = [answers(path, wanted) for path in paths]
    against = references(reference, wanted, config, card, source)
    sides: list[Side] = []
    for path, own in zip(paths, texts, strict=True):
        pairs = paired(wanted.asked, own, against.texts)
        stage = stage_of(path, split) or JUDGED
        if sides and (stage == sides[0].stage or path.parent.resolve() != sides[0].path.parent.resolve()):
            stage = OTHER
        sides.append(Side(stage, path, {WHOLE: pairs, **({TRUNCATED: [*map(truncated, pairs)]} if truncate else {})}))
    return Contest(sides, against)


def results(contest: Contest, judge: Judge, resamples: int, seed: int) -> list[Result]:
    """What comes of each student, on the questions of which all games have a verdict; asks nobody.

    The paired differences to a second student stand among the figures of the first.

    Args:
        contest: what was judged.
        judge: knows the verdicts.
        resamples: of the bootstrap over questions.
        seed: of the bootstrap.
    """
    found = [
        {name: judged(pairs, judge.verdicts(games(pairs))) for name, pairs in side.rounds.items()}
        for side in contest.sides
    ]
    columns = [column for rounds in found for column in rounds.values()]
    kept = [place for place, row in enumerate(zip(*columns, strict=True)) if all(row)]
    whole = [{name: [column[place] for place in kept] for name, column in rounds.items()} for rounds in found]
    metrics = [_metrics(rounds, resamples, seed) for rounds in whole]
    if len(whole) > 1:
        metrics[0] |= _differences(*whole, resamples, seed)
    return [Result(*row) for row in zip(contest.sides, whole, metrics, strict=True)]


def write_results(folder: Path, found: Sequence[Result], config: Config, task: str, judge: str, reference: str) -> None:
    """Writes `judged.jsonl`, a line per pair (a file for each further round and student), and adds to `eval.json`.

    What an earlier judgement of the same stage, or of another student beside it, left there is replaced whole.

    Args:
        folder: is made.
        found: of each student.
        config: names the split.
        task: the data set's name.
        judge: its name.
        reference: whose the references are.

    Raises:
        UserError: an `eval.json` lies there that cannot be read.
    """
    table, split = folder / "eval.json", config.evaluation.split
    metrics = {result.side.stage: result.metrics for result in found}
    if OTHER in read_table(table).get(task, {}).get(split, {}):
        metrics.setdefault(OTHER, {})
    for stage, figures in metrics.items():
        add_metrics(table, task, split, stage, figures, instead_of=OF_A_JUDGE)
    for who, name in product(("", f"_{OTHER}"), (WHOLE, TRUNCATED)):
        (folder / f"judged{who}{name}.jsonl").unlink(missing_ok=True)
    for result, who in zip(found, ("", f"_{OTHER}"), strict=False):
        for name, pairs in result.judged.items():
            lines = [{**_line(one), "judge": judge, "against": reference} for one in pairs]
            text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
            (folder / f"judged{who}{name}.jsonl").write_text(text, encoding="utf-8")


def scored(pairs: Sequence[Judged]) -> Scored:
    """Scores and lengths of judged pairs, for the win rates."""
    lengths = np.array([[len(one.pair.answer), len(one.pair.reference)] for one in pairs], dtype=int).reshape(-1, 2)
    return Scored(np.array([one.score for one in pairs]), lengths[:, 0], lengths[:, 1])


def _metrics(rounds: Mapping[str, list[Judged]], resamples: int, seed: int) -> dict[str, Metric]:
    found = win_rates(scored(rounds[WHOLE]), resamples, seed)
    if TRUNCATED in rounds:
        found["win_rate_truncated"] = interval(_scores(rounds[TRUNCATED]), resamples, seed)
    return {**found, **judge_rates(rounds[WHOLE], resamples, seed)}


def _differences(
    one: Mapping[str, list[Judged]], other: Mapping[str, list[Judged]], resamples: int, seed: int
) -> dict[str, Metric]:
    found = win_rate_differences(scored(one[WHOLE]), scored(other[WHOLE]), resamples, seed)
    if TRUNCATED in one:
        values = differences(_scores(one[TRUNCATED]), _scores(other[TRUNCATED]))
        found["win_rate_truncated_difference"] = interval(values, resamples, seed)
    return found


def _scores(pairs: Sequence[Judged]) -> list[float]:
    return [one.score for one in pairs]


def _line(one: Judged) -> dict:
    pair = one.pair
    return {
        "id": pair.example.id,
        "score": one.score,
        "verdicts": list(one.letters),
        "said": [list(verdict.said) for verdict in one.verdicts],
        "lengths": [len(pair.answer), len(pair.reference)],
        "answer": pair.answer,
        "reference": pair.reference,
    }
