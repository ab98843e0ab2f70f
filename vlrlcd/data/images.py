"""From an image source to RGB pixels, its bytes and its hash."""

import hashlib
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps
from tqdm import tqdm

from vlrlcd.data.example import Example, ImageSource
from vlrlcd.errors import UserError

MID_GREY = (128, 128, 128)
ORIENTATION_TAG = 0x0112
SIDEWAYS = range(5, 9)
DEEP_GREY = "I"
"""How Pillow's modes for 16-bit grey begin (`I;16`, `I;16B`, `I`)."""


def source_bytes(source: ImageSource) -> bytes:
    """The encoded image as it is stored."""
    return source if isinstance(source, bytes) else Path(source).read_bytes()


def content_hash(source: ImageSource) -> str:
    """SHA-256 of the stored bytes, in hexadecimal: never of pixels, whose decoding differs between versions."""
    return hashlib.sha256(source_bytes(source)).hexdigest()


def decode(source: ImageSource) -> Image.Image:
    """An upright RGB image; what is transparent becomes white. Raises UserError if the source cannot be decoded."""
    try:
        with _open(source) as image:
            return _rgb(ImageOps.exif_transpose(image))
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error and more.
        raise UserError(f"{_name(source)} cannot be decoded as an image ({error}); replace it") from error


def blank(source: ImageSource) -> bytes:
    """A mid-grey PNG of the size that `decode(source)` has, for evaluation without sight."""
    height, width = size_hw(source)
    png = io.BytesIO()
    Image.new("RGB", (width, height), MID_GREY).save(png, "PNG")
    return png.getvalue()


def size_hw(source: ImageSource) -> tuple[int, int]:
    """Height and width that `decode(source)` has, read from the header."""
    with _open(source) as image:
        width, height = image.size
        sideways = image.getexif().get(ORIENTATION_TAG) in SIDEWAYS
    return (width, height) if sideways else (height, width)


def check_images(examples: Iterable[Example]) -> None:
    """Raises UserError naming the row of the first of the `bad_images`."""
    for _, fault in bad_images(examples):
        raise fault


def bad_images(examples: Iterable[Example]) -> Iterator[tuple[ImageSource, UserError]]:
    """Decodes every image once, JPEG at an eighth of its size: those that cannot be, and what says in which row."""
    seen: set[ImageSource] = set()
    for example in tqdm(examples, desc="check images", unit="row", delay=5):
        for number, source in enumerate(example.images, start=1):
            if source not in seen:
                seen.add(source)
                try:
                    _check_image(f"{example.place}, image {number}", source)
                except UserError as fault:
                    yield source, fault


def _check_image(place: str, source: ImageSource) -> None:
    try:
        with _open(source) as image:
            # verify() would let a JPEG pass that ends in the middle
            image.draft("RGB", (1, 1))
            image.load()
    except FileNotFoundError as error:
        raise UserError(f"{place}: {source} does not exist; add the file or set data.images to its folder") from error
    except Exception as error:  # As in `decode`.
        raise UserError(f"{place}: {_name(source)} is not a readable image ({error}); replace it") from error


def _open(source: ImageSource) -> Image.Image:
    return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)


def _name(source: ImageSource) -> str:
    return f"an image of {len(source)} bytes" if isinstance(source, bytes) else str(source)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(DEEP_GREY):
        image = _eight_bit(image)
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layers.size, "white"), layers)
    return image.convert("RGB")


def _eight_bit(image: Image.Image) -> Image.Image:
    """Scales 0..65535 to 0..255; Pillow's own conversion clips some of these modes to white."""
    values = np.asarray(image).astype(np.float64) / 257
    return Image.fromarray(values.clip(0, 255).round().astype(np.uint8))
