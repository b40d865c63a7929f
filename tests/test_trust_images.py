"""Pictures of every kind that a person, or an enemy, may give: shown as they are meant, or refused in one sentence."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from damage import measured
from PIL import Image, features
from test_trust_data import mutated
from trust import sized

from data.errors import DataError
from data.keypoints import KAGGLE15
from data.pictures import picture_size, read_picture
from specialists.detect import find_faces
from specialists.predict import predict_photos
from specialists.predictor import Face

RED = (200, 40, 30)


def saved(kind, image=None, **how):
    """A function that writes a small red picture, or `image`."""
    return lambda path: (image or Image.new("RGB", (40, 30), RED)).save(path, kind, **how)


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(width, height, *extra, rows=b"", bits=8, colour=0, interlaced=0):
    """A PNG by hand: whatever size its header claims."""
    head = chunk(b"IHDR", struct.pack(">2I5B", width, height, bits, colour, 0, 0, interlaced))
    body = b"".join([*extra, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")])
    return lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + head + body)


def text(content):
    return lambda path: path.write_text(content)


def cut(kind, share):
    def write(path):
        saved(kind)(path)
        whole = path.read_bytes()
        path.write_bytes(whole[: int(len(whole) * share)])

    return write


def moving(kind):
    pictures = [Image.new("RGB", (40, 30), colour) for colour in (RED, (0, 0, 255), (0, 255, 0))]
    return lambda path: pictures[0].save(path, kind, save_all=True, append_images=pictures[1:], lossless=True)


def held(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def _sixteen(value=200):
    return Image.fromarray(np.full((30, 40), value * 256 + 7, np.uint16))


BOMB = zlib.compress(bytes(300 << 20), 1)
WIDE = "expected at most 100,000,000 px"
HUGE = Image.new("1", (20_000, 20_000))
PICTURES = {  # name of the file: (what writes it, (height, width) or part of the refusal)
    "20000x20000.png": (saved("PNG", HUGE), WIDE),
    "claims_2e9.png": (png(2**31 - 1, 1), WIDE),
    "claims_all.png": (png(2**31 - 1, 2**31 - 1), WIDE),
    "65535x1.png": (saved("PNG", Image.new("RGB", (65_535, 1), RED)), (1, 65_535)),
    "1x65535.png": (saved("PNG", Image.new("RGB", (1, 65_535), RED)), (65_535, 1)),
    "10000x10000.png": (saved("PNG", Image.new("1", (10_000, 10_000))), (10_000, 10_000)),
    "0x0.png": (png(0, 0), "expected a"),
    "0x9.png": (png(0, 9), "expected a"),
    "empty.jpg": (text(""), "received something else"),
    "text.jpg": (text("hello"), "received something else"),
    "cut.png": (cut("PNG", 0.5), "expected a"),
    "cut.jpg": (cut("JPEG", 0.6), "expected a"),
    "cut.gif": (cut("GIF", 0.6), "expected a"),
    "cut.webp": (cut("WEBP", 0.5), "expected a"),
    "cut.tif": (cut("TIFF", 0.5), "expected a"),
    "rows_missing.png": (png(50, 50, rows=b"\0" * 51), "received a damaged one"),
    "one_byte_missing.png": (png(50, 50, rows=b"\0" * (50 * 51 - 1)), "received a damaged one"),
    "two_bits.png": (png(5, 3, rows=b"\0" * 9, bits=2), (3, 5)),
    "two_bits_short.png": (png(5, 3, rows=b"\0" * 8, bits=2), "received a damaged one"),
    "interlaced.png": (png(5, 3, rows=b"\0" * 22, interlaced=1), (3, 5)),  # 1+1+1+3 and twice 2 and 5 pixels, 7 filters
    "interlaced_short.png": (png(5, 3, rows=b"\0" * 21, interlaced=1), "received a damaged one"),
    "jpeg_named.png": (saved("JPEG", quality=95), (30, 40)),
    "png_named.jpg": (saved("PNG"), (30, 40)),
    "cmyk.jpg": (saved("JPEG", Image.new("RGB", (40, 30), RED).convert("CMYK"), quality=95), (30, 40)),
    "ycc.tif": (saved("TIFF", Image.new("RGB", (40, 30), RED).convert("YCbCr")), (30, 40)),
    "sixteen.png": (saved("PNG", _sixteen()), (30, 40)),
    "sixteen.tif": (saved("TIFF", _sixteen()), (30, 40)),
    "palette.gif": (saved("GIF"), (30, 40)),
    "clear.png": (saved("PNG", Image.new("RGBA", (40, 30), (*RED, 0))), (30, 40)),
    "grey_clear.png": (saved("PNG", Image.new("LA", (40, 30), (200, 0))), (30, 40)),
    "float.tif": (saved("TIFF", Image.new("F", (40, 30), 0.5)), "expected grey or colour values"),
    "lab.tif": (saved("TIFF", Image.new("LAB", (40, 30))), "expected grey or colour values"),
    "moving.gif": (moving("GIF"), (30, 40)),
    "moving.webp": (moving("WEBP"), (30, 40)),
    "moving.png": (moving("PNG"), (30, 40)),
    "pages.tif": (lambda path: Image.new("RGB", (40, 30), RED).save(path, save_all=True), (30, 40)),
    "turned.jpg": (saved("JPEG", exif=held(6), quality=95), (40, 30)),
    "upside_down.png": (saved("PNG", exif=held(3)), (30, 40)),
    "turned_by_99.jpg": (saved("JPEG", exif=held(99), quality=95), (30, 40)),
    "bad_exif.jpg": (saved("JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff" + b"\xff" * 60, quality=95), (30, 40)),
    "bad_exif.png": (saved("PNG", exif=b"II*\0\x08\0\0\0\xff\xff" + b"\x12\x01\x03" * 40), None),
    "profile_bomb.png": (png(40, 30, chunk(b"iCCP", b"x\0\0" + BOMB), rows=b"\0" * 41 * 30), None),
    "text_bomb.png": (png(40, 30, chunk(b"zTXt", b"x\0\0" + BOMB), rows=b"\0" * 41 * 30), None),
    "bad_profile.jpg": (saved("JPEG", icc_profile=b"no profile" * 99, quality=95), (30, 40)),
    "drawing.svg": (text('<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>'), "something else"),
    "drawing.eps": (saved("EPS"), "received something else"),
    "ghost.png": (text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(x) run\n"), "received something else"),
    "paper.pdf": (saved("PDF"), "received something else"),
    "icon.ico": (saved("ICO"), "received something else"),
    "page.html": (text("<html>"), "received something else"),
    "name\nof two lines.png": (text(""), "received something else"),
    "<img src=x onerror=alert(1)>.jpg": (text(""), "received something else"),
}


class Somebody:
    """A predictor that finds one face in the middle of every photo, large or small."""

    schema = KAGGLE15
    about = {"run": "none"}

    def many(self, photos, boxes=None):
        return [[self._face(np.array(photo.shape[1::-1], np.float32))] for photo in photos]

    def _face(self, size):
        points = size / 2 + np.arange(30, dtype=np.float32).reshape(15, 2)
        return Face(KAGGLE15.points, points, np.full((2, 15), 3.0), (0, 0, *size.tolist()), 0.0)


@pytest.mark.faults
@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_shown_as_it_is_meant_or_refused_in_one_sentence(tmp_path, capfd, figures, name):
    write, wanted = PICTURES[name]
    path, out = tmp_path / name, tmp_path / "out"
    write(path)
    out.mkdir()
    capfd.readouterr()
    (answer,) = predict_photos([path], Somebody(), out)
    said, complained = capfd.readouterr()
    shown = not answer.error
    good = shown if isinstance(wanted, tuple) else wanted is None or (not shown and wanted in answer.error)
    good = good and len(complained.splitlines()) == (0 if shown else 1)
    figures("hostile pictures shown right or refused in one sentence", bool(good), 1)
    assert good, (answer.error, complained)
    assert len(said.splitlines()) == (1 if shown else 0)
    if isinstance(wanted, tuple):
        photo = read_picture(path)
        assert photo.shape == (*wanted, 3)
        assert picture_size(path) == wanted[::-1]
        grey = name.startswith(("sixteen", "10000", "grey", "two_bits", "interlaced"))
        colour = (0, 0, 0) if name.startswith(("10000", "two_bits", "interlaced")) else (200, 200, 200) if grey else RED
        np.testing.assert_allclose(photo[0, 0], colour, atol=12)
    assert sorted(p.suffix for p in out.iterdir()) == [".csv", *([".jpg"] if shown else []), ".json"]


COSTLY = ["20000x20000.png", "10000x10000.png", "profile_bomb.png", "text_bomb.png", "65535x1.png", "claims_all.png"]


@sized("names", COSTLY[1:3], COSTLY)
def test_no_picture_costs_gigabytes_or_many_seconds(tmp_path, figures, names):
    setup = "from PIL import Image, ImageOps\nfrom data.pictures import read_picture, _formats\nimport cv2\n"
    setup += "from specialists.detect import find_faces, searches\n_formats(), searches()"
    for name in names:
        PICTURES[name][0](tmp_path / name)
        told, grown, seconds, peak = measured(setup, "find_faces(read_picture(sys.argv[1]))", tmp_path / name)
        figures("most memory on one picture, MB", round(peak))
        assert told is None or told[0] == 3
        # 100 megapixels that are decoded take their place; what is refused takes next to none.
        assert (grown < (1500 if told is None else 200), seconds < 10, peak < 2000) == (True, True, True), (name, grown)


KINDS = ("PNG", "JPEG", "TIFF", "GIF", "BMP", "PPM", *(k for k in ("WEBP", "AVIF") if features.check(k.lower())))


@sized("count", 40, 400)
@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_picture_is_refused_or_is_a_picture(tmp_path, capfd, figures, kind, count):
    rng, out, bad = np.random.default_rng([17, len(kind)]), io.BytesIO(), []
    Image.fromarray(rng.integers(0, 256, (24, 20, 3), np.uint8)).save(out, kind)
    for i in range(count):
        content = mutated(out.getvalue(), rng)
        try:
            look_at(content)
        except Exception as error:
            bad.append(f"{kind} {i}: {error!r}")
    figures("mutated files refused, or read with all promises kept", count - len(bad), count)
    assert bad == []
    assert capfd.readouterr().err == ""


def look_at(content):
    """Read a picture and its size: each is right in itself, or refused."""
    with contextlib.suppress(DataError):
        width, height = picture_size(io.BytesIO(content))
        assert min(width, height) > 0
    with contextlib.suppress(DataError):
        found = read_picture(io.BytesIO(content))
        assert (found.dtype, found.ndim, found.shape[2]) == (np.uint8, 3, 3)
        assert find_faces(found[:64, :64]).shape[1] == 4
