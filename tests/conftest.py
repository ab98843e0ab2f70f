import importlib.util
import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

SCRIPTS = Path(__file__).parents[1] / "scripts"

# tiny tensors gain nothing from threads, and on a busy machine lose a factor of ten or more
os.environ.setdefault("OMP_NUM_THREADS", "1")

# a busy machine is no failure
settings.register_profile("vlrlcd", deadline=None)
settings.load_profile("vlrlcd")


def pytest_addoption(parser):
    kit = parser.getgroup("conformance kit")
    kit.addoption("--adapter", metavar="MODULE:CLASS", help="run tests/conformance on this adapter alone")
    kit.addoption(
        "--checkpoint",
        metavar="FOLDER|MODULE:FUNCTION",
        help="what --adapter is tried on: a tiny checkpoint, or a function of a folder that writes one "
        "(default: tiny_checkpoint in the adapter's module)",
    )


@pytest.fixture
def script(monkeypatch, capsys):
    """Runs a script in this process; returns (exit code, stdout, stderr)."""

    # imports torch, which looks for the number of threads once
    from vlrlcd.cli import run

    def ran(name, *arguments):
        spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setattr(sys, "argv", [f"{name}.py", *map(str, arguments)])
        code = 0
        try:
            run(module.main)
        except SystemExit as leaving:
            code = leaving.code or 0
        return code, *capsys.readouterr()

    return ran


class Killed(BaseException):
    """Stands for a kill: nothing after it runs."""


@pytest.fixture
def killed_at_half(monkeypatch):
    """Does work that is killed when half of a text file is written, the first with that in its name."""

    def done(work, name=""):
        write_text = Path.write_text

        def half(path, text, **how):
            if name not in path.name:
                return write_text(path, text, **how)
            path.write_bytes(text[: len(text) // 2].encode())
            raise Killed

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(Path, "write_text", half)
            work()

    return done
