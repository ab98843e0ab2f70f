"""`scripts/report.py`: what it says, and every way to ask it for something impossible."""

import runpy
import socket
import subprocess
import sys

import pytest

from tests.report.run_folder import write_run
from tests.report.watched import SCRIPT


@pytest.fixture
def script(monkeypatch, capsys):
    """Runs the script in this process; exit code, stdout and stderr."""

    def ran(*arguments):
        monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, arguments)])
        code = 0
        try:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        except SystemExit as leaving:
            code = leaving.code or 0
        return code, *capsys.readouterr()

    return ran


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("gone", "gone does not exist: give the folder that train.py made, such as runs/NAME."),
        ("empty", "empty is empty: give the folder that train.py made, such as runs/NAME."),
        ("empty --plots", "empty is empty: give the folder that train.py made, such as runs/NAME."),
        ("gone --watch", "gone does not exist: give the folder that train.py made, such as runs/NAME."),
        (
            ". --watch",
            ". holds no run (none of config.yaml, metrics.jsonl, samples.jsonl, eval.json, run.json): give the folder "
            "that train.py made, such as runs/NAME.",
        ),
        ("a b --watch", "--watch takes one run: give one folder, or start one for each."),
        ("a b --plots", "--plots takes one run: give one folder at a time."),
        ("a --plots --watch", "--watch and --plots do not go together: give one of them."),
        (
            "a b",
            "several runs go side by side onto a page of their own: name it with --output, such as --output "
            "compare.html.",
        ),
        (
            "a --output page.html",
            "--output is for several runs, and the page of one goes into its own folder: leave out --output.",
        ),
        (
            "a --watch --output page.html",
            "--output is for several runs side by side: leave out --watch and --plots.",
        ),
        ("a --port 8000", "--port is where --watch serves the page: add --watch."),
        ("a --watch --port 65536", "--port 65536 must be between 0 and 65535."),
        (
            "a b --output gone/page.html",
            "--output gone/page.html cannot be written: give the name of a file in a folder that exists.",
        ),
        ("a b --output empty", "--output empty cannot be written: give the name of a file in a folder that exists."),
        ("a a --output page.html", "a is given twice: give every run once."),
    ],
)
def test_what_is_impossible_ends_in_one_sentence(script, tmp_path, monkeypatch, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for name in "ab":
        write_run(tmp_path / name, 1, 1)
    before = sorted(tmp_path.rglob("*"))
    assert script(*arguments.split()) == (2, "", f"error: {sentence}\n")
    assert sorted(tmp_path.rglob("*")) == before


def test_a_busy_port_ends_in_one_sentence(run):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        command = [sys.executable, SCRIPT, run, "--watch", "--port", str(port)]
        found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr == (
        f"error: port {port} of 127.0.0.1 cannot be had (address already in use): choose another one with --port.\n"
    )


def test_each_way_says_what_it_wrote(script, run, tmp_path):
    assert script(run) == (0, f"{run / 'report.html'}\n", "")
    assert (run / "report.html").is_file()
    other, page = write_run(tmp_path / "other", 2, 2), tmp_path / "compare.html"
    assert script(run, other, "--output", page) == (0, f"{page}\n", "")
    assert page.is_file()
    assert script(other, "--plots") == (0, f"{other / 'plots'}\n", "")
    assert (other / "plots/stage1_loss.svg").is_file()


def test_help_shows_a_command_for_each_use(script):
    code, said, _ = script("--help")
    assert code == 0
    for use in ("report.py runs/quickstart ", "--watch runs/quickstart", "--plots", "--output compare.html", "ssh -L"):
        assert use in said


def test_it_starts_without_what_trains(run):
    asked = "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    command = [sys.executable, "-c", f"{asked}; sys.exit('torch' in sys.modules)", SCRIPT, run]
    assert subprocess.run(command, capture_output=True, timeout=60, check=False).returncode == 0
