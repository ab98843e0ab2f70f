import importlib.util
import json
import shutil
import signal
import sys

import pytest
import torch

from tests.run.jobs import ROOT, finish, flags, start
from tests.run.refusals import inputs_of, sentence
from tests.tiny import tiny_llava
from vlrlcd.cli import run
from vlrlcd.processes.start import start_processes
from vlrlcd.scenes.release import write_release


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory):
    return tiny_llava(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture(scope="session")
def scenes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    write_release(folder, "train", 12, seed=0)
    write_release(folder, "val", 6, seed=0)
    return folder


@pytest.fixture(scope="session")
def text_rows(tmp_path_factory):
    """Questions without images."""
    folder = tmp_path_factory.mktemp("text")
    for split, count in (("train", 8), ("val", 4)):
        found = [
            {
                "id": f"{split}{n}",
                "images": [],
                "question": f"Is {n} even?",
                "choices": ["yes", "no"],
                "answer": ["yes", "no"][n % 2],
                "rationales": [f"{n} divided by 2 leaves {n % 2}."],
            }
            for n in range(count)
        ]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found))
    return {"data.dataset": "jsonl", "data.root": folder}


@pytest.fixture(scope="session")
def inputs(checkpoint, scenes):
    """Where a job's student and data lie."""
    return {"model.checkpoint": checkpoint, "data.root": scenes}


@pytest.fixture
def here(inputs, tmp_path):
    """The inputs, and a folder of the test's own for its runs."""
    return {**inputs, "run.root": tmp_path}


@pytest.fixture(scope="session")
def whole(inputs, tmp_path_factory):
    """(run folder, exit code, stdout, stderr) of one uninterrupted job as a user starts it."""
    root = tmp_path_factory.mktemp("whole")
    return root / "quickstart", *finish(start(inputs, {"run.root": root, "run.trackers": '["tensorboard"]'}))


@pytest.fixture(scope="session")
def distributed():
    """The process group of one that training in this process needs; reduces as one thread would."""
    torch.set_num_threads(1)
    start_processes()


@pytest.fixture
def own_linear(monkeypatch):
    """ZeRO-3 puts a linear function of its own in torch's place for good; takes it back."""
    monkeypatch.setattr(torch.nn.functional, "linear", torch.nn.functional.linear)


@pytest.fixture
def handlers():
    """Training takes over the signals; gives them back."""
    kept = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT)}
    yield
    for name, handler in kept.items():
        signal.signal(name, handler)


@pytest.fixture
def bad(checkpoint, scenes, tmp_path):
    """Copies of good inputs to spoil; the student has no weights, so that reading them would fail otherwise."""
    shutil.copytree(checkpoint, tmp_path / "student")
    (tmp_path / "student/model.safetensors").unlink()
    shutil.copytree(scenes, tmp_path / "scenes")
    return tmp_path


@pytest.fixture
def refusal(bad, monkeypatch, capsys):
    """The one sentence with which the command refuses to start."""
    spec = importlib.util.spec_from_file_location("train_script", ROOT / "scripts/train.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    def refused(settings=None, extra=()):
        monkeypatch.setattr(sys, "argv", ["train.py", *flags(inputs_of(bad), settings or {}), *extra])
        with pytest.raises(SystemExit) as leaving:
            run(script.main)
        return sentence(leaving.value.code, capsys.readouterr().err)

    return refused
