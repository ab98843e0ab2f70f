"""The memory arithmetic against counts by hand."""

from dataclasses import replace

import pytest

from benchmarks.memory import beside_measurements
from vlrlcd import planner
from vlrlcd.planner import USABLE, Decoder, Plan, Sharding, Weights, Work

PLAN = Plan(Weights(trained=100, frozen=20, reference=120), Decoder(2, 4, 8, 4, 16), element=2, recomputed=True)
WORK = Work(prompt=10, answer=5, candidates=4, prompts=2)


@pytest.mark.parametrize(
    ("by", "device", "host"),
    [
        (Sharding(0, 4), 2 * 240 + 2 * 100 + 4 * 100, 0),
        (Sharding(1, 4), 2 * 240 + 2 * 100 + 12 * 25, 0),
        (Sharding(2, 4), 2 * 240 + 2 * 25 + 12 * 25, 0),
        (Sharding(2, 4, optimiser_on_cpu=True), 2 * 240, 12 * 25 + 4 * 25),
        (Sharding(3, 4), 2 * 60 + 2 * 25 + 12 * 25, 0),
        (Sharding(3, 4, True, True), 0, 2 * 60 + 12 * 25 + 4 * 25),
        (Sharding(2, 4, buffers=7), 2 * 240 + 2 * 25 + 12 * 25 + 2 * 7, 0),
        (Sharding(3, 4, live=1000), 2 * 240 + 2 * 25 + 12 * 25, 0),
    ],
)
def test_what_each_stage_divides(by, device, host):
    assert PLAN.state(by) == (device, host)


def test_a_deepspeed_json():
    zero = {"stage": 2, "overlap_comm": True, "offload_optimizer": {"device": "cpu"}, "reduce_bucket_size": 50}
    assert Sharding.of({"zero_optimization": zero}, 3) == Sharding(2, 3, True, False, buffers=100)
    assert Sharding.of({}, 1) == Sharding(0, 1)


def test_a_pass_is_cut_at_the_limit_but_never_below_one_candidate():
    assert WORK.learned == WORK.cached == 2 * (10 + 4 * 5)
    assert replace(WORK, limit=40).learned == 40
    assert replace(WORK, limit=1).learned == 15
    assert replace(WORK, limit=1).cached == WORK.cached


def test_what_a_pass_keeps():
    tokens, branches = 60, 8
    layer = 2 * tokens * (10 * 4 + 4 * 8) + 2 * 2 * 4 * branches * (10 + 5)
    logits = 3 * 4 * tokens * 16
    assert PLAN.passing(WORK) == 2 * tokens * 4 * 2 + layer + logits
    assert replace(PLAN, recomputed=False).passing(WORK) == 2 * layer + logits
    assert replace(WORK, limit=40).branches == 6 and replace(WORK, limit=1).branches == 1


def test_copies_of_prefixes_that_would_take_too_much_are_not_made(monkeypatch):
    whole = PLAN.passing(WORK)
    monkeypatch.setattr(planner, "COPIED_BYTES", 2 * 2 * 4 * 8 * 15 - 1)
    assert PLAN.passing(WORK) == whole - 2 * 2 * 4 * 8 * 15


def test_the_largest_k_is_the_last_that_fits():
    by, memory = Sharding(0), PLAN.device(Sharding(0), replace(WORK, candidates=9)) / USABLE + 1
    assert PLAN.largest_k(by, WORK, memory) == 9
    assert PLAN.largest_k(by, WORK, 1) == 0


def test_the_largest_limit_makes_the_work_fit():
    by, plan = Sharding(0), replace(PLAN, recomputed=False)
    memory = plan.device(by, replace(WORK, limit=30)) / USABLE + 1
    assert not plan.fits(by, WORK, memory)
    assert plan.largest_limit(by, WORK, memory) == 30
    assert plan.largest_limit(by, WORK, 1) == 0


def test_it_says_what_a_gpu_took():
    found = list(beside_measurements(rank=16))
    assert {recomputed for _, _, recomputed, _, _ in found} == {True, False}
    for name, _, _, computed, measured in found:
        assert computed == pytest.approx(measured, rel=0.03), name
