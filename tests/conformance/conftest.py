"""Every test here runs once per family of `tests/tiny.py`; the summary has one row per `config.model_type`."""

import pytest
import torch

from model_adapters import ModelAdapter, adapter_for
from tests.conformance.cases import Case, cases_for
from tests.conformance.stock import Stock
from tests.tiny import FAMILIES


def pytest_generate_tests(metafunc):
    if "family" in metafunc.fixturenames:
        metafunc.parametrize("family", sorted(FAMILIES), scope="session")


def pytest_collection_modifyitems(items):
    for item in items:
        if "family" in getattr(getattr(item, "callspec", None), "params", {}):
            item.user_properties.append(("family", item.callspec.params["family"]))


def pytest_terminal_summary(terminalreporter):
    rows: dict[str, dict[str, int]] = {}
    for outcome in ("passed", "failed", "error", "skipped"):
        for report in terminalreporter.stats.get(outcome, []):
            for family in (value for key, value in report.user_properties if key == "family"):
                counts = rows.setdefault(family, {})
                counts[outcome] = counts.get(outcome, 0) + 1
    if not rows:
        return
    terminalreporter.section("conformance")
    terminalreporter.write_line(f"{'model_type':<16}{'result':<10}tests")
    for family, counts in sorted(rows.items()):
        result = "FAILED" if counts.keys() & {"failed", "error"} else "conforms"
        shown = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
        terminalreporter.write_line(f"{family:<16}{result:<10}{shown}")


@pytest.fixture(scope="session")
def checkpoint(family, tmp_path_factory):
    return FAMILIES[family](tmp_path_factory.mktemp(family))


@pytest.fixture(scope="session")
def stock(checkpoint) -> Stock:
    return Stock(checkpoint)


@pytest.fixture(scope="session")
def adapter(checkpoint) -> ModelAdapter:
    return adapter_for(checkpoint).load_model(torch.float32)


@pytest.fixture
def sees(adapter):
    """For what only a family with eyes can be asked."""
    if not adapter.sees_images:
        pytest.skip("reads text only")


@pytest.fixture(scope="session")
def cases(adapter) -> list[Case]:
    return cases_for(adapter)
