"""What stands on the page of a finished run."""

import base64
import io
import re
from collections import Counter
from functools import reduce
from pathlib import Path

import pytest
import yaml
from PIL import Image

from tests.report.run_folder import KINDS_OF_STEP, change_lines
from vlrlcd.config import Config
from vlrlcd.errors import UserError
from vlrlcd.report import write_report
from vlrlcd.report.groups import OF_EACH_KIND, SPREAD
from vlrlcd.report.read import read_run
from vlrlcd.report.thumbnails import thumbnails
from vlrlcd.report.wording import SENTENCE, SUBJECT

STEP = re.compile(r"Step (\d+) ·")
TALLY = re.compile(r"<span><b>([\d,]+)</b> ([^<]+)</span>")


def page_of(run):
    return write_report(run).read_text()


def words(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html))


def section(page, name):
    return page[page.index(f'<h2 id="{name}"') :].split("</section>")[0]


def tally(html):
    return {title: int(count.replace(",", "")) for count, title in TALLY.findall(html)}


def test_the_first_screen_says_what_how_good_and_at_what_cost(run):
    page = page_of(run)
    seen = words(page[page.index("<h1>") : page.index('<h2 id="figures">')])
    assert "checkpoints/tiny-llava-scenes trained with ldl_grpo on aokvqa_mc, anchors from gpt-4o" in seen.replace(
        " , ", ", "
    )
    assert "scenes, val · 500 questions, 95 % intervals" in seen
    assert "74.6 % 70.6 to 78.6 +26.4 points since pretrained" in seen
    for said in ("48.2 %", "53.1 %", "69 (64 answered, 5 HTTP 429)", "0.1728 USD", "850 K of 912 K", "3f1c9d2"):
        assert said in seen
    assert "Sampling 21.7 s" in seen and "In all 1 min 29 s" in seen


def test_all_figures_stand_in_one_table_each_control_under_its_metric(run):
    table = section(page_of(run), "figures").split("</table>")[0]
    assert re.findall(r'<th scope="row">([^<]+)</th>', table) == [
        "Accuracy",
        "images blanked",
        "Gain from sight",
        "Always the most frequent answer",
        "Direct answer",
        "Truthful explanations",
        "Claims per explanation",
    ]
    assert table.count("<b>26.8 %</b>") == 3 and "1.91" in table


def test_the_gain_from_sight_has_its_sign_and_no_track(run):
    row = section(page_of(run), "figures").split("Gain from sight")[1].split("</tr>")[0]
    assert "+47.8" in row and "+43.8 to +51.8" in row and "track" not in row


@pytest.mark.parametrize("key", [*SENTENCE, *SUBJECT.values()])
def test_what_was_trained_is_looked_up_under_real_keys(key):
    reduce(getattr, key.split("."), Config())


def test_few_groups_are_all_shown_from_the_first_step_to_the_last(run):
    groups = section(page_of(run), "groups")
    assert [int(step) for step in STEP.findall(groups)] == list(range(1, 61))
    assert "This page shows 60 of 60 groups" in groups


def test_of_many_groups_a_sample_is_shown_and_the_counts_are_of_all(long_run):
    groups = section(page_of(long_run), "groups")
    steps = [int(step) for step in STEP.findall(groups)]
    assert (steps[0], steps[-1]) == (1, 2000) and steps == sorted(steps)
    assert SPREAD < len(steps) <= SPREAD + 6 * OF_EACH_KIND
    assert f"This page shows {len(steps)} of 2,000 groups" in groups
    of = Counter(KINDS_OF_STEP[step % len(KINDS_OF_STEP)] for step in range(1, 2001))
    assert tally(groups) == {
        "right and wrong": of["mixed"] + of["misled"] + of["tied"],
        "all right": of["right"],
        "all wrong": of["wrong"],
        "favourite is wrong": of["misled"] + of["wrong"],
        "tied": of["tied"],
        "cut off": of["right"],
    }


def test_a_filter_counts_what_stands_on_the_page(long_run):
    groups = section(page_of(long_run), "groups")
    kinds = [kind for of in re.findall(r'data-kinds="([^"]*)"', groups) for kind in of.split()]
    labels = re.findall(r'value="(\w+)"><span>[^<]+<small>(\d+)</small>', groups)
    assert {kind: int(count) for kind, count in labels} == Counter(kinds)


def test_only_the_first_group_and_the_first_question_stand_open(run):
    page = page_of(run)
    for name in ("groups", "answers"):
        opened = re.findall(r'<details class="item"[^>]*?( open)?>', section(page, name))
        assert opened[0] and not any(opened[1:]) and len(opened) >= 30


def test_the_favourite_of_the_ranking_comes_first(run):
    weights = [0.1, 0.7, 0.2]
    candidates = [{"text": f"weighs {weight}", "D": weight, "q": 0.3, "r": weight - 0.3} for weight in weights]
    change_lines(run / "samples.jsonl", {"candidates": candidates})
    first = section(page_of(run), "groups").split("</details>")[0]
    assert re.findall(r"weighs ([\d.]+)", first) == ["0.7", "0.2", "0.1"]
    assert "70.0 %" in first and "r +0.40" in first and "r \N{MINUS SIGN}0.20" in first


