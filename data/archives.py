"""Finding a CSV file in a folder, in its own zip, or in a zip of zips, and streaming it from there.

Nothing is ever extracted under a name that an archive chose, and nothing is read beyond a limit.
"""

import contextlib
import errno
import io
import re
import shutil
import struct
import tempfile
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from data.errors import DataError

COMPETITION = "facial-keypoints-detection"
DIRECTORY = 4 << 20  # bytes of a zip's directory: zipfile makes of each entry an object ten times as large
INNER = 512 << 20  # bytes of a zip inside a zip; the largest real one, training.zip, takes 60 MB
LIMIT = 2 << 30  # bytes that one member may unpack to; the largest real one, training.csv, takes 240 MB
IN_MEMORY = 128 << 20  # bytes of an inner zip that are kept in memory rather than in an unnamed temporary file
END, END64 = b"PK\5\6", b"PK\6\7"  # where the directory is told; the second, of what is too large for the first
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the others can ask for much memory
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, UnicodeDecodeError, struct.error)


@dataclass(frozen=True)
class Located:
    """A CSV file that was found.

    Args:
        path: the file on disk: the CSV file, or a zip that holds it.
        wanted: the name of the CSV file where `path` is a zip, else "".
    """

    path: Path
    wanted: str = ""

    @property
    def name(self):
        """What errors call it: `folder/training.zip/training.csv`."""
        return f"{self.path}/{self.wanted}" if self.wanted else str(self.path)

    @contextlib.contextmanager
    def open(self):
        """Yield a binary file object. Raises DataError on an archive that is damaged, encrypted or a bomb."""
        with contextlib.ExitStack() as stack:
            if not self.wanted:
                yield stack.enter_context(_opened(self.path))
                return
            stack.enter_context(_damage_of(self.path))
            yield _stream(stack, stack.enter_context(_opened(self.path)), self.path, self.wanted)


def find(place, name):
    """Find the CSV file `name` in a folder (as such, or in a zip of its own or the competition's) or in a zip.

    Args:
        place: Path of a folder or of a zip file.
        name: such as "training.csv".

    Returns:
        `Located`, or None where it is not there.

    Raises:
        DataError: a zip that would have to be searched is damaged or hostile.
    """
    if place.is_dir():
        if (place / name).is_file():
            return Located(place / name)
        zips = [place / zipped(name), place / f"{COMPETITION}.zip"]
        return next((found for path in zips if path.is_file() and (found := find(path, name))), None)
    with _damage_of(place), _opened(place) as file, _archive(file, place) as archive:
        there = _pick(archive, place, name) or _pick(archive, place, zipped(name))
    return Located(place, name) if there else None


def zipped(name):
    """The name of the zip that Kaggle puts a CSV file into."""
    return Path(name).stem + ".zip"


def is_zip(path):
    """Whether a file starts like a zip archive, whole or not."""
    with _opened(path) as file:
        return file.read(4) in (b"PK\x03\x04", b"PK\x05\x06")  # the second: without members


def _opened(path):
    try:
        return open(path, "rb", buffering=1 << 20)
    except OSError as error:
        raise DataError(f"{path}: expected a file that can be read; received: {error.strerror}") from error


@contextlib.contextmanager
def _damage_of(path):
    """Turn the many ways in which zipfile reports damage into one."""
    try:
        yield
    except DAMAGE as error:
        raise DataError(f"{path}: expected a whole zip archive; received a damaged one ({error})") from error
    except OSError as error:
        if error.errno != errno.EINVAL:  # of a seek to where a damaged directory points
            raise
        raise DataError(f"{path}: expected a whole zip archive; received damaged offsets") from error


def _stream(stack, file, path, name):
    """Open member `name` of a zip, or of the zip of that name inside it."""
    archive = stack.enter_context(_archive(file, path))
    member = _pick(archive, path, name)
    if member is None:
        inner = stack.enter_context(tempfile.SpooledTemporaryFile(IN_MEMORY))
        with archive.open(_checked(_pick(archive, path, zipped(name)), path, INNER)) as packed:
            start = packed.read(4)
            if not start.startswith(b"PK"):  # before all of it is unpacked
                raise zipfile.BadZipFile("File is not a zip file")
            inner.write(start)
            shutil.copyfileobj(packed, inner, 1 << 20)
        path = path / zipped(name)
        archive = stack.enter_context(_archive(inner, path))
        member = _pick(archive, path, name)
    if member is None:
        raise DataError(f"{path}: expected {name} inside; received {_contents(archive)}")
    return io.BufferedReader(archive.open(_checked(member, path)), 1 << 20)


def _archive(file, path):
    """A zip whose member names are all harmless, even though none is used as a path."""
    check_directory(file)
    archive = zipfile.ZipFile(file)
    for member in archive.infolist():
        name = member.filename.replace("\\", "/")
        if name.startswith("/") or ".." in name.split("/") or re.match("[A-Za-z]:", name):
            raise DataError(f"{path}: expected members inside the archive's own folder; received {name!r}")
    return archive


def check_directory(file):
    """Raise BadZipFile where a zip's directory, as zipfile will find it, is larger than any that is needed."""
    end = file.seek(0, io.SEEK_END)
    file.seek(max(0, end - (1 << 16) - 64))
    tail = file.read()
    file.seek(0)
    whole = tail[-22:-18] == END and tail[-2:] == b"\0\0"
    at = len(tail) - 22 if whole else tail.rfind(END)
    told = tail[at : at + 22]
    if at < 0 or len(told) < 22:
        return  # zipfile says what is wrong
    size = struct.unpack_from("<I", told, 12)[0]
    if size > DIRECTORY or (at >= 20 and tail[at - 20 : at - 16] == END64):
        raise zipfile.BadZipFile(f"a directory of more than {DIRECTORY >> 20} MB")


def _pick(archive, path, name):
    """The one member with this file name, in whatever folder of the archive; None where there is none."""
    found = [member for member in archive.infolist() if member.filename.rpartition("/")[2] == name]
    if len(found) > 1:
        raise DataError(f"{path}: expected one {name}; received {len(found)}")
    return found[0] if found else None


def _checked(member, path, limit=LIMIT):
    """Refuse a member that is encrypted or claims too much. zipfile reads up to the claim only, and checks a CRC."""
    where = f"{path}/{member.filename}"
    if member.flag_bits & 1:
        raise DataError(f"{where}: expected a member without a password; received an encrypted one")
    if member.file_size > limit:
        raise DataError(f"{where}: expected at most {limit} bytes unpacked; received a claim of {member.file_size}")
    if member.compress_type not in METHODS:
        kind = zipfile.compressor_names.get(member.compress_type, member.compress_type)
        raise DataError(f"{where}: expected a stored or deflated member; received {kind}")
    return member


def _contents(archive, limit=5):
    names = archive.namelist()
    return ", ".join(map(repr, names[:limit])) + (", ..." if len(names) > limit else "") or "an empty archive"
