"""Faces as files of a folder, for other processes that work on the same ones."""

import contextlib
import functools
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np

from data.errors import RunError
from data.faces import Faces
from data.images import Images
from data.keypoints import schema_of
from data.storage import locked, read_arrays, understood, write_arrays

PREFIX = ".jobs-"  # of a crate's name in the folder of its run
IMAGES, REST = "images.npy", "faces.npz"
SMALL = ("points", "convention", "group", "ids")
ROWS = 4096  # images that are copied at a time
LARGEST = 64 << 30  # bytes of arrays besides the images


@contextlib.contextmanager
def crate(run, faces, arrays=None):
    """Context: a folder of the run with faces for other processes.

    Args:
        run: folder of the run.
        faces: `Faces`.
        arrays: dict of more arrays, for `crated_arrays`.

    Yields:
        Path of the folder.
    """
    Path(run).mkdir(parents=True, exist_ok=True)
    with passing_folder(run, PREFIX) as folder:
        store_faces(folder, faces, arrays)
        yield folder


@contextlib.contextmanager
def passing_folder(parent, prefix):
    """Context: a locked folder with a name of its own, gone afterwards; after a kill, when the next one is made."""
    for old in Path(parent).glob(prefix + "*"):
        with contextlib.suppress(RunError, OSError), locked(old):  # in use by another command
            shutil.rmtree(old, ignore_errors=True)
    with contextlib.ExitStack() as held:
        folder = _new_folder(parent, prefix, held)
        held.callback(shutil.rmtree, folder, ignore_errors=True)
        yield folder


def _new_folder(parent, prefix, held):
    """A new folder, locked for as long as the `ExitStack` held is open."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, dir=parent))
        with contextlib.ExitStack() as lock:
            lock.enter_context(locked(folder, wait=10))
            if (folder / ".lock").exists():
                held.enter_context(lock.pop_all())
                return folder
        # Another command took it for one that a kill had left, before it was locked.


def store_faces(folder, faces, arrays=None):
    """Write faces, and more arrays, into a folder that is there. Images that are a whole file already are linked."""
    whole = _file_of(faces.images)
    if whole:
        (folder / IMAGES).symlink_to(whole)
    else:
        shape = faces.images.shape
        images = np.lib.format.open_memmap(folder / IMAGES, "w+", np.uint8, shape)
        for start in range(0, len(images), ROWS):
            images[start : start + ROWS] = faces.images[start : start + ROWS]
        images.flush()
    names = SMALL if faces.matrices is None else (*SMALL, "matrices")
    meta = json.dumps({"schema": faces.schema.stored, "source": faces.source, "digest": faces.digest()})
    kept = {name: getattr(faces, name) for name in names} | {"meta": np.frombuffer(meta.encode(), np.uint8)}
    write_arrays(folder / REST, kept | {f"more/{name}": array for name, array in (arrays or {}).items()})


def _file_of(images):
    """Path of the file that `Images` are all of; None where they are no such thing."""
    return images.path.resolve() if isinstance(images, Images) and images.whole else None


@functools.lru_cache(maxsize=1)  # once in a worker, whatever it trains
def load_faces(folder):
    """`Faces` of a crate, whose images stay in their file. Raises RunError or DataError: damaged."""
    folder, arrays = Path(folder), read_arrays(Path(folder) / REST, LARGEST)
    with understood(folder, "faces for other processes"):
        meta = json.loads(arrays["meta"].tobytes())
        images = Images(folder / IMAGES)
        small = {name: arrays[name] for name in (*SMALL, "matrices") if name in arrays}
        faces = Faces(images=images, schema=schema_of(meta["schema"]), source=meta["source"], **small)
        return faces.known_as(meta["digest"])


def crated_arrays(folder):
    """The other arrays of a crate: dict of name to array."""
    arrays = read_arrays(Path(folder) / REST, LARGEST)
    return {name.removeprefix("more/"): array for name, array in arrays.items() if name.startswith("more/")}
