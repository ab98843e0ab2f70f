"""The page of a finished run, of an unfinished one and of a damaged one."""

import base64
import io
import json
import re
from functools import reduce
from html.parser import HTMLParser

import pytest
from PIL import Image

from vlrlcd.config import Config
from vlrlcd.errors import UserError
from vlrlcd.report import write_report
from vlrlcd.report.wording import SUBJECT

PLANTED = "<script>alert(1)</script>"
FETCHES = {"src", "href", "srcset", "data", "poster", "action", "xlink:href"}


class Elements(HTMLParser):
    def __init__(self, page):
        super().__init__()
        self.tags, self.fetched = [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.fetched += [value for name, value in attributes if name in FETCHES]

    def count(self, tag, cls=None):
        return sum(name == tag and cls in (None, attributes.get("class")) for name, attributes in self.tags)


def page_of(run):
    return write_report(run).read_text()


def rewrite_first_sample(run, **changes):
    samples = run / "samples.jsonl"
    first, *rest = samples.read_text().splitlines(keepends=True)
    samples.write_text(json.dumps({**json.loads(first), **changes}) + "\n" + "".join(rest))


def test_the_gain_from_sight_has_its_sign_and_no_track(run):
    page = page_of(run)
    assert "Gain from sight" in page and "+47.8" in page and "+43.8 to +51.8" in page


def test_what_a_student_without_sight_was_told_stands_with_its_picture(run):
    assert "What the student was told" not in page_of(run)
    rewrite_first_sample(run, descriptions=["a star.", PLANTED])
    page = page_of(run)
    assert "What the student was told: a star." in page and PLANTED not in page


def test_the_first_screen_says_what_how_good_and_at_what_cost(run):
    page = page_of(run)
    for said in ("48.2 %", "53.1 %", "74.6 %", "70.6 to 78.6", "26.8 %", "26.2 %", "1.91", "500 questions"):
        assert said in page
    for said in (
        "ldl_grpo",
        "checkpoints/tiny-llava-scenes",
        "terse",
        "Anchors, one per prompt",
        "850 K of 912 K",
        "21.7 s",
    ):
        assert said in page
    rows = ("Pretrained", "After stage 1", "After stage 2", "After stage 2, images blanked", "Always the most frequent")
    places = [page.index(f'scope="row">{row}') for row in rows]
    assert places == sorted(places)


@pytest.mark.parametrize("key", SUBJECT.values())
def test_what_was_trained_is_looked_up_under_real_keys(key):
    reduce(getattr, key.split("."), Config())


def test_ten_groups_from_early_to_late(run):
    page = page_of(run)
    steps = [int(step) for step in re.findall(r"Step (\d+) ·", page)]
    assert len(steps) == 10
    assert (steps[0], steps[-1]) == (1, 60)
    assert steps == sorted(steps)


def test_steps_done_again_after_a_resume_count_once(run):
    for name in ("metrics.jsonl", "samples.jsonl"):
        lines = (run / name).read_text().splitlines(keepends=True)
        (run / name).write_text("".join(lines + lines[-8:]))
    page = page_of(run)
    steps = [int(step) for step in re.findall(r"Step (\d+) ·", page)]
    assert (len(set(steps)), steps[-1]) == (10, 60)
    xs = [float(point.split(",")[0]) for point in re.findall(r'points="([^"]+)"', page)[-1].split()]
    assert xs == sorted(xs)


def test_the_images_are_embedded(run):
    images = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', page_of(run))
    assert len(images) == 10
    assert Image.open(io.BytesIO(base64.b64decode(images[0]))).size == (96, 96)


def test_nothing_is_fetched_and_no_script_stands_in_it(run):
    page = page_of(run)
    elements = Elements(page)
    assert all(value.startswith("data:image/") for value in elements.fetched)
    assert not elements.count("script") and not elements.count("link")
    assert not re.search(r"url\(|@import", page)
    assert "default-src 'none'" in page


def test_html_written_by_the_student_is_shown_as_text(run):
    page = page_of(run)
    assert PLANTED not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &lt;img" in page


@pytest.mark.parametrize("place", ["id", "question", "anchor", "answer"])
def test_html_in_every_other_text_is_escaped(run, place):
    rewrite_first_sample(run, **{place: PLANTED}, choices=[PLANTED], images=[PLANTED])
    (run / "config.yaml").write_text(f"stage2: {{method: '{PLANTED}'}}")
    page = page_of(run)
    assert PLANTED not in page
    assert "&lt;script&gt;" in page


def test_every_numeric_quantity_has_a_curve(run):
    page = page_of(run)
    assert Elements(page).count("svg") == 5 + 15
    for title in ("Right candidates", "Does the ranking know?", "Own measure", "Seconds per step"):
        assert title in page


def test_a_gap_in_a_quantity_breaks_its_curve(run):
    page = page_of(run)
    auc = page[page.index('aria-label="Does the ranking know?') :].split("</svg>")[0]
    assert auc.count("<polyline") == 2


def test_a_half_written_last_line_is_left_out_and_said(run):
    for name in ("metrics.jsonl", "samples.jsonl"):
        content = (run / name).read_bytes()
        (run / name).write_bytes(content + content.splitlines()[-1][:40])
    page = page_of(run)
    assert page.count("the last line is half-written") == 2
    assert len(re.findall(r"Step \d+ ·", page)) == 10


def test_a_broken_line_in_the_middle_is_counted(run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    lines[4] = "{broken"
    (run / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    assert "metrics.jsonl: lines that cannot be read were left out (1, the first is line 5)" in page_of(run)


def test_numbers_that_are_not_finite_leave_a_gap(run):
    rows = [{"stage": "stage1", "step": step, "loss": value} for step, value in enumerate([1.0, float("nan"), 2.0])]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    page = page_of(run)
    assert page.count("<polyline") == 2
    assert not re.search(r"\bnan\b", re.sub(r"base64,[^\"]+", "", page), re.IGNORECASE)


def test_an_unfinished_run_says_so(run):
    for name in ("eval.json", "run.json"):
        (run / name).unlink()
    page = page_of(run)
    assert "Not evaluated yet" in page
    assert "Sampling" in page and "18.0 s" in page


@pytest.mark.parametrize("kept", ["config.yaml", "metrics.jsonl", "samples.jsonl", "eval.json", "run.json"])
def test_any_one_file_makes_a_page(run, kept):
    for path in [path for path in run.iterdir() if path.is_file() and path.name != kept]:
        path.unlink()
    assert "quickstart" in page_of(run)


@pytest.mark.parametrize(
    "content", ["", "[]", "{", "null", "\x00\xff", '{"scenes": 3}', '{"a": {"b": {"c": {"d": 1}}}}']
)
def test_a_damaged_file_never_stops_the_page(run, content):
    for name in ("config.yaml", "metrics.jsonl", "samples.jsonl", "eval.json", "run.json"):
        (run / name).write_text(content)
    assert "quickstart" in page_of(run)


def test_rows_of_unexpected_types_never_stop_the_page(run):
    odd = {"stage": "stage2", "step": "x", "images": "a", "choices": 3, "candidates": [1, {"D": "high", "q": None}]}
    (run / "samples.jsonl").write_text(json.dumps(odd) + "\n")
    (run / "metrics.jsonl").write_text('{"stage": 1, "step": 1, "loss": "x", "lr": [1], "seconds": {"a": null}}\n')
    assert "quickstart" in page_of(run)


def test_a_missing_image_is_said_in_its_place(run):
    rewrite_first_sample(run, images=["gone/somewhere.jpg", None, str(run / "config.yaml")])
    page = page_of(run)
    assert "gone/somewhere.jpg is no longer there." in page
    assert "This image came as bytes" in page
    assert "cannot be decoded" in page


def test_many_images_are_counted(run):
    rewrite_first_sample(run, images=[None] * 7)
    assert "and 3 more images" in page_of(run)


def test_an_unchecked_answer_has_no_mark(run):
    rewrite_first_sample(run, candidates=[{"text": "free", "D": 1.0, "q": 1.0, "r": 0.0, "correct": None}])
    assert 'class="mark unknown"' in page_of(run)


def test_the_page_of_a_long_run_stays_small(long_run):
    assert write_report(long_run).stat().st_size < 500_000


@pytest.mark.parametrize("make", [True, False])
def test_a_folder_without_a_run_is_refused(tmp_path, make):
    folder = tmp_path / "nothing"
    if make:
        folder.mkdir()
    with pytest.raises(UserError, match=r"nothing holds no run.*runs/quickstart"):
        write_report(folder)
