"""Every ZeRO stage, on one process and on two, learns the same from the same candidates."""

import pytest
from safetensors.torch import load_file

from tests.run.bench import Bench
from tests.run.jobs import WEIGHTS, config_of, largest_gap
from tests.run.processes.conftest import ZEROS
from tests.run.processes.program import STEPS, record
from tests.tiny import FAMILIES

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
MATRIX = [
    *[("llava", zero, processes) for zero in ZEROS for processes in (1, 2)],
    *[(family, zero, 2) for family in ("qwen2_5_vl", "qwen2") for zero in ("zero0", "zero2", "zero3", "zero3_offload")],
]
"""Family, ZeRO file and processes."""


@pytest.fixture(scope="module")
def students(inputs, text_rows, tmp_path_factory):
    """Family to settings; one that reads text only has rows of text."""
    folder = tmp_path_factory.mktemp("students")
    made = {family: {"model.checkpoint": FAMILIES[family](folder / family)} for family, _, _ in MATRIX}
    return {family: {**inputs, **EIGHT, **made[family], **(text_rows if family == "qwen2" else {})} for family in made}


@pytest.fixture(scope="module")
def recordings(students, distributed):
    """Candidates as one process without ZeRO samples them, by family."""
    return {
        family: record(Bench(config_of(settings), "stage2", settings["model.checkpoint"]))
        for family, settings in students.items()
    }


@pytest.fixture(scope="module")
def found(students, recordings, run_cases, case):
    """(process count, case) to what program.py found; the cases of a count run in one launch."""

    def of(family, zero, more=None, **rest):
        return case(zero, {**students[family], **(more or {})}, recording=recordings[family], **rest)

    def matrix(processes):
        cells = {(family, zero) for family, zero, count in MATRIX if count == processes}
        # what all are compared with
        cells |= {(family, "zero0") for family in students}
        return {f"{f}-{zero}-{t}": of(f, zero, {"model.tuning": t}) for f, zero in sorted(cells) for t in TUNINGS}

    llava = {f"{z}-full-by-{n}": of("llava", z, {"engine.prompts_per_pass": n}) for z, n in SPLIT}
    two = {
        # about seven tokens to a chunk: the processes have different numbers of chunks
        "zero3-full-chunked": of("llava", "zero3", chunk_logits=7 * 360),
        # the processes have different numbers of pieces
        "zero3-full-in pieces": of("llava", "zero3", {"engine.tokens_per_pass": 130}),
        "zero3-full-recomputed": of("llava", "zero3", {"model.activation_checkpointing": "true"}),
        **{f"zero3-{how}": of("llava", "zero3", {"engine.gather": how}, samples=True) for how in ("always", "never")},
    }
    launches, results = {1: matrix(1) | llava, 2: matrix(2) | llava | two}, {}

    def result(processes, name):
        if processes not in results:
            results[processes] = run_cases(processes, launches[processes])
        return results[processes][name]

    return result


def assert_same(one, other):
    for stage, steps in STEPS.items():
        assert len(one["json"][stage]["loss"]) == steps
        assert one["json"][stage]["loss"] == pytest.approx(other["json"][stage]["loss"], rel=1e-4)
        assert one["json"][stage]["norm"] == pytest.approx(other["json"][stage]["norm"], rel=1e-3)
    assert_close(one["gradients"], other["gradients"], 1e-5)
    assert_close(one["weights"], other["weights"], 1e-4)
    assert one["others"] == other["others"]


def assert_close(one, other, tolerance):
    assert one.keys() == other.keys()
    largest = max(float(tensor.abs().max()) for tensor in other.values())
    assert largest_gap(one.values(), (other[name] for name in one)) < tolerance * largest


@pytest.mark.parametrize("tuning", TUNINGS)
@pytest.mark.parametrize("family", dict.fromkeys(family for family, _, _ in MATRIX))
def test_the_reference_learns_something(found, students, family, tuning):
    reference = found(1, f"{family}-zero0-{tuning}")
    losses, weights = reference["json"], reference["weights"]
    assert losses["stage1"]["loss"][-1] < 0.97 * losses["stage1"]["loss"][0]
    assert len(set(losses["stage2"]["loss"])) == STEPS["stage2"]
    before = load_file(students[family]["model.checkpoint"] / WEIGHTS)
    assert before.keys() == weights.keys()
    assert largest_gap(before.values(), (weights[name] for name in before)) > 5e-4


@pytest.mark.parametrize("tuning", TUNINGS)
@pytest.mark.parametrize(("family", "zero", "processes"), MATRIX)
def test_every_stage_and_count_equals_one_process_without_zero(found, family, zero, processes, tuning):
    assert_same(found(processes, f"{family}-{zero}-{tuning}"), found(1, f"{family}-zero0-{tuning}"))


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(("zero", "per_pass"), SPLIT)
def test_accumulated_passes_equal_one_pass(found, processes, zero, per_pass):
    assert_same(found(processes, f"{zero}-full-by-{per_pass}"), found(1, "llava-zero0-full"))


def test_student_and_frozen_reference_are_sharded_alike(found):
    # a parameter of odd size is padded
    assert found(2, "llava-zero3-full")["json"]["held"] == pytest.approx([0.5, 0.5], abs=0.01)


@pytest.mark.parametrize("way", ["chunked", "in pieces", "recomputed"])
def test_a_sharded_head_in_chunks_groups_in_pieces_and_recomputed_layers_change_nothing(found, way):
    assert_same(found(2, f"zero3-full-{way}"), found(1, "llava-zero0-full"))


@pytest.mark.parametrize("gather", ["always", "never"])
def test_a_gathered_and_a_sharded_student_draw_what_one_process_draws(found, recordings, gather):
    recording = recordings["llava"]
    assert found(2, f"zero3-{gather}")["json"] == recording
    lengths = {len(c[0]) for step in recording.values() for group in step.values() for c in group}
    assert len(lengths) > 2, "answers of one length would never leave a process waiting"
