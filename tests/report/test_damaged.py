"""Whatever a run left behind, a page is written, and what is missing is said."""

import json
import re

import pytest

from vlrlcd.report import write_report

ALONE = ["config.yaml", "metrics.jsonl", "samples.jsonl", "eval.json", "run.json"]
ALL = [*ALONE, "predictions_val_stage1.jsonl"]


def page_of(run):
    return write_report(run).read_text()


@pytest.mark.parametrize("name", ["metrics.jsonl", "samples.jsonl", "predictions_val_stage2.jsonl"])
def test_a_half_written_last_line_is_left_out_and_said(run, name):
    before = page_of(run)
    content = (run / name).read_bytes()
    (run / name).write_bytes(content + content.splitlines()[-1][:40])
    page = page_of(run)
    assert f"{name}: the last line is half-written" in page
    assert page.count("<details") == before.count("<details") and page.count("<svg") == before.count("<svg")


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


@pytest.mark.parametrize("kept", ALONE)
def test_any_one_file_makes_a_page(run, kept):
    for path in [path for path in run.iterdir() if path.is_file() and path.name != kept]:
        path.unlink()
    assert "quickstart" in page_of(run)


def test_predictions_alone_are_shown_beside_any_file(run):
    for name in ("config.yaml", "metrics.jsonl", "samples.jsonl", "run.json"):
        (run / name).unlink()
    page = page_of(run)
    assert "This page shows 30 of 30 held-out questions" in page and "Stage 2 has sampled no group yet." in page


@pytest.mark.parametrize(
    "content", ["", "[]", "{", "null", "\x00\xff", '{"scenes": 3}', '{"a": {"b": {"c": {"d": 1}}}}']
)
def test_a_damaged_file_never_stops_the_page(run, content):
    for name in ALL:
        (run / name).write_text(content)
    assert "quickstart" in page_of(run)


ODD = [None, True, -1, 1e400, "x", [], [[]], [{}], {}, {"a": None}]


@pytest.mark.parametrize("value", ODD, ids=repr)
@pytest.mark.parametrize("name", [name for name in ALL if name.endswith(".jsonl")])
def test_rows_of_unexpected_types_never_stop_the_page(run, name, value):
    first = json.loads((run / name).read_text().splitlines()[-1])
    rows = [{**first, key: value} for key in first]
    if "candidates" in first:
        rows += [{**first, "candidates": [{**first["candidates"][0], key: value}]} for key in first["candidates"][0]]
    (run / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "quickstart" in page_of(run)
