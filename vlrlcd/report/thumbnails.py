"""Images small enough to stand in the page itself."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from vlrlcd.data.images import decode
from vlrlcd.errors import UserError

THUMBNAIL_PX = 280
MOST_IMAGES = 4
KEPT = 256
"""So many encoded images wait for the next prompt that shows them."""


@dataclass(frozen=True)
class Thumbnail:
    """An embedded image of `width` x `height` pixels, or in its place why there is none."""

    url: str | None
    said: str
    width: int = 0
    height: int = 0


def thumbnails(images: Sequence[Any], folder: Path) -> list[Thumbnail]:
    """The first images of a prompt; a path is taken from the working folder, else from the run's."""
    return [_thumbnail(image, folder) for image in images[:MOST_IMAGES]]


def _thumbnail(image: Any, folder: Path) -> Thumbnail:
    if not isinstance(image, str):
        return Thumbnail(None, "This image came as bytes, not as a file: the run kept no copy.")
    path = next((path for path in (Path(image), folder / image) if _is_file(path)), None)
    return Thumbnail(None, f"{image} is no longer there.") if path is None else _embedded(path)


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        # a name too long, or one with a zero in it
        return False


@lru_cache(maxsize=KEPT)
def _embedded(path: Path) -> Thumbnail:
    try:
        image = decode(path)
    except UserError as fault:
        return Thumbnail(None, str(fault))
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX))
    encoded = io.BytesIO()
    image.save(encoded, "JPEG", quality=82)
    url = f"data:image/jpeg;base64,{base64.b64encode(encoded.getvalue()).decode()}"
    return Thumbnail(url, path.name, *image.size)
