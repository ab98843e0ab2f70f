"""The anchors that a run would find, and whether those who would be asked can be reached."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vlrlcd.anchors.anchor import Anchor
from vlrlcd.anchors.asks import Ask, ask
from vlrlcd.anchors.collect import lacking, stored_anchors
from vlrlcd.anchors.quality import Checked, check_quality
from vlrlcd.anchors.ready import anchor_store, none_kept
from vlrlcd.anchors.store import AnchorStore
from vlrlcd.anchors.teachers import ChatTeacher, Teacher, TeacherFault, TeacherReply, teacher_for
from vlrlcd.config import AskedConfig, Config
from vlrlcd.data.card import Card
from vlrlcd.data.example import Example
from vlrlcd.data.prompts import Templates
from vlrlcd.doctor.remarks import FAULT, OK, WARNING, NotThere, Remark, listed
from vlrlcd.errors import UserError
from vlrlcd.job import asks_judge, check_processes

if TYPE_CHECKING:
    from vlrlcd.doctor.pieces import Pieces

PATIENCE_S = 5.0
"""How long an endpoint may take to say which models it has."""


@dataclass(frozen=True)
class Stored:
    """Attributes:
    teacher: whose answers they are.
    wanted: the prompts that could be put to it, one per row.
    found: the anchors that are there, by example id.
    faults: what is wrong with rows that could not be put to it.
    missing: one sentence for all prompts without an anchor; empty where there are none.
    checked: which anchors are trained on.
    """

    teacher: Teacher
    wanted: list[Ask]
    found: dict[str, Anchor]
    faults: list[str]
    missing: str
    checked: Checked

    @property
    def texts(self) -> dict[str, str]:
        """The anchors that are trained on, by example id."""
        return {name: anchor.text for name, anchor in self.found.items() if name in self.checked.kept}


def stored(config: Config, card: Card, train: Sequence[Example], command: str) -> Stored:
    """Looks for the anchor of every row; makes no store, asks nobody.

    Args:
        config: names teacher and store.
        card: of the data set.
        train: the training rows with readable images.
        command: what would collect the anchors.

    Raises:
        UserError: the teacher's settings, the user's own file of answers, or the store cannot be used.
    """
    teacher, templates, path = teacher_for(config, card), Templates(card), anchor_store(config)
    wanted, faults = [], []
    for example in train:
        try:
            wanted.append(ask(example, templates.render("teacher", example), teacher))
        except UserError as fault:
            faults.append(str(fault))
    if teacher.from_files:
        replies = ((each, TeacherReply(teacher.text(each.example))) for each in wanted)
        found = {each.example.id: each.anchor(reply, teacher.name, 0.0, None) for each, reply in replies}
    elif path.is_file():
        with AnchorStore(path, make=False) as store:
            found = stored_anchors(wanted, store)
    else:
        found = {}
    there = [each for each in wanted if each.example.id in found]
    missing = lacking(wanted, found, teacher, path, command) if len(there) < len(wanted) else ""
    return Stored(teacher, wanted, found, faults, missing, check_quality(there, found, config.anchors, card.check))


def anchors(pieces: "Pieces") -> Iterator[Remark]:
    """How many are there, missing, or would be set aside."""
    stored, config = pieces.anchors, pieces.config
    yield from listed(stored.faults, "rows without an anchor")
    name, there, wanted = stored.teacher.name, len(stored.found), len(stored.wanted)
    yield Remark(OK, f"{there:,} of {wanted:,} prompts have an anchor of {name}")
    if stored.missing:
        yield Remark(FAULT, stored.missing)
    first = {found.reason: found.place for found in reversed(stored.checked.set_aside)}
    for reason, count in stored.checked.reasons.items():
        yield Remark(WARNING, f"{count:,} would be set aside: {reason} ({first[reason]})")
    if there and not stored.texts:
        yield Remark(FAULT, none_kept(name, there, stored.checked.reasons))
    elif stored.checked.set_aside:
        check_processes(
            config, [each.example for each in stored.wanted if each.example.id in stored.texts], pieces.processes
        )


def endpoints(pieces: "Pieces") -> Iterator[Remark]:
    """Whether the teacher and, if training asks it, the judge can be reached where they are behind an endpoint."""
    config, asked = pieces.config, False
    if config.teacher.kind == "chat":
        asked = True
        try:
            needed = bool(pieces.anchors.missing)
        except (NotThere, UserError):
            needed = True
        yield _reached(config.teacher, needed)
    if config.judge.kind == "chat" and asks_judge(config):
        asked = True
        yield _reached(config.judge, needed=True)
    if not asked:
        yield Remark(OK, "none would be asked")


def _reached(settings: AskedConfig, needed: bool) -> Remark:
    """`needed`: it will be asked; where it will not, being out of reach hinders nothing."""
    where = f"{settings.section} at {settings.base_url}"
    try:
        names = asyncio.run(ChatTeacher(settings).models(PATIENCE_S))
    except UserError as fault:
        return Remark(FAULT if needed else WARNING, str(fault))
    except TeacherFault as fault:
        untold = fault.outcome == "HTTP 404"
        unneeded = "" if needed else "; all anchors are there, so that training does not need it"
        return Remark(FAULT if needed and not untold else WARNING, f"{settings.section}: {fault.words}{unneeded}")
    if names and settings.model not in names:
        return Remark(WARNING, f"{where} answers, but {settings.section}.model={settings.model} is not in its list")
    return Remark(OK, f"{where} answers")
