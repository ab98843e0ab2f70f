"""Every row, every image, and how long the prompts are."""

from collections.abc import Iterator
from statistics import median
from typing import TYPE_CHECKING

from vlrlcd.data.descriptions import image_sources
from vlrlcd.doctor.remarks import NOT_DONE, OK, WARNING, NotThere, Remark, attempted, listed
from vlrlcd.errors import UserError
from vlrlcd.job import asks_judge, check_oracle, check_processes, long_anchors
from vlrlcd.judging.judges import askable

if TYPE_CHECKING:
    from vlrlcd.doctor.pieces import Pieces

LONGEST = 3
"""How many of the longest rows are named."""


def rows(pieces: "Pieces") -> Iterator[Remark]:
    """Every row of both splits."""
    config, card = pieces.config, pieces.card
    splits = {config.data.train_split: "train", config.evaluation.split: "held_out"}
    for split, name in splits.items():
        if not split:
            yield Remark(OK, "evaluation.split is empty: nothing is evaluated")
            continue
        try:
            found = getattr(pieces, name)
        except UserError as fault:
            yield from listed([str(fault)], "")
            continue
        yield Remark(OK, f"{card.name}, {split}: {len(found.examples):,} rows can be used")
        yield from listed(found.faults, f"faulty rows in {split}")
    if not (train := pieces.train.examples):
        return
    yield from attempted(
        lambda: check_processes(config, train, pieces.processes),
        lambda: check_oracle(config, card, train),
        lambda: askable(config, train) if asks_judge(config) else None,
    )


def images(pieces: "Pieces") -> Iterator[Remark]:
    """Every image, decoded."""
    there, bad = len(image_sources(pieces.examples)), pieces.bad_images
    yield Remark(OK, f"{there - len(bad):,} of {there:,} images can be decoded")
    if pieces.config.data.bad_images == "skip":
        asked = set(image_sources(pieces.held_out.examples)) if pieces.config.evaluation.split else set()
        left_out = [fault for source, fault in bad.items() if source not in asked]
        yield from listed(left_out, "bad images, whose rows are left out", WARNING)
        bad = {source: fault for source, fault in bad.items() if source in asked}
    yield from listed(list(bad.values()), "bad images")


def tokens(pieces: "Pieces") -> Iterator[Remark]:
    """How long the prompts are, and which do not fit with their answers; the judge's with them."""
    config, adapter = pieces.config, pieces.adapter
    lengths, faults = pieces.lengths
    yield from listed(faults, "rows that cannot be encoded")
    if not lengths:
        yield Remark(NOT_DONE, "no row can be encoded")
        return
    longest = sorted(lengths, key=lambda length: -length.tokens)[:LONGEST]
    named = ", ".join(
        f"{length.place} ({length.tokens:,}, {length.image_tokens:,} of them image)" for length in longest
    )
    middle, room = median(length.tokens for length in lengths), adapter.max_positions
    yield Remark(OK, f"a prompt has {middle:,.0f} tokens in the median; the model takes {room:,} with the answer")
    yield Remark(OK, f"longest: {named}")
    long = [
        fault
        for length in lengths
        for fault in attempted(lambda n=length: n.check(config.sampling.max_new_tokens, room))
    ]
    yield from listed([fault.words for fault in long], "prompts that do not fit")
    try:
        texts = pieces.anchors.texts
    except (NotThere, UserError):
        yield Remark(NOT_DONE, "whether anchors fit needs the anchors, which are not there")
        return
    train = pieces.usable(pieces.train.examples)
    yield from listed(list(long_anchors(config, adapter, pieces.templates, train, texts)), "anchors that do not fit")
