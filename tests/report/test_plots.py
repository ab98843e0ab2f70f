"""The plots show what the page shows, as files that other programs read."""

import json
import math
import re
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure
from PIL import Image

from tests.report.run_folder import PLANTED, change_lines, write_run
from vlrlcd.errors import UserError
from vlrlcd.report import plots, write_report
from vlrlcd.report.plots import DOTS_PER_INCH, INCHES, write_plots
from vlrlcd.report.wording import HEADLINES

SVG = "{http://www.w3.org/2000/svg}"


def lines(run, *rows):
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def texts(path):
    return ["".join(text.itertext()) for text in ElementTree.parse(path).iter(f"{SVG}text")]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run and the folder of its plots."""
    run = write_run(tmp_path_factory.mktemp("plotted") / "quickstart")
    return run, write_plots(run)


@pytest.fixture
def drawn(monkeypatch):
    """The axes that were saved, one for each file."""
    found = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: found.append(figure.axes[0]))
    return found


def test_every_curve_and_every_headline_figure_of_the_page_has_a_plot_of_each_kind(finished):
    run, folder = finished
    page = write_report(run).read_text()
    drawn = {path.stem for path in folder.glob("*.svg")}
    assert drawn == {path.stem for path in folder.glob("*.png")}
    measured = json.loads((run / "eval.json").read_text())["scenes"]["val"]["stage2"]
    headlines = {f"scenes_val_{metric}" for metric in HEADLINES if metric in measured}
    assert headlines <= drawn and len(drawn) == page.count("<svg") + len(headlines)
    said = [texts(folder / f"{name}.svg") for name in drawn]
    for stage, curves in re.findall(r"<h3>(Stage \d[^<]+)</h3>(.*?)</div>", page, re.DOTALL):
        for title in re.findall(r"<figcaption><b>([^<]+)</b>", curves):
            assert any(title in one and any(stage in text for text in one) for one in said), title


def test_each_file_is_what_its_name_says(finished):
    for path in finished[1].iterdir():
        if path.suffix == ".png":
            with Image.open(path) as image:
                image.load()
                assert (image.format, image.size) == ("PNG", tuple(round(DOTS_PER_INCH * side) for side in INCHES))
                assert len(image.convert("L").getcolors()) > 2
        else:
            assert path.suffix == ".svg" and ElementTree.parse(path).getroot().tag == f"{SVG}svg"


def test_title_axes_series_and_intervals_are_named_in_words(finished):
    _, folder = finished
    said = texts(folder / "stage2_seconds.svg")
    assert {"Seconds per step", "step", "Sample", "Rank", "Train"} <= set(said)
    assert any("Stage 2: learning from the ranking" in one for one in said)
    said = texts(folder / "scenes_val_accuracy.svg")
    assert {"Accuracy, %", "Pretrained", "After stage 1", "After stage 2"} <= set(said)
    assert "scenes, val, 500 questions, 95 % intervals" in said


def test_the_points_are_those_that_were_logged(run, drawn):
    lines(run, *({"stage": "stage1", "step": step, "loss": loss} for step, loss in enumerate([3.0, None, 2.0, 1.0])))
    (run / "eval.json").write_text(
        json.dumps({"scenes": {"val": {"stage1": {"accuracy": {"value": 0.5, "low": 0.4, "high": 0.7, "n": 9}}}}})
    )
    write_plots(run)
    curve, accuracy = drawn[0], drawn[len(plots.KINDS)]
    steps, values = curve.lines[0].get_data()
    assert list(steps) == [0, 1, 2, 3] and [values[0], *values[2:]] == [3, 2, 1] and math.isnan(values[1])
    # the first value stands between gaps and would have no line: it has a dot
    assert curve.lines[0].get_markevery() == [0]
    (bar,) = accuracy.collections[0].get_segments()
    assert [y for _, y in bar] == pytest.approx([40, 70]) and accuracy.lines[0].get_ydata() == pytest.approx([50])


def test_the_same_run_gives_the_same_files(run):
    lines(run, {"stage": "stage1", "step": 1, "loss": 1.0}, {"stage": "stage1", "step": 2, "loss": 2.0})
    folder = write_plots(run)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert {path.name: path.read_bytes() for path in write_plots(run).iterdir()} == before


def test_names_from_the_run_make_neither_paths_nor_formulas_nor_markup(run):
    lines(run, {"stage": "stage1", "step": 1})
    change_lines(
        run / "metrics.jsonl", {"../../out": 1.0, PLANTED: 2.0, "$\\frac": 3.0, "": 4.0, "a/b": 5.0, "a b": 6.0}
    )
    folder = write_plots(run)
    assert not list(run.parent.glob("out*"))
    names = {path.stem for path in folder.iterdir()}
    assert {"stage1_.._.._out", "stage1__frac", "stage1", "stage1_a_b", "stage1_a_b-2"} <= names
    for path in folder.glob("*.svg"):
        tags = {one.tag.removeprefix(SVG) for one in ElementTree.parse(path).iter()}
        assert {"script", "image"}.isdisjoint(tags)
    assert "$\\frac" in texts(folder / "stage1__frac.svg")


def test_a_run_without_a_number_is_refused(run):
    for name in ("metrics.jsonl", "eval.json"):
        (run / name).unlink()
    with pytest.raises(UserError, match="quickstart has logged no step and holds no evaluation yet: there is nothing"):
        write_plots(run)
    assert not (run / "plots").exists()


def test_a_folder_that_cannot_be_written_is_said(run):
    (run / "plots").write_text("a file")
    with pytest.raises(UserError, match=r"plots/stage1_loss: the plot cannot be written \(File exists\)"):
        write_plots(run)


def test_steps_that_a_resumed_run_did_again_count_once_and_stand_in_order(run, drawn):
    lines(run, *({"stage": "stage1", "step": step, "loss": loss} for step, loss in ((3, 1), (1, 2), (2, 3), (1, 4))))
    write_plots(run)
    assert [list(data) for data in drawn[0].lines[0].get_data()] == [[1, 2, 3], [4, 3, 1]]
