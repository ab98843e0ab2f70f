"""What ZeRO-3 decides and lets go, in this process."""

import weakref
from types import SimpleNamespace

import pytest
import torch

from tests.run.bench import Bench
from tests.run.jobs import ROOT, config_of
from vlrlcd.engine import gathering
from vlrlcd.engine.engine import decodes_statically
from vlrlcd.errors import UserError
from vlrlcd.processes import ranks


@pytest.mark.parametrize("zero", ["zero0", "zero2", "zero3"])
def test_a_closed_engine_holds_nothing_of_its_stage(inputs, checkpoint, distributed, own_linear, zero):
    bench = Bench(
        config_of(inputs, {"engine.deepspeed": ROOT / f"configs/deepspeed/{zero}.json"}), "stage2", checkpoint
    )
    bench.step()
    left = [weakref.ref(bench.engine.student), weakref.ref(bench.engine._engine)]
    bench.engine.close()
    assert [reference() for reference in left] == [None, None]


@pytest.mark.parametrize(
    ("wanted", "free_mib", "gathers", "said"),
    [
        ("auto", 20, True, "gathers the student once per rollout: 10 of 20 MiB free a process (engine.gather=auto)"),
        ("auto", 19, False, "runs on the sharded student, slowly: 10 of 19 MiB free a process (engine.gather=auto)"),
        ("always", 1, True, "gathers the student once per rollout: 10 of 1 MiB free a process (engine.gather=always)"),
        ("never", 99, False, "runs on the sharded student, slowly: 10 of 99 MiB free a process (engine.gather=never)"),
    ],
)
def test_the_estimate_takes_half_of_what_is_free_and_says_so(monkeypatch, wanted, free_mib, gathers, said):
    parameter = SimpleNamespace(ds_numel=5 * 2**20, element_size=lambda: 2)
    student = SimpleNamespace(trained_model_parameters=lambda: [parameter])
    monkeypatch.setattr(gathering, "_free_memory", lambda device: free_mib * 2**20)
    assert gathering.room_to_gather(student, torch.device("cpu"), wanted) == (gathers, said)


def test_the_fullest_process_decides(monkeypatch):
    student = SimpleNamespace(
        trained_model_parameters=lambda: [SimpleNamespace(ds_numel=2**20, element_size=lambda: 1)]
    )
    # another process has 1 MiB free
    monkeypatch.setattr(ranks, "largest", lambda value: max(value, -(2**20)))
    gathers, said = gathering.room_to_gather(student, torch.device("cpu"), "auto")
    assert not gathers
    assert "1 of 1 MiB free" in said


@pytest.mark.parametrize(
    ("wanted", "device", "in_step", "static"),
    [
        ("auto", "cpu", False, False),
        ("auto", "cuda", False, True),
        ("auto", "cuda", True, False),
        ("static", "cpu", False, True),
        ("shrinking", "cuda", False, False),
    ],
)
def test_who_decodes_in_static_shapes(wanted, device, in_step, static):
    assert decodes_statically(wanted, torch.device(device), in_step) == static


def test_static_shapes_on_a_sharded_student_are_refused():
    with pytest.raises(UserError, match="engine.decoding=static needs whole weights.*engine.gather=always"):
        decodes_statically("static", torch.device("cuda"), in_step=True)
