"""Every ZeRO stage, on one process and on two, learns the same from the same candidates."""

import pytest
import torch

from model_adapters import adapter_for
from tests.run.bench import Bench
from tests.run.jobs import config_of, largest_gap
from tests.run.processes.conftest import ZEROS
from tests.run.processes.program import STEPS, record

pytestmark = pytest.mark.slow
EIGHT = {
    "stage1.prompts_per_step": 8,
    "stage2.prompts_per_step": 8,
    "engine.prompts_per_pass": 8,
    "stage1.learning_rate": 1e-3,
    "stage2.learning_rate": 3e-4,
    "evaluation.split": "",
}
TUNINGS = ["full", "lora"]
SPLIT = [("zero0", 1), ("zero0", 3), ("zero2", 1), ("zero2", 3), ("zero3", 1), ("zero3", 3)]
"""ZeRO file and prompts per pass."""


@pytest.fixture(scope="module")
def recording(inputs, checkpoint, distributed):
    """Candidates as one process without ZeRO samples them."""
    return record(Bench(config_of(inputs, EIGHT), "stage2", checkpoint))


@pytest.fixture(scope="module")
def found(recording, run_cases, case):
    """(process count, case) to what program.py found; the cases of a count run in one launch."""

    def with_eight(zero, more=None, **rest):
        return case(zero, {**EIGHT, **(more or {})}, **rest)

    shared = {
        **{f"{zero}-{t}": with_eight(zero, {"model.tuning": t}) for zero in ZEROS for t in TUNINGS},
        **{f"{z}-full-by-{n}": with_eight(z, {"engine.prompts_per_pass": n}) for z, n in SPLIT},
    }
    two = {
        # about seven tokens to a chunk: the processes have different numbers of chunks
        "zero3-full-chunked": with_eight("zero3", chunk_logits=7 * 360),
        # the processes have different numbers of pieces
        "zero3-full-in pieces": with_eight("zero3", {"engine.tokens_per_pass": 130}),
        "zero3-full-recomputed": with_eight("zero3", {"model.activation_checkpointing": "true"}),
        **{f"zero3-{how}": with_eight("zero3", {"engine.gather": how}, samples=True) for how in ("always", "never")},
    }
    launches, results = {1: shared, 2: shared | two}, {}

    def result(processes, name):
        if processes not in results:
            results[processes] = run_cases(processes, launches[processes], recording)
        return results[processes][name]

    return result


def assert_same(one, other):
    for stage, steps in STEPS.items():
        assert len(one["json"][stage]["loss"]) == steps
        assert one["json"][stage]["loss"] == pytest.approx(other["json"][stage]["loss"], rel=1e-4)
        assert one["json"][stage]["norm"] == pytest.approx(other["json"][stage]["norm"], rel=1e-3)
    assert_close(one["gradients"], other["gradients"], 1e-5)
    assert_close(one["weights"], other["weights"], 1e-4)


def assert_close(one, other, tolerance):
    assert one.keys() == other.keys()
    largest = max(float(tensor.abs().max()) for tensor in other.values())
    assert largest_gap(one.values(), (other[name] for name in one)) < tolerance * largest


@pytest.mark.parametrize("tuning", TUNINGS)
def test_the_reference_learns_something(found, checkpoint, tuning):
    reference = found(1, f"zero0-{tuning}")
    losses, weights = reference["json"], reference["weights"]
    assert losses["stage1"]["loss"][-1] < 0.97 * losses["stage1"]["loss"][0]
    assert len(set(losses["stage2"]["loss"])) == STEPS["stage2"]
    before = dict(adapter_for(checkpoint).load_model(torch.float32).model.state_dict())
    assert before.keys() == weights.keys()
    assert largest_gap(before.values(), (weights[name] for name in before)) > 5e-4


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("tuning", TUNINGS)
@pytest.mark.parametrize("zero", ZEROS)
def test_every_stage_and_count_equals_one_process_without_zero(found, processes, zero, tuning):
    assert_same(found(processes, f"{zero}-{tuning}"), found(1, f"zero0-{tuning}"))


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(("zero", "per_pass"), SPLIT)
def test_accumulated_passes_equal_one_pass(found, processes, zero, per_pass):
    assert_same(found(processes, f"{zero}-full-by-{per_pass}"), found(1, "zero0-full"))


def test_student_and_frozen_reference_are_sharded_alike(found):
    # a parameter of odd size is padded
    assert found(2, "zero3-full")["json"]["held"] == pytest.approx([0.5, 0.5], abs=0.01)


@pytest.mark.parametrize("way", ["chunked", "in pieces", "recomputed"])
def test_a_sharded_head_in_chunks_groups_in_pieces_and_recomputed_layers_change_nothing(found, way):
    assert_same(found(2, f"zero3-full-{way}"), found(1, "zero0-full"))


@pytest.mark.parametrize("gather", ["always", "never"])
def test_a_gathered_and_a_sharded_student_draw_what_one_process_draws(found, recording, gather):
    assert found(2, f"zero3-{gather}")["json"] == recording
    lengths = {len(c[0]) for step in recording.values() for group in step.values() for c in group}
    assert len(lengths) > 2, "answers of one length would never leave a process waiting"
