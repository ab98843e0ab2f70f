"""Several runs on one page."""

import json
import random
import re
from html.parser import HTMLParser
from pathlib import Path
from statistics import fmean

import pytest
import yaml

from tests.report.run_folder import write_run
from vlrlcd.errors import UserError
from vlrlcd.report.compare import write_comparison
from vlrlcd.report.paired import paired

PLANTED = """'"></title></style><script>planted()</script><img src=x onerror=planted()>"""
FETCHES = {"src", "href", "srcset", "data", "poster", "action", "xlink:href"}


@pytest.fixture
def runs(tmp_path) -> list[Path]:
    """Three runs; the second draws hotter and is better by 25 points, the third has not been evaluated."""
    folders = [write_run(tmp_path / name) for name in ("first", "second", "third")]
    for folder in folders:
        edit(folder / "run.json", name=folder.name)
        for path in folder.glob("predictions_*"):
            path.unlink()
    settings = yaml.safe_load((folders[1] / "config.yaml").read_text())
    settings["sampling"]["temperature"] = 1.3
    settings["provenance"]["torch"] = "2.99"
    (folders[1] / "config.yaml").write_text(yaml.safe_dump(settings))
    (folders[2] / "eval.json").unlink()
    answered(folders[0], {f"q{place}": float(place % 4 == 0) for place in range(40)})
    answered(folders[1], {f"q{place}": float(place % 2 == 0) for place in range(40)})
    return folders


def edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def answered(folder, scores, metric="accuracy", stage="stage2"):
    rows = [{"id": name, metric: score} for name, score in scores.items()]
    (folder / f"predictions_val_{stage}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def page_of(folders):
    return write_comparison(folders, folders[0].parent / "compare.html").read_text()


def words(html):
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)).strip()


def section(page, name):
    return page[page.index(f'<h2 id="{name}"') :].split("</section>")[0]


def rows_of(html):
    """Cells of all table rows as words, by the row's title."""
    rows = [re.split(r"<t[dh][^>]*>", row)[1:] for row in re.findall(r"<tr[^>]*>(.*?)</tr>", html, re.DOTALL)]
    return {words(row[0]): [words(cell) for cell in row[1:]] for row in rows}


def test_every_run_has_its_headline_figures_of_the_last_stage(runs):
    found = json.loads((runs[1] / "eval.json").read_text())
    stages = found["scenes"]["val"]
    stages["stage2"]["accuracy"] = {"value": 0.8, "low": 0.765, "high": 0.835, "n": 1500}
    stages["other"] = {"accuracy": {"value": 0.2, "low": 0.1, "high": 0.3, "n": 500}}
    (runs[1] / "eval.json").write_text(json.dumps(found))
    table = rows_of(section(page_of(runs), "outcome"))
    assert table["Figure"] == ["first", "second", "third"]
    assert table["Stage"] == ["After stage 2", "After stage 2", "Not evaluated"]
    assert table["Accuracy"] == ["74.6 % 70.6 to 78.6", "80.0 % 76.5 to 83.5", "–"]
    assert table["Truthful explanations"][0] == "68.8 % 64.8 to 72.8"
    assert table["Questions"] == ["500", "1,500", "–"]


def test_the_paired_difference_and_its_interval_stand_under_the_figure(runs):
    table = rows_of(section(page_of(runs), "outcome"))
    none, second, third = table["Difference to first, in points"]
    assert (none, third) == ("–", "–")
    value, low, _, high = second.split()
    assert value == "+25.0" and 5 < float(low) < 25 < float(high) < 45


def test_lone_evaluations_and_a_second_student_in_one_of_them_are_paired(runs):
    for folder in runs[:2]:
        found = json.loads((folder / "eval.json").read_text())["scenes"]["val"]["stage2"]
        stages = {"student": found, "other": {"win_rate": {"value": 0.9}}}
        (folder / "eval.json").write_text(json.dumps({"scenes": {"val": stages}}))
        (folder / "predictions_val_stage2.jsonl").rename(folder / "predictions_val.jsonl")
    page = page_of(runs)
    table = rows_of(section(page, "outcome"))
    assert table["Stage"] == ["Evaluated alone", "Evaluated alone", "Not evaluated"] and "Win rate" not in table
    assert table["Difference to first, in points"][1].startswith("+25.0 ")


def test_the_paired_interval_is_the_bootstrap_of_the_differences():
    draw = random.Random(3)
    theirs = {f"q{place}": {"accuracy": float(draw.random() < 0.6)} for place in range(400)}
    ours = {name: {"accuracy": row["accuracy"] if draw.random() < 0.9 else 1.0} for name, row in theirs.items()}
    found = paired(ours, theirs)["accuracy"]
    changes = [ours[name]["accuracy"] - theirs[name]["accuracy"] for name in theirs]
    means = sorted(fmean(draw.choices(changes, k=len(changes))) for _ in range(1500))
    assert found.value == pytest.approx(fmean(changes)) and (found.pairs, found.alone) == (400, 0)
    assert found.low == pytest.approx(means[37], abs=0.006) and found.high == pytest.approx(means[-38], abs=0.006)
    backwards = paired(theirs, ours)["accuracy"]
    assert backwards.value == pytest.approx(-found.value)


