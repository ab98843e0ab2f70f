"""An evaluation by itself: which answers are taken, and what a file of predictions scores."""

import json
import os
import shutil
from dataclasses import replace
from types import SimpleNamespace

import pytest

from vlrlcd.config import Config
from vlrlcd.data.card import load_card
from vlrlcd.data.prompts import Templates
from vlrlcd.data.readers import read_split
from vlrlcd.data.tasks import CHOICE
from vlrlcd.errors import UserError
from vlrlcd.evaluation.alone import depends_on, score_predictions
from vlrlcd.evaluation.answers import AnswerLog
from vlrlcd.evaluation.evaluate import Questions
from vlrlcd.evaluation.metrics import accuracy, named, unreadable
from vlrlcd.evaluation.predictions import write_predictions
from vlrlcd.scenes.release import write_release


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    write_release(folder, "val", 12, seed=0)
    write_release(folder, "test", 4, seed=0)
    return folder


@pytest.fixture
def asked(release, tmp_path):
    """(configuration, adapter, questions) of a LoRA folder on data of the test's own."""
    shutil.copytree(release, tmp_path / "scenes")
    for name, weights in (("base", "pytorch_model.bin"), ("lora", "adapter_model.safetensors")):
        (tmp_path / name).mkdir()
        (tmp_path / name / weights).write_text("weights")
    config = Config()
    config.model.checkpoint, config.data.root = str(tmp_path / "lora"), str(tmp_path / "scenes")
    adapter = SimpleNamespace(
        checkpoint=str(tmp_path / "base"),
        additions=str(tmp_path / "lora"),
        processor=SimpleNamespace(chat_template="{{ messages }}"),
    )
    card = load_card("aokvqa_mc")
    return config, adapter, Questions(card, Templates(card), read_split(card, tmp_path / "scenes", "val"), [])


def with_template(questions, folder, kind, text):
    """The questions, asked through another template."""
    shutil.copytree(questions.card.folder, folder)
    (folder / f"{kind}.jinja").write_text(text)
    return replace(questions, templates=Templates(replace(questions.card, folder=folder)))


def later(path):
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))


def image_of(questions, place):
    return questions.examples[place].images[0]


def say(questions, words):
    return replace(questions, templates=questions.templates.described(lambda image: words))


def ninth(questions, **changes):
    return replace(questions, examples=[*questions.examples[:8], replace(questions.examples[8], **changes)])


CHANGES = {
    "the most pixels": lambda c, a, q, folder: setattr(c.model, "max_pixels", 9),
    "the seed": lambda c, a, q, folder: setattr(c.run, "seed", 1),
    "the chat template": lambda c, a, q, folder: setattr(a.processor, "chat_template", "{{ other }}"),
    "a LoRA's base in .bin": lambda c, a, q, folder: later(folder / "base/pytorch_model.bin"),
    "the LoRA": lambda c, a, q, folder: later(folder / "lora/adapter_model.safetensors"),
    "the last image": lambda c, a, q, folder: later(image_of(q, 11)),
    "the ninth question": lambda c, a, q, folder: ninth(q, question="Why?"),
    "an image that lies in a file of rows": lambda c, a, q, folder: ninth(q, images=(b"png",)),
    "the direct template": lambda c, a, q, folder: with_template(q, folder / "own", "direct", "{{ images }} what?"),
    "the student's template": lambda c, a, q, folder: with_template(q, folder / "own", "student", "{{ images }} what?"),
    "words for images": lambda c, a, q, folder: say(q, "a circle"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_answers_that_depend_on_something_else_are_refused(asked, tmp_path, change):
    config, adapter, questions = asked
    before = depends_on(config, adapter, questions)
    AnswerLog(tmp_path / "log.jsonl", before).close()
    AnswerLog(tmp_path / "log.jsonl", depends_on(config, adapter, questions)).close()
    changed = change(config, adapter, questions, tmp_path) or questions
    with pytest.raises(UserError, match="holds answers with"):
        AnswerLog(tmp_path / "log.jsonl", depends_on(config, adapter, changed))


def test_other_words_for_the_same_images_are_other_prompts(asked):
    config, adapter, questions = asked
    one, other = (depends_on(config, adapter, say(questions, words)) for words in ("a circle", "a square"))
    assert one != other


def test_what_an_evaluation_leaves_beside_the_weights_changes_nothing(asked, tmp_path):
    before = depends_on(*asked)
    for name in ("eval.json", "predictions_val.json", "README.md"):
        (tmp_path / "lora" / name).write_text("{}")
    assert depends_on(*asked) == before


@pytest.fixture
def config(release):
    config = Config()
    config.data.root, config.evaluation.resamples = str(release), 20
    return config


def test_a_file_of_predictions_scores_what_its_answers_scored(config, tmp_path):
    examples = read_split(load_card("aokvqa_mc"), config.data.root, "val")
    texts = ["no idea", "zebra", *(f"Answer: {example.answer}" for example in examples[2:])]
    choices = named(CHOICE, examples, texts)
    write_predictions(tmp_path / "p.json", [example.id for example in examples], choices, None)
    table, notes = score_predictions(config, tmp_path / "p.json", None)
    assert not notes
    assert table["accuracy"]["value"] == sum(accuracy(CHOICE, examples, choices)) / 12 == 10 / 12
    assert table["unreadable"]["value"] == sum(unreadable(CHOICE, examples, choices)) / 12 == 2 / 12


def test_a_prediction_that_is_missing_is_wrong_but_not_unreadable(config, tmp_path):
    first, second, third, *_ = read_split(load_card("aokvqa_mc"), config.data.root, "val")
    said = {first.id: first.answer, second.id: "zebra", third.id: ""}
    (tmp_path / "p.json").write_text(json.dumps({key: {"multiple_choice": text} for key, text in said.items()}))
    table, (note,) = score_predictions(config, tmp_path / "p.json", tmp_path / "out")
    assert (table["unreadable"]["value"], table["unreadable"]["n"]) == (pytest.approx(2 / 3), 3)
    assert (table["accuracy"]["value"], table["accuracy"]["n"]) == (pytest.approx(1 / 12), 12)
    assert "9 of 12 questions have no multiple_choice" in note
    left = json.loads((tmp_path / "out/eval.json").read_text())
    assert left == {"aokvqa_mc": {"val": {"student": table}}}


@pytest.mark.parametrize(
    ("split", "predicted", "said"),
    [
        ("", "red", "evaluation.split is empty: name the split to evaluate on"),
        ("test", "red", "no question of the split has an answer to compare with; give a split whose answers are known"),
        ("val", None, "no question of the split has an answer to compare with"),
    ],
)
def test_what_cannot_be_compared_is_refused(config, tmp_path, split, predicted, said):
    config.evaluation.split = split
    rows = read_split(load_card("aokvqa_mc"), config.data.root, split) if split else []
    row = {"multiple_choice": predicted} if predicted else {}
    (tmp_path / "p.json").write_text(json.dumps({example.id: row for example in rows}))
    with pytest.raises(UserError, match=said):
        score_predictions(config, tmp_path / "p.json", tmp_path / "out")
    assert not (tmp_path / "out").exists()
