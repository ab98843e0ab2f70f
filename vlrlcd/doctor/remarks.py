"""What a check says, and what becomes of it when something goes wrong."""

import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from model_adapters import AdapterError
from vlrlcd.errors import UserError

OK, NOT_DONE, WARNING, FAULT = "ok", "not done", "warning", "fault"
STATES = (OK, NOT_DONE, WARNING, FAULT)
"""From good to bad; a check is in the worst state of what it says."""
SHOWN = 20
"""Faults of one kind that are listed; the rest are counted."""


@dataclass(frozen=True)
class Remark:
    """A line, and how what it says is."""

    state: str
    words: str


class NotThere(Exception):
    """Something that a check needs is at fault itself, which another check says."""


def listed(faults: Sequence[str], what: str, kind: str = FAULT) -> Iterator[Remark]:
    """The first faults, or warnings, and how many more there are."""
    yield from (Remark(kind, fault) for fault in faults[:SHOWN])
    if len(faults) > SHOWN:
        yield Remark(kind, f"and {len(faults) - SHOWN:,} more {what}")


def attempted(*calls: Callable[[], object]) -> Iterator[Remark]:
    """What each call refuses."""
    for call in calls:
        try:
            call()
        except (UserError, AdapterError) as fault:
            yield Remark(FAULT, str(fault))


def heard(remarks: Iterable[Remark]) -> list[Remark]:
    """What a check says, up to where it ends, be it in a fault."""
    said: list[Remark] = []
    try:
        said.extend(remarks)
    except NotThere as lacking:
        said.append(Remark(NOT_DONE, f"it needs {lacking}, which is not there"))
    except (UserError, AdapterError) as fault:
        said.append(Remark(FAULT, str(fault)))
    # one check's own mistake must not take the others with it
    except Exception as error:
        at = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(at.filename).name}, line {at.lineno}"
        said.append(Remark(FAULT, f"{type(error).__name__}: {error} ({where}): a fault of ours, not foreseen here"))
    return said


def state(remarks: Iterable[Remark]) -> str:
    """The worst."""
    return max((remark.state for remark in remarks), key=STATES.index, default=OK)
