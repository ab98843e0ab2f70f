"""A file of JSON lines is read by place, and what cannot be read is counted."""

import json
import tempfile
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from vlrlcd.report.lines import rows, rows_at

ROWS = st.lists(st.dictionaries(st.text(), st.text() | st.integers() | st.lists(st.none(), max_size=2), max_size=3))


@given(ROWS, st.booleans())
def test_rows_come_back_from_their_bytes_in_any_order(written, ascii_only):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.jsonl"
        lines = [json.dumps(row, ensure_ascii=ascii_only) + "\n" for row in written]
        path.write_bytes("".join(lines).encode("utf-8", "surrogatepass"))
        notes = []
        found = list(rows(path, notes))
        backwards = list(rows_at(path, [offset for offset, _ in reversed(found)]))
    assert [row for _, row in found] == written and not notes
    assert backwards == written[::-1]


def test_what_cannot_be_read_is_counted_and_the_rest_is_kept(tmp_path):
    path = tmp_path / "samples.jsonl"
    path.write_bytes(b'{"a": 1}\n[1]\n{"a": 2}\nnonsense\n{"a": 3')
    notes = []
    assert [row["a"] for _, row in rows(path, notes)] == [1, 2]
    assert notes == [
        "samples.jsonl: the last line is half-written and was left out; the run is writing or was cut off.",
        "samples.jsonl: lines that cannot be read were left out (2, the first is line 2).",
    ]


def test_a_whole_last_line_without_its_end_is_read(tmp_path):
    path = tmp_path / "samples.jsonl"
    path.write_text('{"a": 1}\n{"a": 2}')
    notes = []
    assert [row["a"] for _, row in rows(path, notes)] == [1, 2] and not notes


def test_a_file_that_was_cut_since_gives_empty_rows(tmp_path):
    path = tmp_path / "samples.jsonl"
    path.write_text('{"a": 1}\n{"a": 2}\n')
    offsets = [offset for offset, _ in rows(path, [])]
    path.write_text('{"a": 1}\n')
    assert list(rows_at(path, offsets)) == [{"a": 1}, {}]


def test_no_file_has_no_rows(tmp_path):
    assert list(rows(tmp_path / "gone.jsonl", [])) == []
