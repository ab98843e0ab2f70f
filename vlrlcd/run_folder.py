"""What one run leaves behind, and where it goes on after an interruption."""

import json
import os
import platform
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
import yaml

from vlrlcd.checkpoints import PLACE, last_whole
from vlrlcd.cli import to_dict
from vlrlcd.config import Config, JudgeConfig
from vlrlcd.errors import UserError
from vlrlcd.evaluation.table import put_evaluation, read_table
from vlrlcd.files import write_whole
from vlrlcd.processes import ranks
from vlrlcd.tracking import trackers_for

STREAMS = ("metrics.jsonl", "samples.jsonl")
MAY_CHANGE = {
    *("run.name", "run.root", "run.resume", "run.save_every", "run.keep_checkpoints", "run.trackers"),
    *("engine.prompts_per_pass", "engine.tokens_per_pass", "evaluation.prompts_per_pass"),
    *("model.activation_checkpointing", "engine.gather", "engine.deepspeed"),
    *("teacher.base_url", "teacher.api_key_env", "teacher.api_key_file", "teacher.allow_plain_http"),
    *("teacher.concurrency", "teacher.requests_per_minute", "teacher.tokens_per_minute", "teacher.timeout_s"),
    *("teacher.attempts", "teacher.max_tokens_field", "teacher.prices", "teacher.device_map", "anchors.store"),
    *("eyes.cache", "eyes.batch_size"),
    *(f"judge.{key.name}" for key in fields(JudgeConfig)),
}
"""Keys that a resumed run may have otherwise: where and how often it saves, how much memory it takes, and how the
teacher is reached, who is not asked again; and the judge, whom a run does not know."""
PACKAGES = ("torch", "transformers", "deepspeed", "peft", "numpy")


