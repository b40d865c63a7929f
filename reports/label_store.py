"""What the label page reads: every label of a set, what others make of the same faces, and the pictures worth showing.

A run keeps it as RUN/labels.npz, so that the page needs neither the data nor a network.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from data.keypoints import schema_of
from data.storage import COUNTS, NAMES, NUMBERS, check_kind, read_arrays, understood, write_arrays

FILE = "labels.npz"  # within a run folder
OPINIONS = ("base", "regression")  # the first one there is judges the labels
DOUBTFUL, DISAGREEING = 60, 24  # pictures that are kept
LARGEST = 256  # px; larger pictures would make the file large and the page no better
ARRAYS = ("points", "convention", "group", "image", "ids", "held", "pictured", "pictures", "mean_picture")


@dataclass(frozen=True)
class Labels:
    """The labels of n faces.

    Args:
        points: float32 [n, k, 2] px, NaN = not labelled.
        convention: uint8 [n]. group: int64 [n], such as persons.
        image: int64 [n], the first row that has the same picture.
        ids: [n] int64 or str.
        held: bool [n]; true where the base did not train on the row. All true without a base.
        opinions: dict of "base" (flip-averaged) or "regression" to float32 [n, slots, 2] px.
        pictured: int64 [m], rows whose picture is kept.
        pictures: uint8 [m, h, w, C]. mean_picture: uint8 [h, w], the mean of all faces.
        size: (H, W) px in which the labels are given.
        schema: the table of points. source: one word on where the faces come from.
    """

    points: np.ndarray
    convention: np.ndarray
    group: np.ndarray
    image: np.ndarray
    ids: np.ndarray
    held: np.ndarray
    opinions: dict
    pictured: np.ndarray
    pictures: np.ndarray
    mean_picture: np.ndarray
    size: tuple
    schema: object
    source: str

    def __len__(self):
        return len(self.points)

    @property
    def slots(self):
        """float32 [n, slots, 2]: labels spread over a network's output slots, NaN elsewhere."""
        return self.schema.to_slots(self.points, self.convention)

    @property
    def scale(self):
        """float64 [2]: px of a picture, x and y, per px in which the labels are given."""
        return np.array(self.mean_picture.shape[::-1]) / np.array(self.size[::-1])

    @property
    def judge(self):
        """Name of the opinion that labels are held against."""
        return next(name for name in OPINIONS if name in self.opinions)

    def save(self, path):
        """Write the file, whole or not at all; the same labels always give the same bytes."""
        meta = {"schema": self.schema.stored, "source": self.source, "size": list(self.size)}
        arrays = {name: getattr(self, name) for name in ARRAYS}
        arrays |= {f"opinions/{name}": opinion for name, opinion in self.opinions.items()}
        write_arrays(path, arrays | {"meta": np.frombuffer(json.dumps(meta, sort_keys=True).encode(), np.uint8)})

    @classmethod
    def load(cls, path):
        """Read the file. Raises RunError naming it where it is missing, damaged or another."""
        arrays = read_arrays(path)
        with understood(path, "the labels of a run"):
            meta = json.loads(arrays.pop("meta").tobytes())
            opinions = {name: arrays.pop(f"opinions/{name}") for name in OPINIONS if f"opinions/{name}" in arrays}
            words = {"schema": schema_of(meta["schema"]), "source": str(meta["source"])}
            size = tuple(map(int, meta["size"]))
            return cls(**arrays, opinions=opinions, size=size, **words)._checked()

    def _checked(self):
        n, k, m = len(self.points), len(self.schema), len(self.pictured)
        check_kind("points", self.points, NUMBERS, (n, k, 2))
        check_kind("ids", self.ids, NAMES, (n,))
        for name, count in {"convention": n, "group": n, "image": n, "held": n, "pictured": m}.items():
            check_kind(name, getattr(self, name), COUNTS, (count,))
        for name, opinion in self.opinions.items():
            check_kind(name, opinion, NUMBERS, (n, len(self.schema.slot_names), 2))
        check_kind("pictures", self.pictures, "u", (m, None, None, None))
        check_kind("mean_picture", self.mean_picture, "u", (None, None))
        _expect("held", self.held.dtype == bool)
        _expect("pictures", self.pictures.dtype == self.mean_picture.dtype == np.uint8 and self.mean_picture.size)
        _expect("size", len(self.size) == 2 and min(self.size) > 0)
        _expect("opinions", bool(self.opinions))
        _expect("image", not n or 0 <= self.image.min() <= self.image.max() < n)
        _expect("pictured", not m or (self.pictured.min() >= 0 and self.pictured.max() < n))
        _expect(
            "convention", not n or 0 <= self.convention.min() <= self.convention.max() < len(self.schema.conventions)
        )
        return self


