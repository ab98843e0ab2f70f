"""A job that ends exactly where one part hands over to the next, in this process to hit the place."""

import os
import re
import resource
import shutil
import signal
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from tests.run.jobs import ROOT, config_of, figures, flags, largest_gap, lines, same_bits, weights
from vlrlcd import easing
from vlrlcd.checkpoints import facts_of, seal
from vlrlcd.config import Config
from vlrlcd.data import images
from vlrlcd.errors import UserError
from vlrlcd.passes import PassLimit
from vlrlcd.processes import ranks
from vlrlcd.processes.stopping import Stopped
from vlrlcd.student import Student
from vlrlcd.trainer import Trainer, train

RESUME = {"run.name": "it", "run.resume": "true"}


class Killed(BaseException):
    """Stands for a kill: nothing after it runs."""


@pytest.fixture(scope="module")
def expected(inputs, tmp_path_factory, distributed):
    return train(config_of(inputs, {"run.root": tmp_path_factory.mktemp("expected")}), "it")


def killed_when(monkeypatch, condition):
    stand_at = Trainer._stand_at

    def killing(self, **place):
        if condition(place):
            raise Killed
        stand_at(self, **place)

    monkeypatch.setattr(Trainer, "_stand_at", killing)


@pytest.mark.parametrize("place", ["stage2", "done"])
def test_killed_after_an_export_and_before_its_place_is_written(here, tmp_path, handlers, expected, monkeypatch, place):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_when(patch, lambda now: now["stage"] == place and now["step"] == 0)
        train(config_of(here, {"run.name": "it"}), "it")
    train(config_of(here, RESUME), "it")
    assert same_bits(weights(tmp_path / "it"), weights(expected))
    assert figures(tmp_path / "it") == figures(expected)


def test_killed_while_a_checkpoint_is_written(here, tmp_path, handlers, expected, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_when(patch, lambda now: now.get("tag") == "stage2-000002")
        train(config_of(here, {"run.name": "it", "run.save_every": 1}), "it")
    train(config_of(here, RESUME, {"run.save_every": 1}), "it")
    assert same_bits(weights(tmp_path / "it"), weights(expected))
    assert lines(tmp_path / "it/samples.jsonl") == lines(expected / "samples.jsonl")


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_a_stop_at_the_last_step_of_a_stage_saves_that_step(here, tmp_path, handlers, expected, monkeypatch, stage):
    log = Trainer._log

    def asking(self, bar, now, step, *rest):
        log(self, bar, now, step, *rest)
        if now == stage and step == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(Trainer, "_log", asking)
        train(config_of(here, {"run.name": "it", "run.save_every": 0}), "it")

    stepped = []
    monkeypatch.setattr(Trainer, "_log", lambda self, *given: (stepped.append(given[1:3]), log(self, *given)))
    train(config_of(here, RESUME), "it")
    assert (stage, 2) not in stepped
    assert same_bits(weights(tmp_path / "it"), weights(expected))
    assert figures(tmp_path / "it") == figures(expected)


def test_a_finished_run_can_be_resumed_and_stays_as_it_is(here, tmp_path, handlers, expected):
    train(config_of(here, {"run.name": "it"}), "it")
    train(config_of(here, RESUME), "it")
    assert same_bits(weights(tmp_path / "it"), weights(expected))
    assert figures(tmp_path / "it") == figures(expected)


def test_a_stop_while_an_image_is_decoded_is_no_bad_image(here, tmp_path, handlers, expected, monkeypatch):
    rgb = images._rgb

    def asking(image):
        os.kill(os.getpid(), signal.SIGTERM)
        return rgb(image)

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(images, "_rgb", asking)
        train(config_of(here, {"run.name": "it"}), "it")
    train(config_of(here, RESUME), "it")
    assert same_bits(weights(tmp_path / "it"), weights(expected))


@pytest.fixture
def cut(here, tmp_path, handlers, distributed, monkeypatch):
    """The checkpoints of a run that was killed in stage II, the earlier one first."""
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_when(patch, lambda now: now.get("tag") == "stage2-000003")
        train(config_of(here, {"run.name": "it", "run.save_every": 1}), "it")
    found = sorted((tmp_path / "it/checkpoints").glob("stage2-00000[12]"))
    assert len(found) == 2
    return found


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-100])


