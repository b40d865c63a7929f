"""Files that are whole or absent: atomic writing, locking, checksums, and arrays with a checksum of their own."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import stat
import time
import zipfile
from pathlib import Path

import numpy as np

from data.archives import check_directory
from data.errors import RunError, UsageError

TEMPORARY = ".part-"  # temp files are named `.part-<name>`; whoever holds the folder's lock may delete them
LONGEST = 255  # bytes of a file's name
ZIP64 = b"\x01\x00"  # the extra field of members over 2 GB
JSON_LIMIT = 64 << 20  # bytes; no state file of ours comes near
DEEPEST = 50  # levels of lists and objects in it
CHECKSUM, SHA256 = "checksum", "sha256:"  # key in every JSON file of ours, and how its value begins


def write_atomically(path, write):
    """Write a file so that a reader, or a crash at any moment, sees the old content or the new, never a part.

    Args:
        path: the file. Its folder must exist.
        write: called with a binary file object.
    """
    path = Path(path)
    part = path.with_name(_temporary_name(path.name))
    try:
        with _held(part) as file:
            try:
                write(file)
                file.flush()
                os.fsync(file.fileno())  # the bytes are on disk before the name points at them
                os.replace(part, path)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.unlink(part)
                raise
        _sync_folder(path.parent)  # and the name itself survives a power cut
    except OSError as error:
        if error.filename in (None, str(part)):  # a full disk names no file
            error.filename = str(path)
        raise


def _temporary_name(name):
    """Of the temp file for a file `name`: the same each time, so that what a kill left is replaced by the next try."""
    own = TEMPORARY + name
    return own if len(os.fsencode(own)) <= LONGEST else TEMPORARY + hashlib.sha256(os.fsencode(name)).hexdigest()


def _held(part):
    """An open empty temp file that this process alone writes: processes that write the same file do so in turn."""
    while True:
        handle = os.open(part, os.O_RDWR | os.O_CREAT, 0o666)
        file = os.fdopen(handle, "wb")
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            if _is(handle, part):
                os.ftruncate(handle, 0)
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # it has become the file meanwhile, and must not be touched


def _is(handle, path):
    """Whether an open file is the one that a path names."""
    try:
        return os.path.samestat(os.fstat(handle), os.stat(path))
    except FileNotFoundError:
        return False


def _sync_folder(folder):
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path, text):
    write_atomically(path, lambda file: file.write(text.encode("utf-8")))


def json_text(value):
    """JSON with sorted keys; NaN and infinity are refused, since JSON has none."""
    return json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n"


def write_json(path, value):
    """Write a JSON object with a checksum of itself, as `read_json` wants it."""
    plain = json.loads(json_text(value))  # as it will be read back: no tuples, and text for keys
    write_text(path, json_text(plain | {CHECKSUM: _checksum(plain)}))


def without_checksum(value):
    """A JSON object without its checksum; one that never had any, as it is.

    Raises:
        ValueError: the checksum differs, so that something was damaged, or changed by hand.
    """
    for key, told in value.items():
        # By its value too: damage to the key would otherwise leave the object without a checksum.
        if key == CHECKSUM or (isinstance(told, str) and told.startswith(SHA256)):
            rest = {k: v for k, v in value.items() if k != key}
            if key != CHECKSUM or told != _checksum(rest):
                raise ValueError(f"its checksum differs; where it was changed by hand, delete the line {key!r}")
            return rest
    return value


def _checksum(value):
    return SHA256 + hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def read_json(path):
    """Read a JSON object. Raises RunError naming the file where it is missing, huge, damaged or not an object."""
    path = Path(path)
    try:
        size = _size(path)
        if size > JSON_LIMIT:
            raise RunError(f"{path}: expected a state file under {JSON_LIMIT >> 20} MB; received {size >> 20} MB")
        value = json.loads(path.read_bytes(), parse_constant=_no_number)
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: expected JSON; received damaged content ({error})") from error
    if not isinstance(value, dict):
        raise RunError(f"{path}: expected a JSON object; received {type(value).__name__}")
    if not _shallow(value, DEEPEST):
        raise RunError(f"{path}: expected at most {DEEPEST} levels of lists and objects; received more")
    try:
        return without_checksum(value)
    except ValueError as error:
        raise RunError(f"{path}: damaged: {error}") from error


def _size(path):
    """Bytes of a file. A device or a pipe, which a link in a strange folder may lead to, would never end."""
    told = path.stat()
    if not (stat.S_ISREG(told.st_mode) or stat.S_ISDIR(told.st_mode)):
        raise RunError(f"{path}: expected a file; received a device or pipe")
    return told.st_size


def _shallow(value, levels):
    inside = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return levels >= 0 and all(_shallow(each, levels - 1) for each in inside)


def _no_number(name):
    raise ValueError(f"{name} is no number of JSON's")


def write_arrays(path, arrays):
    """Write named arrays as an uncompressed .npz. The same arrays always give the same bytes."""
    write_atomically(path, lambda file: np.savez(file, **arrays))


def read_arrays(path, limit=1 << 30, known=None):
    """Read named arrays; every byte is covered by the archive's CRC, and nothing is unpickled.

    Args:
        path: an .npz file written by `write_arrays`.
        limit: most bytes the arrays may claim; a small file can otherwise ask for any amount of memory.
        known: regular expression of the names that are wanted, where others are to be refused unread.

    Returns:
        dict of name to array.

    Raises:
        RunError: missing, damaged, too large, or holding objects.
    """
    path = Path(path)
    try:
        _size(path)
        with open(path, "rb") as file:
            check_directory(file)
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive, limit, known)
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except RunError:
        raise
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # zipfile and numpy raise many types on damaged bytes
        raise RunError(f"{path}: expected an array file; received damaged content ({error})") from error


def _check_members(path, archive, limit, known):
    claimed = sum(member.file_size for member in archive.infolist())
    if claimed > limit:
        raise RunError(f"{path}: expected at most {limit} bytes of arrays; received {claimed}")
    for member in archive.infolist():
        if member.compress_type != zipfile.ZIP_STORED or not member.filename.endswith(".npy"):
            raise RunError(f"{path}: expected stored .npy members; received {member.filename!r}")
        if known and not re.fullmatch(known, member.filename.removesuffix(".npy")):
            raise RunError(f"{path}: expected arrays named {known}; received {member.filename!r}")
        # A damaged length of these fields swallows the directory's next entries, and their arrays would be missing.
        if member.comment or member.extra[:2] not in (b"", ZIP64):
            raise RunError(f"{path}: {member.filename}: expected no comment or extra fields; received damaged content")
        with archive.open(member) as file:
            version = np.lib.format.read_magic(file)
            header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, _, dtype = header(file)
            left = member.file_size - file.tell()
        # Exactly: the CRC is only compared by whoever reads a member to its end.
        if dtype.hasobject or int(np.prod(shape, dtype=object)) * dtype.itemsize != left:
            raise RunError(f"{path}: {member.filename}: claims {dtype} {shape} in {member.file_size} bytes")


@contextlib.contextmanager
def understood(path, what, remedy=""):
    """Context that reads what a file says: content that is whole, but not as this version writes it, is refused.

    Args:
        path: named in the error.
        what: it should be, in words.
        remedy: what to do about it.

    Raises:
        RunError: in place of whatever such content brings about.
    """
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError, OverflowError, UsageError) as error:
        told = f"({type(error).__name__}: {error}){': ' if remedy else ''}{remedy}"
        raise RunError(f"{path}: expected {what} as this version writes it; received other content {told}") from error


NUMBERS, COUNTS, NAMES = "f", "iub", "iuU"  # NumPy's letters for kinds of types


def check_kind(name, array, kinds, shape=None):
    """Raise ValueError unless an array is of one of NumPy's kinds of types and, where one is given, of a shape.

    Args:
        name: of the array, for the error.
        kinds: letters of `numpy.dtype.kind`, such as NUMBERS.
        shape: None for a length means any.
    """
    wanted = array.shape if shape is None else shape
    right = len(wanted) == array.ndim and all(w in (None, n) for w, n in zip(wanted, array.shape, strict=True))
    if array.dtype.kind not in kinds or not right:
        raise ValueError(f"{name}: expected {wanted} of the kind {kinds}; received {array.dtype} {array.shape}")


def sha256_of(path):
    """SHA-256 of a file, as hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


