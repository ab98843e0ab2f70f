"""The run page as a reader uses it."""

import re

import pytest

from tests.browser.conftest import PHONE
from tests.report.run_folder import PLANTED

HIDDEN_SIDEWAYS = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


def browser_of(page, name="groups"):
    return page.locator(f'[data-browser="{name}"]')


def shown(page, name="groups"):
    return browser_of(page, name).locator(".item:visible").count()


def count(page, name="groups"):
    return browser_of(page, name).locator(".count").inner_text()


def test_it_opens_from_a_file_and_asks_the_network_for_nothing(show, report):
    opened = show(report)
    assert opened.page.title() == "quickstart · vlrlcd"
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [report.as_uri()]


def test_every_image_shows(show, report):
    page = show(report).page
    page.wait_for_function("[...document.images].every((one) => one.complete)")
    widths = page.evaluate("[...document.images].map((one) => one.naturalWidth)")
    assert len(widths) == 60 and set(widths) == {96}


def test_a_filter_leaves_its_kind_and_the_count_says_so(show, report):
    page = show(report).page
    assert (shown(page), count(page)) == (60, "60 of 60 groups")
    groups = browser_of(page)
    for label in ("All wrong", "Tied", "Favourite is wrong"):
        here = int(groups.get_by_text(re.compile(rf"^{label} \d+$")).locator("small").inner_text())
        groups.get_by_label(re.compile(rf"^{label}")).check()
        assert 0 < here < 60 and (shown(page), count(page)) == (here, f"{here} of 60 groups")
    assert shown(page, "answers-1") == 30


def test_words_are_searched_in_the_closed_groups_too(show, report):
    page = show(report).page
    search = browser_of(page).get_by_role("searchbox")
    search.fill("scene 17? CIRCLE")
    assert (shown(page), count(page)) == (1, "1 of 60 groups")
    search.fill("no such words")
    assert (shown(page), count(page)) == (0, "0 of 60 groups")
    search.fill("")
    assert shown(page) == 60


def test_a_filter_and_words_hold_together(show, report):
    page = show(report).page
    answers = browser_of(page, "answers-1")
    answers.get_by_label(re.compile("^Mended")).check()
    assert count(page, "answers-1") == "9 of 30 questions"
    answers.get_by_role("searchbox").fill("scene 3?")
    assert (shown(page, "answers-1"), count(page, "answers-1")) == (1, "1 of 30 questions")


def test_planted_html_runs_where_nothing_stops_it(show, tmp_path):
    bare = tmp_path / "bare.html"
    bare.write_text(f"<!doctype html><title>x</title><p title='{PLANTED}<img src=x onerror=planted()>")
    page = show(bare).page
    page.wait_for_function("window.ran.length >= 2")


def test_planted_html_does_not_run_on_the_page(show, planted):
    opened = show(planted)
    opened.open_all()
    opened.page.wait_for_function("[...document.images].every((one) => one.complete)")
    opened.page.wait_for_timeout(300)
    assert opened.page.evaluate("window.ran") == [] and opened.complaints == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [planted.as_uri()]
    assert PLANTED in opened.page.locator("main").inner_text()


def test_html_that_slipped_through_would_be_stopped_by_the_policy(show, report):
    opened = show(report)
    opened.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=planted()>')")
    opened.page.evaluate(
        "const own = document.createElement('script'); own.textContent = 'planted()'; document.body.append(own)"
    )
    opened.page.wait_for_timeout(200)
    assert opened.page.evaluate("window.ran") == []
    assert len([one for one in opened.complaints if "Content Security Policy" in one]) >= 2


@pytest.mark.parametrize("name", ["report", "planted"])
def test_a_phone_needs_no_sideways_scroll_with_everything_open(show, request, name):
    opened = show(request.getfixturevalue(name), viewport=PHONE)
    opened.open_all()
    assert opened.page.evaluate(HIDDEN_SIDEWAYS) == 0


def test_the_keyboard_alone_filters_and_opens_a_group(show, report):
    page = show(report).page

    def tab_to(selector):
        for _ in range(40):
            page.keyboard.press("Tab")
            if page.evaluate(f"document.activeElement.matches({selector!r})"):
                return
        raise AssertionError(f"forty times Tab do not reach {selector}")

    tab_to("[data-browser=groups] input[type=radio]")
    page.keyboard.press("ArrowRight")
    filtered = shown(page)
    assert 0 < filtered < 60 and count(page) == f"{filtered} of 60 groups"
    tab_to("[data-browser=groups] input[type=search]")
    page.keyboard.type("blue")
    assert 0 < shown(page) <= filtered
    tab_to("[data-browser=groups] summary")
    group = page.evaluate_handle("document.activeElement.parentElement")
    before = group.evaluate("(one) => one.open")
    page.keyboard.press("Enter")
    assert group.evaluate("(one) => one.open") != before
    page.keyboard.press("Space")
    assert group.evaluate("(one) => one.open") == before


def test_without_script_every_group_stands_there_and_opens(show, report):
    page = show(report, java_script_enabled=False).page
    assert shown(page) == 60 and not page.locator(".filters:visible").count()
    first, second = (browser_of(page).locator(".item").nth(place) for place in (0, 1))
    assert first.locator(".candidates").is_visible() and not second.locator(".candidates").is_visible()
    second.locator("summary").click()
    assert second.locator(".candidates").is_visible()
    assert "At the top left there is a small" in second.inner_text()
