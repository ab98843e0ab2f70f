"""One preference-optimisation step of ours against one of TRL's GRPOTrainer, on the same work.

    python -m benchmarks.step --workload llava_9m --threads 2 --out step.json
    python -m benchmarks.step --workload llava_1_5_7b --device cuda

Ours samples, ranks with the anchor in view, takes p_sft's log-probs, learns and moves the weights; TRL's samples,
takes the reference's log-probs, learns and moves the weights, and ranks nothing. Weights are random. Each side is a
process of its own: ours, theirs, ours again.
"""

import argparse
import dataclasses
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers

from benchmarks.limits import Counts, copies, count, products
from benchmarks.ours import OurSide
from benchmarks.prompts import ANCHOR, Prompts
from benchmarks.workloads import WORKLOADS
from vlrlcd.memory import peak_bytes
from vlrlcd.processes import ranks
from vlrlcd.processes.start import start_processes

CHANGEABLE = ("prompts", "candidates", "answer_tokens", "text_tokens", "side", "dtype", "tuning")
PHASES = ("encode", "vision", "sample", "rank", "reference", "forward", "backward", "optimise")
SEAMS = 2
TURNS = ("ours", "trl", "ours")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", choices=WORKLOADS, default="llava_9m")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5, help="timed steps of each turn")
    parser.add_argument("--only", choices=("ours", "trl"), help="one side, in this process")
    parser.add_argument("--no-recompute", action="store_true", help="keep activations of a big workload in memory")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    for name in CHANGEABLE:
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(getattr(WORKLOADS["llava_9m"], name)))
    args = parser.parse_args()
    found = one_side(args) if args.only else take_turns(sys.argv[1:])
    if not ranks.first():
        return
    if args.out:
        args.out.write_text(json.dumps(found, indent=1) + "\n")
    print("\n".join(lines(found)))


def take_turns(flags: list[str]) -> dict:
    """Every turn in a process of its own, their seconds put together."""
    found: dict = {}
    for number, side in enumerate(TURNS):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "side.json"
            # a later --out overrules an earlier one
            command = [sys.executable, "-m", "benchmarks.step", *flags, f"--only={side}", f"--out={out}"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=os.environ)
            turn = json.loads(out.read_text())
        print(f"turn {number + 1}, {side}: {statistics.median(turn[side]['step']):.3f} s a step", flush=True)
        for name, seconds in found.get(side, {}).items():
            turn[side][name] = seconds + turn[side][name] if name != "peak" else max(seconds, turn[side][name])
        found |= turn
    return found


def one_side(args: argparse.Namespace) -> dict:
    torch.set_num_threads(args.threads)
    changed = {name: value for name in CHANGEABLE if (value := getattr(args, name)) is not None}
    workload = dataclasses.replace(WORKLOADS[args.workload], **changed)
    if args.no_recompute:
        workload = dataclasses.replace(workload, recompute=False)
    with tempfile.TemporaryDirectory() as folder:
        prompts = Prompts(workload, Path(folder))
        idle = memory(args.device)
        run = {"ours": our_steps, "trl": their_steps}[args.only]
        seconds = run(prompts, Path(folder), args)
        seconds["peak"] = memory(args.device) - idle
        # last, because its buffers would count as the side's memory
        found = facts(args, prompts, copies(args.device))
    return found | {args.only: seconds}


def our_steps(prompts: Prompts, folder: Path, args: argparse.Namespace) -> dict[str, list[float]]:
    """Seconds of every step and of its phases, after one that is not timed, and after each the rate of products.

    The machine's speed changes from one minute to the next: a limit of another moment would not be this step's.
    """
    with start_processes():
        ours = OurSide(prompts, folder, args.device)
        ours.step()
        found: dict[str, list[float]] = {name: [] for name in ("step", *PHASES)}
        rates = []
        for _ in range(args.repeats):
            ours.seconds.clear()
            with ours.phase("step"):
                ours.step()
            for name, seconds in found.items():
                seconds.append(ours.seconds[name])
            rates.append(products(args.device, getattr(torch, prompts.workload.dtype)))
        wanted = prompts.workload.prompts * prompts.workload.candidates * prompts.workload.answer_tokens
        print(f"{ours.tokens} of {wanted} tokens drawn", file=sys.stderr)
    return found | {"products": rates}


