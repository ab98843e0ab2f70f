"""The checks, in the order in which they are told."""

from collections.abc import Callable, Iterator

from vlrlcd.doctor.anchors import anchors, endpoints
from vlrlcd.doctor.data import images, rows, tokens
from vlrlcd.doctor.machine import devices, versions
from vlrlcd.doctor.memory import memory
from vlrlcd.doctor.pieces import Pieces
from vlrlcd.doctor.remarks import Remark, heard
from vlrlcd.doctor.settings import configuration, deepspeed, run_folder
from vlrlcd.doctor.student import batch, forward, student, trainable, words

CHECKS: dict[str, Callable[[Pieces], Iterator[Remark]]] = {
    "versions": versions,
    "devices": devices,
    "configuration": configuration,
    "DeepSpeed": deepspeed,
    "run folder": run_folder,
    "student": student,
    "judge words": words,
    "rows": rows,
    "images": images,
    "anchors": anchors,
    "endpoints": endpoints,
    "tokens": tokens,
    "batch": batch,
    "trainable": trainable,
    "forward pass": forward,
    "memory": memory,
}


def examine(pieces: Pieces) -> Iterator[tuple[str, list[Remark]]]:
    """What each check says, as soon as it has ended; none is hidden by another's fault."""
    return ((name, heard(check(pieces))) for name, check in CHECKS.items())
