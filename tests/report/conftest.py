"""Run folders for the tests of the page."""

from pathlib import Path

import pytest

from tests.report.run_folder import write_run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run."""
    return write_run(tmp_path / "quickstart")


@pytest.fixture
def long_run(tmp_path: Path) -> Path:
    """A run of 4,000 steps."""
    return write_run(tmp_path / "long", 2000, 2000)
