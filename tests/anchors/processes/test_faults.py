"""A collection through a network at its worst: every answer comes, is stored once, and every call is counted."""

from collections import Counter

import pytest

from tests.anchors.processes.jobs import collector, counts, server
from tests.run.jobs import finish
from tests.servers.rows import write_rows
from vlrlcd.anchors.exchange import verify_store
from vlrlcd.anchors.store import AnchorStore

PROMPTS = 1000
OUTCOMES = {
    "whole": "answered",
    "429": "HTTP 429",
    "429, retry after": "HTTP 429",
    "429, retry at": "HTTP 429",
    "500": "HTTP 500",
    "503": "HTTP 503",
    "reset": "connection",
    "cut body": "connection",
    "cut JSON": "unreadable answer",
    "empty answer": "empty answer",
    "slow body": "time-out",
}
"""What the ledger calls what the proxy did."""


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """(exit code, output, what the proxy did, what the stub was asked, the store's path)."""
    data = write_rows(tmp_path_factory.mktemp("faults"), PROMPTS)
    with server("stub_teacher", "--delay=0.02") as stub, server("faulty_proxy", f"--upstream={stub}") as proxy:
        settings = {"teacher__concurrency": 32, "teacher__timeout_s": 2, "teacher__attempts": 20}
        code, out, err = finish(collector(data, proxy, **settings), timeout=300)
        return code, out + err, Counter(counts(proxy)), counts(stub)["by_prompt"], data / "anchors.sqlite"


def test_every_prompt_has_its_own_answer_once(collected):
    code, said, _, _, path = collected
    assert code == 0, said
    with AnchorStore(path) as store:
        texts = Counter(anchor.text.splitlines()[0] for anchor in store)
        assert texts == {f"about Question {n}?": 1 for n in range(PROMPTS)}
        assert verify_store(store) == []


def test_the_ledger_s_calls_are_the_proxy_s_own_count(collected):
    _, said, did, _, path = collected
    assert did.keys() == OUTCOMES.keys() and did.total() - did["whole"] > 200
    wanted = Counter()
    for kind, count in did.items():
        wanted[OUTCOMES[kind]] += count
    with AnchorStore(path) as store:
        assert store.ledger("stub").outcomes == wanted
        assert store.ledger("stub").total.prompt_tokens == 100 * (did["whole"] + did["empty answer"])
    assert f"took {did.total():,} calls ({PROMPTS:,} answered" in said


def test_nobody_was_asked_again_after_an_answer(collected):
    _, _, did, asked, _ = collected
    assert did["whole"] == PROMPTS == len(asked)