def _expect(name, right):
    if not right:
        raise ValueError(f"{name} does not fit the other arrays")


def same_images(images):
    """int64 [n]: the first row with the same picture, byte by byte."""
    first = {}
    return np.array([first.setdefault(hashlib.sha256(i.tobytes()).digest(), r) for r, i in enumerate(images)], np.int64)


def read_labels(faces, base=None, held=None, seed=0):
    """Gather `Labels` from faces.

    Args:
        faces: `Faces`.
        base: float32 [n, slots, 2] px, a network's flip-averaged answers; rows without one are NaN. None = no network.
        held: bool [n]; rows that the network did not train on. Default: all.
        seed: of the regression's folds.

    Returns:
        `Labels`, with the pictures of the most doubtful rows and of the duplicates that disagree most.
    """
    from reports.label_regression import regress

    opinions = {} if base is None else {"base": np.asarray(base, np.float32)}
    opinions["regression"] = regress(faces, seed)
    shape = (*_shown(faces.size), faces.images.shape[-1])
    labels = Labels(
        points=np.asarray(faces.points, np.float32),
        convention=np.asarray(faces.convention),
        group=np.asarray(faces.group),
        image=same_images(faces.images),
        ids=np.asarray(faces.ids),
        held=np.ones(len(faces), bool) if held is None else np.asarray(held, bool),
        opinions=opinions,
        pictured=np.zeros(0, np.int64),
        pictures=np.zeros((0, *shape), np.uint8),
        mean_picture=_mean_picture(faces.images, shape[:2]),
        size=tuple(map(int, faces.size)),
        schema=faces.schema,
        source=faces.source,
    )
    return _with_pictures(labels, faces.images)


def _shown(size):
    share = min(1.0, LARGEST / max(size))
    return max(round(size[0] * share), 1), max(round(size[1] * share), 1)


def _resized(image, size):
    if image.shape[:2] == size:
        return image
    import cv2

    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA).reshape(*size, -1)


def _mean_picture(images, size):
    if not len(images):
        return np.full(size, 128, np.uint8)
    total = sum(image.mean(-1) for image in images)
    return _resized((total / len(images)).round().astype(np.uint8)[..., None], size)[..., 0]


def _with_pictures(labels, images):
    from reports.label_doubts import judge_rows
    from reports.label_duplicates import disagreements

    doubts = judge_rows(labels)
    pairs = disagreements(labels)[:DISAGREEING]
    wanted = [*doubts.order[:DOUBTFUL], *(pair.first for pair in pairs)]
    rows = np.array([*dict.fromkeys(map(int, wanted))], np.int64)
    pictures = [_resized(images[row], _shown(labels.size)) for row in rows]
    kept = np.stack(pictures) if pictures else labels.pictures
    return replace(labels, pictured=rows, pictures=kept.astype(np.uint8))


def store_labels(run, faces, rows, answers):
    """Write RUN/labels.npz from what a training has at hand anyway; takes seconds.

    Args:
        run: folder of the run.
        faces: all `Faces` of the run.
        rows: (training, validation) int arrays of rows, as `split_by_group` gives them.
        answers: the base's flip-averaged answers to both, float32 [rows, slots, 2] px each.

    Returns:
        The path.
    """
    base = np.full((len(faces), len(faces.schema.slot_names), 2), np.nan, np.float32)
    held = np.zeros(len(faces), bool)
    held[rows[1]] = True
    for own, answer in zip(rows, answers, strict=True):
        base[own] = answer
    path = Path(run) / FILE
    read_labels(faces, base, held).save(path)
    return path
