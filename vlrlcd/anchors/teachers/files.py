"""Teachers whose answers lie in the user's own files."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from vlrlcd.anchors.teachers.base import TeacherReply
from vlrlcd.config import TeacherConfig
from vlrlcd.data.answers import STYLES, anchor_text
from vlrlcd.data.example import Example, Message
from vlrlcd.errors import UserError


class FromFiles:
    """Common to both: the answer itself is part of the key, so an edited one is a new request."""

    from_files, has_price, width = True, False, 1024
    name: str
    text: Callable[[Example], str]
    """A method of each: the example's anchor; raises UserError naming the row that has none."""

    def shown(self, messages: Sequence[Message]) -> list[Message]:
        """The messages as they are: nothing leaves."""
        return list(messages)

    def sampling(self, example: Example) -> dict[str, Any]:
        """The answer's own text."""
        return {"column": self.text(example)}

    def check(self) -> None:
        """Nothing is needed."""

    async def answer(self, example: Example, messages: Sequence[Message]) -> TeacherReply:
        """The row's anchor."""
        return TeacherReply(self.text(example))

    async def close(self) -> None:
        """Nothing is open."""


class DatasetColumn(FromFiles):
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

    def text(self, example: Example) -> str:
        return anchor_text(example, self.style)


class AnswersFile(FromFiles):
    """Answers that the user has already: JSONL, a line `{"id": ..., "text": ...}` per prompt.

    Args:
        settings: `file`, and as `model` who wrote it, if that is to be remembered.

    Raises:
        UserError: no file, a line that is no such object, an empty text, an id that stands there twice.
    """

    def __init__(self, settings: TeacherConfig):
        if not settings.file:
            raise UserError("teacher.kind=file needs teacher.file, a JSONL file with id and text on every line.")
        self.path = Path(settings.file)
        self.name = f"file:{settings.model}" if settings.model else "file"
        self._texts = self._read()

    def text(self, example: Example) -> str:
        if example.id not in self._texts:
            raise UserError(f"{example.place}: {self.path} has no line with id '{example.id}'; add one.")
        return self._texts[example.id]

    def _read(self) -> dict[str, str]:
        try:
            lines = self.path.read_text(encoding="utf-8").split("\n")
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{self.path}: the answers cannot be read ({error}); set teacher.file.") from None
        texts: dict[str, str] = {}
        for number, line in enumerate(lines, start=1):
            if line.strip():
                name, text = _pair(f"{self.path}, line {number}", line)
                if name in texts:
                    raise UserError(f"{self.path}, line {number}: id '{name}' stands there twice; keep one.")
                texts[name] = text
        return texts


def _pair(place: str, line: str) -> tuple[str, str]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise UserError(f"{place} is not valid JSON ({error}); mend it.") from None
    name, text = (found.get(key) for key in ("id", "text")) if isinstance(found, dict) else (None, None)
    if isinstance(name, bool) or not isinstance(name, str | int) or not isinstance(text, str) or not text.strip():
        raise UserError(f'{place} must be an object with "id" and a "text" that is not empty; mend it.')
    return str(name), text
