"""Images that stay in their file until they are asked for: a set larger than memory looks like any other.

They are read by position (`preadv`), not through a mapping: mapped pages count as the process's memory, each costs a
page fault, and a file that is cut off meanwhile would kill the process (SIGBUS) instead of being refused.
"""

import os
from pathlib import Path

import numpy as np

from data.errors import DataError

BLOCK = 512  # images at a time where all are gone through; bounds memory


class Images:
    """Images of a .npy file, some or all of them, as a read-only array [n, H, W, C] that reads what is picked.

    Args:
        path: uint8 [n, H, W, C] in C order, as `numpy.save` writes it.

    `images[key]` is a NumPy array, as for an array in memory; `images.view(rows)` reads nothing.

    Raises:
        DataError: no such file, one of other content, or of another length than it says.
    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(self, path):
        self.path = Path(path)
        try:
            self._file = _File(self.path)
            with os.fdopen(os.dup(self._file.handle), "rb") as file:
                shape, self._start = _header(file)
            received = os.fstat(self._file.handle).st_size
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            raise DataError(
                f"{self.path}: expected a .npy file of uint8 images [n, H, W, C]; received: {why}"
            ) from error
        if received != self._start + int(np.prod(shape, dtype=object)):
            raise DataError(f"{self.path}: expected images {shape}; received {received} bytes: the file is damaged")
        self._one, self._count, self._rows = shape[1:], shape[0], np.arange(shape[0])

    @property
    def shape(self):
        """(n, H, W, C)."""
        return len(self._rows), *self._one

    def __len__(self):
        return len(self._rows)

    @property
    def whole(self):
        """Whether these are all images of the file, in its order."""
        return len(self) == self._count and bool((self._rows == np.arange(self._count)).all())

    def view(self, rows):
        """The images at `rows`, a slice, a mask or an index array, without reading any."""
        picked = object.__new__(Images)
        vars(picked).update(vars(self), _rows=self._rows[rows])
        return picked

    def __getitem__(self, key):
        first, rest = (key[0], key[1:]) if isinstance(key, tuple) else (key, ())
        if first is Ellipsis:
            return self[:][key]
        rows = self._rows[first]
        if np.ndim(rows):
            return self._read(rows)[(slice(None), *rest)]
        return self._read(np.array([rows]))[0][rest]

    def __iter__(self):
        for start in range(0, len(self), BLOCK):
            yield from self[start : start + BLOCK]

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self[:], dtype)

    def __reduce__(self):
        return _reopened, (self.path, self._rows)  # another process opens the file for itself

    def _read(self, rows):
        """The images at rows of the file; neighbours in one call."""
        out, size = np.empty((len(rows), *self._one), np.uint8), int(np.prod(self._one))
        ends = np.flatnonzero(np.diff(rows) != 1) + 1
        for first, last in zip([0, *ends], [*ends, len(rows)], strict=True):
            if first < last:
                self._fill(out[first:last], self._start + int(rows[first]) * size)
        return out

    def _fill(self, out, offset):
        left = memoryview(out.reshape(-1))
        while len(left):
            count = os.preadv(self._file.handle, [left], offset)
            if not count:
                raise DataError(f"{self.path}: expected the images that it had when it was opened; received fewer")
            left, offset = left[count:], offset + count


class _File:
    """A file that is open for as long as any images of it are there."""

    def __init__(self, path):
        self.handle = os.open(path, os.O_RDONLY)

    def __del__(self):
        if hasattr(self, "handle"):
            os.close(self.handle)


def _reopened(path, rows):
    return Images(path).view(rows)


def _header(file):
    """(shape, where the images begin) of an open .npy file. Raises ValueError where it is none of images."""
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("another version of the format")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
    if fortran or dtype != np.uint8 or len(shape) != 4:
        raise ValueError(f"{dtype} {shape}")
    return shape, file.tell()


class Writer:
    """A file of images that are written one by one, in any order: what `Images` reads later.

    Args:
        file: binary file object, empty.
        shape: (n, H, W, C).

    `writer[row] = image` writes, `writer[row]` reads back what was written.
    """

    dtype, ndim = np.dtype(np.uint8), 4

    def __init__(self, file, shape):
        empty = {"descr": "|u1", "fortran_order": False, "shape": tuple(map(int, shape))}
        np.lib.format.write_array_header_1_0(file, empty)
        self.file, self.start, self.shape = file, file.tell(), tuple(shape)
        file.truncate(self.start + int(np.prod(shape, dtype=object)))

    def __len__(self):
        return self.shape[0]

    def __setitem__(self, row, image):
        content = np.ascontiguousarray(image, np.uint8).reshape(self.shape[1:])
        left, offset = memoryview(content.reshape(-1)), self._offset(row)
        while len(left):
            count = os.pwrite(self.file.fileno(), left, offset)
            left, offset = left[count:], offset + count

    def __getitem__(self, row):
        found = os.pread(self.file.fileno(), int(np.prod(self.shape[1:])), self._offset(row))
        return np.frombuffer(found, np.uint8).reshape(self.shape[1:])

    def __iter__(self):
        return map(self.__getitem__, range(len(self)))

    def _offset(self, row):
        return self.start + int(row) * int(np.prod(self.shape[1:]))
