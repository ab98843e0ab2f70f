"""The live page: a real process on a real port; what has no clock of its own in this one."""

import json
import shutil
import signal
import socket
import threading
import time
from urllib.parse import urlsplit

import httpx2
import psutil
import pytest

from tests.report.watched import watched
from vlrlcd.report import live
from vlrlcd.report.live import REST, LivePage, LiveServer

PATIENCE_S = 20


@pytest.fixture
def served(run):
    """Address and page of a server in this process."""
    page = LivePage(run)
    with LiveServer(page, 0) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", page
        server.shutdown()
        thread.join()


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands; `clock.builds` pages were built, each in two seconds."""

    class Clock:
        now, builds = 100.0, 0

        def monotonic(self):
            return self.now

    clock, report = Clock(), live.report

    def built(*arguments, **named):
        clock.now += 2
        clock.builds += 1
        return report(*arguments, **named)

    monkeypatch.setattr(live, "time", clock)
    monkeypatch.setattr(live, "report", built)
    return clock


def step(folder, number=1000, loss=0.5):
    with (folder / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"stage": "stage2", "step": number, "loss": loss}) + "\n")


def when_it_changes(address, state):
    for _ in range(10 * PATIENCE_S):
        if httpx2.get(f"{address}/state").text != state:
            return httpx2.get(address).text
        time.sleep(0.1)
    raise AssertionError(f"the page has not changed for {PATIENCE_S} seconds")


def test_a_run_is_watched_from_its_empty_folder_on(run, tmp_path):
    folder = tmp_path / "begun"
    folder.mkdir()
    # as a shell begins what a script sends to the background
    with watched(folder, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) as watch:
        page, state = httpx2.get(watch.address).text, httpx2.get(f"{watch.address}/state").text
        assert "<h1>begun</h1>" in page and "No step has been logged yet." in page
        shutil.copy(run / "config.yaml", folder)
        (folder / "metrics.jsonl").write_text('{"stage": "stage1", "step": 1, "loss": 2.5}\n{"stage": "stage1", "st')
        page = when_it_changes(watch.address, state)
        assert "metrics.jsonl: the last line is half-written" in page
        assert "tiny-llava-scenes" in page and '<span class="last">2.5</span>' in page
        assert watch.ended_by(signal.SIGINT) == (0, "")
    assert sorted(path.name for path in folder.iterdir()) == ["config.yaml", "metrics.jsonl"]


def test_it_ends_at_once_while_readers_hold_connections_and_listens_to_this_machine_alone(run):
    with watched(run) as watch:
        process = psutil.Process(watch.process.pid)
        assert {one.laddr.ip for one in process.net_connections("inet")} == {"127.0.0.1"}
        assert process.nice() == live.NICENESS + psutil.Process().nice()
        with socket.create_connection(("127.0.0.1", urlsplit(watch.address).port)) as silent:
            silent.sendall(b"GET / HT")
            assert httpx2.get(watch.address).status_code == 200
            started = time.monotonic()
            assert watch.ended_by(signal.SIGTERM) == (0, "")
            assert time.monotonic() - started < live.SILENCE_S / 3


def test_only_what_has_changed_is_built_and_seldom(run, clock):
    page = LivePage(run)
    page.page()
    assert page.page().html and clock.builds == 1
    step(run)
    before = page.state()
    clock.now += 2 * REST - 0.1
    assert page.state() == before and page.page() and clock.builds == 1
    clock.now += 0.2
    assert page.state() != before and clock.builds == 1
    assert f'data-state="{page.state()}"' in page.page().html and clock.builds == 2
    clock.now += 1000
    assert page.page() and clock.builds == 2


def test_many_readers_wait_for_the_same_build(run, clock):
    page = LivePage(run)
    readers = [threading.Thread(target=page.page) for _ in range(8)]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert clock.builds == 1


@pytest.mark.parametrize("name", ["metrics.jsonl", "samples.jsonl", "eval.json", "predictions_val_stage2.jsonl"])
def test_a_change_of_any_file_is_another_state(run, name):
    page = LivePage(run)
    before = page.state()
    with (run / name).open("a") as file:
        file.write("\n")
    assert page.state() != before


def test_the_page_may_ask_its_own_server_and_nothing_else_is_served(served):
    address, page = served
    found = httpx2.get(address)
    assert "connect-src 'self'" in found.headers["Content-Security-Policy"] and 'id="live"' in found.text
    assert found.headers["Cache-Control"] == "no-store"
    assert httpx2.get(f"{address}/state").text == page.state()
    assert httpx2.head(address).headers["Content-Length"] == str(len(found.content))
    for path in ("/config.yaml", "/../config.yaml", "/state/x"):
        missing = httpx2.get(f"{address}{path}")
        assert (missing.status_code, missing.text) == (404, "There is only the page of the run here, at /.")
    assert httpx2.post(address).status_code == 501


@pytest.mark.parametrize("host", ["example.org", "127.0.0.1.example.org", "", "localhost:80@example.org"])
def test_another_name_for_this_address_reads_nothing(served, host):
    found = httpx2.get(served[0], headers={"Host": host})
    assert (found.status_code, found.text) == (403, "This page is served to 127.0.0.1 and localhost alone.")


def test_a_tunnel_under_the_name_localhost_reads_it(served):
    assert httpx2.get(served[0], headers={"Host": "localhost:9000"}).status_code == 200


def test_what_cannot_be_built_at_the_moment_is_said(served, monkeypatch):
    def fails(*_, **__):
        raise ValueError("half a file")

    with monkeypatch.context() as patch:
        patch.setattr(live, "report", fails)
        found = httpx2.get(served[0])
    assert (found.status_code, found.text) == (
        503,
        "The page cannot be built at the moment (ValueError: half a file)",
    )
    assert httpx2.get(served[0]).status_code == 200