def their_steps(prompts: Prompts, folder: Path, args: argparse.Namespace) -> dict[str, list[float]]:
    # an extra: the tests and the benchmark need it, a run does not
    from benchmarks.theirs import TrlSide

    side = TrlSide(prompts, folder, args.device)
    # where a template meets a user's words, ours never joins the two into one token
    if abs(side.prompt_tokens - prompts.tokens) > SEAMS:
        raise SystemExit(f"prompts of {prompts.tokens} and {side.prompt_tokens} tokens: nothing to compare")
    side.steps(args.repeats)
    return {"step": side.seconds}


def memory(device: str) -> int:
    """Peak bytes of the process so far, on the device that computes."""
    return peak_bytes()["gpu" if device == "cuda" else "ram"]


def facts(args: argparse.Namespace, prompts: Prompts, bandwidth: float) -> dict:
    shape = {name: value for name, value in dataclasses.asdict(prompts.workload).items() if name != "build"}
    anchor = len(prompts.adapter.encode_answer(ANCHOR))
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "workload": args.workload,
        **shape,
        "prompt_tokens": prompts.tokens,
        "device": torch.cuda.get_device_name() if args.device == "cuda" else _processor(),
        "threads": args.threads,
        "commit": commit.stdout.strip(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "bandwidth": bandwidth,
        "counts": dataclasses.asdict(count(prompts.workload, prompts.tokens, anchor)),
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = [line.partition(":")[2].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return names[0] if names else platform.machine()


def lines(found: dict) -> list[str]:
    """The table."""
    head = (
        f"{found['workload']} on {found['device']}, {found['dtype']}, {found['tuning']}: {found['prompts']} prompts of "
        f"{found['prompt_tokens']} tokens, K = {found['candidates']}, {found['answer_tokens']} answer tokens"
    )
    limits = [f"copies {found['bandwidth'] / 1e9:.0f} GB/s"]
    if "ours" in found:
        limits.append(f"matrix products {statistics.median(found['ours']['products']) / 1e12:.3f} TFLOP/s")
    table = [head, ", ".join(limits), "", "| | seconds | of the limit |", "| --- | --- | --- |"]
    for side in dict.fromkeys(name for name in TURNS if name in found):
        for name, seconds in found[side].items():
            if name == "peak":
                table.append(f"| {side}, peak memory | {seconds / 2**20:,.0f} MiB | |")
            elif name != "products":
                share = limit_of(name, found) if side == "ours" else ""
                table.append(f"| {side}, {name} | {spread(seconds)} | {share} |")
    if "ours" in found and "trl" in found:
        ours, trl = found["ours"]["step"], found["trl"]["step"]
        ratio = statistics.median(trl) / statistics.median(ours)
        table += ["", f"TRL's step / ours: {ratio:.2f} ({min(trl) / max(ours):.2f} to {max(trl) / min(ours):.2f})"]
    return table


def limit_of(name: str, found: dict) -> str:
    """Least seconds over measured ones, in percent."""
    ours, counts = found["ours"], Counts(**found["counts"])
    rate = statistics.median(ours["products"])
    if name == "sample":
        return f"{100 * counts.decoding_bytes / found['bandwidth'] / statistics.median(ours[name]):.0f} % of the copies"
    if name in ("rank", "reference"):
        return f"{100 * getattr(counts, name) / rate / statistics.median(ours[name]):.0f} % of the products"
    if name == "backward":
        both = [one + other for one, other in zip(ours["forward"], ours["backward"], strict=True)]
        share = counts.learning / rate / statistics.median(both)
        return f"{100 * share:.0f} % of the products, with the forward pass"
    return ""


def spread(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.3f} ({min(seconds):.3f}-{max(seconds):.3f})"


if __name__ == "__main__":
    main()
