"""The one exception that reaches a user without a stack trace."""

from typing import NoReturn


class UserError(Exception):
    """One sentence that names the file, row or key at fault and the cure."""


def raised(fault: UserError) -> NoReturn:
    """What becomes of a fault where nobody collects them."""
    raise fault
