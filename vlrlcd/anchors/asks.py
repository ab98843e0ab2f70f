"""What a teacher would be asked, row by row."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vlrlcd.anchors.anchor import Anchor
from vlrlcd.anchors.key import canonical_request, request_key
from vlrlcd.anchors.teachers import Teacher, TeacherReply
from vlrlcd.data.example import Example, Message
from vlrlcd.data.prompts import Templates
from vlrlcd.errors import UserError
from vlrlcd.progress import progress

CHARACTERS_PER_TOKEN = 4
"""Of English, roughly; other scripts take more tokens."""
TOKENS_PER_IMAGE = 1000
"""Differs between models; good enough to begin with."""


@dataclass(frozen=True)
class Ask:
    """One example as it is put to a teacher."""

    example: Example
    messages: Sequence[Message]
    request: str
    key: str

    @property
    def characters(self) -> int:
        """Of all its text."""
        return sum(len(part.get("text", "")) for message in self.messages for part in message["content"])

    @property
    def images(self) -> int:
        """How many are shown."""
        return sum(part["type"] == "image" for message in self.messages for part in message["content"])

    def thought_tokens(self, max_tokens: int) -> float:
        """What a call may take, for keeping to a rate until it is known."""
        return self.characters / CHARACTERS_PER_TOKEN + self.images * TOKENS_PER_IMAGE + max_tokens

    def anchor(self, reply: TeacherReply, model: str, latency_s: float, cost_usd: float | None) -> Anchor:
        """The reply in the form in which it is stored."""
        return Anchor(
            key=self.key,
            model=model,
            request=self.request,
            text=reply.text,
            finish_reason=reply.finish_reason,
            usage=reply.usage,
            flags=reply.flags,
            latency_s=latency_s,
            cost_usd=cost_usd,
            answered_by=reply.answered_by,
        )


def asks(examples: Iterable[Example], templates: Templates, teacher: Teacher) -> list[Ask]:
    """What the teacher would be asked, with the content keys; asks nobody.

    Raises:
        UserError: an image cannot be read, or the user's files have no answer for a row.
    """
    bar = progress(examples, desc="hash prompts", unit="prompt", delay=5)
    return [ask(example, templates.render("teacher", example), teacher) for example in bar]


def ask(example: Example, messages: Sequence[Message], teacher: Teacher) -> Ask:
    """Any messages about an example as they would be put to a teacher. Raises UserError if an image cannot be read."""
    messages, sampling = teacher.shown(messages), teacher.sampling(example)
    try:
        request = canonical_request(teacher.name, messages, sampling)
    except OSError as fault:
        raise UserError(f"{example.place}: the image cannot be read ({fault}); restore the file.") from fault
    return Ask(example, messages, request, request_key(request))
