"""results.md, results.csv and the plots say what was measured."""

import csv
import json
from xml.etree import ElementTree

import pytest

from tests.comparison.folders import planned, write_asked, write_cell
from vlrlcd.comparison.plot import write_plots
from vlrlcd.comparison.results import read_results
from vlrlcd.comparison.table import write_tables

FAILED = {"many/sft/1": {"reason": "error: a | b", "log": "many/sft/1.log"}}


def shares(right, of=10):
    return [1.0] * right + [0.0] * (of - right)


@pytest.fixture
def tried(tmp_path):
    """A comparison of which some is finished."""
    plan, found = planned(tmp_path)
    for seed, sft, longer, ldl in (("1", 4, 5, 7), ("2", 4, 7, 9)):
        write_cell(found[f"few/sft/{seed}"], shares(sft))
        write_cell(found[f"few/longer/{seed}"], shares(longer))
        write_cell(found[f"few/ldl/{seed}"], shares(ldl))
        for row in ("sft", "longer"):
            write_asked(found[f"few/{row}/{seed}"], {"new": float(row == "longer")})
    return plan, list(found.values()), tmp_path


def tables(tried, failed=FAILED):
    plan, cells, folder = tried
    page, sheet = write_tables(folder, plan, cells, read_results(plan, cells), failed, "python scripts/compare.py x")
    return page.read_text(), list(csv.DictReader(sheet.open()))


def cells_of(page, start):
    """The cells of the first line of a table that begins so."""
    line = next(line for line in page.splitlines() if line.startswith(f"| {start} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_every_row_of_every_regime_is_there(tried):
    page, _ = tables(tried)
    regimes = page.split("\n## ")
    assert [part.split("\n")[0] for part in regimes[1:]] == ["few", "many", "Contrasts", "Sweep", "Failed"]
    for part in regimes[1:3]:
        assert [line.split("`")[1] for line in part.split("\n\n")[1].splitlines()[2:]] == list(tried[0].rows)
    explained = regimes[1].split("\n\n")[2].splitlines()
    assert [line.split("`")[1] for line in explained[2:]] == ["sft", "longer", "ldl", "best"]


def test_a_row_says_its_share_its_difference_and_what_it_cost(tried):
    page, _ = tables(tried)
    name, accuracy, less, calls, seconds, memory, seeds = cells_of(page, "`ldl`")
    assert accuracy.startswith("80.0 [") and less.startswith("+40.0 [")
    assert (calls, seconds, memory, seeds) == ("13", "40", "1,024", "2")
    assert cells_of(page, "`sft`")[2] == "–"
    assert cells_of(page, "`as_long`")[1:] == ["–"] * 5 + ["0"]


def test_where_it_comes_from(tried):
    page, _ = tables(tried)
    for said in (
        "`python scripts/compare.py x`",
        "abc1234",
        "a machine",
        "2.14.1",
        "6 of 22 are finished",
        "seeds: 1, 2",
    ):
        assert said in page


def test_contrasts_choices_failures_and_a_sweep_that_was_not_run(tried):
    page, _ = tables(tried)
    assert "| few | `ldl` − `longer` | +20.0 [" in page
    assert "`best`, seed 1: `longer`, by 1 other questions: sft 0.0, longer 100.0." in page
    assert "| many/sft/1 | error: a / b | many/sft/1.log |" in page
    assert "Not run: add --sweep." in page
    assert "## Failed" not in tables(tried, {})[0]


def test_the_sheet_holds_what_the_page_shows(tried):
    _, lines = tables(tried)
    own = {(line["regime"], line["row"], line["figure"]): line for line in lines if not line["less"]}
    ldl = own["few", "ldl", "accuracy"]
    assert float(ldl["value"]) == pytest.approx(0.8) and float(ldl["low"]) < 0.8 < float(ldl["high"])
    assert (ldl["seeds"], ldl["questions"]) == ("2", "10")
    pairs = {(line["row"], line["less"]): line["value"] for line in lines if line["regime"] == "few" and line["less"]}
    assert float(pairs["ldl", "sft"]) == pytest.approx(0.4) and float(pairs["ldl", "longer"]) == pytest.approx(0.2)
    assert pairs["as_long", "sft"] == ""
    assert {line["row"] for line in lines} == {*tried[0].rows, *(row.name for row in tried[0].swept_rows)}


def test_the_sweep_s_table_and_plot(tried):
    plan, cells, folder = tried
    by_name = {cell.name: cell for cell in cells}
    assert [path.name for path in write_plots(folder, plan, read_results(plan, cells))] == ["results"]
    write_cell(by_name["few/stage2.beta=0.1/1"], shares(6))
    page, _ = tables(tried)
    _, row, accuracy, less, *_, seeds = cells_of(page, "few | `stage2.beta=0.1`")
    assert accuracy.startswith("60.0 [") and less.startswith("-10.0 [") and seeds == "1"
    drawn = write_plots(folder, plan, read_results(plan, cells))
    assert [path.name for path in drawn] == ["results", "sweep"]
    texts = [
        "".join(text.itertext())
        for text in ElementTree.parse(f"{drawn[1]}.svg").iter("{http://www.w3.org/2000/svg}text")
    ]
    assert {"stage2.beta", "ranking.gamma", "0.1", "2.0", "Accuracy, %", "few"} <= set(texts)
    assert (folder / "sweep.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_is_finished(tmp_path):
    plan, found = planned(tmp_path)
    tried = plan, list(found.values()), tmp_path
    page, lines = tables(tried, {})
    assert "0 of 22 are finished" in page and cells_of(page, "`ldl`")[1:] == ["–", "–", "0"]
    assert write_plots(tmp_path, plan, read_results(plan, tried[1])) == []
    assert json.dumps(lines).count('"value": ""') == len(lines)
