"""The store on real files, read and written by real processes."""

import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing

import pytest

from tests.servers.mounts import can_mount
from vlrlcd.anchors.anchor import Anchor
from vlrlcd.anchors.schema import ANCHORS, APPLICATION_ID, SCHEMA_VERSION
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.errors import UserError

WRITER = """
import sys
from vlrlcd.anchors.anchor import Anchor
from vlrlcd.anchors.store import AnchorStore
path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
with AnchorStore(path) as store:
    for number in range(count):
        store.put(Anchor(key=f"{name}{number}", model="m", request="{}", text="answer " * 200))
        print(number, flush=True)
"""


def anchor(key, text="an answer", **more):
    return Anchor(key=key, model="m", request="{}", text=text, **more)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "deep" / "anchors.sqlite"


def start_writer(path, name="w", count=10**9):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), name, str(count)], stdout=subprocess.PIPE, text=True
    )


def test_what_was_put_is_found_again_after_reopening(path):
    full = anchor(
        "k",
        text="Un métro, 列车\n",
        finish_reason="length",
        usage={"prompt_tokens": 7},
        flags=("refusal",),
        cost_usd=0.25,
        answered_by="m-2026",
    )
    with AnchorStore(path) as store:
        assert store.put(full) == 1
    with AnchorStore(path) as store:
        assert store.get("k") == full and store.get("other") is None and len(store) == 1


def test_the_first_answer_stays(path):
    with AnchorStore(path) as store:
        assert store.put(anchor("k", "first")) == 1
        assert store.put(anchor("k", "second"), anchor("l", "new")) == 1
        assert store.get("k").text == "first" and len(store) == 2


def test_missing_keys_of_many(path):
    with AnchorStore(path) as store:
        store.put(*(anchor(f"{number}") for number in range(3000)))
        assert store.missing(f"{number}" for number in range(5000)) == {f"{number}" for number in range(3000, 5000)}
        assert store.missing([]) == set()


def test_one_file_is_left(path):
    with AnchorStore(path) as store:
        store.put(anchor("k"))
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_schema_version_stands_in_the_file(path):
    AnchorStore(path).close()
    with closing(sqlite3.connect(path)) as plain:
        assert plain.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)
        assert plain.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_readers_see_a_growing_store_while_another_process_writes(path):
    writer = start_writer(path, count=400)
    writer.stdout.readline()
    sizes = []
    with AnchorStore(path) as one, AnchorStore(path) as two:
        while writer.poll() is None:
            sizes += [len(one), len(two)]
            assert one.get("w0") == two.get("w0") is not None
        assert sizes == sorted(sizes) and len(set(sizes)) > 1
        assert len(one) == 400
    assert writer.returncode == 0


def test_several_processes_create_and_fill_one_store_at_once(path):
    writers = [start_writer(path, name, count=50) for name in "abcd"]
    assert [writer.wait(60) for writer in writers] == [0] * 4
    with AnchorStore(path) as store:
        assert len(store) == 200


def test_kill_9_loses_no_stored_answer(path):
    acknowledged = {}
    for name, seconds in (("a", 0.02), ("b", 0.05), ("c", 0.11)):
        writer = start_writer(path, name)
        writer.stdout.readline()
        time.sleep(seconds)
        writer.kill()
        acknowledged[name] = len(writer.stdout.read().splitlines())
        assert writer.wait(10) == -9
    with AnchorStore(path) as store:
        promised = {f"{name}{number}" for name, last in acknowledged.items() for number in range(last + 1)}
        assert store.missing(promised) == set()
        assert len(promised) <= len(store) <= len(promised) + len(acknowledged)
    with closing(sqlite3.connect(path)) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_new_store_that_another_process_is_just_making_is_waited_for(tmp_path):
    path = tmp_path / "new.sqlite"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.3, other.rollback)
        timer.start()
        AnchorStore(path).close()
        timer.join()


