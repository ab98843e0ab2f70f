"""Images small enough to stand in the page itself."""

import base64
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from vlrlcd.data.images import decode
from vlrlcd.errors import UserError
from vlrlcd.report.read import Run, mapping

THUMBNAIL_PX = 280
MOST_IMAGES = 4
OF_DATA = ("root", "images")
"""The keys of the section `data` that name folders in which images may lie."""
KEPT = 256
"""So many encoded images wait for the next prompt that shows them."""


@dataclass(frozen=True)
class Thumbnail:
    """An embedded image of `width` x `height` pixels, or in its place why there is none."""

    url: str | None
    said: str
    width: int = 0
    height: int = 0


def thumbnails(images: Sequence[Any], run: Run) -> list[Thumbnail]:
    """The first images of a prompt; a path is taken from the working folder, else from the run's.

    None is shown that lies neither in the run's folder nor in those that its configuration names for the data.
    """
    return [_thumbnail(image, run) for image in images[:MOST_IMAGES]]


def _thumbnail(image: Any, run: Run) -> Thumbnail:
    if not isinstance(image, str):
        return Thumbnail(None, "This image came as bytes, not as a file: the run kept no copy.")
    places = (Path(os.path.abspath(path)) for path in (image, run.folder / image))
    there = [path for path in places if _is_file(path)]
    if not there:
        return Thumbnail(None, f"{image} is no longer there.")
    path = next((path for path in there if _is_of(path, run)), None)
    if path is None:
        return Thumbnail(None, f"{image} lies outside of the run's folder, data.root and data.images: it is not shown.")
    return _embedded(path)


def _is_of(path: Path, run: Run) -> bool:
    """A page is sent on: no line of a run may put another picture of this machine into it."""
    # a link in the data is the user's own doing; one in a run's folder may have come with it
    if path.resolve().is_relative_to(run.folder.resolve()):
        return True
    data = mapping(run.config.get("data"))
    named = [str(data[key]) for key in OF_DATA if data.get(key)]
    return any(path.is_relative_to(os.path.abspath(os.path.expanduser(folder))) for folder in named)


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
