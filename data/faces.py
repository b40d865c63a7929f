"""`Faces`: the one form of a face set. Every reader returns it; everything else takes it."""

import hashlib
import json
from dataclasses import dataclass, field, replace

import numpy as np

from data.errors import DataError
from data.images import Images
from data.keypoints import Schema

BLOCK = 4096  # faces that are hashed at a time; bounds memory where images stay in their file


@dataclass(frozen=True)
class Faces:
    """A set of faces. Arrays may be memory-mapped and must not be written to.

    Args:
        images: uint8 [n, H, W, C]; an array, or `data.images.Images`, whose rows are read when they are asked for.
        points: float32 [n, k, 2], x and y in px with (0, 0) the centre of the first pixel; NaN = not labelled.
        convention: uint8 [n], index into `schema.conventions`.
        group: int64 [n]; rows of one group (a person, or repeats of one image) are never split.
        ids: [n] int64 or str: how the source names each row.
        schema: the table of points.
        source: one word on where the faces come from, shown in reports: "synthetic", "kaggle", ...
        matrices: float64 [n, 2, 3] from px of the original photos to px of the images, or None where the images are
            the originals. With them an answer goes back to the photo: `data.augment.invert`.
    """

    images: np.ndarray
    points: np.ndarray
    convention: np.ndarray
    group: np.ndarray
    ids: np.ndarray
    schema: Schema
    source: str
    matrices: np.ndarray | None = None
    known: str | None = field(default=None, init=False, repr=False, compare=False)  # digest of exactly these faces

    def __post_init__(self):
        n = len(self.images)
        wanted = {"points": (n, len(self.schema), 2), "convention": (n,), "group": (n,), "ids": (n,)}
        wanted |= {} if self.matrices is None else {"matrices": (n, 2, 3)}
        for name, shape in wanted.items():
            if getattr(self, name).shape != shape:
                raise DataError(f"Faces.{name}: expected shape {shape}; received {getattr(self, name).shape}")
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise DataError(
                f"Faces.images: expected uint8 [n, H, W, C]; received {self.images.dtype} {self.images.shape}"
            )

    def __len__(self):
        return len(self.images)

    def __getitem__(self, rows):
        """The faces at `rows`: a slice, a mask or an index array. Images that stay in their file stay there."""
        names = ("points", "convention", "group", "ids", *([] if self.matrices is None else ["matrices"]))
        picked = {name: getattr(self, name)[rows] for name in names}
        images = self.images.view(rows) if isinstance(self.images, Images) else self.images[rows]
        return replace(self, images=images, **picked)

    @property
    def size(self):
        """(H, W) of the images, in px."""
        return self.images.shape[1:3]

    @property
    def labelled(self):
        """bool [n, k]: which points carry a label."""
        return np.isfinite(self.points).all(-1)

    @property
    def slots(self):
        """float32 [n, slots, 2]: labels spread over a network's output slots, NaN elsewhere."""
        return self.schema.to_slots(self.points, self.convention)

    def digest(self):
        """SHA-256 over everything that training depends on, as hex."""
        if self.known is not None:
            return self.known
        stored = self.schema.stored
        total = hashlib.sha256((stored if isinstance(stored, str) else json.dumps(stored, sort_keys=True)).encode())
        for name in ("images", "points", "convention", "group"):
            array = getattr(self, name)
            total.update(f"{name}{array.dtype.str}{array.shape}".encode())
            for start in range(0, len(array), BLOCK):
                total.update(np.ascontiguousarray(array[start : start + BLOCK]).view(np.uint8).data)
        return total.hexdigest()

    def known_as(self, digest):
        """These faces, read-only, with their digest, which was computed when they were stored: 9 GB are not hashed
        again. Whatever is made of them has none."""
        same = replace(self)
        for name in ("points", "convention", "group", "ids", *([] if self.matrices is None else ["matrices"])):
            getattr(same, name).flags.writeable = False
        object.__setattr__(same, "known", digest)  # `replace` leaves it out
        return same