@pytest.mark.skipif(not can_mount(), reason="needs a mount namespace of its own")
def test_a_store_on_a_file_system_that_is_only_read(path, tmp_path):
    with AnchorStore(path) as store:
        store.put(anchor("k", "paid for"))
    code = f"from vlrlcd.anchors.store import AnchorStore; print(AnchorStore({str(path)!r}).get('k').text)"
    script = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'
    command = ["unshare", "-rm", "sh", "-c", script, "sh", str(path.parent), sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.stdout == "paid for\n", found.stderr


def refusal(path):
    with pytest.raises(UserError) as caught:
        AnchorStore(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def test_a_file_of_another_kind(tmp_path):
    path = tmp_path / "answers.json"
    path.write_text('[{"key": "a"}]' * 100)
    assert "give another path" in refusal(path)
    assert path.read_text().startswith("[{")


def test_the_sqlite_file_of_another_program_is_left_alone(tmp_path):
    path = tmp_path / "bookmarks.sqlite"
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("CREATE TABLE bookmarks (url TEXT)")
    before = path.read_bytes()
    assert "no anchor store" in refusal(path)
    assert path.read_bytes() == before


def test_a_newer_schema(path):
    AnchorStore(path).close()
    with closing(sqlite3.connect(path)) as plain:
        plain.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    assert "update vlrlcd" in refusal(path)


def test_a_store_of_the_first_schema_is_brought_up_to_date(path):
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as plain:
        plain.execute(ANCHORS)
        plain.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        plain.execute("PRAGMA user_version = 1")
        plain.execute("INSERT INTO anchors VALUES ('k', 'm', '{}', 'paid for', 'stop', '{}', '[]', '', 1.5, 0.2)")
        plain.commit()
    with AnchorStore(path) as store:
        found = store.get("k")
        assert (found.text, found.latency_s, found.cost_usd, found.answered_by) == ("paid for", 1.5, 0.2, "")
        assert store.put(anchor("l", answered_by="m-2026")) == 1
    with closing(sqlite3.connect(path)) as plain:
        assert plain.execute("PRAGMA user_version").fetchone() == (SCHEMA_VERSION,)


def test_a_store_that_must_be_there(path):
    with pytest.raises(UserError, match="does not exist"):
        AnchorStore(path, make=False)
    assert not path.exists()


def test_all_anchors_in_the_order_of_their_keys(path):
    with AnchorStore(path) as store:
        store.put(anchor("b"), anchor("a"))
        assert [found.key for found in store] == ["a", "b"]


def test_a_folder(tmp_path):
    assert "give a path to a file" in refusal(tmp_path)


def test_a_damaged_page_is_named_when_it_is_read(path):
    with AnchorStore(path) as store:
        store.put(*(anchor(f"{number}", "text " * 100) for number in range(200)))
    content = bytearray(path.read_bytes())
    content[8192:] = b"\xff" * len(content[8192:])
    path.write_bytes(content)
    with AnchorStore(path) as store, pytest.raises(UserError, match=r"anchors\.sqlite.*collect the anchors again"):
        [store.get(f"{number}") for number in range(200)]


@pytest.mark.parametrize("value", [None, b"{", "{", "3"])
def test_a_damaged_row_is_named_when_it_is_read(path, value):
    with AnchorStore(path) as store:
        store.put(anchor("a"))
        store._connection.execute("PRAGMA writable_schema = ON")
        store._connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'flags TEXT NOT NULL', 'flags')")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE anchors SET flags = ?", (value,))
    connection.close()
    with AnchorStore(path) as store:
        for read in (lambda: store.get("a"), lambda: list(store)):
            with pytest.raises(UserError, match=r"anchors\.sqlite: the anchor a is damaged \(.*\): restore the file"):
                read()


def test_a_full_disk_keeps_what_was_stored(path):
    with AnchorStore(path) as store:
        store.put(anchor("before"))
        store._connection.execute("PRAGMA max_page_count = 8")
        with pytest.raises(UserError, match="free some disk space"):
            store.put(anchor("after", "text " * 10_000))
    with AnchorStore(path) as store:
        assert store.get("before") and store.get("after") is None
