"""Every test here runs once per family; the summary is a table family x check and says which family conforms."""

import json
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from examples import internvl
from model_adapters import ModelAdapter, adapter_for
from tests.conformance.cases import Case, cases_for
from tests.conformance.stock import Stock
from tests.run.jobs import deepspeed, finish, launch
from tests.tiny import FAMILIES


@dataclass(frozen=True)
class Family:
    """How to write a tiny checkpoint, and the adapter if the registry does not know it."""

    write: Callable[[Path], Path]
    adapter: str = ""


KNOWN = {name: Family(write) for name, write in FAMILIES.items()}
GUIDE = {"internvl": Family(internvl.tiny_checkpoint, "examples.internvl:InternVLAdapter")}


def families(config) -> dict[str, Family]:
    adapter, checkpoint = config.getoption("--adapter"), config.getoption("--checkpoint")
    if not adapter:
        return KNOWN | GUIDE
    family = imported("--adapter", adapter)
    if checkpoint and Path(checkpoint).is_dir():
        return {"/".join(family.model_types): Family(lambda folder: Path(checkpoint), adapter)}
    write = imported("--checkpoint", checkpoint or f"{family.__module__}:tiny_checkpoint")
    return {"/".join(family.model_types): Family(write, adapter)}


def imported(option: str, name: str):
    try:
        return pkgutil.resolve_name(name)
    except (ImportError, AttributeError, ValueError) as error:
        raise pytest.UsageError(
            f"{option}: {name} is no folder and cannot be imported as module:name ({error})"
        ) from None


def pytest_generate_tests(metafunc):
    if "family" in metafunc.fixturenames:
        metafunc.parametrize("family", families(metafunc.config), scope="session")


def pytest_collection_modifyitems(items):
    for item in items:
        marker = item.get_closest_marker("check")
        # other tests have families too, and are no column of the table
        if marker and "family" in getattr(getattr(item, "callspec", None), "params", {}):
            item.user_properties += [("family", item.callspec.params["family"]), ("check", *marker.args)]


def pytest_terminal_summary(terminalreporter):
    cells: dict[str, dict[str, set[str]]] = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            said = dict(getattr(report, "user_properties", ()))
            if "family" in said:
                cells.setdefault(said["family"], {}).setdefault(said["check"], set()).add(outcome)
    if cells:
        terminalreporter.section("conformance")
        for line in table(cells):
            terminalreporter.write_line(line)


def table(cells: dict[str, dict[str, set[str]]]) -> list[str]:
    """One line per family: whether it conforms, then `ok`, `FAILED`, or `-` for what it is not asked."""
    checks = list(dict.fromkeys(check for found in cells.values() for check in found))
    lines = [f"{'model_type':<16}{'result':<10}" + "  ".join(f"{check:>6}" for check in checks)]
    for family, found in cells.items():
        shown = [word(found.get(check, set())) for check in checks]
        result = "FAILED" if "FAILED" in shown else "conforms"
        lines.append(
            f"{family:<16}{result:<10}"
            + "  ".join(f"{cell:>{max(6, len(check))}}" for cell, check in zip(shown, checks, strict=True))
        )
    return lines


def word(outcomes: set[str]) -> str:
    return "FAILED" if outcomes & {"failed", "error"} else "ok" if "passed" in outcomes else "-"


@pytest.fixture(scope="session")
def checkpoints(request, tmp_path_factory) -> dict[str, Path]:
    """The tiny checkpoint of every family."""
    known = families(request.config)
    return {name: Path(family.write(tmp_path_factory.mktemp("tiny") / "student")) for name, family in known.items()}


@pytest.fixture(scope="session")
def checkpoint(family, checkpoints) -> Path:
    return checkpoints[family]


@pytest.fixture(scope="session")
def opened(request, family) -> Callable[[Path], ModelAdapter]:
    """The family's adapter on any checkpoint of it, its weights not loaded."""
    return lambda folder: adapter_for(folder, families(request.config)[family].adapter)


@pytest.fixture(scope="session")
def stock(checkpoint) -> Stock:
    return Stock(checkpoint)


@pytest.fixture(scope="session")
def adapter(opened, checkpoint) -> ModelAdapter:
    return opened(checkpoint).load_model(torch.float32)


@pytest.fixture
def sees(adapter):
    """For what only a family with eyes can be asked."""
    if not adapter.sees_images:
        pytest.skip("reads text only")


@pytest.fixture(scope="session")
def cases(adapter) -> list[Case]:
    return cases_for(adapter)


@pytest.fixture(scope="session")
def launched(request, checkpoints, tmp_path_factory) -> Path:
    """Where one launch of two processes under ZeRO-3 left what every family came to."""
    out, known = tmp_path_factory.mktemp("sharded"), families(request.config)
    job = {name: [str(folder), known[name].adapter] for name, folder in checkpoints.items()}
    (out / "job.json").write_text(json.dumps(job))
    program = launch(deepspeed(2), "tests/conformance/sharded.py", str(out / "job.json"), str(out))
    code, _, err = finish(program, 60 + 30 * len(known))
    assert code == 0, err
    return out


@pytest.fixture
def sharded(launched, family) -> tuple[dict[str, torch.Tensor], list[list[list[int]]]]:
    """(gradients by parameter, ids drawn by row and branch) of two processes under ZeRO-3."""
    draws = [json.loads((launched / f"{family}.{rank}.json").read_text()) for rank in (0, 1)]
    return load_file(launched / f"{family}.safetensors"), [*draws[0], *draws[1]]
