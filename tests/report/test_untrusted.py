"""Text that the teacher, the student, the data or a name brought along stays text."""

import html
from html.parser import HTMLParser

import pytest

from tests.report.run_folder import PLANTED, change_lines, plant
from vlrlcd.report import write_report

FETCHES = {"src", "href", "srcset", "data", "poster", "action", "xlink:href"}


class Elements(HTMLParser):
    """The elements of a page, what they fetch and the events that they listen to."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.fetched, self.listened = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.fetched += [value for name, value in attributes if name in FETCHES]
        self.listened += [name for name, _ in attributes if name.startswith("on")]


def elements_of(run):
    return Elements(write_report(run).read_text())


def assert_harmless(elements):
    assert elements.tags.count("script") == 1 and not elements.listened
    assert {"link", "iframe", "object", "form", "base"}.isdisjoint(elements.tags)
    assert all(value.startswith(("data:image/jpeg;base64,", "#")) for value in elements.fetched)


def test_nothing_is_fetched_and_only_the_own_script_stands_in_it(run):
    page = write_report(run).read_text()
    assert_harmless(Elements(page))
    assert "url(" not in page and "@import" not in page
    policy = html.unescape(page)
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-" in policy


def test_a_page_full_of_planted_html_has_the_elements_of_any_other(run):
    plant(run)
    elements = elements_of(run)
    assert_harmless(elements)
    page = (run / "report.html").read_text()
    assert PLANTED not in page and page.count("&lt;script&gt;planted()") > 500


@pytest.mark.parametrize("place", ["id", "question", "anchor", "answer", "step"])
def test_html_in_a_text_of_a_group_is_shown_as_text(run, place):
    planted = {place: PLANTED, "choices": [PLANTED], "images": [PLANTED], "descriptions": [PLANTED]}
    change_lines(run / "samples.jsonl", planted)
    elements = elements_of(run)
    assert_harmless(elements)
    assert (run / "report.html").read_text().count("&lt;script&gt;planted()") >= 3


@pytest.mark.parametrize("place", ["id", "target", "references", "resps", "doc"])
def test_html_in_a_held_out_question_is_shown_as_text(run, place):
    whole = {"references": [PLANTED], "resps": [[PLANTED]], "doc": {"question": PLANTED, "images": [PLANTED]}}
    for path in run.glob("predictions_*.jsonl"):
        change_lines(path, {place: whole.get(place, PLANTED)})
    assert_harmless(elements_of(run))
    assert "&lt;script&gt;planted()" in (run / "report.html").read_text()


def test_lone_surrogates_are_written(run):
    change_lines(run / "samples.jsonl", {"question": "broken \ud800 emoji"})
    assert "broken ? emoji" in write_report(run).read_text()
