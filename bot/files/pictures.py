"""Pictures: png, jpeg, gif and webp, as small as the model looks at them.  The one importer of Pillow."""

from __future__ import annotations

from contextlib import nullcontext
from io import BytesIO
from threading import Lock
from typing import TYPE_CHECKING

from bot.files.reading import Read, Unreadable

if TYPE_CHECKING:
    from PIL import Image

#: Pixels of the longer edge past which the API makes a picture smaller itself (docs, "Vision").
EDGE = 1568
#: Bytes up to which a picture that is small enough stays as it is.
KEPT = 1_000_000
#: Of the jpeg that every other picture becomes: letters in a screenshot stay sharp.
QUALITY = 90
#: Pixels past which a picture, four bytes each in memory, is unpacked alone.
LARGE = 4_000_000
_ALONE = Lock()
#: The modes of pictures that stay as they are.
PLAIN = {"1", "L", "LA", "P", "RGB", "RGBA"}


def kind(data: bytes) -> str:
    """Return the media type of a picture by its first bytes; "" if it is none of the four."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    return "image/webp" if data[:4] == b"RIFF" and data[8:12] == b"WEBP" else ""


def read(media: str, data: bytes, pixels: int) -> Read:
    """Return a picture as the model looks at it: the first frame, at most `EDGE` pixels long.

    Raises:
        Unreadable: Its header promises more than so many *pixels*, or it is damaged.
    """
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = None  # what is too much is decided here
    try:
        with Image.open(BytesIO(data), formats=["PNG", "JPEG", "GIF", "WEBP"]) as image:
            width, height = image.size
            if width * height > pixels:
                raise Unreadable(f"{_millions(width * height)} pixels; {_millions(pixels)} are the most")
            small = max(width, height) <= EDGE and len(data) <= KEPT
            if (
                small
                and image.mode in PLAIN
                and not getattr(image, "is_animated", False)
                and not image.getexif()
            ):
                image.load()
                return Read(media, data)
            with _ALONE if width * height > LARGE else nullcontext():
                _shrink(image)
            out = BytesIO()
            _opaque(ImageOps.exif_transpose(image)).save(out, "JPEG", quality=QUALITY)
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable("it is damaged") from error
    return Read("image/jpeg", out.getvalue())


def _shrink(image: Image.Image) -> None:
    """Make *image* at most `EDGE` pixels long; a jpeg is not even unpacked in full for that."""
    from PIL import Image

    scale = EDGE / max(image.size)
    if scale < 1:
        image.draft(None, (round(image.width * scale), round(image.height * scale)))
    image.thumbnail((EDGE, EDGE), Image.Resampling.BICUBIC, reducing_gap=2.0)


def _opaque(image: Image.Image) -> Image.Image:
    """Return *image* in three colours, on white where it is transparent."""
    from PIL import Image

    if not image.has_transparency_data:
        return image.convert("RGB")
    paper = Image.new("RGBA", image.size, "white")
    paper.alpha_composite(image.convert("RGBA"))
    return paper.convert("RGB")


def _millions(count: int) -> str:
    return f"{count / 1e6:,.1f} million".replace(".0 ", " ")
