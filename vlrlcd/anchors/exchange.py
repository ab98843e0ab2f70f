"""Anchor stores from and to other files: export, import, merge, verify."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import MISSING, fields
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from vlrlcd.anchors.anchor import Anchor
from vlrlcd.anchors.key import request_key
from vlrlcd.anchors.ledger import ROW, SUMS
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.errors import UserError

AT_ONCE = 1000
TEXT = pyarrow.string()
SPECIAL = {"latency_s": pyarrow.float64(), "cost_usd": pyarrow.float64()}
PARQUET = pyarrow.schema([(item.name, SPECIAL.get(item.name, TEXT)) for item in fields(Anchor)])
LATER = f"INSERT INTO ledger VALUES ({ROW}) ON CONFLICT (collector, model, outcome) DO UPDATE SET " + ", ".join(
    f"{name} = max({name}, excluded.{name})" for name in SUMS
)
"""Accounts only grow, so the larger of two states of one is the later."""
NEEDED = {item.name for item in fields(Anchor) if item.default is item.default_factory is MISSING}


def export_anchors(store: AnchorStore, path: Path) -> int:
    """Writes every anchor to a `.jsonl` or `.parquet` file, whole or not at all; returns how many.

    In both, usage and flags are strings of JSON, so that every row has the same columns.

    Raises:
        UserError: another ending, a store with faults, or the file cannot be written.
    """
    write = _by_ending(path, {".jsonl": _write_jsonl, ".parquet": _write_parquet})
    _refuse_faults(store)
    partial = path.with_name(f".{path.name}.partial")
    try:
        count = write(partial, store)
        partial.replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written ({error.strerror or error}).") from None
    return count


def import_anchors(store: AnchorStore, path: Path) -> int:
    """Adds the anchors of an exported file; returns how many were new.

    Raises:
        UserError: another ending, an unreadable file, or a row that is no anchor or whose key is not that of its
            request; rows before it, in thousands, are kept.
    """
    rows = _by_ending(path, {".jsonl": _read_jsonl, ".parquet": _read_parquet})(path)
    return _add(store, (_checked(place, row) for place, row in rows))


def merge_stores(store: AnchorStore, other: AnchorStore) -> int:
    """Adds the anchors and the accounts of another store; returns how many anchors were new.

    Where both have an answer, this store's is kept. Merging the same store twice changes nothing; merging it again
    later adds what came since. Raises UserError if the other store has faults.
    """
    _refuse_faults(other)
    new = _add(store, iter(other))
    with other.connection() as theirs:
        rows = theirs.execute("SELECT * FROM ledger").fetchall()
    with store.connection() as ours:
        ours.executemany(LATER, rows)
    return new


def verify_store(store: AnchorStore) -> list[str]:
    """What is wrong with a store, a sentence each: SQLite's own check, then every row against its key and digest."""
    with store.connection() as connection:
        said = [row for (row,) in connection.execute("PRAGMA integrity_check")]
        faults = [f"SQLite: {words}" for words in said if words != "ok"]
        rows = connection.execute(f"SELECT {', '.join(PARQUET.names)}, digest FROM anchors")
        return faults + [f"{row[0]}: {words}" for row in rows if (words := _fault(row[:-1], row[-1]))]


def _refuse_faults(store: AnchorStore) -> None:
    if faults := verify_store(store):
        raise UserError(
            f"{store.path} is not as it was stored ({len(faults)} faults, the first: {faults[0]}): "
            "`python scripts/anchors.py verify` lists them; mend or remove these rows."
        )


def _fault(row: tuple[Any, ...], digest: str) -> str | None:
    """What is wrong with a stored row; rows of the first schema have no digest."""
    try:
        anchor = _checked("", dict(zip(PARQUET.names, row, strict=True)))
    except UserError as fault:
        return str(fault).removeprefix(": ")
    return "the row was changed after it was stored" if digest not in ("", anchor.digest) else None


def _add(store: AnchorStore, anchors: Iterator[Anchor]) -> int:
    new = 0
    while chunk := list(islice(anchors, AT_ONCE)):
        new += store.put(*chunk)
    return new


def _by_ending(path: Path, table: dict[str, Any]) -> Any:
    if path.suffix not in table:
        raise UserError(f"{path}: an anchor file ends in {' or '.join(table)}.")
    return table[path.suffix]


def _plain(anchor: Anchor) -> dict[str, Any]:
    return dict(zip(PARQUET.names, anchor.to_row(), strict=True))


def _write_jsonl(path: Path, anchors: Iterable[Anchor]) -> int:
    with path.open("w", encoding="utf-8") as file:
        lines = (json.dumps(_plain(anchor), ensure_ascii=False) + "\n" for anchor in anchors)
        return sum(bool(file.write(line)) for line in lines)


def _write_parquet(path: Path, anchors: Iterable[Anchor]) -> int:
    count, left = 0, iter(anchors)
    with pyarrow.parquet.ParquetWriter(path, PARQUET) as file:
        while chunk := list(islice(left, AT_ONCE)):
            file.write_batch(pyarrow.RecordBatch.from_pylist([_plain(anchor) for anchor in chunk], PARQUET))
            count += len(chunk)
    return count


def _read_jsonl(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                place = f"{path}, line {number}"
                try:
                    yield place, json.loads(line)
                except json.JSONDecodeError as error:
                    raise UserError(f"{place} is not valid JSON ({error}); export the file again.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path} cannot be read ({error}).") from None


def _read_parquet(path: Path) -> Iterator[tuple[str, Any]]:
    try:
        number = 0
        for batch in pyarrow.parquet.ParquetFile(path).iter_batches(batch_size=AT_ONCE):
            for row in batch.to_pylist():
                number += 1
                yield f"{path}, row {number}", row
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read as parquet ({error}).") from None


def _checked(place: str, row: Any) -> Anchor:
    if not isinstance(row, dict) or not row.keys() >= NEEDED or not row.keys() <= set(PARQUET.names):
        raise UserError(f"{place} is no anchor: it must have {', '.join(sorted(NEEDED))}, and no unknown fields.")
    for name, value in row.items():
        wanted, is_so = NUMBERS.get(name, ("a string", lambda value: isinstance(value, str)))
        if not is_so(value):
            raise UserError(f"{place}: {name} is {value!r}, and it must be {wanted}.")
    if request_key(row["request"]) != row["key"]:
        raise UserError(f"{place}: the key is not that of the request; the row was changed.")
    plain = {"usage": "{}", "flags": "[]", **row}
    if not _is_json(plain["usage"], dict) or not _is_json(plain["flags"], list):
        raise UserError(f"{place}: usage must be a string of a JSON object and flags one of a JSON list.")
    return Anchor.from_plain(plain)


def _is_json(text: str, kind: type) -> bool:
    try:
        return isinstance(json.loads(text), kind)
    except ValueError:
        return False


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


NUMBERS = {
    "latency_s": ("a number", _is_number),
    "cost_usd": ("a number or null", lambda value: value is None or _is_number(value)),
}
