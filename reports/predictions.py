"""The predictions file: what an ensemble found on a set of faces. Written by specialists, read by reports."""

import json
from dataclasses import dataclass, field

import numpy as np

from data.keypoints import schema_of
from data.storage import COUNTS, NAMES, NUMBERS, check_kind, read_arrays, understood, write_arrays

KNOWN = "images|ids|convention|truth|radius|group|meta|points/.+"  # arrays
LARGEST = 4 << 30  # bytes of a file: it holds all images
LEVELS = (0.5, 0.9)  # shares of faces whose error the two radii are meant to cover


@dataclass(frozen=True)
class Predictions:
    """Points found on n faces, with the truth where it is known.

    Args:
        images: uint8 [n, H, W, C].
        ids: [n] int64 or str.
        convention: uint8 [n].
        truth: float32 [n, k, 2] in px, NaN where not labelled.
        points: dict of member name ("base", "specialist", "ensemble") to float32 [n, k, 2] in px; NaN where that
            member has nothing to say (no specialist was trained for the point).
        radius: float32 [2, n, k] in px: the error is expected to be smaller for 50 % and for 90 % of the faces.
        schema: the table of points.
        info: a JSON object: source, what the faces are ("validation", "test"), the run, figures of the fit, "anchors".
        group: int64 [n] or None, where it is not known: faces of one group (a person, or repeats of one image) are
            alike, so intervals draw them together.
    """

    images: np.ndarray
    ids: np.ndarray
    convention: np.ndarray
    truth: np.ndarray
    points: dict
    radius: np.ndarray
    schema: object
    info: dict = field(default_factory=dict)
    group: np.ndarray | None = None

    def __len__(self):
        return len(self.images)

    def errors(self, member="ensemble"):
        """float32 [n, k]: distance in px between `member` and the truth, NaN where either is missing."""
        return np.linalg.norm(self.points[member] - self.truth, axis=-1)

    def save(self, path):
        """Write the predictions file; the same predictions always give the same bytes."""
        meta = json.dumps({"schema": self.schema.stored, "info": self.info}, sort_keys=True)
        arrays = {name: getattr(self, name) for name in ("images", "ids", "convention", "truth", "radius")}
        arrays |= {} if self.group is None else {"group": self.group}
        arrays |= {f"points/{member}": points for member, points in self.points.items()}
        write_arrays(path, arrays | {"meta": np.frombuffer(meta.encode(), np.uint8)})

    @classmethod
    def load(cls, path):
        """Read a predictions file. Raises RunError naming the file where it is damaged or not one."""
        arrays = read_arrays(path, LARGEST, KNOWN)
        with understood(path, "a predictions file"):
            meta = json.loads(arrays.pop("meta").tobytes())
            points = {
                name.removeprefix("points/"): arrays.pop(name) for name in list(arrays) if name.startswith("points/")
            }
            return cls(**arrays, points=points, schema=schema_of(meta["schema"]), info=meta["info"])._checked()

    def _checked(self):
        check_kind("images", self.images, "u", (None, None, None, None))
        n, k = len(self.images), len(self.schema)
        check_kind("ids", self.ids, NAMES, (n,))
        check_kind("radius", self.radius, NUMBERS, (len(LEVELS), n, k))
        for name, values in ({"convention": self.convention} | {"group": self.group}).items():
            if values is not None:
                check_kind(name, values, COUNTS, (n,))
        for name, points in (self.points | {"truth": self.truth}).items():
            check_kind(name, points, NUMBERS, (n, k, 2))
        if n and not 0 <= self.convention.min() <= self.convention.max() < len(self.schema.conventions):
            raise ValueError("convention: expected those of the schema")
        if self.images.dtype != np.uint8 or not isinstance(self.info, dict):
            raise ValueError("expected images uint8 and info as an object")
        return self
