"""A process that is killed, stopped or at fault: the job ends soon, says why, and goes on from where it was saved."""

import os
import re
import signal
import socket
import subprocess
import sys
import time

import psutil
import pytest

from tests.run.jobs import (
    ROOT,
    deepspeed,
    figures,
    finish,
    free_port,
    largest_gap,
    launch,
    lines,
    same_bits,
    send_at,
    start,
    weights,
)
from vlrlcd.processes.siblings import GRACE_S
from vlrlcd.scenes.release import write_release

STUMBLE = "tests/run/processes/stumble.py"
LONGER = {"stage1.epochs": 3, "stage2.epochs": 3, "evaluation.limit": 2, "run.name": "it", "run.save_every": 3}
RESUME = {"run.resume": "true"}


def rank_of(launcher, rank):
    """The process of one rank under a launcher, or None before it is there."""
    below = psutil.Process(launcher.pid).children(recursive=True)
    return next((p for p in below if f"--local_rank={rank}" in p.cmdline() and "-u" in p.cmdline()), None)


@pytest.mark.slow
@pytest.mark.parametrize(("zero", "tuning"), [("zero2", "full"), ("zero3", "lora")])
def test_killed_and_stopped_a_job_goes_on_to_the_same_bits(here, tmp_path, zero_files, zero, tuning):
    settings = {**here, **LONGER, "engine.deepspeed": zero_files[zero], "model.tuning": tuning}
    code, _, err = finish(start(settings, {"run.name": "expected"}, processes=2))
    assert code == 0, err

    killed = start(settings, processes=2)
    send_at(killed, tmp_path / "it", "stage1", 4, signal.SIGKILL, to=lambda: rank_of(killed, 1))
    asked = time.monotonic()
    code, out, err = finish(killed)
    assert time.monotonic() - asked < 60
    assert code != 0
    assert re.search(
        r"(?m)^error: rank 1 \(process \d+\) ended before its time and without a word: it was killed", err
    ), err
    assert "Traceback" not in out + err

    stopped = start(settings, RESUME, processes=2)
    send_at(stopped, tmp_path / "it", "stage2", 4, signal.SIGTERM, to=lambda: rank_of(stopped, 1))
    code, out, err = finish(stopped)
    assert code == 0, err
    assert out.count("stopped and saved") == 1
    assert len(figures(tmp_path / "it")) not in (9, 18)

    code, _, err = finish(start(settings, RESUME, processes=2))
    assert code == 0, err
    assert same_bits(weights(tmp_path / "it"), weights(tmp_path / "expected"))
    assert figures(tmp_path / "it") == figures(tmp_path / "expected")
    assert lines(tmp_path / "it/samples.jsonl") == lines(tmp_path / "expected/samples.jsonl")


@pytest.mark.slow
def test_a_run_goes_on_with_other_processes_and_another_zero_stage(here, tmp_path, zero_files):
    settings = {**here, **LONGER}
    two = {"engine.deepspeed": zero_files["zero3"]}
    one = {"engine.deepspeed": zero_files["zero2"]}
    code, _, err = finish(start(settings, {"run.name": "expected"}))
    assert code == 0, err
    for stage, layout, processes, more in (("stage1", two, 2, {}), ("stage2", one, 1, RESUME)):
        stopped = start(settings, layout, more, processes=processes)
        send_at(stopped, tmp_path / "it", stage, 4, signal.SIGTERM, to=lambda of=stopped: rank_of(of, 0))
        code, out, err = finish(stopped)
        assert code == 0 and "stopped and saved" in out, err
    code, _, err = finish(start(settings, two, RESUME, processes=2))
    assert code == 0, err
    assert largest_gap(weights(tmp_path / "it").values(), weights(tmp_path / "expected").values()) < 1e-4
    for line, other in zip(figures(tmp_path / "it"), figures(tmp_path / "expected"), strict=True):
        assert line["loss"] == pytest.approx(other["loss"], rel=1e-3, abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_during_an_evaluation_too(here, tmp_path, sent):
    write_release(tmp_path / "scenes", "train", 12, seed=0)
    write_release(tmp_path / "scenes", "val", 600, seed=0)
    longer = {"evaluation.limit": 0, "evaluation.prompts_per_pass": 1, "run.name": "it"}
    job = start({**here, **longer, "data.root": tmp_path / "scenes"}, processes=2)
    deadline = time.monotonic() + 60
    while not (tmp_path / "it/run.json").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(1)
    os.kill(rank_of(job, 1).pid, sent)
    code, out, err = finish(job)
    assert not (tmp_path / "it/eval.json").exists()
    assert "Traceback" not in out + err
    if sent == signal.SIGTERM:
        assert (code, out.count("stopped and saved"), err.count("error: ")) == (0, 1, 0), err
    else:
        assert (code != 0, out.count("stopped and saved"), err.count("error: rank 1")) == (True, 0, 1), err


@pytest.mark.parametrize(
    ("fault", "first_words"),
    [
        ("user", r"rank 1: error: row 7 is bad"),
        pytest.param("bug", r"rank 1: Traceback", marks=pytest.mark.slow),
        pytest.param("everyone", r"(rank 1: )?error: row 7 is bad", marks=pytest.mark.slow),
    ],
)
def test_the_first_error_stands_on_top(fault, first_words):
    began = time.monotonic()
    code, out, err = finish(launch(deepspeed(2), STUMBLE, fault))
    assert time.monotonic() - began < 60
    assert code != 0
    said = [line for line in err.splitlines() if "error:" in line or "Traceback" in line]
    assert len(said) == 1, err
    assert re.match(first_words, said[0]), err
    assert err.count("row 7 is bad") == 1


@pytest.mark.slow
def test_a_port_that_is_taken_is_told_in_a_sentence():
    with socket.socket() as taken:
        taken.bind(("", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        code, _, err = finish(launch([*deepspeed(2)[:-1], port], STUMBLE, "user"))
    assert code == 2
    assert "Traceback" not in err
    assert f"error: the processes did not meet at 127.0.0.1:{port} (" in err and "whether the port is free" in err


@pytest.mark.slow
def test_without_a_launcher_a_process_ends_by_itself_when_another_is_gone():
    environment = {**os.environ, "WORLD_SIZE": "2", "LOCAL_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}
    environment |= {"MASTER_PORT": str(free_port()), "LOCAL_RANK": "0"}
    environment.pop("OMP_NUM_THREADS", None)
    both = [
        subprocess.Popen(
            [sys.executable, str(ROOT / STUMBLE), "sleep"],
            env={**environment, "RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    # DeepSpeed's own words come first
    threads = int(next(line for line in both[0].stdout if line.strip().isdigit()))
    assert threads == max(1, len(os.sched_getaffinity(0)) // 2)
    both[1].kill()
    began = time.monotonic()
    code, _, err = finish(both[0])
    assert GRACE_S < time.monotonic() - began < 40
    assert code == 1
    assert "error: rank 1 (process" in err
    both[1].communicate()
