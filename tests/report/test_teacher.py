"""What the page says of the teacher."""

import json

from vlrlcd.report import write_report
from vlrlcd.report.read import read_run
from vlrlcd.report.teacher import facts


def changed(run, **teacher):
    summary = json.loads((run / "run.json").read_text())
    summary["teacher"].update(teacher)
    (run / "run.json").write_text(json.dumps(summary))
    return dict(facts(read_run(run)))


def test_calls_tokens_and_cost_beside_what_judging_would_take(run):
    said = changed(run)
    assert said["Anchors, one per prompt"] == "64" and said["Trained on"] == "61"
    assert said["Set aside: the teacher refused"] == "1"
    assert said["Calls into this store"] == "69 (64 answered, 5 HTTP 429)"
    assert said["Calls if it judged every candidate"] == "488"
    assert said["of these image"] == "38,400" and said["Cost of these anchors"] == "0.1728 USD"


def test_a_price_that_is_missing_is_said(run):
    spent = {"calls": 64, "unpriced": 64, "cost_usd": 0.0}
    assert changed(run, spent=spent)["Cost of these anchors"] == "not known: no price or no usage"
    spent = {"calls": 64, "unpriced": 4, "cost_usd": 0.5}
    assert changed(run, spent=spent)["Cost of these anchors"] == "0.5000 USD, without 4 of unknown cost"


def test_own_files_have_no_calls_and_no_cost(run):
    said = changed(run, name="dataset-column:terse", collected={}, spent={}, set_aside={})
    assert "Cost of these anchors" not in said and "Calls into this store" not in said


def test_the_page_shows_it_and_escapes_it(run):
    page = write_report(run).read_text()
    assert "What the teacher was asked" in page and "gpt-4o &lt;b&gt;" in page


def test_a_run_without_it_has_no_such_section(run):
    summary = json.loads((run / "run.json").read_text())
    del summary["teacher"]
    (run / "run.json").write_text(json.dumps(summary))
    assert "What the teacher was asked" not in write_report(run).read_text()
