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


@dataclass(frozen=True)
class Ask:
    """One example as it is put to a teacher."""

    example: Example
    messages: Sequence[Message]
    request: str
    key: str

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
    return [_ask(example, templates, teacher) for example in bar]


def _ask(example: Example, templates: Templates, teacher: Teacher) -> Ask:
    messages = teacher.shown(templates.render("teacher", example))
    try:
        request = canonical_request(teacher.name, messages, teacher.sampling(example))
    except OSError as fault:
        raise UserError(f"{example.place}: the image cannot be read ({fault}); restore the file.") from fault
    return Ask(example, messages, request, request_key(request))
