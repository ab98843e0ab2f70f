import json

import pytest
from safetensors.torch import load_file

from tests.run.jobs import ROOT, WEIGHTS, beside_weights, deepspeed, finish, launch

ZEROS = ["zero0", "zero1", "zero2", "zero3", "zero2_offload", "zero3_offload"]


@pytest.fixture(scope="package")
def zero_files(tmp_path_factory):
    """The shipped JSON files, with ZeRO-3 told to shard small parameters too."""
    folder, paths = tmp_path_factory.mktemp("zero"), {}
    for name in ZEROS:
        settings = json.loads((ROOT / f"configs/deepspeed/{name}.json").read_text())
        if settings["zero_optimization"]["stage"] == 3:
            settings["zero_optimization"]["stage3_param_persistence_threshold"] = 0
        paths[name] = folder / f"{name}.json"
        paths[name].write_text(json.dumps(settings))
    return paths


@pytest.fixture(scope="package")
def run_cases(tmp_path_factory):
    """Runs cases of program.py in one launch: (processes, cases) to results by case."""

    def run(processes, cases):
        out = tmp_path_factory.mktemp("cases")
        (out / "job.json").write_text(json.dumps(cases))
        code, _, err = finish(
            launch(deepspeed(processes), "tests/run/processes/program.py", str(out / "job.json"), str(out)), 900
        )
        assert code == 0, err
        return {name: results(out / name) for name in cases}

    return run


def results(out):
    found = {"json": json.loads(out.with_name(f"{out.name}.json").read_text())}
    if not out.is_dir():
        return found
    gradients = load_file(f"{out}.gradients.safetensors")
    return {**found, "gradients": gradients, "weights": load_file(out / WEIGHTS), "others": beside_weights(out)}


@pytest.fixture(scope="package")
def case(inputs, zero_files):
    """A case of program.py: ZeRO file and settings, and what else program.py reads of it."""

    def made(zero, settings, **more):
        merged = {**inputs, **settings, "engine.deepspeed": zero_files[zero]}
        return {"settings": {key: str(value) for key, value in merged.items()}, **more}

    return made
