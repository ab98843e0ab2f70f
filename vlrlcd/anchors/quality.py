"""Which anchors are not trained on, and why; nothing is dropped without being said."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache

from vlrlcd.anchors.anchor import Anchor
from vlrlcd.anchors.asks import Ask
from vlrlcd.config import AnchorsConfig
from vlrlcd.data.answers import answer_choice
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
    wanted: Sequence[Ask], anchors: dict[str, Anchor], settings: AnchorsConfig, names_choice: bool
) -> Checked:
    """Looks at every anchor; the first reason against it is the one that is told.

    Args:
        wanted: one ask per example, in their order: of those that ask the same, the first good one is kept.
        anchors: the answers by example id.
        settings: what is looked for.
        names_choice: whether an anchor of this data set has to end in one of the row's choices.

    Raises:
        UserError: anchors.language is no language that can be told from others.
    """
    if settings.language:
        _check_language(settings.language)
    if not names_choice:
        settings = replace(settings, contradictions="keep")
    kept, seen, aside = set(), set(), []
    for ask in wanted:
        anchor = anchors[ask.example.id]
        reason = _reason(ask, anchor, settings, seen)
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


def _contradicts(ask: Ask, text: str, settings: AnchorsConfig) -> bool:
    return _is_checked(ask, settings) and _named(ask, text) not in (None, ask.example.answer)


def _names_none(ask: Ask, text: str, settings: AnchorsConfig) -> bool:
    return _is_checked(ask, settings) and _named(ask, text) is None


def _is_checked(ask: Ask, settings: AnchorsConfig) -> bool:
    return settings.contradictions == "set_aside" and bool(ask.example.choices) and ask.example.answer is not None


def _named(ask: Ask, text: str) -> str | None:
    return answer_choice(text, ask.example.choices)


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
    "names another choice than the row's answer": _contradicts,
    "names none of the choices": _names_none,
}
