"""Asking the teacher for what is missing, and handing stored anchors to training."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from time import perf_counter

from vlrlcd.anchors.key import canonical_request, request_key
from vlrlcd.anchors.store import Anchor, AnchorStore
from vlrlcd.anchors.teachers import Teacher
from vlrlcd.data.example import Example, Message
from vlrlcd.data.prompts import Templates
from vlrlcd.errors import UserError

COLLECT_COMMAND = "python scripts/collect_anchors.py --config CONFIG"


@dataclass(frozen=True)
class Ledger:
    """What a collection cost: `calls` answers were asked for, `cached` prompts had one already."""

    calls: int
    cached: int


@dataclass(frozen=True)
class Ask:
    """One example as it is put to a teacher."""

    example: Example
    messages: Sequence[Message]
    request: str
    key: str


def asks(examples: Iterable[Example], templates: Templates, teacher: Teacher) -> list[Ask]:
    """What the teacher would be asked, with the content keys; asks nobody.

    Raises:
        UserError: an image cannot be read.
    """
    return [_ask(example, templates, teacher) for example in examples]


def collect(examples: Iterable[Example], templates: Templates, teacher: Teacher, store: AnchorStore) -> Ledger:
    """Asks the teacher for the anchors that the store lacks; an answer is stored before the next is asked for.

    Raises:
        UserError: an image cannot be read, the teacher has no answer for a row, or the store fails.
    """
    wanted = asks(examples, templates, teacher)
    missing = store.missing(ask.key for ask in wanted)
    # Rows that ask the same thing share one answer.
    todo = {ask.key: ask for ask in wanted if ask.key in missing}
    for ask in todo.values():
        store.put(_answer(ask, teacher))
    return Ledger(calls=len(todo), cached=len(wanted) - len(todo))


def load_anchors(
    examples: Iterable[Example], templates: Templates, teacher: Teacher, store: AnchorStore
) -> dict[str, str]:
    """The stored anchor of every example, by its id; the teacher is not asked.

    Raises:
        UserError: an example has no anchor; names the first such row, their number and the command that collects.
    """
    wanted = asks(examples, templates, teacher)
    stored = [(ask, store.get(ask.key)) for ask in wanted]
    without = [ask for ask, anchor in stored if anchor is None]
    if without:
        raise UserError(
            f"{without[0].example.place} has no anchor from {teacher.name} in {store.path} "
            f"({len(without)} of {len(wanted)} training prompts have none): run `{COLLECT_COMMAND}` first."
        )
    return {ask.example.id: anchor.text for ask, anchor in stored}


def _ask(example: Example, templates: Templates, teacher: Teacher) -> Ask:
    messages = templates.render("teacher", example)
    try:
        request = canonical_request(teacher.name, messages, teacher.sampling(example))
    except OSError as fault:
        raise UserError(f"{example.place}: the image cannot be read ({fault}); restore the file.") from fault
    return Ask(example, messages, request, request_key(request))


def _answer(ask: Ask, teacher: Teacher) -> Anchor:
    started = perf_counter()
    reply = teacher.answer(ask.example, ask.messages)
    return Anchor(
        key=ask.key,
        model=teacher.name,
        request=ask.request,
        text=reply.text,
        finish_reason=reply.finish_reason,
        usage=reply.usage,
        flags=reply.flags,
        latency_s=perf_counter() - started,
        cost_usd=reply.cost_usd,
    )
