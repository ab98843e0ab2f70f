"""Every scorer, evaluator, control, precision and ZeRO stage goes through the whole job."""

import math
import os
import signal

import pytest
import torch

from tests.run.jobs import ROOT, config_of, figures, largest_gap, lines, same_bits, weights
from vlrlcd.job import prepare
from vlrlcd.processes.stopping import Stopped
from vlrlcd.trainer import Trainer, train

ONCE = {"run.name": "it", "evaluation.split": ""}


@pytest.fixture
def finished(here, tmp_path, handlers, distributed):
    """Runs the job with changed keys and returns its groups; every figure was finite."""

    def run(**changes):
        dotted = {key.replace("__", "."): value for key, value in changes.items()}
        train(config_of(here, ONCE, dotted), "it")
        logged = figures(tmp_path / "it")
        assert [line["stage"] for line in logged] == ["stage1"] * 3 + ["stage2"] * 3
        for line in logged:
            assert all(math.isfinite(v) for v in line.values() if v is not None and not isinstance(v, str)), line
        assert all(w.isfinite().all() for w in weights(tmp_path / "it").values())
        return lines(tmp_path / "it/samples.jsonl")

    return run


def candidates(groups):
    return [c for group in groups for c in group["candidates"]]


@pytest.mark.parametrize("scorer", ["verdict", "likelihood"])
@pytest.mark.parametrize("evaluator", ["frozen", "current"])
@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_scorers_and_evaluators(finished, scorer, evaluator, tuning):
    groups = finished(ranking__scorer=scorer, ranking__evaluator=evaluator, model__tuning=tuning)
    assert len({round(c["r"], 4) for c in candidates(groups)}) > 12


@pytest.mark.parametrize("q", ["ratio", "mean", "sum"])
def test_every_q(finished, q):
    groups = finished(stage2__q=q)
    uniform = [c["q"] == pytest.approx(c["copies"] / 4, abs=1e-5) for c in candidates(groups[:4])]
    assert all(uniform) == (q == "ratio")


def test_the_control_anchors_shuffled_shows_each_prompt_the_anchor_of_another(finished, inputs):
    own = prepare(config_of(inputs)).anchors.texts
    shown = {group["id"]: group["anchor"] for group in finished(ranking__control="anchors_shuffled")}
    assert sorted(shown.values()) == sorted(own.values())
    moved = [name for name in own if shown[name] != own[name]]
    assert len(moved) >= len(own) - 2, "rows may share a text, but no prompt keeps its own"


def test_the_control_d_permuted_keeps_the_values_of_d_and_not_their_order(finished):
    orders = []
    for group in finished(ranking__control="d_permuted"):
        by_r = sorted(group["candidates"], key=lambda c: c["r"])
        orders.append([c["D"] / c["copies"] for c in by_r])
    assert any(order != sorted(order) for order in orders)


def test_without_a_control_d_follows_r(finished):
    for group in finished():
        by_r = [c["D"] / c["copies"] for c in sorted(group["candidates"], key=lambda c: c["r"])]
        assert by_r == sorted(by_r)


def test_the_control_d_uniform_counts_copies_alone(finished):
    assert all(c["D"] == pytest.approx(c["copies"] / 4) for c in candidates(finished(ranking__control="d_uniform")))


def test_the_control_no_anchor_ranks_by_the_own_score(finished):
    assert all(c["r"] == c["score"] < 0 for c in candidates(finished(ranking__control="no_anchor")))


def test_the_control_oracle_ranks_by_correctness(finished):
    found = candidates(finished(ranking__control="oracle"))
    assert all(c["r"] == float(c["correct"]) - 1 for c in found)


def test_bfloat16(finished, tmp_path):
    finished(model__dtype="bfloat16", model__tuning="full")
    assert all(w.dtype == torch.bfloat16 for w in weights(tmp_path / "it").values())
    assert all(line["grad_norm"] > 0 for line in figures(tmp_path / "it"))


def test_zero_2_reaches_what_zero_0_reaches(here, tmp_path, handlers, distributed):
    runs = []
    for name in ("zero0", "zero2"):
        config = config_of(here, ONCE, {"run.name": name, "engine.deepspeed": ROOT / f"configs/deepspeed/{name}.json"})
        runs.append(train(config, name))
    zero0, zero2 = (weights(run) for run in runs)
    assert zero0.keys() == zero2.keys()
    assert largest_gap(zero0.values(), zero2.values()) < 1e-5
    for plain, partitioned in zip(figures(runs[0]), figures(runs[1]), strict=True):
        assert partitioned["loss"] == pytest.approx(plain["loss"], abs=1e-5)
        assert partitioned["grad_norm"] == pytest.approx(plain["grad_norm"], rel=1e-3)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", ["zero0", "zero2"])
def test_a_checkpoint_holds_all_that_the_precision_and_the_zero_stage_need(
    here, tmp_path, handlers, distributed, monkeypatch, dtype, name
):
    changes = {**ONCE, "model.dtype": dtype, "engine.deepspeed": ROOT / f"configs/deepspeed/{name}.json"}
    expected = train(config_of(here, changes, {"run.name": "expected"}), "expected")
    log = Trainer._log

    def asking(self, bar, stage, step, *rest):
        log(self, bar, stage, step, *rest)
        if step == 1:
            os.kill(os.getpid(), signal.SIGTERM)

    more = {}
    for _ in ("stage1", "stage2"):
        with monkeypatch.context() as patch, pytest.raises(Stopped):
            patch.setattr(Trainer, "_log", asking)
            train(config_of(here, changes, more), "it")
        more = {"run.resume": "true"}
    train(config_of(here, changes, more), "it")
    assert same_bits(weights(tmp_path / "it"), weights(expected))
    assert figures(tmp_path / "it") == figures(expected)