def test_what_a_student_without_sight_was_told_stands_with_its_picture(run):
    assert "What the student was told" not in page_of(run)
    change_lines(run / "samples.jsonl", {"descriptions": ["a star.", "a circle."]})
    page = page_of(run)
    assert "What the student was told: a star." in page and "What the student was told: a circle." in page


def test_steps_done_again_after_a_resume_count_once(run):
    for name in ("metrics.jsonl", "samples.jsonl"):
        lines = (run / name).read_text().splitlines(keepends=True)
        (run / name).write_text("".join(lines + lines[-8:]))
    page = page_of(run)
    assert [int(step) for step in STEP.findall(page)] == list(range(1, 61))
    assert "of 60 groups" in page
    xs = [float(point.split(",")[0]) for point in re.findall(r'points="([^"]+)"', page)[-1].split()]
    assert xs == sorted(xs)


def test_the_images_are_embedded(run):
    images = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page_of(run))
    assert len(images) == 60
    assert Image.open(io.BytesIO(base64.b64decode(images[0]))).size == (96, 96)


def test_a_missing_image_is_said_in_its_place(run):
    change_lines(run / "samples.jsonl", {"images": ["gone/somewhere.jpg", None, str(run / "config.yaml")]})
    page = page_of(run)
    assert "gone/somewhere.jpg is no longer there." in page
    assert "This image came as bytes" in page
    assert "cannot be decoded" in page


def configured(run, **data):
    config = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump({**config, "data": {**config["data"], **data}}))


def pictures_of(run, *images):
    found = thumbnails([str(image) for image in images], read_run(run))
    return [one.said if one.url is None else True for one in found]


def test_pictures_of_the_data_are_embedded_and_no_others_of_this_machine(run, tmp_path, monkeypatch):
    """A relative data.root is taken from the working folder, as the run took it; data.images may lie elsewhere."""
    for name in ("data/scenes/a.jpg", "coco/b.jpg", "photos/c.jpg", "data/scenes2/d.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    configured(run, root="data/scenes", images=str(tmp_path / "coco"))
    assert pictures_of(run, "data/scenes/a.jpg", tmp_path / "data/scenes/a.jpg", "coco/b.jpg") == [True] * 3
    (run / "link.jpg").symlink_to(tmp_path / "photos/c.jpg")
    outside = (tmp_path / "photos/c.jpg", "data/scenes/../../photos/c.jpg", "data/scenes2/d.jpg", "link.jpg")
    said = "lies outside of the run's folder, data.root and data.images: it is not shown."
    assert pictures_of(run, *outside) == [f"{image} {said}" for image in outside]
    configured(run, root=None, images="")
    assert pictures_of(run, "data/scenes/a.jpg") == [f"data/scenes/a.jpg {said}"]


def test_many_images_are_counted(run):
    change_lines(run / "samples.jsonl", {"images": [None] * 7})
    assert "and 3 more images" in page_of(run)


def test_an_unchecked_answer_has_no_mark(run):
    change_lines(
        run / "samples.jsonl", {"candidates": [{"text": "free", "D": 1.0, "q": 1.0, "r": 0.0, "correct": None}]}
    )
    assert 'class="mark unknown"' in page_of(run)


def test_every_numeric_quantity_has_a_curve(run):
    page = page_of(run)
    assert page.count("<svg") == 5 + 15
    for title in ("Right candidates", "Does the ranking know?", "Own measure", "Seconds per step"):
        assert title in page


def test_a_gap_in_a_quantity_breaks_its_curve(run):
    page = page_of(run)
    auc = page[page.index('aria-label="Does the ranking know?') :].split("</svg>")[0]
    assert auc.count("<polyline") == 2


def test_an_unfinished_run_says_so(run):
    for name in ("eval.json", "run.json"):
        (run / name).unlink()
    change_lines(run / "metrics.jsonl", *({"step": step} for step in range(40)))
    page = page_of(run)
    assert "Not evaluated yet" in page
    assert "Sampling 18.0 s" in words(page)
    assert "Steps, stage 1 40" in words(page) and "Steps, stage 2 60" in words(page)


@pytest.mark.parametrize(
    ("make", "wrong"),
    [
        (lambda folder: None, "does not exist"),
        (Path.mkdir, "is empty"),
        (Path.touch, "is a file"),
        (lambda folder: (folder / "student").mkdir(parents=True), r"holds no run \(none of config.yaml, .*run.json\)"),
    ],
)
def test_a_folder_without_a_run_is_refused(tmp_path, make, wrong):
    folder = tmp_path / "nothing"
    make(folder)
    with pytest.raises(UserError, match=f"nothing {wrong}: give the folder that train.py made, such as runs/NAME"):
        write_report(folder)
