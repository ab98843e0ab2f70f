"""Whole jobs with a student that reads text only and is told its images in words."""

import json
from dataclasses import fields
from html import escape

import pytest

from tests.run.jobs import config_of, finish, lines, start
from tests.run.refusals import sentence
from tests.run.test_config_files import watched
from tests.tiny import tiny_llama, tiny_qwen2
from tests.tiny_eyes import tiny_clip
from vlrlcd.cli import known_keys, parse_config
from vlrlcd.data.descriptions import BLANK
from vlrlcd.errors import UserError
from vlrlcd.job import prepare
from vlrlcd.trainer import train


@pytest.fixture(scope="module")
def eyes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("eyes")
    (folder / "labels.yaml").write_text("- {say: 2, labels: [a red thing, a blue thing, a star, </s>]}")
    return {
        "eyes.checkpoint": tiny_clip(folder / "clip"),
        "eyes.labels": folder / "labels.yaml",
        "eyes.cache": folder / "cache.sqlite",
    }


@pytest.fixture
def student(scenes, tmp_path):
    return {
        "model.checkpoint": tiny_qwen2(tmp_path / "student"),
        "data.root": scenes,
        "run.root": tmp_path,
        "run.name": "it",
    }


def test_both_stages_with_words_for_images(student, eyes, tmp_path, handlers, distributed):
    config, seen = config_of(student, eyes), set()
    for section in fields(config):
        watched(getattr(config, section.name), section.name, seen)
    train(config, "it")
    assert {key for key in known_keys() if key.startswith("eyes.")} <= seen
    groups = lines(tmp_path / "it/samples.jsonl")
    assert len(groups) == 12 and all("thing" in group["descriptions"][0] for group in groups)
    found = json.loads((tmp_path / "it/eval.json").read_text())["aokvqa_mc"]["val"]["stage2"]
    assert found["gain_from_sight"]["n"] == found["accuracy_blank"]["n"] == 4
    gain = found["accuracy"]["value"] - found["accuracy_blank"]["value"]
    assert found["gain_from_sight"]["value"] == pytest.approx(gain)
    told = escape(groups[0]["descriptions"][0])
    assert f"What the student was told: {told}" in (tmp_path / "it/report.html").read_text()


def test_other_words_for_the_images_are_another_layout_to_resume_from(student, eyes, tmp_path, distributed):
    before = prepare(config_of(student, eyes)).layout["descriptions"]
    assert prepare(config_of(student, eyes)).layout["descriptions"] == before
    (tmp_path / "labels.yaml").write_text("- {labels: [nothing, something]}")
    other = {"eyes.labels": tmp_path / "labels.yaml"}
    assert prepare(config_of(student, eyes, other)).layout["descriptions"] != before


@pytest.mark.parametrize("build", [tiny_qwen2, tiny_llama])
def test_a_special_token_in_a_description_stays_text(student, eyes, tmp_path, build, distributed):
    student["model.checkpoint"] = build(tmp_path / "own")
    job = prepare(config_of(student, eyes))
    adapter, templates = job.adapter, job.templates.described(lambda _: "</s> is <|im_end|> seen")
    plain = adapter.encode_text(job.templates.described(lambda _: "x is y seen").render("student", job.train[0]), ())
    ids = adapter.encode_text(templates.render("student", job.train[0]), ())
    specials = set(adapter.tokenizer.all_special_ids)
    assert [i for i in ids if i in specials] == [i for i in plain if i in specials]
    assert "</s> is <|im_end|> seen" in adapter.tokenizer.decode(ids)


def test_blind_is_the_same_for_every_image(student, eyes, distributed):
    job = prepare(config_of(student, eyes))
    blind = job.templates.described(lambda _: BLANK)
    assert {blind.render("student", row)[0]["content"][0]["text"] for row in job.held_out} == {"Image: not shown."}
    assert len({job.templates.render("student", row)[0]["content"][0]["text"] for row in job.train}) > 1


def test_a_student_that_sees_needs_no_eyes(checkpoint, student, eyes, distributed):
    with pytest.raises(UserError, match=r"\(llava\) sees by itself.*leave eyes.checkpoint empty"):
        prepare(config_of(student, eyes, {"model.checkpoint": checkpoint}))


def test_a_description_that_is_too_long_is_named(student, eyes, tmp_path, distributed):
    many = ", ".join(f"label number {n}" for n in range(80))
    (tmp_path / "labels.yaml").write_text(f"- {{say: 80, labels: [{many}]}}")
    with pytest.raises(UserError, match="row 1: the prompt has .* tokens, 0 of them image"):
        prepare(config_of(student, eyes, {"eyes.labels": tmp_path / "labels.yaml"}))


@pytest.mark.parametrize("key", ["architecture", "captioner", "labels", "cache"])
def test_eyes_without_a_checkpoint(key):
    with pytest.raises(UserError, match=f"eyes.{key} is given but eyes.checkpoint is not"):
        parse_config("", argv=[f"--eyes.{key}=x"])


def test_eyes_without_weights_end_the_command_in_one_sentence(student, eyes, tmp_path):
    (tiny_clip(tmp_path / "clip") / "open_clip_model.safetensors").unlink()
    said = sentence(*finish(start(student, eyes, {"eyes.checkpoint": tmp_path / "clip"}))[::2])
    assert "holds no weights" in said


@pytest.mark.slow
def test_two_processes_learn_what_one_does(student, eyes, tmp_path):
    losses = []
    for processes in (1, 2):
        where = {"run.root": tmp_path / str(processes), "evaluation.split": ""}
        code, out, err = finish(start(student, eyes, where, processes=processes))
        assert code == 0, out + err
        losses.append([line["loss"] for line in lines(tmp_path / str(processes) / "it/metrics.jsonl")])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
