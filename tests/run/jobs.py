"""Jobs of a few steps on drawn scenes, in this process and as the real command."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import torch
from safetensors.torch import load_file

from vlrlcd.cli import parse_config
from vlrlcd.config import Config

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
CONFIG = ROOT / "configs" / "quickstart.yaml"
WEIGHTS = "model.safetensors"
FEW = {
    "data.train_limit": 0,
    "anchors.style": "explained",
    "sampling.candidates": 4,
    "sampling.max_new_tokens": 8,
    "stage1.epochs": 1,
    "stage1.prompts_per_step": 4,
    "stage2.epochs": 1,
    "stage2.prompts_per_step": 4,
    "evaluation.limit": 4,
    "evaluation.resamples": 50,
    "engine.deepspeed": ROOT / "configs/deepspeed/zero0.json",
    "run.trackers": "[]",
    "run.save_every": 2,
}
"""Three steps a stage with 12 training prompts."""


def flags(*settings: dict) -> list[str]:
    """The settings as a command line, later ones first in force; --config is always the quickstart."""
    merged = {key: value for setting in (FEW, *settings) for key, value in setting.items()}
    return [f"--config={CONFIG}", *(f"--{key}={value}" for key, value in merged.items())]


def config_of(*settings: dict) -> Config:
    return parse_config("", argv=flags(*settings))


def start(*settings: dict, processes: int = 0) -> subprocess.Popen:
    """`scripts/train.py`; without a launcher, or under DeepSpeed's with so many processes."""
    return launch(processes and deepspeed(processes), "scripts/train.py", *flags(*settings))


def deepspeed(processes: int) -> list[str]:
    """DeepSpeed's launcher for so many processes of this machine."""
    return [str(BIN / "deepspeed"), "--num_gpus", str(processes), "--master_port", str(free_port())]


def launch(launcher: list[str], script: str, *arguments: str, **more: str) -> subprocess.Popen:
    """A script as a process of its own session, so that a signal can reach all that it starts.

    Args:
        launcher: the command that starts processes; none is Python itself.
        script: relative to the root of the repository.
        arguments: of the script.
        more: variables of its environment.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", **more}
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        environment.pop(name, None)
    return subprocess.Popen(
        [*(launcher or [sys.executable]), str(ROOT / script), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
        start_new_session=True,
    )


def finish(process: subprocess.Popen, timeout: float = 180) -> tuple[int, str, str]:
    """(exit code, stdout, stderr); kills what hangs."""
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return process.returncode, out, err


def send_at(process: subprocess.Popen, run: Path, stage: str, step: int, sent: signal.Signals, group=False, to=None):
    """Sends a signal as soon as a step of a stage is logged; fails if the process ends before.

    It goes to the process, to its whole group, or to the one that `to` finds.
    """
    deadline = time.monotonic() + 120
    while not any(line["stage"] == stage and line["step"] >= step for line in lines(run / "metrics.jsonl")):
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"{stage} step {step} never came: {finish(process, 1)}")
        time.sleep(0.002)
    (os.killpg if group else os.kill)(to().pid if to else process.pid, sent)


def lines(path: Path) -> list[dict]:
    """The whole lines of a JSONL file that may just be written to."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]


def figures(run: Path) -> list[dict]:
    """metrics.jsonl without what a clock says."""
    timed = ("seconds", "tokens_per_s")
    return [{k: v for k, v in line.items() if k not in timed} for line in lines(run / "metrics.jsonl")]


def weights(run: Path, part: str = "student") -> dict[str, torch.Tensor]:
    return load_file(run / part / WEIGHTS)


def beside_weights(checkpoint: Path) -> dict[str, bytes]:
    """Whatever else lies in a checkpoint's folder."""
    return {path.name: path.read_bytes() for path in checkpoint.iterdir() if path.name != WEIGHTS}


def same_bits(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def largest_gap(one: Iterable[torch.Tensor], other: Iterable[torch.Tensor]) -> float:
    return max(float((a - b).abs().max()) for a, b in zip(one, other, strict=True))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
