"""One trained part of a run: a folder that is resumable while it trains and checked when it is read.

settings.json   what determines the result: settings, seed, data, parent weights
checkpoint.npz  while training: weights, optimiser, best weights, history; replaced whole after every epoch
weights.npz     the result: arrays by name
history.json    one record per epoch, and the summary
manifest.json   SHA-256 of the other files; written last, so a part that has one is finished
"""

import contextlib
import hashlib
import json
from pathlib import Path

from data.errors import RunError
from data.storage import locked, read_arrays, read_json, sha256_of, understood, write_arrays, write_json

FORMAT = 1


class Part:
    """A part of a run: `base`, `specialists/<point>`, `ensemble` or `student`.

    Args:
        folder: where it is kept.
        identity: a JSON object that determines the result. None = read whatever is there.
    """

    def __init__(self, folder, identity=None):
        self.folder = Path(folder)
        # Through JSON, so that a tuple equals the list it is read back as.
        self.identity = None if identity is None else json.loads(json.dumps({**identity, "format": FORMAT}))

    @property
    def checkpoint(self):
        return self.folder / "checkpoint.npz"

    @property
    def digest(self):
        """SHA-256 of the identity, as hex: what its checkpoint says that it is of."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()

    @property
    def finished(self):
        """Whether the part is complete. Raises RunError where it was made from something else."""
        if not (self.folder / "manifest.json").exists():
            return False
        self._check_identity()
        return True

    @contextlib.contextmanager
    def opened(self, replace=False):
        """Context: hold the part for writing.

        Args:
            replace: begin anew; otherwise a part that was made from something else is refused.

        Raises:
            RunError: the part is held by another process, or was made from something else.
        """
        with locked(self.folder):
            if replace:
                (self.folder / "manifest.json").unlink(missing_ok=True)
            elif (self.folder / "manifest.json").exists():
                raise RunError(f"{self.folder}: another process has just finished it: the same command goes on")
            if self.checkpoint.exists() and not replace:
                self._check_identity()
            else:  # nothing was trained with other settings that may be there
                write_json(self.folder / "settings.json", self.identity)
            yield self

    def finish(self, arrays, history, summary):
        """Turn the training into a result. May be repeated after a crash at any point of it."""
        write_arrays(self.folder / "weights.npz", arrays)
        write_json(self.folder / "history.json", {"epochs": history, "summary": summary})
        self.seal(["settings.json", "weights.npz", "history.json"])
        self.drop_checkpoint()

    def drop_checkpoint(self):
        """Delete what a finished part no longer needs; one killed just before that still has it."""
        with contextlib.suppress(OSError):  # the run may be on a disk that cannot be written
            self.checkpoint.unlink(missing_ok=True)

    def seal(self, names):
        """Write the manifest over the files `names` of the folder: the part is finished."""
        sums = {name: sha256_of(self.folder / name) for name in names}
        write_json(self.folder / "manifest.json", {"format": FORMAT, "sha256": sums})

    def checked(self, name):
        """Path of a finished part's file after comparing its SHA-256. Raises RunError where it differs."""
        manifest = self.folder / "manifest.json"
        sums = read_json(manifest).get("sha256")
        wanted = sums.get(name) if isinstance(sums, dict) else None
        path = self.folder / name
        if wanted is None or not path.is_file():
            received = "none" if wanted else f"no entry in {manifest}"
            raise RunError(f"{path}: expected a file of a finished part; received {received}")
        if sha256_of(path) != wanted:
            raise RunError(
                f"{path}: damaged: its SHA-256 differs from {manifest}; delete {self.folder} and train it again"
            )
        return path

    def weights(self):
        """dict of name to array, after the check."""
        return read_arrays(self.checked("weights.npz"))

    def history(self):
        """(list of one record per epoch, summary), after the check."""
        path = self.checked("history.json")
        history = read_json(path)
        with understood(path, "the history of a training"):
            return [dict(record) for record in history["epochs"]], dict(history["summary"])

    def settings(self):
        """The identity that the part was made with, after the check."""
        return read_json(self.checked("settings.json"))

    def fingerprint(self):
        """SHA-256 of the weights, for parts that are made from this one."""
        self.checked("weights.npz")
        return read_json(self.folder / "manifest.json")["sha256"]["weights.npz"]

    def _check_identity(self):
        path = self.folder / "settings.json"
        if self.identity is None:
            return
        found = read_json(path)
        differing = sorted(_differences(found, self.identity))
        if differing:
            more = " ..." if len(differing) > 6 else ""
            raise RunError(
                f"{self.folder}: was trained with other {', '.join(differing[:6])}{more}; "
                f"repeat its options, choose another --run, or delete that folder to train it again"
            )


def _differences(found, wanted, prefix=""):
    """Dotted keys whose values differ, with both values of short ones."""
    for key in found.keys() | wanted.keys():
        a, b = found.get(key), wanted.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            yield from _differences(a, b, f"{prefix}{key}.")
        elif a != b:
            yield f"{prefix}{key} ({str(a)[:24]}, now {str(b)[:24]})"
