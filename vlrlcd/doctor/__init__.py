"""All that a run needs, looked at without training; every fault is told, not the first alone."""

from vlrlcd.doctor.checks import CHECKS, examine
from vlrlcd.doctor.pieces import Pieces
from vlrlcd.doctor.remarks import FAULT, NOT_DONE, OK, STATES, WARNING, Remark, state

__all__ = ["CHECKS", "FAULT", "NOT_DONE", "OK", "STATES", "WARNING", "Pieces", "Remark", "examine", "state"]
