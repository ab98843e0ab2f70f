"""`read_split`: any supported dataset, in any of its forms, as a list of `Example`."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from vlrlcd.data.card import Card
from vlrlcd.data.example import Example, ImageSource
from vlrlcd.data.fields import ANSWER_FIELDS, Record, Rows
from vlrlcd.data.releases import RELEASES
from vlrlcd.data.rows import Split, find_split, read_json
from vlrlcd.errors import UserError, raised
from vlrlcd.processes import ranks

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|data:")
Told = Callable[[UserError], None]
"""Hears of a row that cannot be used, which is left out; or raises."""


def read_split(
    card: Card, root: str | Path, split: str, images: str | Path | None = None, told: Told = raised
) -> list[Example]:
    """Reads one split; images are neither opened nor looked for (see `check_images`).

    What the data set's rules leave out or merge is printed, with its number and the first place.

    Args:
        card: the dataset.
        root: folder with the records (JSON, JSONL or parquet), or an id on the Hugging Face hub.
        split: `train`, `val`, `test`, or any other that the files have.
        images: folder in which image paths start, where it is not the folder of the records.
        told: hears of a fault, named by file, row and field, instead of raising it; what cannot even be parsed is the
            last that is read of a split.

    Raises UserError naming file, row and field of the first fault; rows count from 1, in JSONL they are the lines.
    """
    found = find_split(card, root, split)
    image_root = found.folder if images is None else Path(images).expanduser()
    scenes = _scenes(found)
    examples: dict[str, Example] = {}
    earlier, repeated, notes = _earlier_questions(card, root, split), [], []
    for place, values in _as_far_as_parsed(_rows(card, found, notes), told):
        try:
            if Record(place, values, card.columns).get("question") in earlier:
                repeated.append(place)
                continue
            record = Record(place, RELEASES[card.release].finish(values), card.columns)
            _check_required(card, record, split)
            example = _example(record, _images(card, record, found.name, image_root), scenes)
            if example.id in examples:
                first = examples[example.id].place
                raise UserError(f"{place}: id '{example.id}' was used before, in {first}; make it unique")
            examples[example.id] = example
        except UserError as fault:
            told(fault)
    if repeated:
        notes.append(f"{len(repeated):,} questions stand in an earlier split, too, and are left out: {repeated[0]}")
    if ranks.first() and notes:
        print("\n".join(f"{card.name}, {split}: {note}" for note in notes))
    if not examples:
        raise UserError(f"split '{split}' in {root} is empty; add records or choose another split")
    return list(examples.values())


def _as_far_as_parsed(rows: Rows, told: Told) -> Iterator[tuple[str, Any]]:
    try:
        yield from rows
    except UserError as fault:
        told(fault)


def _rows(card: Card, split: Split, notes: list[str]) -> Rows:
    return RELEASES[card.release].rows(split.rows, card.only, card.our_split(split.name), notes)


def _earlier_questions(card: Card, root: str | Path, split: str) -> set[str]:
    """What the splits before this one in the card's order ask: it must not be asked again in a held-out one."""
    order, ours = card.split_order, card.our_split(split)
    before = order[: order.index(ours)] if ours in order else []
    rows = (row for name in before for row in _rows(card, find_split(card, root, name), []))
    return {Record(place, values, card.columns).need("question") for place, values in rows}


def _scenes(split: Split) -> Mapping[str, Any]:
    path = split.folder / f"scenes_{split.name}.json"
    scenes = read_json(path) if path.is_file() else {}
    if not isinstance(scenes, dict):
        raise UserError(f"{path} must hold a JSON object from question id to scene")
    return scenes


def _check_required(card: Card, record: Record, split: str) -> None:
    for field in card.required:
        if not (field in ANSWER_FIELDS and split in card.hides_answers):
            record.need(field)


def _example(record: Record, images: tuple[ImageSource, ...], scenes: Mapping[str, Any]) -> Example:
    example_id = str(record.need("id"))
    choices = tuple(record.get("choices") or ())
    return Example(
        id=example_id,
        place=record.place,
        images=images,
        question=record.need("question"),
        choices=choices,
        answer=_answer(record, choices),
        direct_answers=tuple(record.get("direct_answers") or ()),
        difficult_direct_answer=bool(record.get("difficult_direct_answer")),
        rationales=tuple(record.get("rationales") or ()),
        kind=record.get("kind") or "",
        scene=scenes.get(example_id),
    )


def _answer(record: Record, choices: tuple[str, ...]) -> str | None:
    index, answer = record.get("correct_choice_idx"), record.get("answer")
    if index is not None:
        if not 0 <= index < len(choices):
            raise UserError(
                f"{record.place}, field 'correct_choice_idx': is {index}, but there are {len(choices)} choices, "
                "counted from 0"
            )
        return choices[index]
    if answer is not None and choices and answer not in choices:
        raise UserError(f"{record.place}, field 'answer': '{answer}' is not among the choices ({', '.join(choices)})")
    return answer


def _images(card: Card, record: Record, split: str, root: Path) -> tuple[ImageSource, ...]:
    value = record.get("images")
    # LAVIS adds an `image` path into the COCO 2014 folders; the official image id is what the pattern is for.
    if card.images and (value is None or isinstance(value, str)):
        return (root / card.images.format(split=split, image_id=record.need("image_id")),)
    value = record.need("images")
    return tuple(_source(record, item, root) for item in (value if isinstance(value, list) else [value]))


def _source(record: Record, item: str | bytes | Mapping[str, Any], root: Path) -> ImageSource:
    if isinstance(item, Mapping):
        item = item.get("bytes") or item["path"]
    return item if isinstance(item, bytes) else _inside(record, item, root)


def _inside(record: Record, item: str, root: Path) -> Path:
    """The path under the root. A data set of strangers must not name other files of this machine, nor addresses."""
    if ADDRESS.match(item):
        raise UserError(
            f"{record.place}, field 'images': '{item[:80]}' is an address; save the image and give its path"
        )
    # symbolic links are the user's own doing, and the hub's cache is made of them
    folder, path = os.path.abspath(root), os.path.abspath(root / item)
    if os.path.commonpath([folder, path]) != folder:
        raise UserError(
            f"{record.place}, field 'images': '{item}' lies outside of {root}; move it there or set data.images to the "
            "folder of all images"
        )
    return root / item
