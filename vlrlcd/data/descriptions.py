"""Images in words for a student that reads text only: described once, kept in one SQLite file."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tqdm import tqdm

from model_adapters import ModelAdapter
from model_adapters.eyes import Describer
from vlrlcd.config import Config
from vlrlcd.data.card import Card
from vlrlcd.data.example import Example, ImageSource
from vlrlcd.data.images import content_hash, decode
from vlrlcd.data.labels import label_groups, labels_file
from vlrlcd.data.splits import beside_data
from vlrlcd.errors import UserError

BLANK = "not shown."
"""What a student is told of every image when it is tested blind."""
TABLE = """
CREATE TABLE IF NOT EXISTS descriptions (
    describer TEXT NOT NULL, image TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (describer, image)
) WITHOUT ROWID
"""
WAIT_S = 30.0


def check_eyes(config: Config, adapter: ModelAdapter) -> None:
    """Raises UserError for eyes that a student does not need."""
    if config.eyes.checkpoint and adapter.sees_images:
        raise UserError(
            f"eyes.checkpoint={config.eyes.checkpoint}: {config.model.checkpoint} ({adapter.config.model_type}) sees "
            "by itself, and words would replace its images; leave eyes.checkpoint empty or choose a text-only student."
        )


def image_sources(examples: Sequence[Example]) -> list[ImageSource]:
    """The different images of the examples, in the order of appearance."""
    return list(dict.fromkeys(image for example in examples for image in example.images))


def describe_all(config: Config, card: Card, sources: Sequence[ImageSource]) -> list[str]:
    """A description of each image, from the file where it is there, else made now and kept batch by batch.

    Raises:
        UserError: the labels or the file of descriptions cannot be used.
        AdapterError: a model of `eyes` cannot be loaded.
    """
    wanted = config.eyes
    groups = label_groups(labels_file(card, wanted.labels))
    describer = Describer(wanted.checkpoint, groups, wanted.architecture, wanted.captioner)
    hashes = [content_hash(source) for source in sources]
    with _cache(Path(wanted.cache or beside_data(config, "descriptions.sqlite")).expanduser()) as cache:
        known = _known(cache, describer.fingerprint)
        missing = {image: source for image, source in zip(hashes, sources, strict=True) if image not in known}
        bar = tqdm(total=len(missing), desc="describe images", unit="image", delay=5)
        for batch in _batches(list(missing.items()), wanted.batch_size):
            texts = describer.describe([decode(source) for _, source in batch])
            found = {image: text for (image, _), text in zip(batch, texts, strict=True)}
            rows = [(describer.fingerprint, image, text) for image, text in found.items()]
            with cache:
                cache.executemany("INSERT OR IGNORE INTO descriptions VALUES (?, ?, ?)", rows)
            known |= found
            bar.update(len(batch))
    return [known[image] for image in hashes]


def _known(cache: sqlite3.Connection, fingerprint: str) -> dict[str, str]:
    return dict(cache.execute("SELECT image, text FROM descriptions WHERE describer = ?", (fingerprint,)))


def _batches(items: list, size: int) -> Iterator[list]:
    return (items[start : start + size] for start in range(0, len(items), size))


@contextmanager
def _cache(path: Path) -> Iterator[sqlite3.Connection]:
    connection = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, timeout=WAIT_S)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(TABLE)
        yield connection
    except (sqlite3.Error, FileExistsError, NotADirectoryError, PermissionError) as error:
        raise UserError(
            f"{path} cannot keep descriptions of images ({error}): set eyes.cache to a file in a folder with room that "
            "can be written to, or move the file away."
        ) from None
    finally:
        if connection:
            connection.close()
