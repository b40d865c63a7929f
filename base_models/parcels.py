"""Files of a run's folder on their way between machines that do not share it."""

from pathlib import Path

from data.errors import RunError
from data.storage import TEMPORARY, locked, write_atomically


def files_in(folder):
    """dict of path in a folder to bytes, in the order in which the files were written: a manifest is the last."""
    found = [path for path in Path(folder).rglob("*") if path.is_file() and _kept(path.name)]
    found.sort(key=lambda path: (path.stat().st_mtime_ns, path.name))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def _kept(name):
    return name != ".lock" and not name.startswith(TEMPORARY)


def store_files(folder, files):
    """Write what `files_in` read on another machine. A checkpoint that is none of them is no longer needed."""
    folder = Path(folder)
    with locked(folder):
        for name, content in files.items():
            path = folder / name
            if not path.resolve().is_relative_to(folder.resolve()):
                raise RunError(f"{folder}: expected files of it; received {name!r}")
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, lambda file, content=content: file.write(content))
        for path in folder.rglob("checkpoint.npz"):
            if str(path.relative_to(folder)) not in files:
                path.unlink(missing_ok=True)
