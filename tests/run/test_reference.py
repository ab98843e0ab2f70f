"""p_sft is the result of stage I, whatever was trained and however."""

import pytest

from tests.run.bench import Bench, logps_of
from tests.run.jobs import config_of
from vlrlcd.methods import sample_candidates
from vlrlcd.ranking.rank import margins
from vlrlcd.trainer import train

TUNINGS = {
    "full": {"model.tuning": "full"},
    "lora": {"model.tuning": "lora"},
    "by part": {"model.tuning": "lora", "model.vision_tower": "lora", "model.projector": "full"},
}


@pytest.fixture(scope="module")
def trained(inputs, tmp_path_factory, distributed):
    """Run folders after a stage I that went far, by tuning."""
    far = {"stage1.epochs": 2, "stage1.learning_rate": 1e-2, "stage2.method": "sft", "evaluation.split": ""}
    return {
        name: train(config_of(inputs, far, parts, {"run.root": tmp_path_factory.mktemp("r")}), "r")
        for name, parts in TUNINGS.items()
    }


@pytest.fixture(params=TUNINGS)
def stage2(request, inputs, trained):
    """Makes stage II on top of that stage I; keywords change the configuration."""

    def make(**changes):
        settings = {**TUNINGS[request.param], "stage2.learning_rate": 1e-2, "engine.warmup": 0}
        dotted = {key.replace("__", "."): value for key, value in changes.items()}
        return Bench(config_of(inputs, settings, dotted), "stage2", trained[request.param] / "stage1")

    return make


def test_the_first_step_has_no_kl_and_a_uniform_q(stage2):
    first, norm = stage2().step(0)
    assert abs(first.figures["kl"]) < 1e-7
    assert norm > 1e-3
    for group in first.samples:
        for candidate in group["candidates"]:
            assert candidate["q"] == pytest.approx(candidate["copies"] / 4, abs=1e-6)


def test_after_a_step_the_student_has_left_the_reference(stage2):
    bench = stage2()
    bench.step(0)
    assert bench.step(1)[0].figures["kl"] > 1e-4


def test_a_uniform_distribution_gives_no_gradient_at_the_first_step(stage2):
    bench = stage2(ranking__control="d_uniform", stage2__beta=0)
    first, norm = bench.step(0)
    assert first.figures["preference_loss"] == pytest.approx(0, abs=1e-6)
    assert norm < 1e-6


def test_the_reference_is_stage1_and_neither_the_base_nor_the_moved_student(stage2, checkpoint):
    bench = stage2()
    batch, branches = bench.answers()
    at_stage1 = logps_of(bench.checkpoint, batch, branches)
    bench.step(0)
    reference = bench.engine.run("reference_states", batch, branches)[1]
    assert (reference - at_stage1).abs().max() < 1e-5
    assert (reference - logps_of(checkpoint, batch, branches)).abs().max() > 0.1
    assert (bench.engine.run("logps", batch, branches) - reference).abs().max() > 1e-2


def test_a_frozen_evaluator_scores_with_the_reference_and_a_current_one_with_the_student(stage2):
    bench = stage2()
    batch, branches = bench.answers()
    bench.step(0)
    frozen, current = (bench.engine.run("score_logps", batch, branches, frozen) for frozen in (True, False))
    assert frozen.equal(bench.engine.run("reference_states", batch, branches)[1])
    assert (current - bench.engine.run("logps", batch, branches)).abs().max() < 1e-6
    assert (frozen - current).abs().max() > 1e-2


def test_ranking_asks_the_evaluator_that_the_configuration_names(stage2):
    unmoved = stage2()
    groups = unmoved.groups()
    sample_candidates(unmoved.engine, unmoved.config, groups, 0, unmoved.config.sampling.candidates)
    at_first = margins(unmoved.engine, unmoved.ranker(), groups)[2]
    for evaluator in ("frozen", "current"):
        moved = stage2(ranking__evaluator=evaluator)
        moved.step(0)
        gap = (margins(moved.engine, moved.ranker(), groups)[2] - at_first).abs().max()
        assert gap < 1e-4 if evaluator == "frozen" else gap > 1e-2


@pytest.mark.parametrize("tuning", TUNINGS)
def test_what_stage1_saves_is_what_it_trained(inputs, checkpoint, distributed, tmp_path, tuning):
    settings = {**TUNINGS[tuning], "stage1.learning_rate": 1e-2, "engine.warmup": 0}
    bench = Bench(config_of(inputs, settings), "stage1", checkpoint)
    batch, branches = bench.answers()
    bench.step(0)
    trained = bench.engine.run("logps", batch, branches).detach()
    bench.engine.adapter.save(tmp_path / "stage1", bench.engine.plain_weights())
    assert (logps_of(tmp_path / "stage1", batch, branches) - trained).abs().max() < 1e-5
    assert (logps_of(checkpoint, batch, branches) - trained).abs().max() > 0.1
