"""Photos in files, of which nothing is believed.

A few bytes may claim a picture of gigabytes, so its size is looked at before it is
decoded.  JPEG and PNG only: Pillow knows fifty formats more, and for one of them (EPS)
it starts another program.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Final

from nervure.errors import FileFormatError, explain

if TYPE_CHECKING:
    from PIL.Image import Image

_PNG: Final = b"\x89PNG\r\n\x1a\n"
# The chunks of a PNG that a picture needs; texts and profiles can unfold to megabytes.
_NEEDED: Final = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"eXIf")
# Pillow keeps four bytes for a pixel, and the picture twice while it is converted.
_PIXEL_BYTES: Final = 4
_MOST_BYTES: Final = 56 << 20  # beside three times the file
# A JPEG of one colour has about 90 pixels for a byte; a few markers claim more.
_PIXELS_A_BYTE: Final = 128
_FREE_PIXELS: Final = 1 << 20
# Each scan goes over the whole picture; encoders make about ten.
_MOST_SCANS: Final = 100
_SCAN: Final = b"\xff\xda"
# EXIF's tag, and what its values ask for.
_ORIENTATION: Final = 0x0112
_TURNS: Final = {
    2: "FLIP_LEFT_RIGHT",
    3: "ROTATE_180",
    4: "FLIP_TOP_BOTTOM",
    5: "TRANSPOSE",
    6: "ROTATE_270",
    7: "TRANSVERSE",
    8: "ROTATE_90",
}
# What Pillow raises for what is no picture, or a damaged one.
_NO_PHOTO: Final = (
    *(OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError),
    *(ArithmeticError, AttributeError, RuntimeError, MemoryError),
    *(struct.error, zlib.error),
)


def read_photo(path: Path, side: int) -> Image:
    """Return the square in the middle of a photo as Pillow's image: upright, in RGB.

    Parameters
    ----------
    path
        A JPEG or PNG.
    side
        The pixels of each side afterwards, whatever they were.

    Raises
    ------
    FileFormatError
        For what is no JPEG or PNG, is damaged, or claims more pixels than a file of its
        size should.
    OSError
        When the file cannot be read.
    """
    from PIL import Image, UnidentifiedImageError

    data = path.read_bytes()
    source = io.BytesIO(_without_notes(data) if data.startswith(_PNG) else data)
    try:
        with warnings.catch_warnings():
            # Pillow's own limits are wider than ours.
            warnings.simplefilter("ignore")
            with Image.open(source, formats=("JPEG", "PNG")) as photo:
                _check_size(path, photo, data)
                if photo.format != "PNG":
                    # decodes to an eighth if that is large enough
                    photo.draft("RGB", (2 * side, 2 * side))
                return _upright(photo, side)
    except FileFormatError:
        raise
    except UnidentifiedImageError:
        raise _refused(path, "is no JPEG or PNG, or a damaged one") from None
    except (*_NO_PHOTO, Image.DecompressionBombError) as error:
        raise _refused(path, f"is damaged ({error})") from None


def _upright(photo: Image, side: int) -> Image:
    """Return the photo as it is to be seen, decoded and made smaller or larger."""
    from PIL import Image

    turned = photo.getexif().get(_ORIENTATION)
    rgb = photo if photo.mode == "RGB" else photo.convert("RGB")
    width, height = rgb.size
    left, top = max(width - height, 0) / 2, max(height - width, 0) / 2
    resized = rgb.resize(
        (side, side),
        Image.Resampling.BICUBIC,
        box=(left, top, width - left, height - top),
    )
    if turned not in _TURNS:
        return resized
    return resized.transpose(Image.Transpose[_TURNS[turned]])


def _check_size(path: Path, photo: Image, data: bytes) -> None:
    width, height = photo.size
    pixels = width * height
    room = _MOST_BYTES + 3 * len(data)
    if photo.format != "PNG":  # JPEG, or several of them as MPO
        most = _FREE_PIXELS + _PIXELS_A_BYTE * len(data)
        # The coefficients of a progressive one are all kept: two bytes, three colours.
        needed = pixels * 6 if photo.info.get("progressive") else 0
        if data.count(_SCAN) > _MOST_SCANS:
            raise _refused(path, f"has {data.count(_SCAN)} scans")
    else:
        most = pixels
        needed = pixels * _PIXEL_BYTES * (1 if photo.mode == "RGB" else 2)
    if pixels > most or needed > room:
        raise _refused(
            path,
            f"claims {width:,} x {height:,} pixels, but has {len(data):,} bytes",
        )


def _without_notes(data: bytes) -> bytes:
    """Return a PNG with the chunks alone that its picture needs."""
    parts, place = [_PNG], len(_PNG)
    while place + 12 <= len(data):
        size, kind = struct.unpack_from(">I4s", data, place)
        end = place + 12 + size
        if kind in _NEEDED:
            parts.append(data[place:end])
        place = end
    return b"".join(parts)


def _refused(path: Path, reason: str) -> FileFormatError:
    return FileFormatError(
        explain(
            f"{str(path)!r} {reason}",
            fix="open it in an image viewer and save it as JPEG or PNG",
        )
    )
