"""The watched page while its run goes on."""

import json
import re
import shutil
import signal

import httpx2
import pytest

from tests.report.run_folder import write_run
from tests.report.watched import watched

PATIENCE_MS = 20_000
TOP = "(row) => row.getBoundingClientRect().top"


@pytest.fixture
def run(tmp_path):
    """A run of 40 stage-II steps."""
    return write_run(tmp_path / "quickstart", 20, 40)


@pytest.fixture
def live(run, show):
    """The watched page in the browser, and the process."""
    with watched(run) as watch:
        yield show(watch.address), watch


def append(path, *rows):
    with path.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def again(run, steps):
    """The run's last group, sampled at other steps."""
    last = json.loads((run / "samples.jsonl").read_text().splitlines()[-1])
    append(run / "samples.jsonl", *({**last, "step": step} for step in steps))


def groups(page):
    return page.locator('[data-browser="groups"]')


def wait_for(page, text):
    page.locator("main").get_by_text(text).first.wait_for(timeout=PATIENCE_MS)


def test_an_appended_line_shows_and_the_reader_keeps_filter_words_rows_and_place(live, run):
    opened, watch = live
    page = opened.page
    groups(page).get_by_label(re.compile("^All wrong")).check()
    groups(page).get_by_role("searchbox").fill("scene circle")
    row = groups(page).locator(".item:visible").nth(3)
    key = row.get_attribute("data-key")
    row.locator("summary").click()
    row = page.locator(f'[data-key="{key}"]')
    row.evaluate("(row) => window.scrollBy(0, row.getBoundingClientRect().top - 30)")
    before = row.evaluate(TOP)
    count = groups(page).locator(".count").inner_text()

    # a warning and another quantity come above what is looked at, a group below it
    append(run / "metrics.jsonl", {"stage": "stage2", "step": 41, "loss": 0.5, "kl": 90.0, "another_measure": 1.0})
    again(run, [41])
    wait_for(page, "This page shows 41 of 41 groups")

    assert "Another measure" in page.locator("main").inner_text()
    assert groups(page).get_by_label(re.compile("^All wrong")).is_checked()
    assert groups(page).get_by_role("searchbox").input_value() == "scene circle"
    assert groups(page).locator(".count").inner_text() == count.replace("40 groups", "41 groups")
    assert row.get_attribute("open") is not None and row.evaluate(TOP) == pytest.approx(before, abs=2)
    assert page.evaluate("document.activeElement.parentElement.dataset.key") == key
    assert opened.complaints == []
    assert {url.removeprefix(watch.address) for url in opened.requests if not url.startswith("data:")} == {
        "/",
        "/state",
    }


def test_a_page_begun_in_an_empty_folder_gets_its_head(run, tmp_path, show):
    (begun := tmp_path / "begun").mkdir()
    with watched(begun) as watch:
        page = show(watch.address).page
        assert page.title() == "begun · vlrlcd" and page.locator(".subject").count() == 0
        page.get_by_role("link", name="Curves").focus()
        for name in ("config.yaml", "run.json"):
            shutil.copy(run / name, begun)
        page.locator("header .subject").wait_for(timeout=PATIENCE_MS)
        assert page.title() == "quickstart · vlrlcd" and page.locator("h1").all_inner_texts() == ["quickstart"]
        assert "tiny-llava-scenes trained with ldl_grpo on aokvqa_mc" in page.locator(".subject").inner_text()
        assert page.evaluate("document.activeElement.textContent") == "Curves"


def test_a_row_that_is_read_stays_when_the_sample_moves_on_and_what_is_typed_goes_on(live, run):
    opened, watch = live
    page = opened.page
    read = [groups(page).locator(".item").nth(place).get_attribute("data-key") for place in (11, 18)]
    for key in read:
        page.locator(f'[data-key="{key}"] > summary').click()
    search = groups(page).get_by_role("searchbox")
    search.click()
    search.press_sequentially("scene ")
    again(run, range(41, 4000))
    wait_for(page, "of 3,999 groups")
    sampled = httpx2.get(watch.address).text
    assert not any(f'data-key="{key}"' in sampled for key in read)
    keys = page.evaluate("[...document.querySelectorAll('[data-browser=groups] .item')].map((one) => one.dataset.key)")
    steps = [int(key.split()[1]) for key in keys]
    assert steps == sorted(steps) and len(steps) == len(set(steps)) and steps[-1] == 3999
    for key in read:
        assert page.locator(f'[data-key="{key}"] .candidates').is_visible()
    page.keyboard.type("12?")
    assert search.input_value() == "scene 12?"
    assert (
        groups(page).locator(".item:visible").evaluate_all("(rows) => rows.map((row) => row.dataset.key)") == read[:1]
    )


def test_a_question_that_is_read_stays_among_the_questions(live, run):
    page = live[0].page
    first = page.locator('[data-browser="answers-1"] .item').first
    key = first.get_attribute("data-key")
    assert first.get_attribute("open") is not None
    for path in run.glob("predictions_val_*"):
        path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))
    wait_for(page, "This page shows 29 of 29 held-out questions")
    items = page.locator('[data-browser="answers-1"] .item')
    assert items.first.get_attribute("data-key") == key and items.first.get_attribute("open") is not None
    assert items.count() == 30 and groups(page).locator(".item").count() == 40


def test_a_half_written_line_is_said_until_it_is_whole(live, run):
    page = live[0].page
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"stage": "stage2", "step": 41, ')
        file.flush()
        wait_for(page, "metrics.jsonl: the last line is half-written")
        file.write('"whole": 7}\n')
    wait_for(page, "Whole")
    assert "half-written" not in page.locator("main").inner_text()


def test_it_says_when_nobody_answers_any_more(live):
    opened, watch = live
    state = opened.page.locator("#live")
    assert state.inner_text() == "live"
    assert watch.ended_by(signal.SIGINT) == (0, "")
    opened.page.get_by_text("no longer live: the server does not answer").wait_for(timeout=PATIENCE_MS)
    assert groups(opened.page).locator(".item").count() == 40