def turned(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "cut short": (cut_short, r"is damaged, state-00000\.safetensors has [\d,]+ bytes and had [\d,]+"),
    "a bit turned": (turned, r"is damaged, state-00000\.safetensors has another checksum than it had"),
    "a file gone": (Path.unlink, r"is not whole, state-00000\.safetensors is missing"),
    "its list cut": (lambda path: cut_short(path.parent / "whole.json"), r"is damaged, whole\.json is no JSON"),
    "its list gone": (
        lambda path: (path.parent / "whole.json").unlink(),
        r"is not whole, or .*: whole\.json is missing",
    ),
}


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(here, tmp_path, cut, expected, capsys, how):
    spoil, said = DAMAGES[how]
    spoil(cut[1] / "state-00000.safetensors")
    train(config_of(here, RESUME, {"run.save_every": 1}), "it")
    assert re.search(rf"stage2-000002 {said}: going on from stage2-000001", capsys.readouterr().out)
    assert same_bits(weights(tmp_path / "it"), weights(expected))
    assert lines(tmp_path / "it/samples.jsonl") == lines(expected / "samples.jsonl")


def test_where_no_checkpoint_is_whole_the_run_says_so(here, cut, script):
    for folder in cut:
        cut_short(folder / "state-00000.safetensors")
    with pytest.raises(
        UserError, match=r"000002 is damaged, .* and had [\d,]+: restore it from a copy, or start a new"
    ):
        train(config_of(here, RESUME, {"run.save_every": 1}), "it")
    code, out, _ = script("doctor", *flags(here, RESUME))
    assert code == 1 and re.search(r"fault +run folder .*000002 is damaged", out), out


def test_a_checkpoint_that_lacks_numbers_is_not_gone_on_from(here, cut):
    path = cut[1] / "state-00000.safetensors"
    with safe_open(path, "pt") as file:
        step = file.metadata()
    content = load_file(path)
    content.pop(next(key for key in content if key.endswith("|exp_avg")))
    save_file(content, path, step)
    seal(cut[1], [facts_of(path)])
    with pytest.raises(UserError, match=r"the checkpoint holds 0 of [\d,]+ numbers of .* \(exp_avg\): resume the run"):
        train(config_of(here, RESUME, {"run.save_every": 1}), "it")


@pytest.mark.parametrize(("before", "after"), [("zero0", "zero3"), ("zero3", "zero2"), ("zero2", "zero0")])
def test_a_run_goes_on_under_another_zero_stage(
    here, tmp_path, handlers, expected, monkeypatch, own_linear, before, after
):
    under = {name: {"engine.deepspeed": ROOT / f"configs/deepspeed/{name}.json"} for name in (before, after)}
    for tag, resume in (("stage1-000002", {}), ("stage2-000002", {"run.resume": "true"})):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            killed_when(patch, lambda now, tag=tag: now.get("tag") == tag)
            train(config_of(here, under[before], resume, {"run.name": "it", "run.save_every": 1}), "it")
    train(config_of(here, under[after], RESUME, {"run.save_every": 1}), "it")
    # at the first steps Adam moves a weight by the sign of its gradient, so rounding decides where that is nearly 0
    assert distance(weights(tmp_path / "it"), weights(expected)) < 1e-3 * distance(weights(expected), begun(here))
    assert [line["loss"] for line in figures(tmp_path / "it")] == pytest.approx(
        [line["loss"] for line in figures(expected)], rel=1e-4, abs=1e-6
    )


def begun(here):
    return load_file(here["model.checkpoint"] / "model.safetensors")


def distance(one, other):
    return sum(float((one[name].float() - other[name].float()).square().sum()) for name in one) ** 0.5


def test_resume_auto_begins_a_run_and_goes_on_with_it(here, tmp_path, handlers, expected, monkeypatch):
    auto = {"run.name": "it", "run.resume": "auto"}
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_when(patch, lambda now: now["stage"] == "stage2")
        train(config_of(here, auto), "it")
    train(config_of(here, auto), "it")
    assert same_bits(weights(tmp_path / "it"), weights(expected))


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_a_loss_that_is_no_number_stops_the_run_before_the_weights_move(here, tmp_path, handlers, distributed, stage):
    spoilt = {"run.name": "it", "run.save_every": 1, f"{stage}.learning_rate": "1e30"}
    with pytest.raises(UserError) as stopped:
        train(config_of(here, spoilt), "it")
    said = str(stopped.value)
    assert re.match(rf"{stage}, step 1: the (loss|gradient's norm) is (nan|inf), with the prompts \S+, ", said), said
    assert f"{stage}-000001 is from before it" in said and f"a lower {stage}.learning_rate" in said
    assert len([line for line in figures(tmp_path / "it") if line["stage"] == stage]) == 1


