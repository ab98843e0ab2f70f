"""The job on real photographs: no special case, the same command."""

import json

import pytest
from PIL import Image

from tests.photographs.release import write_photographs
from tests.photographs.texts import PHOTOGRAPHS
from tests.run.jobs import ROOT, figures, finish, lines, start, weights
from tests.tiny import tiny_llava
from vlrlcd.data.card import load_card
from vlrlcd.data.images import check_images, decode
from vlrlcd.data.readers import read_split
from vlrlcd.evaluation.controls import CONTROLS

COMMITTED = ROOT / "checkpoints/tiny-llava-scenes"


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    return write_photographs(tmp_path_factory.mktemp("photographs") / "aokvqa")


@pytest.fixture(scope="module", params=["aokvqa_mc", "aokvqa_rationale"])
def run(request, release, tmp_path_factory):
    root = tmp_path_factory.mktemp("run")
    student = COMMITTED if (COMMITTED / "config.json").exists() else tiny_llava(root / "tiny")
    settings = {"model.checkpoint": student, "data.root": release, "data.dataset": request.param, "run.root": root}
    code, _, err = finish(start(settings, {"sampling.max_new_tokens": 24, "stage2.epochs": 2}))
    assert code == 0, err
    return request.param, student, root / "quickstart"


def test_the_rows_are_official_and_every_photograph_is_read(release):
    card = load_card("aokvqa_mc")
    rows = [*read_split(card, release, "train"), *read_split(card, release, "val")]
    check_images(rows)
    assert len(rows) == len(PHOTOGRAPHS)
    sizes = set()
    for row in rows:
        image = decode(row.images[0])
        assert image.mode == "RGB"
        sizes.add(image.size)
        assert len(row.direct_answers) == 10
        assert len(row.choices) == 4
        assert len(row.rationales) == 3
        assert row.answer in row.choices
    assert len(sizes) == 4
    assert "L" in {Image.open(row.images[0]).mode for row in rows}


def test_it_trains_samples_and_ranks(run):
    _, student, folder = run
    stages = [line["stage"] for line in figures(folder)]
    assert stages == ["stage1"] * 2 + ["stage2"] * 4
    before, after = weights(student, "."), weights(folder)
    assert any(not before[name].equal(after[name]) for name in before)
    groups = lines(folder / "samples.jsonl")
    assert {g["question"] for g in groups} == {p.question for p in PHOTOGRAPHS if p.split == "train"}
    assert all(sum(c["copies"] for c in g["candidates"]) == 4 for g in groups)


def test_it_evaluates_and_reports(run):
    task, _, folder = run
    table = json.loads((folder / "eval.json").read_text())[task]["val"]
    assert list(table) == ["pretrained", "stage1", "stage2"]
    main = "accuracy" if task == "aokvqa_mc" else "rouge_l"
    measured = {
        "direct_answer",
        "direct_answer_normalised",
        "rouge_l",
        "bleu",
        "chrf",
        "tokens",
        "characters",
        "truncated",
    }
    measured |= {"accuracy", "unreadable", "majority"} if task == "aokvqa_mc" else set()
    measured |= {"gain_from_sight", *(f"{main}_{control}" for control in CONTROLS)}
    found = {name: cell for name, cell in table["stage2"].items() if "/" not in name}
    assert found.keys() == measured
    assert all(cell["n"] == 2 for cell in found.values())
    page = (folder / "report.html").read_text()
    questions = [p.question for p in PHOTOGRAPHS if p.split == "train"]
    assert any(question in page or question.replace("'", "&#39;") in page for question in questions)
    assert "data:image/" in page
    assert len(json.loads((folder / "predictions_val_stage2.json").read_text())) == 2
