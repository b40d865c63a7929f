"""Files that are whole or absent: atomic writing, locking, checksums, and arrays with a checksum of their own."""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import zipfile
from pathlib import Path

import numpy as np

from data.errors import RunError

TEMPORARY = ".part-"  # temp files are named `.part-<name>`; whoever holds the folder's lock may delete them
ZIP64 = b"\x01\x00"  # the extra field of members over 2 GB
JSON_LIMIT = 64 << 20  # bytes; no state file of ours comes near


def write_atomically(path, write):
    """Write a file so that a reader, or a crash at any moment, sees the old content or the new, never a part.

    Args:
        path: the file. Its folder must exist.
        write: called with a binary file object.
    """
    path = Path(path)
    part = path.with_name(TEMPORARY + path.name)
    try:
        with open(part, "wb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())  # the bytes are on disk before the name points at them
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise
    _sync_folder(path.parent)  # and the name itself survives a power cut


def _sync_folder(folder):
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path, text):
    write_atomically(path, lambda file: file.write(text.encode("utf-8")))


def write_json(path, value):
    """Write JSON with sorted keys; NaN and infinity are refused, since JSON has none."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def read_json(path):
    """Read a JSON object. Raises RunError naming the file where it is missing, huge or not an object."""
    path = Path(path)
    try:
        if path.stat().st_size > JSON_LIMIT:
            raise RunError(
                f"{path}: expected a state file under {JSON_LIMIT >> 20} MB; received {path.stat().st_size >> 20} MB"
            )
        value = json.loads(path.read_bytes(), parse_constant=_no_number)
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise RunError(f"{path}: expected JSON; received damaged content ({error})") from error
    if not isinstance(value, dict):
        raise RunError(f"{path}: expected a JSON object; received {type(value).__name__}")
    return value


def _no_number(name):
    raise ValueError(f"{name} is no number of JSON's")


def write_arrays(path, arrays):
    """Write named arrays as an uncompressed .npz. The same arrays always give the same bytes."""
    write_atomically(path, lambda file: np.savez(file, **arrays))


def read_arrays(path, limit=4 << 30):
    """Read named arrays; every byte is covered by the archive's CRC, and nothing is unpickled.

    Args:
        path: an .npz file written by `write_arrays`.
        limit: most bytes the arrays may claim; a small file can otherwise ask for any amount of memory.

    Returns:
        dict of name to array.

    Raises:
        RunError: missing, damaged, too large, or holding objects.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive, limit)
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except RunError:
        raise
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # zipfile and numpy raise many types on damaged bytes
        raise RunError(f"{path}: expected an array file; received damaged content ({error})") from error


def _check_members(path, archive, limit):
    claimed = sum(member.file_size for member in archive.infolist())
    if claimed > limit:
        raise RunError(f"{path}: expected at most {limit} bytes of arrays; received {claimed}")
    for member in archive.infolist():
        if member.compress_type != zipfile.ZIP_STORED or not member.filename.endswith(".npy"):
            raise RunError(f"{path}: expected stored .npy members; received {member.filename!r}")
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


def sha256_of(path):
    """SHA-256 of a file, as hex."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def locked(folder):
    """Hold a folder for writing; whoever comes second gets a RunError naming the holder.

    The kernel drops the lock when the process ends, however it ends. Temp files of a killed holder are deleted.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = open(folder / ".lock", "a+")
    except OSError as error:
        raise RunError(f"{folder}: expected a folder that can be written; received: {error.strerror}") from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
            handle.seek(0)
            raise RunError(
                f"{folder}: in use by process {handle.read().strip() or 'unknown'}; wait for it or choose another --run"
            ) from error
        handle.truncate(0)
        handle.write(f"{os.getpid()}\n")
        handle.flush()
        for left_over in folder.glob(TEMPORARY + "*"):
            left_over.unlink(missing_ok=True)
        yield folder