def test_after_a_full_memory_the_run_goes_on_with_smaller_passes(
    here, tmp_path, handlers, distributed, monkeypatch, expected, capsys
):
    learned, sizes = Student.learned, []

    def short(self, batch, branches, *rest):
        """A memory for three prompts."""
        sizes.append(len(batch.ids_BP))
        if len(batch.ids_BP) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return learned(self, batch, branches, *rest)

    monkeypatch.setattr(Student, "learned", short)
    attempts, run = 0, {"run.name": "it", "run.resume": "auto", "run.save_every": 1}
    while not (tmp_path / "it/student").exists():
        attempts += 1
        try:
            train(config_of(here, run), "it")
        except UserError as error:
            said = re.search(
                r"stage2, step 0: the memory is full. The largest prompt here is (\S+) with (\d+) tokens, its \d "
                r"candidates counted; a pass held up to (\d+) prompts(?: and (\d+) tokens)?. A resumed run takes at "
                r"most (\d+) prompts and (\d+) tokens, with the same gradient \((\S+) says so; ",
                str(error),
            )
            assert (
                said
                and int(said[5]) == max(1, int(said[3]) // 2)
                and int(said[6]) == int(said[4] or 2 * int(said[2])) // 2
            )
            assert said[7] == str(tmp_path / "it/passes.json")
    assert attempts > 1 and max(sizes) > 3 and sizes[-1] <= 3
    assert re.search(
        r"passes +at most \d+ prompts and \d+ tokens, since the memory was full \(passes.json\)",
        capsys.readouterr().out,
    )
    assert largest_gap(*(weights(folder).values() for folder in (tmp_path / "it", expected))) < 1e-4


def test_two_processes_may_run_out_of_memory_at_once(tmp_path, monkeypatch):
    limits, replaced = {rank: PassLimit(rank + 1, 100) for rank in range(2)}, os.replace

    def both(partial, path):
        """The other one writes and puts its file in place between this one's writing and replacing."""
        monkeypatch.setattr(os, "replace", replaced)
        monkeypatch.setattr(ranks, "rank", lambda: 1)
        easing.keep(tmp_path, limits[1])
        replaced(partial, path)

    monkeypatch.setattr(os, "replace", both)
    easing.keep(tmp_path, limits[0])
    kept = easing.eased(Config(), tmp_path).engine
    assert (kept.prompts_per_pass, kept.tokens_per_pass) == (1, 100)
    assert [path.name for path in tmp_path.iterdir()] == ["passes.json"]


def test_a_full_disk_ends_in_a_sentence_and_the_run_goes_on(here, tmp_path, script, handlers, expected):
    argv = flags(here, {"run.name": "it", "run.save_every": 1})
    kept = resource.getrlimit(resource.RLIMIT_FSIZE)
    # less than a checkpoint, more than any other file
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, kept[1]))
    try:
        code, _, err = script("train", *argv)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, kept)
    assert code == 2 and "Traceback" not in err, err
    assert re.search(r"error: the disk is full \(.*os error 27\).*\): free some space and give the same command", err)
    code, _, err = script("train", *argv, "--run.resume=true")
    assert code == 0, err
    assert same_bits(weights(tmp_path / "it"), weights(expected))


def test_a_checkpoint_that_is_gone_is_named(here, tmp_path, handlers, distributed, monkeypatch):
    with monkeypatch.context() as patch, pytest.raises(Killed):
        killed_when(patch, lambda now: now.get("tag") == "stage1-000002")
        train(config_of(here, {"run.name": "it", "run.save_every": 1}), "it")
    shutil.rmtree(tmp_path / "it/checkpoints/stage1-000001")
    with pytest.raises(UserError, match=r"stage1-000001 is missing: restore it from a copy, or start a new run"):
        train(config_of(here, RESUME, {"run.save_every": 1}), "it")
