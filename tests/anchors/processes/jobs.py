"""Servers and collectors as processes of their own."""

import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.run.jobs import ROOT, launch


@contextmanager
def server(module: str, *flags: str) -> Iterator[str]:
    """The address of a server of `tests/servers`, which prints its port."""
    command = [sys.executable, "-m", f"tests.servers.{module}", *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def counts(address: str) -> dict:
    with urllib.request.urlopen(f"{address}/counts") as answer:
        return json.load(answer)


def flags(data: Path, address: str, **settings) -> list[str]:
    """A collection from a chat endpoint; settings as `section__key`, or flags of the script as `max_calls`."""
    wanted = {
        "data.dataset": "jsonl",
        "data.root": data,
        "anchors.store": data / "anchors.sqlite",
        "teacher.kind": "chat",
        "teacher.model": "stub",
        "teacher.base_url": f"{address}/v1",
        **{key.replace("__", ".") if "__" in key else key.replace("_", "-"): v for key, v in settings.items()},
    }
    return [f"--{key}={value}" for key, value in wanted.items()]


def collector(data: Path, address: str, *more: str, environment: dict | None = None, **settings) -> subprocess.Popen:
    """`scripts/collect_anchors.py` as a process of its own session."""
    return launch([], "scripts/collect_anchors.py", *flags(data, address, **settings), *more, **(environment or {}))