class RunFolder:
    """`runs/NAME`: configuration, figures, samples, checkpoints, and the place to resume from.

    The place is one small file, replaced in one step. It also says how long the streams were when it was written, so
    that after a kill no step stands there twice.
    """

    def __init__(self, config: Config, default_name: str, layout: dict[str, str]):
        """Makes a new folder, or opens the named one with `run.resume`. Collective: only the first process writes.

        Args:
            config: everything that the run depends on.
            default_name: of a run that is given none.
            layout: what its checkpoints depend on besides, written into each place.

        Raises:
            UserError: a named run that exists, or one to resume that does not, that began with another configuration,
                or whose checkpoint has another layout; a folder that a process on another machine does not see.
        """
        self.layout = layout
        self.path: Path = ranks.once(lambda: self._open(config, default_name))
        if not (self.path / "config.yaml").exists():
            raise UserError(
                f"{socket.gethostname()} does not see {self.path}, which the first process has just made: put run.root "
                "on a file system that all machines share."
            )
        self.checkpoints = self.path / "checkpoints"
        self.place: dict[str, Any] = ranks.once(self._found_place)
        self._trackers = trackers_for(config, self.path) if ranks.first() else []

    def _open(self, config: Config, default_name: str) -> Path:
        self.path = folder_for(config, default_name)
        self.path.mkdir(parents=True, exist_ok=True)
        if (self.path / "config.yaml").exists():
            _refuse_changes(self.path / "config.yaml", to_dict(config))
        else:
            record = {**to_dict(config), "provenance": provenance()}
            write_whole(self.path / "config.yaml", yaml.safe_dump(record, sort_keys=False))
        return self.path

    def _found_place(self) -> dict[str, Any]:
        place = self._read(PLACE) or {"stage": "stage1", "step": 0, "tag": None}
        if place["tag"]:
            self._refuse_another_layout(place)
            place = self._whole(place)
        for name in STREAMS:
            if self._length(name) > (keep := place.get("lengths", {}).get(name, 0)):
                os.truncate(self.path / name, keep)
        return place

    def _refuse_another_layout(self, place: dict[str, Any]) -> None:
        for name, now in self.layout.items():
            # older runs recorded less of it
            if (before := place.get("layout", {}).get(name, now)) != now:
                raise UserError(
                    f"{self.checkpoints / place['tag']} was written with {name} = {before}, and now it is {now}: "
                    "resume as the run was started."
                )

    def _whole(self, place: dict[str, Any]) -> dict[str, Any]:
        """The place of the last checkpoint that is whole."""
        found, said = last_whole(self.checkpoints, place)
        if found is None:
            raise UserError(f"{said}: restore it from a copy, or start a new run.")
        if said:
            print(f"{said}: going on from {found['tag']}")
        return found

    @property
    def name(self) -> str:
        return self.path.name

    def log(self, figures: dict) -> None:
        """One step's line of metrics.jsonl, and the same figures for the trackers."""
        self._append("metrics.jsonl", [figures])
        seconds = {f"seconds/{phase}": spent for phase, spent in figures["seconds"].items()}
        numbers = {k: v for k, v in {**figures, **seconds}.items() if isinstance(v, int | float) and k != "step"}
        for tracker in self._trackers:
            tracker.log(figures["stage"], figures["step"], numbers)

    def log_samples(self, lines: list[dict]) -> None:
        """A step's groups, one line of samples.jsonl each."""
        self._append("samples.jsonl", lines)

    def save_set_aside(self, lines: list[dict]) -> None:
        """set_aside.jsonl: the prompts that are not trained on, and why; no file where there are none."""
        if lines and ranks.first() and not (self.path / "set_aside.jsonl").exists():
            write_whole(self.path / "set_aside.jsonl", _jsonl(lines))

    def logged(self, stage: str, key: str) -> list[Any]:
        """One figure over the steps of a stage."""
        path = self.path / "metrics.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [figures[key] for line in lines if (figures := json.loads(line))["stage"] == stage and key in figures]

    def save_place(self, **place: Any) -> None:
        """Records where to go on, in one step."""
        lengths = {name: self._length(name) for name in STREAMS}
        self.place = {**place, "layout": self.layout, "lengths": lengths}
        if tag := place.get("tag"):
            self._write(f"{self.checkpoints.name}/{tag}/{PLACE}", self.place)
        self._write(PLACE, self.place)

    def record(self, **facts: Any) -> None:
        """Adds facts to run.json."""
        self._write("run.json", {**(self._read("run.json") or {"name": self.name}), **facts})

    def facts(self) -> dict[str, Any]:
        """What was recorded."""
        return self._read("run.json") or {}

    def save_evaluation(self, task: str, split: str, stage: str, metrics: dict) -> None:
        """Adds a stage to eval.json."""
        if ranks.first():
            put_evaluation(self.path / "eval.json", task, split, stage, metrics)
        values = {f"{split}/{name}": found["value"] for name, found in metrics.items()}
        for tracker in self._trackers:
            tracker.log_evaluation(stage, values)

    def evaluation(self, task: str, split: str) -> dict[str, dict]:
        """The stages of eval.json that are there already."""
        return read_table(self.path / "eval.json").get(task, {}).get(split, {})

    def close(self) -> None:
        for tracker in self._trackers:
            tracker.close()

    def _length(self, name: str) -> int:
        path = self.path / name
        return path.stat().st_size if path.exists() else 0

    def _append(self, name: str, lines: list[dict]) -> None:
        if not ranks.first():
            return
        with (self.path / name).open("a", encoding="utf-8") as file:
            file.write(_jsonl(lines))

    def _read(self, name: str) -> Any:
        path = self.path / name
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def _write(self, name: str, content: Any) -> None:
        if ranks.first():
            write_whole(self.path / name, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def _jsonl(lines: list[dict]) -> str:
    return "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def provenance() -> dict[str, Any]:
    """Versions, commit, hardware and time: what a figure needs beside it."""
    processes, threads = ranks.count(), torch.get_num_threads()
    at_work = f"{_counted(processes, 'process', 'processes')} of {_counted(threads, 'thread', 'threads')}"
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores"
    return {
        "started": time.strftime("%Y-%m-%d %H:%M:%S"),
        "commit": _commit(),
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "machine": f"{platform.machine()}, {device}, {at_work}",
    }


def _counted(count: int, one: str, several: str) -> str:
    return f"{count} {one if count == 1 else several}"


def _commit() -> str:
    asked = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    if not shutil.which("git"):
        return "unknown"
    return subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


def folder_for(config: Config, default_name: str) -> Path:
    """Where the run goes; makes nothing.

    Raises:
        UserError: a named run that exists, or one to resume that does not.
    """
    root, name = Path(config.run.root), config.run.name
    if not name:
        free = (default_name if n == 1 else f"{default_name}-{n}" for n in range(1, 10**6))
        return next(root / candidate for candidate in free if not (root / candidate).exists())
    exists = (root / name / "config.yaml").exists()
    if exists and config.run.resume is False:
        raise UserError(f"{root / name} exists: add --run.resume=true to go on with it, or choose another run.name.")
    if config.run.resume is True and not exists:
        raise UserError(f"{root / name} holds no run to resume: check run.name, or leave run.resume out to start it.")
    return root / name


def changed_keys(path: Path, now: dict[str, dict]) -> Iterator[tuple[str, Any, Any]]:
    """(`section.key`, value in a run's config.yaml, value now) of whatever a run may not go on with otherwise."""
    before = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    for section, keys in now.items():
        for key, value in keys.items():
            name, kept = f"{section}.{key}", before.get(section, {}).get(key, value)
            if kept != value and name not in MAY_CHANGE:
                yield name, kept, value


def _refuse_changes(path: Path, now: dict[str, dict]) -> None:
    for name, kept, value in changed_keys(path, now):
        raise UserError(
            f"{name} is {value!r} here, but {path} says {kept!r}: resume with the --config and the flags that the run "
            "began with."
        )
