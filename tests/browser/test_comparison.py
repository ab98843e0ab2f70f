"""Several runs side by side as a reader sees them."""

import re

import pytest

from tests.browser.conftest import DESKTOP, PHONE
from tests.browser.test_run_page import HIDDEN_SIDEWAYS

LONG = "a-second-run-with-quite-a-long-name"


def test_it_opens_from_a_file_and_asks_the_network_for_nothing(show, comparison):
    opened = show(comparison)
    assert opened.page.title() == f"first, {LONG} · vlrlcd"
    assert opened.complaints == [] and opened.requests == [comparison.as_uri()]


def test_the_difference_stands_under_the_figure_with_its_interval(show, comparison):
    table = show(comparison).page.get_by_role("table").first
    row = table.get_by_role("row").filter(has_text="Difference to first, in points").first
    value, low, high = re.fullmatch(r"\+(\S+) (\S+) to (\S+)", row.get_by_role("cell").nth(1).inner_text()).groups()
    # 23 of 30 answers are right, and 20 of the first run's
    assert value == "10.0" and float(low.replace("\N{MINUS SIGN}", "-")) < 10 < float(high)


def test_each_run_has_one_line_of_its_own_in_every_curve(show, comparison):
    page = show(comparison).page
    for curve in page.locator("figure").all():
        lines = curve.locator("polyline")
        looks = lines.evaluate_all(
            "(lines) => lines.map((one) => getComputedStyle(one).stroke + getComputedStyle(one).strokeDasharray)"
        )
        assert len(set(looks)) == 2
        assert curve.locator(".legend").inner_text().startswith("first ")


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("name", ["comparison", "planted_comparison"])
def test_it_needs_no_sideways_scroll(show, request, name, viewport):
    page = show(request.getfixturevalue(name), viewport=viewport).page
    assert page.evaluate(HIDDEN_SIDEWAYS) == 0


def test_planted_html_does_not_run(show, planted_comparison):
    opened = show(planted_comparison)
    opened.page.wait_for_timeout(300)
    assert opened.page.evaluate("window.ran") == [] and opened.complaints == []
    assert opened.requests == [planted_comparison.as_uri()]
    assert "planted()" in opened.page.locator("main").inner_text()
