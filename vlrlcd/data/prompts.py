"""`Templates`: a dataset's prompts, rendered to chat messages with the images, or words for them, in their place."""

from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Any
from uuid import uuid4

import jinja2

from vlrlcd.data.card import Card
from vlrlcd.data.example import Example, ImageSource, Message
from vlrlcd.errors import UserError

KINDS = ("student", "teacher", "judge", "direct")
OPTIONAL = ("compare",)
"""What a dataset may leave to `DEFAULTS`."""
DEFAULTS = Path(__file__).parent / "templates"
SEE_THEMSELVES = ("teacher", "compare")
"""Whose images are never put into words: both are asked outside of the student."""
Describe = Callable[[ImageSource], str]


class Templates:
    """The templates of a dataset, compiled once: four of its own, and `compare`, which it may leave out."""

    def __init__(self, card: Card) -> None:
        """Compiles all of them. Raises UserError if one is malformed, or one of the four missing."""
        self._folder = card.folder
        self._describe: Describe | None = None
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader([card.folder, DEFAULTS]),
            undefined=jinja2.StrictUndefined,
            autoescape=False,
            trim_blocks=True,
        )
        self._templates = {kind: self._compile(environment, kind) for kind in (*KINDS, *OPTIONAL)}

    @property
    def describes(self) -> bool:
        """Whether the student gets words in the place of images."""
        return self._describe is not None

    def described(self, describe: Describe) -> "Templates":
        """The same templates, with these words for each image in every prompt but those that are asked elsewhere."""
        templates = copy(self)
        templates._describe = describe
        return templates

    def descriptions(self, example: Example) -> list[str]:
        """The words for each image of the example; none where images stand for themselves."""
        return [self._describe(image) for image in example.images] if self._describe else []

    def render(self, kind: str, example: Example, **extra: str) -> list[Message]:
        """One user message: text parts, and an image part for each image where the template has `{{ images }}`.

        A described image is a text part of its own instead.

        Args:
            kind: `student`, `teacher`, `judge`, `direct` or `compare`.
            example: gives question, choices and images; never its answer.
            extra: further variables: `reference` (student), `anchor` and `candidate` (judge), `answer_a` and `answer_b`
                (compare).

        Raises UserError naming the template if it uses an unknown variable or does not place the images exactly once.
        """
        # Drawn anew for each prompt, so that no text written before can hold it.
        images = uuid4().hex
        pieces = self._fill(kind, images, example, extra).split(images)
        if len(pieces) != 2:
            found = len(pieces) - 1
            raise UserError(f"{self._path(kind)} must hold {{{{ images }}}} once, but holds it {found} times")
        before, after = pieces
        return [{"role": "user", "content": [*_text(before), *self._images(kind, example), *_text(after)]}]

    def _images(self, kind: str, example: Example) -> list[dict[str, Any]]:
        if kind in SEE_THEMSELVES or not self._describe:
            return [_image(source) for source in example.images]
        names = [f"Image {number}" for number in range(1, len(example.images) + 1)]
        names = names if len(names) > 1 else ["Image"] * len(names)
        said = zip(names, self.descriptions(example), strict=True)
        return [{"type": "text", "text": f"{name}: {words}"} for name, words in said]

    def _fill(self, kind: str, images: str, example: Example, extra: dict[str, str]) -> str:
        variables = {"images": images, "question": example.question, "choices": example.choices, **extra}
        try:
            return self._templates[kind].render(variables)
        except jinja2.UndefinedError as error:
            raise UserError(f"{self._path(kind)}: {error}; it may use {', '.join(variables)}") from error

    def _path(self, kind: str) -> Path:
        own, general = self._folder / f"{kind}.jinja", DEFAULTS / f"{kind}.jinja"
        return general if kind in OPTIONAL and not own.exists() else own

    def _compile(self, environment: jinja2.Environment, kind: str) -> jinja2.Template:
        path = self._path(kind)
        try:
            return environment.get_template(path.name)
        except jinja2.TemplateNotFound as error:
            files = ", ".join(f"{kind}.jinja" for kind in KINDS)
            raise UserError(f"{path} is missing; a dataset has {files}") from error
        except jinja2.TemplateSyntaxError as error:
            raise UserError(f"{path}, line {error.lineno}: {error.message}") from error


def _text(text: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": text.strip("\n")}] if text.strip() else []


def _image(source: ImageSource) -> dict[str, Any]:
    return {"type": "image", "image": source}