GLANCE = 0.1  # s; more than `check_free` of another process holds a lock


@contextlib.contextmanager
def locked(folder, wait=0.0):
    """Hold a folder for writing; whoever comes second gets a RunError naming the holder.

    The kernel drops the lock when the process ends, however it ends. Temp files of a killed holder are deleted.

    Args:
        folder: made where it is missing.
        wait: seconds to wait for the holder.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = open(folder / ".lock", "a+b", buffering=0)
    except OSError as error:
        raise RunError(f"{folder}: expected a folder that can be written; received: {error.strerror}") from error
    with handle:
        end = time.monotonic() + max(wait, GLANCE)
        while not _taken(handle, fcntl.LOCK_EX):
            if time.monotonic() >= end:
                raise _in_use(folder, handle)
            time.sleep(0.02)
        handle.truncate(0)
        with contextlib.suppress(OSError):  # on a full disk the lock holds without its holder's number
            handle.write(f"{os.getpid()}\n".encode())
        for left_over in folder.glob(TEMPORARY + "*"):
            _drop_abandoned(left_over)
        yield folder


def check_free(folder):
    """Raise the RunError of `locked` where somebody holds a folder; nothing is made or held.

    A command that takes its folder seconds later, after imports and reading, can say so at once.
    """
    with contextlib.suppress(OSError), open(Path(folder) / ".lock", "rb", buffering=0) as handle:
        if not _taken(handle, fcntl.LOCK_SH):
            raise _in_use(folder, handle)


def _in_use(folder, handle):
    handle.seek(0)
    holder = handle.read(20).decode(errors="replace").strip() or "unknown"
    return RunError(f"{folder}: in use by process {holder}; wait for it or choose another --run")


def _taken(handle, how):
    """Whether the lock of an open file could be had."""
    try:
        fcntl.flock(handle, how | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
            raise
        return False
    return True


def _drop_abandoned(part):
    """Delete a temp file that nobody writes."""
    with contextlib.suppress(FileNotFoundError, IsADirectoryError), open(part, "rb") as file:
        if _taken(file, fcntl.LOCK_EX):
            part.unlink(missing_ok=True)
