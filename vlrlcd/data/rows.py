"""Finds the files of a split and yields their raw records, whichever form the dataset comes in."""

import json
import re
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet

from vlrlcd.data.card import Card
from vlrlcd.data.fields import KINDS, Rows
from vlrlcd.errors import UserError

HUB_ID = re.compile(r"[\w-][\w.-]*/[\w.-]+")
PARQUET_BATCH = 256
SURROGATE, HALF = re.compile(r"\\ud[89a-f]", re.IGNORECASE), re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Split:
    """One split as found: `name` as the files spell it, `folder` where relative image paths start, `rows` read once."""

    name: str
    folder: Path
    rows: Rows


def find_split(card: Card, root: str | Path, split: str) -> Split:
    """Finds a split in a folder (card's records, else parquet files) or, where no such folder is, on the hub.

    Raises UserError if there is no data or no such split; faults inside a file are raised while `rows` is read.
    """
    folder = Path(root).expanduser()
    if folder.is_dir():
        files = _files_by_split(card, folder)
        if not files:
            raise UserError(f"{folder} holds neither {card.records} nor parquet files; get the data at {card.source}")
        name = _spelling(card, split, list(files), str(folder))
        paths = files[name]
        return Split(name, paths[0].parent, chain.from_iterable(PARSERS[path.suffix](card, path) for path in paths))
    if HUB_ID.fullmatch(str(root)):
        return _hub_split(card, str(root), split)
    raise UserError(f"{folder} is not a folder; set data.root to the folder with the data (from {card.source})")


def _files_by_split(card: Card, folder: Path) -> dict[str, list[Path]]:
    before, after = card.records.split("{split}")
    found = {path.relative_to(folder).as_posix(): path for path in folder.glob(f"{before}*{after}")}
    named = [(name[len(before) :][: -len(after)], path) for name, path in found.items()]
    if not named:
        named = [(_parquet_split(path), path) for path in folder.rglob("*.parquet")]
    files: dict[str, list[Path]] = {}
    for name, path in sorted(named):
        files.setdefault(name, []).append(path)
    return files


def _parquet_split(path: Path) -> str:
    """`validation-00000-of-00001.parquet`, `validation.parquet` and the hub's `validation/0000.parquet`."""
    name = path.stem.split("-")[0]
    return path.parent.name if name.isdigit() else name


def _spelling(card: Card, split: str, found: list[str], where: str) -> str:
    for name in card.spellings(split):
        if name in found:
            return name
    known = ", ".join(sorted(card.our_split(name) for name in found))
    raise UserError(f"{where} has no split '{split}'; it has {known}")


def _json_rows(_card: Card, path: Path) -> Rows:
    records = read_json(path)
    if not isinstance(records, list):
        raise UserError(f"{path} must hold a JSON list of records, but holds {_json_type(records)}")
    for number, record in enumerate(records, start=1):
        yield _checked(f"{path.name}, row {number}", record)


def _jsonl_rows(_card: Card, path: Path) -> Rows:
    # Split at newlines alone: str.splitlines would also cut at characters that JSON allows inside a string.
    for number, line in enumerate(_text(path).split("\n"), start=1):
        if line.strip():
            place = f"{path.name}, row {number}"
            yield _checked(place, _decode(line, f"{place} is not valid JSON"))


def _parquet_rows(card: Card, path: Path) -> Rows:
    wanted = {card.columns.get(name, name) for name in KINDS} | set(card.only)
    try:
        table = pyarrow.parquet.ParquetFile(path)
        columns = [name for name in table.schema_arrow.names if name in wanted]
        number = 0
        for batch in table.iter_batches(batch_size=PARQUET_BATCH, columns=columns):
            for record in batch.to_pylist():
                number += 1
                yield f"{path.name}, row {number}", record
    except (pyarrow.ArrowException, OSError) as error:
        raise UserError(f"{path} cannot be read as parquet: {error}; fetch the file again") from error


def _folder_rows(_card: Card, path: Path) -> Rows:
    """A folder of one object a file, `7.json` before `12.json`; a record without an id gets the file's name."""
    for file in sorted(path.glob("*.json"), key=lambda file: (len(file.stem), file.stem)):
        place, record = _checked(f"{path.parent.name}/{path.name}/{file.name}", read_json(file))
        yield place, {"id": f"{path.name}/{file.stem}", **record}


def _two_files(_card: Card, path: Path) -> Rows:
    """Line-aligned prompts (`.wp_source`) and stories (`.wp_target`), read as they go: together they are a gigabyte."""
    stories = path.with_suffix(".wp_target")
    if not stories.is_file():
        raise UserError(f"{stories} is missing, and would hold the stories for {path.name}; put it beside it")
    try:
        # universal newlines would also cut at a carriage return inside a line
        with path.open(encoding="utf-8", newline="\n") as left, stories.open(encoding="utf-8", newline="\n") as right:
            for number, (prompt, story) in enumerate(zip_longest(left, right), start=1):
                if prompt is None or story is None:
                    shorter = path.name if prompt is None else stories.name
                    raise UserError(f"{shorter} ends before row {number}, and its twin does not; fetch both again")
                yield f"{path.name}, row {number}", {"prompt": prompt, "story": story}
    except UnicodeDecodeError as error:
        raise UserError(f"{path} or {stories.name} is not UTF-8 text ({error.reason}); fetch both again") from error


PARSERS = {
    ".json": _json_rows,
    ".jsonl": _jsonl_rows,
    ".parquet": _parquet_rows,
    ".wp_source": _two_files,
    "": _folder_rows,
}


def _hub_split(card: Card, hub_id: str, split: str) -> Split:
    import datasets

    try:
        which = (hub_id, card.configuration) if card.configuration else (hub_id,)
        name = _spelling(card, split, datasets.get_dataset_split_names(*which), hub_id)
        table = datasets.load_dataset(*which, split=name)
    except UserError:
        raise
    except Exception as error:  # The hub client has no common base for what a missing network or dataset raises.
        raise UserError(
            f"'{hub_id}' is no folder here and could not be loaded from the Hugging Face hub: {error}; "
            f"set data.root to a folder with the data (from {card.source})"
        ) from error
    for column, feature in table.features.items():
        if isinstance(feature, datasets.Image):
            table = table.cast_column(column, datasets.Image(decode=False))
    rows = ((f"{hub_id} {name}, row {number}", record) for number, record in enumerate(table, start=1))
    return Split(name, Path(), rows)


def read_json(path: Path) -> Any:
    """Parses a JSON file. Raises UserError naming file and line."""
    return _decode(_text(path), f"{path} is not valid JSON")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from error


def _decode(text: str, fault: str) -> Any:
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise UserError(f"{fault}: {error}") from error
    if SURROGATE.search(text) and HALF.search(json.dumps(found, ensure_ascii=False)):
        raise UserError(f"{fault}: it holds half a character (a \\ud83d or the like alone); write the text anew")
    return found


def _checked(place: str, record: Any) -> tuple[str, dict[str, Any]]:
    if not isinstance(record, dict):
        raise UserError(f"{place} must be a JSON object with named fields, but is {_json_type(record)}")
    return place, record


def _json_type(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
