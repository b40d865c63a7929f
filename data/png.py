"""Whether a PNG has all the rows that it claims: decoders fill in what is missing without a word."""

import os
import struct
import zlib
from contextlib import nullcontext

SIGNATURE = 8  # bytes before the first chunk
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, per colour type of the header
# Adam7: first column and row, and steps to the next, of each pass of an interlaced picture.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
PIECE = 1 << 16  # bytes that are read, or unpacked, at a time


def check_rows(place):
    """Raise ValueError unless the picture of a PNG file has all of its bytes. (PNG specification, W3C 2003.)

    Args:
        place: path of a file whose header is that of a PNG, or the file itself, open to be read in binary.
    """
    with open(place, "rb") if isinstance(place, str | os.PathLike) else nullcontext(place) as file:
        file.seek(SIGNATURE)
        wanted, found, packed = 0, 0, zlib.decompressobj()
        for kind, piece in _pieces(file):
            if kind == b"IHDR":
                wanted = _size(*struct.unpack(">2I2B2xB", piece))
            elif kind == b"IDAT":
                while piece and found < wanted:
                    found += len(packed.decompress(piece, PIECE))
                    piece = packed.unconsumed_tail
    if found < wanted:
        raise ValueError(f"{wanted} bytes of rows are claimed, {found} are there")


def _pieces(file):
    """(kind, bytes) of the chunks, large ones in pieces."""
    while len(head := file.read(8)) == 8:
        left, kind = struct.unpack(">I4s", head)
        while left and (piece := file.read(min(left, PIECE))):
            yield kind, piece
            left -= len(piece)
        file.seek(4, 1)  # the sum, which decoders compare


def _size(width, height, bits, colour, interlaced):
    """Bytes of the unpacked rows, each with its filter's byte before it."""

    def rows(wide, high):
        return high * (1 + (wide * bits * SAMPLES[colour] + 7) // 8) if wide else 0

    if not interlaced:
        return rows(width, height)
    return sum(rows(-((x - width) // right), -((y - height) // down)) for x, y, right, down in PASSES)
