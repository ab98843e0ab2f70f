"""Who gives the anchors."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from vlrlcd.data.answers import STYLES, anchor_text
from vlrlcd.data.example import Example, Message
from vlrlcd.errors import UserError


@dataclass(frozen=True)
class TeacherReply:
    """One answer of a teacher.

    Attributes:
        text: the anchor.
        finish_reason: as the teacher named it (`"stop"`, `"length"`, …).
        usage: token counts as the teacher reported them.
        flags: reasons for caution such as `"refusal"`.
        cost_usd: None where no price is known.
    """

    text: str
    finish_reason: str = "stop"
    usage: dict[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    cost_usd: float | None = None


class Teacher(Protocol):
    """Asked once per prompt. `name` and `sampling` are part of the content key; where it runs is not."""

    name: str

    def sampling(self, example: Example) -> dict[str, Any]:
        """Whatever besides name and messages decides the answer to this example; asks nobody."""

    def answer(self, example: Example, messages: Sequence[Message]) -> TeacherReply:
        """The answer to the messages."""


class DatasetColumn:
    """The anchors that a dataset brings along.

    Args:
        style: what of a row makes the anchor, as in `vlrlcd.data.answers.STYLES`.

    Raises:
        UserError: another style.
    """

    def __init__(self, style: str) -> None:
        if style not in STYLES:
            raise UserError(f"dataset-column:{style} is no teacher: the styles are {', '.join(STYLES)}.")
        self.style = style
        self.name = f"dataset-column:{style}"

    def sampling(self, example: Example) -> dict[str, Any]:
        """The column's own text: an edited row is a new request, so no stale anchor is ever found for it."""
        return {"column": anchor_text(example, self.style)}

    def answer(self, example: Example, messages: Sequence[Message]) -> TeacherReply:
        """The row's anchor.

        Raises:
            UserError: the row has no answer or rationale to make one of.
        """
        return TeacherReply(anchor_text(example, self.style))
