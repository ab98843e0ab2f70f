"""How fast the collector asks, against a bare client that sends the same requests as fast as it can.

    python -m benchmarks.asking [--prompts 2000] [--concurrency 32] [--delay 0.05] [--repeat 3]

A stub on loopback, a process of its own, answers every request after `--delay` seconds. Both sides take turns: the
bare client is `openai.AsyncOpenAI` at its fastest (`post`), the bodies ready and nothing stored; the collector makes
the bodies, claims, counts and stores every answer on disk.
"""

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx2
import openai

from tests.servers.rows import write_rows
from vlrlcd.anchors.asks import Ask, asks
from vlrlcd.anchors.collect import collect
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.anchors.teachers import ChatTeacher, wire
from vlrlcd.config import TeacherConfig
from vlrlcd.data.card import load_card
from vlrlcd.data.prompts import Templates
from vlrlcd.data.readers import read_split


async def bare(bodies: Sequence[dict], settings: TeacherConfig) -> None:
    """Every body sent once, `concurrency` at a time, nothing kept."""
    client = openai.AsyncOpenAI(base_url=settings.base_url, api_key="none", max_retries=0)
    waiting = iter(bodies)

    async def worker() -> None:
        for body in waiting:
            await client.post("/chat/completions", body=body, cast_to=httpx2.Response)

    await asyncio.gather(*(worker() for _ in range(settings.concurrency)))
    await client.close()


def collected(wanted: Sequence[Ask], settings: TeacherConfig, folder: Path) -> None:
    with AnchorStore(folder / f"{time.monotonic_ns()}.sqlite") as store:
        done = collect(wanted, ChatTeacher(settings), store, settings)
        assert done.answered == len(wanted) == len(store)


def rate(work, prompts: int) -> float:
    """Prompts per second."""
    started = time.perf_counter()
    work()
    return prompts / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--delay", type=float, default=0.05)
    parser.add_argument("--repeat", type=int, default=3)
    flags = parser.parse_args()
    stub = [sys.executable, "-m", "tests.servers.stub_teacher", "--delay", str(flags.delay)]
    with subprocess.Popen(stub, stdout=subprocess.PIPE, text=True) as server, tempfile.TemporaryDirectory() as folder:
        try:
            port = int(server.stdout.readline())
            compare(flags, f"http://127.0.0.1:{port}/v1", Path(folder))
        finally:
            server.kill()


def compare(flags: argparse.Namespace, base_url: str, folder: Path) -> None:
    settings = TeacherConfig(kind="chat", model="stub", base_url=base_url, concurrency=flags.concurrency)
    write_rows(folder, flags.prompts)
    card = load_card("jsonl")
    wanted = asks(read_split(card, folder, "train"), Templates(card), ChatTeacher(settings))
    bodies = [wire.body(settings, ask.messages) for ask in wanted]
    sides = {
        "bare client": lambda: asyncio.run(bare(bodies, settings)),
        "collector": lambda: collected(wanted, settings, folder),
    }
    rates = {name: [] for name in sides}
    for _ in range(flags.repeat):
        for name, work in sides.items():
            rates[name].append(rate(work, flags.prompts))
    medians = {name: statistics.median(found) for name, found in rates.items()}
    for name, found in rates.items():
        print(f"{name:<12} {medians[name]:6.0f} answers/s   ({', '.join(f'{one:.0f}' for one in found)})")
    print(f"collector / bare client = {medians['collector'] / medians['bare client']:.3f}")


if __name__ == "__main__":
    main()
