"""What is left when a collection is killed, stopped, joined by another, or runs out of disk."""

import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter

import pytest

from tests.anchors.processes.jobs import collector, counts, flags, server
from tests.run.jobs import ROOT, finish
from tests.servers.mounts import can_mount
from tests.servers.rows import write_rows
from vlrlcd.anchors.exchange import verify_store
from vlrlcd.anchors.store import AnchorStore

PROMPTS = 600
WIDTH = 8
PACE = {"teacher__concurrency": WIDTH}


@pytest.fixture(scope="module")
def stub():
    with server("stub_teacher", "--delay=0.05") as address:
        yield address


@pytest.fixture
def data(tmp_path, request):
    """Questions that no other test asks, so that the stub's counts are this test's."""
    folder = write_rows(tmp_path / "data", PROMPTS)
    rows = (folder / "train.jsonl").read_text()
    (folder / "train.jsonl").write_text(rows.replace("Question ", f"{request.node.name} "))
    return folder


def asked(stub, request):
    """How often the stub was asked what, by this test."""
    return Counter({p: n for p, n in counts(stub)["by_prompt"].items() if p.startswith(f"{request.node.name} ")})


def stored(data):
    with AnchorStore(data / "anchors.sqlite") as store:
        assert verify_store(store) == []
        return {anchor.text.removeprefix("about ") for anchor in store}


def wait_for(process, data, more):
    """Until the store has `more` new answers."""
    path, deadline = data / "anchors.sqlite", time.monotonic() + 60
    before = 0
    if path.exists():
        with AnchorStore(path) as store:
            before = len(store)
    while time.monotonic() < deadline and process.poll() is None:
        if path.exists():
            with AnchorStore(path) as store:
                if len(store) >= before + more:
                    return
        time.sleep(0.01)
    raise AssertionError(f"it never came so far: {finish(process, 1)}")


@pytest.mark.parametrize("kills", [3, pytest.param(10, marks=pytest.mark.slow)])
def test_kill_9_loses_no_answer_and_repeats_only_calls_in_flight(stub, data, request, kills):
    draw, kept = random.Random(0), set()
    for _ in range(kills):
        process = collector(data, stub, **PACE)
        wait_for(process, data, draw.randrange(1, 40))
        time.sleep(draw.random() * 0.05)
        process.kill()
        process.wait()
        now = stored(data)
        assert kept <= now
        kept = now
    assert len(kept) < PROMPTS
    code, out, err = finish(collector(data, stub, **PACE))
    assert code == 0, out + err
    assert len(stored(data)) == PROMPTS
    repeated = asked(stub, request).total() - PROMPTS
    assert 0 < repeated <= kills * WIDTH


def test_two_collectors_at_once_share_the_work(stub, data, request):
    both = [collector(data, stub, **PACE) for _ in range(2)]
    ends = [finish(process) for process in both]
    assert [code for code, _, _ in ends] == [0, 0], ends
    assert len(stored(data)) == PROMPTS
    assert asked(stub, request).total() == PROMPTS
    shares = [int(out.split(" anchors stored")[0].split()[-1].replace(",", "")) for _, out, _ in ends]
    assert sum(shares) == PROMPTS and min(shares) > 50


@pytest.mark.slow
def test_the_survivor_of_two_asks_for_what_the_other_was_killed_over(stub, data, request):
    one, other = (collector(data, stub, **PACE) for _ in range(2))
    wait_for(one, data, 100)
    one.kill()
    one.wait()
    code, out, err = finish(other)
    assert code == 0, out + err
    assert len(stored(data)) == PROMPTS
    assert asked(stub, request).total() - PROMPTS <= WIDTH


@pytest.mark.parametrize("sent", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_signal_finishes_what_is_in_flight_and_leaves(stub, data, request, sent):
    process = collector(data, stub, **PACE)
    wait_for(process, data, 40)
    process.send_signal(sent)
    code, out, err = finish(process, timeout=20)
    assert code == 130 and "finishing the calls in flight" in out + err
    assert "stopped: interrupted" in err and "the same command goes on" in err and "Traceback" not in err
    assert asked(stub, request) == dict.fromkeys(stored(data), 1)
    assert 40 <= len(stored(data)) < PROMPTS
    assert finish(collector(data, stub, **PACE))[0] == 0
    assert asked(stub, request).total() == PROMPTS


def test_a_second_signal_ends_at_once(data, tmp_path):
    with server("stub_teacher", "--delay=30") as slow:
        process = collector(data, slow, **PACE)
        deadline = time.monotonic() + 60
        while not counts(slow)["calls"] and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        time.sleep(1)
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(5) == -signal.SIGINT
    assert stored(data) == set()


FULL_DISK = """
set -e
mount -t tmpfs -o size=400k tmpfs "$1"
shift
code=0
"$@" || code=$?
df --output=avail {place} | tail -1 >&2
cp {place}/anchors.sqlite* {safe}
exit $code
"""


@pytest.mark.skipif(not can_mount(), reason="needs a mount namespace of its own")
def test_a_full_disk_is_a_clear_stop_and_the_store_still_opens(stub, data, tmp_path):
    (place := tmp_path / "small").mkdir()
    (safe := tmp_path / "safe").mkdir()
    script = FULL_DISK.format(place=place, safe=safe)
    command = [sys.executable, str(ROOT / "scripts/collect_anchors.py")]
    arguments = flags(data, stub, anchors__store=place / "anchors.sqlite", **PACE)
    process = subprocess.Popen(
        ["unshare", "-rm", "bash", "-c", script, "bash", str(place), *command, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    code, out, err = finish(process)
    assert code == 2, out + err
    (sentence,) = [line for line in err.splitlines() if line.startswith("error:")]
    assert "anchors.sqlite cannot be used as an anchor store (database or disk is full)" in sentence
    assert "free some disk space and run again" in sentence and "Traceback" not in err
    assert re.search(rf"\b[1-{WIDTH}] answers that had just come in could not be stored", sentence)
    with AnchorStore(safe / "anchors.sqlite") as store:
        assert verify_store(store) == [] and 10 < len(store) < PROMPTS
    again = collector(data, stub, anchors__store=safe / "anchors.sqlite", **PACE)
    assert finish(again)[0] == 0
    with AnchorStore(safe / "anchors.sqlite") as store:
        assert len(store) == PROMPTS


@pytest.mark.slow
def test_a_file_that_may_not_grow_is_a_clear_stop_too(stub, data):
    limited = ["bash", "-c", 'ulimit -f 300; exec "$@"', "bash", sys.executable]
    script = [str(ROOT / "scripts/collect_anchors.py"), *flags(data, stub, **PACE)]
    process = subprocess.Popen(
        [*limited, *script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT, start_new_session=True
    )
    code, out, err = finish(process)
    assert code == 2 and "anchors.sqlite cannot be used" in err and "nothing stored is lost" in err, out + err
    assert "Traceback" not in err and 10 < len(stored(data)) < PROMPTS
