import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from vlrlcd.data.images import blank, content_hash, decode, source_bytes
from vlrlcd.errors import UserError

WHITE = (255, 255, 255)


def encoded(image: Image.Image, form: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def plain(mode: str, colour) -> Image.Image:
    return Image.new(mode, (6, 4), colour)


def sixteen_bit(level: int, dtype) -> Image.Image:
    return Image.fromarray(np.full((4, 6), level * 257, dtype))


@pytest.mark.parametrize(
    ("source", "colour"),
    [
        (encoded(plain("L", 100)), (100, 100, 100)),
        (encoded(plain("1", 1)), WHITE),
        (encoded(plain("LA", (0, 0))), WHITE),
        (encoded(plain("LA", (0, 255))), (0, 0, 0)),
        (encoded(plain("RGBA", (255, 0, 0, 0))), WHITE),
        (encoded(plain("RGBA", (255, 0, 0, 255))), (255, 0, 0)),
        (encoded(plain("RGB", (1, 2, 3)), transparency=(1, 2, 3)), WHITE),
        (encoded(plain("CMYK", (0, 255, 255, 0)), "JPEG", quality=95), (255, 0, 0)),
        (encoded(sixteen_bit(100, np.uint16)), (100, 100, 100)),
        (encoded(sixteen_bit(100, np.uint16), "TIFF"), (100, 100, 100)),
        (encoded(sixteen_bit(100, np.int32), "TIFF"), (100, 100, 100)),
    ],
    ids=["L", "1", "LA clear", "LA opaque", "RGBA clear", "RGBA opaque", "RGB key", "CMYK", "I;16", "I;16 TIFF", "I"],
)
def test_every_mode_becomes_rgb(source, colour):
    image = decode(source)
    assert (image.mode, image.size) == ("RGB", (6, 4))
    assert np.abs(np.array(image.getpixel((2, 2))) - colour).max() <= 2


def test_a_transparent_palette_entry_becomes_white():
    image = plain("P", 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((0, 0), 0)
    decoded = decode(encoded(image, transparency=0))
    assert (decoded.getpixel((0, 0)), decoded.getpixel((1, 1))) == (WHITE, (0, 0, 255))


@pytest.mark.parametrize(("orientation", "size"), [(1, (6, 4)), (3, (6, 4)), (6, (4, 6)), (8, (4, 6))])
def test_the_orientation_is_applied_to_the_image_and_its_blank(orientation, size):
    exif = Image.Exif()
    exif[0x0112] = orientation
    source = encoded(plain("RGB", "red"), "JPEG", exif=exif)
    assert decode(source).size == decode(blank(source)).size == size


def test_orientation_turns_the_pixels():
    image = plain("RGB", "black")
    image.putpixel((0, 0), WHITE)
    exif = Image.Exif()
    exif[0x0112] = 3
    assert decode(encoded(image, exif=exif)).getpixel((5, 3)) == WHITE


def test_a_blank_is_mid_grey_everywhere(tmp_path):
    path = tmp_path / "a.png"
    plain("RGB", "red").save(path)
    assert decode(blank(path)).getcolors() == [(24, (128, 128, 128))]


def test_the_hash_is_of_the_stored_bytes(tmp_path):
    path = tmp_path / "a.png"
    plain("RGB", "red").save(path)
    stored = path.read_bytes()
    assert source_bytes(path) == source_bytes(stored) == stored
    assert content_hash(path) == content_hash(stored) == hashlib.sha256(stored).hexdigest()


def test_a_truncated_image_is_named(tmp_path):
    path = tmp_path / "cut.jpg"
    path.write_bytes(encoded(Image.effect_noise((64, 64), 50), "JPEG")[:700])
    with pytest.raises(UserError, match=r"cut.jpg cannot be decoded as an image \(.*truncated.*\); replace it"):
        decode(path)
