"""Two collectors on one store, and what a dead one leaves behind."""

import os
import socket
import subprocess
import sys
import time

from vlrlcd.anchors import claims as claims_module
from vlrlcd.anchors.anchor import Anchor
from vlrlcd.anchors.store import AnchorStore

CLAIMER = """
import sys, time
from vlrlcd.anchors.store import AnchorStore
with AnchorStore(sys.argv[1]) as store:
    with store.claims() as claims:
        claims.seen("other")
        claims.claim("other", ["a", "b"])
    print("claimed", flush=True)
    time.sleep(60)
"""


def claim(store, keys, collector="own"):
    with store.claims() as claims:
        claims.seen(collector)
        return claims.claim(collector, keys)


def test_a_key_belongs_to_whoever_comes_first(store):
    assert claim(store, "ab", "one") == {"a", "b"}
    assert claim(store, "abc", "two") == {"c"}
    assert claim(store, "abc", "one") == {"a", "b"}


def test_what_is_answered_is_nobody_s(store):
    claim(store, "ab")
    store.put(Anchor(key="a", model="m", request="{}", text="t"))
    assert claim(store, "ab", "other") == set() and claim(store, "ab") == {"b"}


def test_who_leaves_frees_what_is_left(store):
    claim(store, "ab", "one")
    with store.claims() as claims:
        claims.leave("one")
    assert claim(store, "ab", "two") == {"a", "b"}


def test_a_live_process_keeps_its_claims_and_a_dead_one_does_not(store):
    other = subprocess.Popen([sys.executable, "-c", CLAIMER, str(store.path)], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "claimed\n"
    assert claim(store, "abc") == {"c"}
    other.kill()
    other.wait(10)
    assert claim(store, "abc") == {"a", "b", "c"}


def test_a_process_that_got_a_dead_one_s_number_does_not_keep_its_claims(store):
    claim(store, "a", "dead")
    with store.claims() as claims:
        claims._connection.execute("UPDATE collectors SET started = started - 100 WHERE pid = ?", (os.getpid(),))
    assert claim(store, "a") == {"a"}


def test_a_collector_elsewhere_is_believed_for_the_length_of_its_lease(store, monkeypatch):
    claim(store, "a", "far")
    with store.claims() as claims:
        claims._connection.execute("UPDATE collectors SET host = 'far', pid = 1, started = 1")
    assert claim(store, "a") == set()
    now = time.time()
    monkeypatch.setattr(claims_module.time, "time", lambda: now + claims_module.LEASE_S + 1)
    assert claim(store, "a") == {"a"}


def test_a_process_id_of_another_container_says_nothing(store, monkeypatch):
    claim(store, "a", "far")
    with store.claims() as claims:
        claims._connection.execute("UPDATE collectors SET pid = 4000000, started = 1")
    monkeypatch.setattr(claims_module, "_here", lambda: f"{socket.gethostname()} boot pid:[1]")
    assert claim(store, "a") == set()


def test_two_open_stores_see_each_other(store):
    with AnchorStore(store.path) as second:
        assert claim(store, "ab", "one") == {"a", "b"} and claim(second, "abc", "two") == {"c"}
