"""Rows over seeds and questions, from run folders with known scores."""

import numpy as np
import pytest

from tests.comparison.folders import planned, write_asked, write_cell
from vlrlcd.comparison.results import RESAMPLES, SEED, read_results
from vlrlcd.errors import UserError
from vlrlcd.evaluation.intervals import crossed_interval, interval

RNG = np.random.default_rng(5)
SCORES = {(row, seed): (RNG.random(20) < 0.6).astype(float) for row in ("sft", "longer", "ldl") for seed in "12"}


@pytest.fixture
def written(tmp_path):
    plan, found = planned(tmp_path)
    for (row, seed), scores in SCORES.items():
        write_cell(found[f"few/{row}/{seed}"], scores.tolist())
    return plan, found


def read(written):
    plan, found = written
    return read_results(plan, list(found.values()))


def of(row):
    return np.array([SCORES[row, seed] for seed in "12"])


def test_a_row_and_a_difference_over_seeds_and_questions(written):
    results = read(written)
    assert results.mean("few", "ldl", "accuracy") == (crossed_interval(of("ldl"), RESAMPLES, SEED), ["1", "2"])
    assert results.mean("few", "ldl", "accuracy")[0]["value"] == pytest.approx(of("ldl").mean())
    paired, seeds = results.difference("few", "ldl", "sft", "accuracy")
    assert seeds == ["1", "2"] and paired["value"] == pytest.approx((of("ldl") - of("sft")).mean())
    assert paired == crossed_interval(of("ldl") - of("sft"), RESAMPLES, SEED)


def test_a_row_that_is_not_there_has_no_figure(written):
    results = read(written)
    assert results.mean("many", "ldl", "accuracy")[0]["value"] is None and results.seeds("many", "ldl") == []
    assert results.difference("few", "ldl", "as_long", "accuracy")[0]["value"] is None
    assert results.fact("many", "ldl", "auc") is None


def test_a_difference_takes_the_seeds_and_questions_of_both(tmp_path):
    plan, found = planned(tmp_path)
    write_cell(found["few/sft/1"], {"a": 0.0, "b": 1.0, "c": 1.0})
    write_cell(found["few/sft/2"], {"a": 1.0, "b": 1.0, "c": 1.0})
    # in another order, and one question has no value
    write_cell(found["few/ldl/1"], {"c": 0.0, "b": None, "a": 1.0})
    results = read((plan, found))
    paired, seeds = results.difference("few", "ldl", "sft", "accuracy")
    assert seeds == ["1"] and paired == interval([1.0, -1.0], RESAMPLES, SEED)


def test_the_figures_of_a_run(written):
    results = read(written)
    wanted = {
        "teacher_calls": 13,
        "seconds": 40,
        "stage2_seconds": 30,
        "stage2_steps": 4,
        "peak_ram": 2**30,
        "peak_gpu": None,
        "learning_rate": 5e-4,
        "tau": 0.25,
        "auc": pytest.approx(0.6),
        "kl": None,
    }
    assert {name: results.fact("few", "ldl", name) for name in wanted} == wanted
    assert results.fact("few", "sft", "teacher_calls") == 8 and results.fact("few", "sft", "learning_rate") is None
    assert results.fact("few", "sft", "stage2_steps") == 0


def test_means_over_seeds_and_the_largest_memory(tmp_path):
    plan, found = planned(tmp_path)
    for seed, tau, ram in (("1", 0.1, 5), ("2", 0.3, 9)):
        write_cell(found[f"few/ldl/{seed}"], [1.0], tau=tau, peak_bytes={"ram": ram})
    results = read((plan, found))
    assert results.fact("few", "ldl", "tau") == pytest.approx(0.2) and results.fact("few", "ldl", "peak_ram") == 9


def test_a_chosen_row_is_seed_by_seed_the_best_on_other_questions(written):
    _, found = written
    table = {f"q{place:03}": 1.0 for place in range(20)}
    for (row, seed), others in {
        ("sft", "1"): (0.0, 1.0),
        ("longer", "1"): (1.0, 1.0),
        # equal: the first; and what it scores on the table's own questions does not count
        ("sft", "2"): (1.0, 0.0),
        ("longer", "2"): (0.0, 1.0),
    }.items():
        own = table if row == "longer" else {question: 0.0 for question in table}
        write_asked(found[f"few/{row}/{seed}"], own | dict(zip(("new1", "new2"), others, strict=True)))
    results = read(written)
    chosen = results.choices["few", "best"]
    assert [(choice.row, choice.questions) for choice in chosen.values()] == [("longer", 2), ("sft", 2)]
    assert chosen["1"].by == {"sft": 0.5, "longer": 1.0}
    both = np.array([SCORES["longer", "1"], SCORES["sft", "2"]])
    assert results.mean("few", "best", "accuracy")[0] == crossed_interval(both, RESAMPLES, SEED)


def test_nothing_is_chosen_before_every_student_was_asked(written):
    write_asked(written[1]["few/sft/1"], {"new": 1.0})
    assert read(written).choices == {}


def test_a_choice_by_the_table_s_own_questions_is_refused(written):
    for row in ("sft", "longer"):
        write_asked(written[1][f"few/{row}/1"], [1.0] * 20)
    with pytest.raises(UserError, match="every question is one that the table is measured on"):
        read(written)


def test_a_metric_that_is_not_there(tmp_path):
    plan, found = planned(tmp_path, metrics=["accurcy"])
    write_cell(found["few/sft/1"], [1.0])
    with pytest.raises(UserError, match=r"predictions_val_stage1\.jsonl has no metric 'accurcy': name one of its keys"):
        read((plan, found))


def test_answers_that_are_not_there_or_not_whole(tmp_path):
    plan, found = planned(tmp_path)
    write_cell(cell := found["few/sft/1"], [1.0])
    answers = cell.folder / "predictions_val_stage1.jsonl"
    answers.write_text(answers.read_text() + '{"id": "half')
    with pytest.raises(UserError, match=r"cannot be read whole \(.*half-written.*\): run that cell again"):
        read((plan, found))
    answers.unlink()
    with pytest.raises(UserError, match="holds no answers to the split 'val'"):
        read((plan, found))


def test_a_cell_that_is_not_finished_counts_nowhere(written):
    cell = written[1]["few/ldl/2"]
    (cell.folder / "run.json").write_text("{}")
    assert read(written).seeds("few", "ldl") == ["1"]


def test_the_sweep_s_rows_are_read_too(written):
    write_cell(written[1]["few/stage2.beta=0.1/1"], [1.0] * 20)
    assert read(written).mean("few", "stage2.beta=0.1", "accuracy")[0]["value"] == 1.0