def test_questions_of_one_run_alone_are_left_out_and_said(runs):
    answered(runs[1], {f"q{place}": 1.0 for place in range(10, 60)})
    difference = rows_of(section(page_of(runs), "outcome"))["Difference to first, in points"][1]
    assert "over the 30 questions that both have" in difference


def test_an_answer_that_has_no_score_is_no_wrong_answer(runs):
    answered(runs[1], {f"q{place}": float(place % 4 == 0) if place else None for place in range(40)})
    difference = rows_of(section(page_of(runs), "outcome"))["Difference to first, in points"][1]
    assert difference == "+0.0 +0.0 to +0.0, over the 39 questions that both have"


def test_explanations_are_paired_by_rouge(runs):
    for folder, score in zip(runs[:2], (0.5, 0.25), strict=True):
        answered(folder, {f"q{place}": score for place in range(8)}, "rouge_l")
        found = json.loads((folder / "eval.json").read_text())
        found["scenes"]["val"]["stage2"] = {"rouge_l": {"value": score, "low": 0.2, "high": 0.6, "n": 8}}
        (folder / "eval.json").write_text(json.dumps(found))
    table = rows_of(section(page_of(runs), "outcome"))
    assert table["ROUGE-L"][:2] == ["0.500 0.200 to 0.600", "0.250 0.200 to 0.600"]
    minus = "\N{MINUS SIGN}0.250"
    assert table["Difference to first"][1] == f"{minus} {minus} to {minus}"


def no_predictions(folder):
    (folder / "predictions_val_stage2.jsonl").unlink()


def other_questions(folder):
    answered(folder, {"another": 1.0})


def other_questions_under_the_same_ids(folder):
    path = folder / "predictions_val_stage2.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps({**row, "doc": {"question": "Another one?"}}) + "\n" for row in rows))


def no_scores(folder):
    answered(folder, {f"q{place}": None for place in range(40)})


NOTHING_IN_COMMON = "they have no scored question in common"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (no_predictions, "second has left no answers of this stage"),
        (other_questions, NOTHING_IN_COMMON),
        (other_questions_under_the_same_ids, NOTHING_IN_COMMON),
        (no_scores, NOTHING_IN_COMMON),
    ],
)
def test_runs_that_cannot_be_paired_are_said_and_have_no_difference(runs, change, why):
    change(runs[1])
    page = page_of(runs)
    said = words(page)
    assert f"No paired difference of second to first: {why}." in said and "Difference to first" not in page
    assert "No paired difference of third to first: third was not evaluated here." in said


def test_runs_of_other_splits_have_a_table_each_and_no_difference(runs):
    found = json.loads((runs[1] / "eval.json").read_text())
    (runs[1] / "eval.json").write_text(json.dumps({"scenes": {"test": found["scenes"]["val"]}}))
    (runs[1] / "predictions_val_stage2.jsonl").rename(runs[1] / "predictions_test_stage2.jsonl")
    page = page_of(runs[:2])
    assert words(page).count("with 95 % intervals") == 2 and "Difference to" not in page
    for name in ("first", "second"):
        assert f"No paired difference of second to first: {name} was not evaluated here." in words(page)


def test_only_the_keys_that_differ_are_listed_and_no_provenance(runs):
    edit_config = runs[2] / "config.yaml"
    edit_config.write_text(edit_config.read_text().replace("method: ldl_grpo", "method: ''"))
    table = rows_of(section(page_of(runs), "settings"))
    assert table == {
        "Key": ["first", "second", "third"],
        "sampling.temperature": ["–", "1.3", "–"],
        "stage2.method": ["ldl_grpo", "ldl_grpo", "(empty)"],
    }


def test_equal_configurations_and_missing_ones_are_told_apart(runs):
    assert "every key of their configurations has the same value" in page_of([runs[0], runs[2]])
    (runs[2] / "config.yaml").unlink()
    assert "fewer than two of these runs have left a config.yaml" in page_of([runs[0], runs[2]])
    page = words(section(page_of(runs), "settings"))
    assert "sampling.temperature" in page and "third: no config.yaml that can be read." in page
    assert "model.checkpoint" not in page


def test_calls_cost_and_seconds_stand_beside_each_other(runs):
    edit(runs[1] / "run.json", phase_seconds={"sample": 100.0, "judge": 20.0}, teacher={"name": "own files"})
    table = rows_of(section(page_of(runs), "cost"))
    assert table["Calls into this store"] == ["69 (64 answered, 5 HTTP 429)", "–", "69 (64 answered, 5 HTTP 429)"]
    assert table["Cost of these anchors"][0] == "0.1728 USD"
    assert table["Sampling"][:2] == ["21.7 s", "1 min 40 s"]
    assert table["Judge"] == ["–", "20.0 s", "–"]
    assert table["In all"][:2] == ["1 min 29 s", "2 min 0 s"]


