"""How the cost of our step grows with K, with image tokens, with the length of answers, and over two processes.

    python -m benchmarks.growth [--threads 2] [--repeats 2] [--out growth.json]

`predicted` is the operations of ranking, reference and learning (benchmarks/limits.py) relative to the first line of
each table, and `measured` the seconds of these phases relative to it: the two should grow alike. Sampling stands beside
them, it reads more than it computes.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PATCH = 14
COMPUTING = ("rank", "reference", "forward", "backward")
TABLES = {
    "candidates": [("--candidates", value) for value in (2, 4, 8, 16, 32)],
    "image tokens": [("--side", PATCH * side) for side in (8, 16, 24, 38, 54)],
    "answer tokens": [("--answer-tokens", value) for value in (16, 48, 128, 256, 512)],
}
VALUES = {
    "candidates": lambda found: found["candidates"],
    "image tokens": lambda found: (found["side"] // PATCH) ** 2,
    "answer tokens": lambda found: found["answer_tokens"],
}
"""What each table's lines are named by."""
PROCESSES = (1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--out", type=Path, help="write every run as JSON")
    args = parser.parse_args()
    shared = [f"--repeats={args.repeats}", "--only=ours"]
    runs: dict[str, list[dict]] = {}
    for name, settings in TABLES.items():
        runs[name] = [run(1, [*shared, f"--threads={args.threads}", f"{flag}={value}"]) for flag, value in settings]
        print("\n".join(grown(name, runs[name])), flush=True)
    # a thread to each, as many prompts in all
    runs["processes"] = [run(count, [*shared, "--threads=1", f"--prompts={2 // count}"]) for count in PROCESSES]
    print("\n".join(spread_over(runs["processes"])))
    if args.out:
        args.out.write_text(json.dumps(runs, indent=1) + "\n")


def run(processes: int, flags: list[str]) -> dict:
    """What `benchmarks.step` found."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "step.json"
        several = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
        launcher = several if processes > 1 else []
        command = [sys.executable, *launcher, "-m", "benchmarks.step", *flags, f"--out={out}"]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.loads(out.read_text())


def grown(name: str, runs: list[dict]) -> Iterator[str]:
    yield from (f"| {name} | step, s | a candidate, s | sample, s | measured | predicted |", "|" + " --- |" * 6)
    first, least = computed(runs[0]), predicted(runs[0])
    for found in runs:
        ours, prompts = found["ours"], found["prompts"]
        value = VALUES[name](found)
        seconds, sampling = statistics.median(ours["step"]), statistics.median(ours["sample"])
        each = seconds / prompts / found["candidates"]
        growth = f"{computed(found) / first:.2f} | {predicted(found) / least:.2f}"
        yield f"| {value:,} | {seconds:.2f} | {each:.3f} | {sampling:.2f} | {growth} |"
    yield ""


def spread_over(runs: list[dict]) -> Iterator[str]:
    yield from ("| processes | prompts in each | step, s |", "|" + " --- |" * 3)
    for count, found in zip(PROCESSES, runs, strict=True):
        yield f"| {count} | {found['prompts']} | {statistics.median(found['ours']['step']):.2f} |"


def computed(found: dict) -> float:
    return sum(statistics.median(found["ours"][phase]) for phase in COMPUTING)


def predicted(found: dict) -> float:
    return sum(found["counts"][name] for name in ("learning", "rank", "reference"))


if __name__ == "__main__":
    main()
