"""Prompts to ids and image tensors, and the check that they fit."""

from dataclasses import dataclass

from tqdm import tqdm

from model_adapters import AdapterError, ModelAdapter, PromptRow, Tokens
from vlrlcd.data.example import Example, Message
from vlrlcd.data.images import decode, size_hw
from vlrlcd.data.prompts import Templates
from vlrlcd.errors import UserError


def encode(adapter: ModelAdapter, messages: list[Message]) -> PromptRow:
    """A prompt to ids and image tensors; its images are decoded here and not before."""
    parts = [
        {**m, "content": [{**p, "image": decode(p["image"])} if p["type"] == "image" else p for p in m["content"]]}
        for m in messages
    ]
    return adapter.encode(parts)


def image_ids(adapter: ModelAdapter, example: Example, messages: list[Message]) -> tuple[Tokens, ...]:
    """The ids that stand for each image of a row's prompt, from the sizes in the files' headers.

    Raises:
        UserError: names the row whose image the student cannot take.
    """
    sources = [part["image"] for m in messages for part in m["content"] if part["type"] == "image"]
    try:
        return tuple(adapter.image_ids([size_hw(source) for source in sources]))
    except AdapterError as error:
        raise UserError(f"{example.place}: {error}") from None


def check_lengths(adapter: ModelAdapter, templates: Templates, examples: list[Example], max_new_tokens: int) -> None:
    """Preflight: every prompt and its answer fit the model's context. Images are never cut.

    Raises:
        UserError: names the row, its tokens and how many of them are image; or a row with images for a student that
            reads text only.
    """
    for example in tqdm(examples, desc="check lengths", unit="row", delay=5):
        length(adapter, templates, example).check(max_new_tokens, adapter.max_positions)


@dataclass(frozen=True)
class Length:
    """Tokens of a row's prompt, and how many of them stand for images."""

    place: str
    tokens: int
    image_tokens: int

    def check(self, max_new_tokens: int, positions: int) -> None:
        """Raises UserError if prompt and answer together pass so many positions."""
        if self.tokens + max_new_tokens > positions:
            raise UserError(
                f"{self.place}: the prompt has {self.tokens} tokens, {self.image_tokens} of them image, and with "
                f"sampling.max_new_tokens={max_new_tokens} it passes the model's {positions}; shorten the "
                "question, lower sampling.max_new_tokens, or leave the row out."
            )


def length(adapter: ModelAdapter, templates: Templates, example: Example) -> Length:
    """Of a row's prompt for the student.

    Raises:
        UserError: it has images, and the student reads text only; or an image that the student cannot take.
    """
    if example.images and not adapter.sees_images and not templates.describes:
        raise UserError(
            f"{example.place}: has {len(example.images)} image(s), and {adapter.checkpoint} "
            f"({adapter.config.model_type}) reads text only: name a model that puts images into words "
            "(eyes.checkpoint), or choose a student that sees, or data without images."
        )
    messages = templates.render("student", example)
    images = image_ids(adapter, example, messages)
    return Length(example.place, len(adapter.encode_text(messages, images)), sum(map(len, images)))
