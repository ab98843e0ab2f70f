"""Sharing out a step, without processes: what each rank would get."""

import math
import socket
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.run.jobs import config_of
from vlrlcd.errors import UserError
from vlrlcd.job import prepare
from vlrlcd.loader import GroupLoader, RowCache
from vlrlcd.processes import leaving, ranks, start
from vlrlcd.run_folder import RunFolder


@pytest.fixture
def among(monkeypatch):
    """Makes this process think that it is one of several."""

    def pretend(rank, count):
        monkeypatch.setattr(ranks, "rank", lambda: rank)
        monkeypatch.setattr(ranks, "count", lambda: count)

    return pretend


@given(st.integers(1, 40), st.integers(1, 9))
def test_shares_are_disjoint_complete_and_of_one_length(size, count):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ranks, "count", lambda: count)
        shares = []
        for rank in range(count):
            patch.setattr(ranks, "rank", lambda rank=rank: rank)
            shares.append(ranks.own_share(range(size)))
    assert {len(own) for own, _ in shares} == {math.ceil(size / count)}
    assert sorted(i for own, real in shares for i in own[:real]) == list(range(size))
    assert all(item == 0 for own, real in shares for item in own[real:])


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_every_prompt_counts_once_per_epoch_on_any_number_of_processes(inputs, among, stage, count):
    among(0, 1)
    job = prepare(config_of(inputs))
    loader = GroupLoader(job.adapter, job.templates, job.train, job.anchors.texts, 5, 0, True, RowCache())
    for epoch in range(2):
        seen = []
        for step in range(epoch * loader.steps_per_epoch, (epoch + 1) * loader.steps_per_epoch):
            lengths = set()
            for rank in range(count):
                among(rank, count)
                groups = loader.groups(step)
                lengths.add(len(groups))
                seen += [group.example.id for group in groups if group.weight]
            assert len(lengths) == 1
        assert sorted(seen) == sorted(example.id for example in job.train)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"data.train_limit": 3}, r"with 3 training prompts is too little for 4 processes"),
        ({"stage1.prompts_per_step": 2}, r"stage1\.prompts_per_step=2 is too little for 4 processes"),
        ({"stage2.prompts_per_step": 2}, r"stage2\.prompts_per_step=2 is too little for 4 processes"),
    ],
)
def test_less_work_than_processes_is_refused(inputs, among, settings, message):
    among(0, 4)
    with pytest.raises(UserError, match=message + r".*start fewer \(deepspeed --num_gpus N\)"):
        prepare(config_of(inputs, settings))


def test_float16_without_a_gpu_is_refused(inputs):
    with pytest.raises(UserError, match=r"model\.dtype=float16 needs a GPU.*--model\.dtype=bfloat16"):
        prepare(config_of(inputs, {"model.dtype": "float16"}))


@pytest.mark.parametrize("variable", ["SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE", "PMI_SIZE"])
def test_tasks_that_know_nothing_of_each_other_are_refused(monkeypatch, variable):
    monkeypatch.setenv(variable, "4")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(UserError, match=rf"{variable} says 4 tasks, but RANK is not set.*srun --ntasks-per-node=1"):
        start._refuse_lonely_tasks()
    monkeypatch.setenv("RANK", "0")
    start._refuse_lonely_tasks()


def test_more_processes_than_gpus_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(UserError, match=r"process 2 of this machine has no GPU, there are 2: start at most 2"):
        start._refuse_missing_gpus()


@pytest.mark.parametrize("stands_for", ["127.0.1.1", "::1", None])
def test_a_machine_that_others_cannot_reach_by_its_name_is_refused(monkeypatch, stands_for):
    def found(name, port):
        if stands_for is None:
            raise socket.gaierror
        return [(None, None, None, "", (stands_for, 0))]

    monkeypatch.setattr(socket, "getaddrinfo", found)
    for name, value in {"WORLD_SIZE": "4", "LOCAL_SIZE": "2", "MASTER_ADDR": "10.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    for name in ("LOCAL_WORLD_SIZE", "GLOO_SOCKET_IFNAME"):
        monkeypatch.delenv(name, raising=False)
    said = rf"name, \S+, stands for {stands_for or 'no address'}, and no other machine reaches it there: set GLOO_SOCK"
    with pytest.raises(UserError, match=said):
        start._refuse_loopback()
    for name, value in {"GLOO_SOCKET_IFNAME": "eth0", "MASTER_ADDR": "127.0.0.1", "LOCAL_SIZE": "4"}.items():
        with monkeypatch.context() as fine:
            fine.setenv(name, value)
            start._refuse_loopback()


def test_a_broken_connection_to_another_machine_is_told_in_a_sentence(monkeypatch):
    gloo = RuntimeError("[gloo/transport/tcp/pair.cc:5] Read error [10.0.0.2]:1: Connection reset. This is typically")
    told = "error: the connection to another machine broke (Read error [10.0.0.2]:1: Connection reset): "
    for elsewhere in (True, False):
        monkeypatch.setattr(leaving, "siblings", SimpleNamespace(elsewhere=elsewhere))
        assert (leaving.cut_off(gloo) or "").startswith(told) == elsewhere
        assert leaving.cut_off(RuntimeError("a bug")) is None


def test_a_run_folder_that_another_machine_does_not_see_is_named(inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(ranks, "once", lambda work: tmp_path / "elsewhere")
    with pytest.raises(UserError, match=r"does not see .*elsewhere.*put run\.root on a file system that all machines"):
        RunFolder(config_of(inputs), "it", {})


def test_a_stage_that_does_not_run_needs_no_prompts(inputs, among, monkeypatch):
    among(0, 4)
    monkeypatch.setattr(ranks, "once", lambda work: work())
    assert prepare(config_of(inputs, {"stage2.prompts_per_step": 2, "stage2.method": "sft"}))
