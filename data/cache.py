"""Faces that were read once, kept as memory-mapped files under the hash of what they were read from.

A cache can fail in no way that matters: what is damaged is read again, and where nothing can be written, nothing is.
It lies in $KEYPOINT_CACHE, else ~/.cache/keypoint-specialists; one folder per source, published by a rename.
"""

import contextlib
import errno
import hashlib
import json
import mmap
import os
import shutil
import sys
import tempfile
import time
import zlib
from pathlib import Path

import numpy as np

from data.errors import DataError, RunError
from data.faces import Faces
from data.keypoints import schema_of
from data.storage import TEMPORARY, read_arrays, read_json, sha256_of, write_arrays, write_atomically, write_json

FORMAT = 1  # of a cache folder
KEEP = 8  # sources; the one used least recently goes first
SETTLED = 2.0  # s; a file changed since could change again within the same time stamp
ABANDONED = 3600  # s; a builder takes seconds, so an older temporary folder is left over from a killed one
SMALL = ("points", "convention", "group", "ids")
DAMAGE = (RunError, DataError, OSError, ValueError, KeyError, TypeError)


def cached(key_files, read, version=""):
    """Return what `read()` returned when these files were last read, or read them now.

    Args:
        key_files: paths; a change in the content of any of them is a change of source.
        read: called without arguments, returns Faces.
        version: text that changes with what `read` makes of the files.

    Returns:
        Faces whose arrays are read-only, the images memory-mapped where the cache could be written.

    Raises:
        DataError: a key file cannot be read, or whatever `read` raises.
    """
    root = _root()
    folder = root / _key(key_files, version, root)
    faces = _load(folder)
    if faces is not None:
        return faces
    faces = read()
    try:
        _publish(folder, faces)
    except OSError as error:
        _notice(f"{root}: reading without a cache: {error.strerror or error}")
        return _read_only(faces)
    return _load(folder) or _read_only(faces)


def _root():
    root = os.environ.get("KEYPOINT_CACHE") or os.path.expanduser("~/.cache/keypoint-specialists")
    return Path(os.devnull if root.startswith("~") else root)  # a user without a home has no cache


def cache_folder():
    """Folder of what is found out once for each machine; one that cannot be made where the user has none."""
    return _root()


def _notice(text):
    print(f"notice: {text}", file=sys.stderr, flush=True)


def _small(faces):
    return SMALL if faces.matrices is None else (*SMALL, "matrices")


def _read_only(faces):
    for name in ("images", *_small(faces)):
        getattr(faces, name).flags.writeable = False
    return faces


# The key: SHA-256 of contents. Hashing 230 MB takes 0.15 s, so each file's hash is noted beside what `stat` said of it.


def _key(files, version, root):
    parts = [f"{FORMAT} {version}", *hashes_of(files, root)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def hashes_of(files, root=None):
    """SHA-256 of the content of each file, as hex. A file is read only where `stat` says that it changed since.

    Args:
        files: paths.
        root: folder of the cache; None = the user's.

    Raises:
        DataError: a file cannot be read.
    """
    root = root or _root()
    known = _read_notes(root)
    noted = {path: _content(path, known) for path in map(os.path.realpath, files)}
    fresh = {path: note for path, note in noted.items() if note["settled"] and known.get(path) != _kept(note)}
    if fresh:
        there = {path: note for path, note in known.items() if os.path.exists(path)}
        _write_notes(root, there | {path: _kept(note) for path, note in fresh.items()})
    return [note["hash"] for note in noted.values()]


def _kept(note):
    return [*note["stat"], note["hash"]]


def _content(path, known):
    """The file's hash, from the notes where `stat` still says the same."""
    try:
        stat = _stat(path)
        if known.get(path, [])[:-1] == stat:
            return {"stat": stat, "hash": known[path][-1], "settled": True}
        now = time.time()
        found = sha256_of(path)
        settled = stat == _stat(path) and now - max(stat[-2:]) / 1e9 > SETTLED
        return {"stat": stat, "hash": found, "settled": settled}
    except OSError as error:
        raise DataError(f"{path}: expected a file that can be read; received: {error.strerror}") from error


def _stat(path):
    """What changes with every change of a file: replacing it, writing to it, and setting its time back."""
    stat = os.stat(path)
    return [stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns]


def _read_notes(root):
    try:
        notes = read_json(root / "hashes.json")
    except RunError:
        return {}
    return {path: note for path, note in notes.items() if _is_note(note)}


def _is_note(note):
    return isinstance(note, list) and len(note) == 6 and isinstance(note[-1], str)


def _write_notes(root, notes):
    with contextlib.suppress(OSError):  # a shortcut only; the notice comes from the cache itself
        root.mkdir(parents=True, exist_ok=True)
        write_json(root / "hashes.json", notes)


# The folder: faces.npz, each of whose bytes its own CRC covers, and images.npy, whose CRC is in faces.npz.


def _load(folder):
    """The faces in a cache folder; None where there is none, or where it is damaged."""
    if not os.path.exists(folder):
        return None
    try:
        arrays = read_arrays(folder / "faces.npz")
        meta = json.loads(arrays.pop("meta").tobytes())
        if _crc(folder / "images.npy") != meta["crc"]:
            raise ValueError("images.npy: its checksum differs")
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False).view(np.ndarray)
        faces = Faces(images=images, schema=schema_of(meta["schema"]), source=meta["source"], **arrays)
        with contextlib.suppress(OSError):
            os.utime(folder)  # so that the least recently used can be told
        return _read_only(faces)
    except DAMAGE as error:
        _notice(f"{folder}: the cache is damaged and is made anew ({error})")
        with contextlib.suppress(OSError):
            _remove(folder)
        return None


def _crc(path):
    """CRC-32 of a file: finds any flipped bit, at several GB/s."""
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return zlib.crc32(content)


def _publish(folder, faces):
    """Write a cache folder so that others see the whole of it or nothing."""
    root = folder.parent
    root.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=root))
    try:
        _write(part, faces)
        os.rename(part, folder)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # if so, another builder was first: the same faces
            raise
    finally:
        shutil.rmtree(part, ignore_errors=True)
    _tidy(root)


def _write(part, faces):
    write_atomically(part / "images.npy", lambda file: _save(file, faces.images))
    meta = {"crc": _crc(part / "images.npy"), "schema": faces.schema.stored, "source": faces.source}
    small = {name: getattr(faces, name) for name in _small(faces)}
    write_arrays(part / "faces.npz", small | {"meta": np.frombuffer(json.dumps(meta).encode(), np.uint8)})


def _save(file, images):
    """What `np.save` writes; but that does not say why it failed, as on a full disk."""
    images = np.ascontiguousarray(images)
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(images))
    file.write(images.data)


def _remove(folder):
    """Take a folder away at once, then delete it; whoever has its files mapped keeps them."""
    away = Path(tempfile.mkdtemp(prefix=TEMPORARY, dir=folder.parent))
    with contextlib.suppress(FileNotFoundError):
        os.rename(folder, away / "old")
    shutil.rmtree(away, ignore_errors=True)


def _tidy(root):
    """Delete what killed builders left over, and all but the KEEP folders used last."""
    with contextlib.suppress(OSError):
        folders = sorted((f for f in root.iterdir() if f.is_dir()), key=lambda f: f.stat().st_mtime, reverse=True)
        parts = [f for f in folders if f.name.startswith(TEMPORARY)]
        for old in [f for f in parts if time.time() - f.stat().st_mtime > ABANDONED]:
            shutil.rmtree(old, ignore_errors=True)
        for old in [f for f in folders if f not in parts][KEEP:]:
            _remove(old)
