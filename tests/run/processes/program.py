"""Runs under a launcher: both stages of every case on the same data, with candidates replayed from one recording.

    deepspeed --num_gpus 2 tests/run/processes/program.py JOB.json OUT

JOB.json holds cases: name to `settings` and `recording`, and perhaps `chunk_logits`; or `samples` and no recording.
OUT gets NAME.json with losses and gradient norms of each stage, NAME.gradients.safetensors with the first gradient of
stage I and the folder NAME with the student; for a case with `samples` only NAME.json, a recording.
"""

import json
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.run.bench import Bench
from tests.run.jobs import config_of
from vlrlcd import head
from vlrlcd.group import Candidate, Group
from vlrlcd.methods import sample_candidates
from vlrlcd.processes import ranks
from vlrlcd.processes.start import end_processes, start_processes

STEPS = {"stage1": 20, "stage2": 5}


def record(bench: Bench) -> dict[str, dict]:
    """The candidates that the bench's student samples in the steps of stage II, by step and prompt id."""
    recording = {}
    for step in range(STEPS["stage2"]):
        groups = bench.groups(step)
        sample_candidates(bench.engine, bench.config, groups, step, bench.config.sampling.candidates)
        own = [
            (group.example.id, [[list(c.tokens), c.text, c.copies, c.truncated, c.correct] for c in group.candidates])
            for group in groups
            if group.weight
        ]
        recording[str(step)] = dict(ranks.collected(own))
    return recording


def replay(groups: list[Group], recorded: dict) -> None:
    for group in groups:
        group.candidates = [
            Candidate(tuple(tokens), text, copies, truncated, correct, sampled_logp=0.0)
            for tokens, text, copies, truncated, correct in recorded[group.example.id]
        ]


def losses_of(bench: Bench, recording: dict) -> tuple[dict[str, list[float]], dict[str, torch.Tensor]]:
    """(loss and gradient norm by step, the gradient of the first step)."""
    found, first_gradient = {"loss": [], "norm": []}, {}
    for step in range(STEPS[bench.stage]):
        if bench.stage == "stage1":
            done = bench.gradient(step)
        else:
            replay(groups := bench.groups(step), recording[str(step)])
            preference = bench.preference()
            preference.rank(groups, step)
            done = preference.learn(groups, step)
        if step == 0:
            first_gradient = bench.gradients()
        found["loss"].append(done.figures["loss"])
        found["norm"].append(bench.engine.step(step)[1])
    return found, first_gradient


def held_shares(bench: Bench) -> list[float]:
    """Which share of the parameters of the student, and of p_sft beside it, lies in this process under ZeRO-3."""
    student = bench.engine.student
    models = [student.adapter.model, *([student.reference.model] if student.reference else [])]
    parts = [[p for p in model.parameters() if hasattr(p, "ds_tensor")] for model in models]
    return [sum(p.ds_tensor.numel() for p in part) / sum(p.ds_numel for p in part) for part in parts if part]


def run_case(case: dict, out: Path) -> None:
    found, gradients, config = {}, {}, config_of(case["settings"])
    for stage in STEPS:
        bench = Bench(config, stage, config.model.checkpoint)
        found["held"] = held_shares(bench)
        found[stage], gradients[stage] = losses_of(bench, case["recording"])
        weights = bench.engine.plain_weights()
        if ranks.first():
            bench.engine.adapter.save(out, weights)
        bench.engine.close()
    if ranks.first():
        save_file(gradients["stage1"], f"{out}.gradients.safetensors")
        write(out, found)


def sample_case(case: dict, out: Path) -> None:
    config = config_of(case["settings"])
    recording = record(Bench(config, "stage2", config.model.checkpoint))
    ranks.once(lambda: write(out, recording))


def write(out: Path, found: dict) -> None:
    out.with_name(f"{out.name}.json").write_text(json.dumps(found))


def main(job_file: str, out: str) -> None:
    start_processes()
    chunk_logits = head.CHUNK_LOGITS
    for name, case in json.loads(Path(job_file).read_text()).items():
        head.CHUNK_LOGITS = case.get("chunk_logits", chunk_logits)
        (sample_case if case.get("samples") else run_case)(case, Path(out) / name)
    end_processes()


if __name__ == "__main__":
    main(*[argument for argument in sys.argv[1:] if not argument.startswith("--local_rank")])