def test_other_hardware_is_said_beside_the_seconds(runs):
    assert "These runs had different" not in page_of([runs[0], runs[2]])
    settings = yaml.safe_load((runs[2] / "config.yaml").read_text())
    settings["provenance"]["machine"] = "another"
    (runs[2] / "config.yaml").write_text(yaml.safe_dump(settings))
    assert "These runs had different hardware" in words(page_of([runs[0], runs[2]]))


def test_each_curve_has_one_line_per_run_on_the_same_axes(runs):
    for folder, losses in zip(runs, ([0.0, 1.0], [2.0, 4.0], []), strict=True):
        rows = [{"stage": "stage1", "step": 10 + step, "loss": loss} for step, loss in enumerate(losses)]
        (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    curves = section(page_of(runs), "curves")
    assert curves.count("<svg") == 1 and "Stage 1: imitating the anchors" in curves
    assert re.findall(r"</i>(\w+) <b>([^<]+)</b>", curves) == [("first", "1"), ("second", "4"), ("third", "–")]
    lines = re.findall(r'<polyline class="tone(\d)" points="([^"]+)"', curves)
    heights = {tone: [float(point.split(",")[1]) for point in points.split()] for tone, points in lines}
    bottom, top = heights["0"][0], heights["1"][1]
    assert heights["0"][1] - top == pytest.approx(3 * (bottom - heights["0"][1]), abs=0.2)
    assert heights["1"][0] == pytest.approx((bottom + top) / 2, abs=0.1)


def test_a_nested_quantity_has_a_figure_for_each_name(runs):
    page = page_of(runs[:2])
    titles = re.findall(r"<figcaption><b>([^<]+)</b>", page)
    assert (
        "Seconds per step: sample" in titles and "Seconds per step: rank" in titles and "Seconds per step" not in titles
    )
    assert titles.count("Loss") == 2


def test_runs_of_the_same_name_are_told_apart_by_the_ends_of_their_paths(tmp_path):
    folders = [write_run(tmp_path / place / name) for place, name in (("a", "x"), ("b", "y"), ("c", "y"))]
    assert rows_of(section(page_of(folders[:2]), "outcome"))["Figure"] == ["x", "y"]
    assert rows_of(section(page_of(folders), "outcome"))["Figure"] == ["a/x", "b/y", "c/y"]


def test_a_run_given_twice_is_refused(runs):
    with pytest.raises(UserError, match="first is given twice: give every run once"):
        page_of([runs[0], runs[0].parent / "second" / ".." / "first"])


def test_a_folder_without_a_run_is_refused(runs, tmp_path):
    with pytest.raises(UserError, match="nothing does not exist"):
        page_of([runs[0], tmp_path / "nothing"])


def test_what_cannot_be_read_is_said_with_its_run(runs):
    (runs[1] / "eval.json").write_text("{")
    with (runs[0] / "predictions_val_stage2.jsonl").open("a") as file:
        file.write('{"id": "half')
    page = words(page_of(runs))
    assert "second: eval.json cannot be read" in page
    assert "first: predictions_val_stage2.jsonl: the last line is half-written" in page


def test_whatever_a_run_says_is_text_and_nothing_is_fetched(runs):
    for folder in runs[:2]:
        edit(folder / "run.json", name=PLANTED + folder.name, phase_seconds={PLANTED: 3.0}, teacher={"name": PLANTED})
        (folder / "eval.json").write_text(
            json.dumps({PLANTED: {PLANTED: {PLANTED: {"accuracy": {"value": 0.5}, PLANTED: {"value": 1}}}}})
        )
        with (folder / "metrics.jsonl").open("a") as file:
            file.write(json.dumps({"stage": PLANTED, "step": 1, PLANTED: {PLANTED: 1.0}}) + "\n")
        (folder / "config.yaml").write_text(
            json.dumps({"stage2": {"method": PLANTED}, PLANTED: {PLANTED: folder.name}})
        )
    page = page_of(runs)
    found = Elements(page)
    assert "planted()" in page and "&lt;script&gt;planted()" in page
    assert found.tags.isdisjoint({"script", "img", "link", "iframe"}) and found.fetched == []
    assert re.search(r'Content-Security-Policy" content="default-src &#39;none&#39;; [^"]*style-src', page)
    assert "script-src" not in page and not re.search(r"url\(|@import", page)


class Elements(HTMLParser):
    """The names of all elements, and what a browser would fetch for them."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.fetched = set(), []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.fetched += [value for name, value in attributes if name in FETCHES and not value.startswith("#")]
