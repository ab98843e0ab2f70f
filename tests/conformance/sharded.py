"""Runs under a launcher with two processes: a gradient and a rollout of every family under ZeRO-3.

    deepspeed --num_gpus 2 tests/conformance/sharded.py JOB.json OUT

JOB.json holds name -> [checkpoint, adapter]. The first process has the rows with images, the second the row without.
OUT gets NAME.safetensors with the gradients of all parameters, and NAME.RANK.json with the ids that a process drew.
"""

import json
import sys
from pathlib import Path

import torch
from deepspeed.utils import safe_get_full_grad
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parents[2]))

from model_adapters import PARTS, adapter_for
from tests.conformance.cases import Case, cases_for, weights_of
from vlrlcd.config import Config, EngineConfig, ModelConfig
from vlrlcd.engine import Engine
from vlrlcd.prefix_branches import pack
from vlrlcd.processes import ranks
from vlrlcd.processes.start import end_processes, start_processes
from vlrlcd.sampling import SamplingSettings, uniforms
from vlrlcd.student import Student

SETTINGS = SamplingSettings(branches=3, max_new_tokens=6)
ZERO_3 = {
    "train_batch_size": "auto",
    "train_micro_batch_size_per_gpu": "auto",
    "gradient_accumulation_steps": "auto",
    # small parameters are sharded too
    "zero_optimization": {"stage": 3, "stage3_param_persistence_threshold": 0},
}


def own_rows(cases: list[Case]) -> list[int]:
    """The rows of this process: those with images, or the one without."""
    return [1, 2] if ranks.first() else [0]


def gradients(engine: Engine, cases: list[Case]) -> dict[str, torch.Tensor]:
    own = own_rows(cases)
    branches = pack([cases[row].branches for row in own])
    batch = engine.adapter.collate([engine.adapter.encode(cases[row].messages) for row in own])
    logps_N = engine.run("logps", batch, branches)
    engine.backward((logps_N * torch.cat([weights_of(cases, row) for row in own])).sum(), last=True)
    named = engine.adapter.model.named_parameters()
    return {name: safe_get_full_grad(parameter).clone() for name, parameter in named}


def drawn(engine: Engine, cases: list[Case]) -> list[list[list[int]]]:
    own = own_rows(cases)
    rows = [engine.adapter.encode(cases[row].messages) for row in own]
    with engine.rollout():
        draws = engine.sample(rows, SETTINGS, uniforms(5, 2, [f"row {row}" for row in own], SETTINGS), len(rows))
    return [[draw.ids for draw in row] for row in draws]


def main(job_file: str, out: str) -> None:
    start_processes()
    (settings := Path(out) / f"zero3.{ranks.first()}.json").write_text(json.dumps(ZERO_3))
    for name, (checkpoint, adapter_name) in json.loads(Path(job_file).read_text()).items():
        adapter = adapter_for(checkpoint, adapter_name).load_model(torch.float32)
        cases = cases_for(adapter)
        student = Student(adapter, ModelConfig(**everything(adapter)), with_reference=False, seed=0)
        config = Config(engine=EngineConfig(deepspeed=str(settings), gather="never"))
        engine = Engine(student, config, peak_rate=1e-3, steps=1)
        (Path(out) / f"{name}.{int(not ranks.first())}.json").write_text(json.dumps(drawn(engine, cases)))
        found = gradients(engine, cases)
        if ranks.first():
            save_file(found, Path(out) / f"{name}.safetensors")
        engine.close()
    end_processes()


def everything(adapter) -> dict[str, str]:
    return {part: "full" for part in PARTS if part == "language_model" or part in adapter.modules}


if __name__ == "__main__":
    main(*[argument for argument in sys.argv[1:] if not argument.startswith("--local_rank")])
