"""What the collector knows of a teacher."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, Protocol

from vlrlcd.data.example import Example, Message

CONNECTION = "connection"
"""The outcome of a call for which there was no connection, or none to its end."""


@dataclass(frozen=True)
class TeacherReply:
    """One answer of a teacher.

    Attributes:
        text: the anchor.
        finish_reason: as the teacher named it (`"stop"`, `"length"`, ...).
        usage: token counts as the teacher reported them.
        flags: why it is not to be trained on (`"refusal"`, `"content_filter"`, `"cut"`).
        answered_by: the model that the server says answered.
    """

    text: str
    finish_reason: str = "stop"
    usage: dict[str, Any] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    answered_by: str = ""


class TeacherFault(Exception):
    """A call without an answer.

    Args:
        outcome: what went wrong in a word or two, for the ledger.
        words: what went wrong, for people.
        then: `again` asks once more after a while; `skip` gives this prompt up; `stop` ends the whole collection.
        after_s: seconds that the server wants to be left alone.
        usage: of a call that was paid for all the same; None if it was broken off and may have been.
    """

    def __init__(
        self,
        outcome: str,
        words: str,
        then: Literal["again", "skip", "stop"],
        after_s: float | None = None,
        usage: Mapping[str, Any] | None = MappingProxyType({}),
    ):
        super().__init__(words)
        self.outcome, self.words, self.then, self.after_s, self.usage = outcome, words, then, after_s, usage


class Teacher(Protocol):
    """Asked once per prompt.

    Attributes:
        name: part of the content key; where the teacher runs is not.
        from_files: its answers lie in the user's own files: training reads them, nothing is counted as a call.
        has_price: its calls may cost money.
        width: how many prompts it is asked at once.
    """

    name: str
    from_files: bool
    has_price: bool
    width: int

    def shown(self, messages: Sequence[Message]) -> list[Message]:
        """The prompt as this teacher gets it: images under its size policy, or left out."""

    def sampling(self, example: Example) -> dict[str, Any]:
        """Whatever besides name and messages decides the answer to this example; asks nobody."""

    def check(self) -> None:
        """Finds whatever asking needs and asks nobody. Raises UserError or AdapterError."""

    async def answer(self, example: Example, messages: Sequence[Message]) -> TeacherReply:
        """The answer to what `shown` returned. Raises TeacherFault."""

    async def close(self) -> None:
        """Lets go of whatever `answer` opened."""
