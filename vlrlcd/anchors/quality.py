"""Which anchors are not trained on, and why; nothing is dropped without being said."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from vlrlcd.anchors.anchor import Anchor
from vlrlcd.anchors.asks import Ask
from vlrlcd.config import AnchorsConfig
from vlrlcd.data.example import Example
from vlrlcd.data.tasks import Check
from vlrlcd.errors import UserError

CLEARLY = 0.5
"""An anchor is set aside if its language is likelier than all others together."""


@dataclass(frozen=True)
class SetAside:
    """A prompt that is left out of training, and why."""

    id: str
    place: str
    reason: str
    text: str


@dataclass(frozen=True)
class Checked:
    """Prompts by id whose anchors are trained on, and those that are not."""

    kept: set[str]
    set_aside: list[SetAside]

    @property
    def reasons(self) -> dict[str, int]:
        """How many were set aside for which reason, the most frequent first."""
        return dict(Counter(found.reason for found in self.set_aside).most_common())


def check_quality(
    wanted: Sequence[Ask], anchors: dict[str, Anchor], settings: AnchorsConfig, check: Check | None
) -> Checked:
    """Looks at every anchor; the first reason against it is the one that is told.

    Args:
        wanted: one ask per example, in their order: of those that ask the same, the first good one is kept.
        anchors: the answers by example id.
        settings: what is looked for.
        check: reads an anchor's own answer and compares it with the row's; None where it is free text.

    Raises:
        UserError: anchors.language is no language that can be told from others.
    """
    if settings.language:
        _check_language(settings.language)
    check = check if settings.contradictions == "set_aside" else None
    kept, seen, aside = set(), set(), []
    for ask in wanted:
        anchor = anchors[ask.example.id]
        reason = _reason(ask, anchor, settings, seen) or _contradiction(ask.example, anchor.text, check)
        if reason:
            aside.append(SetAside(ask.example.id, ask.example.place, reason, anchor.text))
        else:
            seen.add(ask.key)
            kept.add(ask.example.id)
    return Checked(kept, aside)


def _reason(ask: Ask, anchor: Anchor, settings: AnchorsConfig, seen: set[str]) -> str | None:
    if anchor.flags:
        return FLAGS.get(anchor.flags[0], anchor.flags[0])
    if ask.key in seen:
        return "asks the same as an earlier row"
    return next((reason for reason, has in CHECKS.items() if has(ask, anchor.text, settings)), None)


def _contradiction(example: Example, text: str, check: Check | None) -> str | None:
    """Why an anchor does not lead to the row's own answer; None where it does, or nobody can tell."""
    if check is None or not check.has_key(example):
        return None
    named = check.named(text, example)
    if named is None:
        return check.none_named
    return None if check.matches(example, named) else check.another_named


def _other_language(ask: Ask, text: str, settings: AnchorsConfig) -> bool:
    if not settings.language:
        return False
    language, certainty = _identifier().classify(text)
    return language != settings.language and certainty >= CLEARLY


@cache
def _identifier():
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def _check_language(language: str) -> None:
    if language not in (known := sorted(_identifier().labels)):
        raise UserError(f"anchors.language={language} is not known; known are {', '.join(known)}.")


FLAGS = {
    "refusal": "the teacher refused",
    "content_filter": "the teacher's content filter stopped it",
    "cut": "cut off at teacher.max_tokens",
}
CHECKS: dict[str, Callable[[Ask, str, AnchorsConfig], bool]] = {
    "shorter than anchors.min_characters": lambda ask, text, s: len(text) < s.min_characters,
    "longer than anchors.max_characters": lambda ask, text, s: 0 < s.max_characters < len(text),
    "in another language": _other_language,
}
