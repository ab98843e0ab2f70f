"""The examples that a configuration names."""

from pathlib import Path

from vlrlcd.config import Config
from vlrlcd.data.card import Card
from vlrlcd.data.example import Example
from vlrlcd.data.readers import Told, read_split
from vlrlcd.errors import UserError, raised


def training_examples(config: Config, card: Card, told: Told = raised) -> list[Example]:
    """The training prompts, cut at data.train_limit; `told` as in `read_split`."""
    wanted = config.data
    return _limited(read_split(card, wanted.root, wanted.train_split, _images(config), told), wanted.train_limit)


def held_out_examples(config: Config, card: Card, told: Told = raised) -> list[Example]:
    """The prompts of evaluation.split, cut at evaluation.limit, none where no split is named; `told` as above."""
    wanted = config.evaluation
    if not wanted.split:
        return []
    return _limited(read_split(card, config.data.root, wanted.split, _images(config), told), wanted.limit)


def asked_examples(config: Config, card: Card) -> list[Example]:
    """As `held_out_examples`, for a command that has nothing else to do. Raises UserError where no split is named."""
    examples = held_out_examples(config, card)
    if not examples:
        raise UserError("evaluation.split is empty: name the split to evaluate on.")
    return examples


def beside_data(config: Config, name: str) -> Path:
    """Where what was made of the data is kept: under data.root, or in anchors/ where that is a hub id."""
    root = Path(config.data.root).expanduser()
    return (root if root.is_dir() else Path("anchors") / config.data.root.replace("/", "--")) / name


def _images(config: Config) -> str | None:
    return config.data.images or None


def _limited(examples: list[Example], limit: int) -> list[Example]:
    return examples[:limit] if limit else examples
