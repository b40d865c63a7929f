"""`Faces`: shapes, picking rows, and the digest that runs are tied to."""

from dataclasses import replace

import numpy as np
import pytest

from data.errors import DataError
from data.faces import Faces
from data.keypoints import KAGGLE15

ARRAYS = ("images", "points", "convention", "group", "ids")


def make(n=5, size=(8, 6), channels=1):
    rng = np.random.default_rng(n)
    points = rng.uniform(0, 6, (n, 15, 2)).astype(np.float32)
    points[::2, 3:] = np.nan
    images = rng.integers(0, 256, (n, *size, channels), dtype=np.uint8)
    return Faces(images, points, np.arange(n, dtype=np.uint8) % 2, np.arange(n) // 2, np.arange(n), KAGGLE15, "kaggle")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("points", np.zeros((5, 14, 2), np.float32), "Faces.points: expected shape (5, 15, 2); received (5, 14, 2)"),
        ("points", np.zeros((4, 15, 2), np.float32), "received (4, 15, 2)"),
        ("convention", np.zeros(4, np.uint8), "Faces.convention: expected shape (5,); received (4,)"),
        ("group", np.zeros((5, 1), int), "Faces.group: expected shape (5,); received (5, 1)"),
        ("ids", np.zeros(6, int), "Faces.ids: expected shape (5,); received (6,)"),
        ("images", np.zeros((5, 8, 6), np.uint8), "expected uint8 [n, H, W, C]; received uint8 (5, 8, 6)"),
        ("images", np.zeros((5, 8, 6, 1), np.float32), "received float32 (5, 8, 6, 1)"),
    ],
)
def test_wrong_shapes_are_refused(name, value, words):
    with pytest.raises(DataError) as told:
        replace(make(), **{name: value})
    assert words in str(told.value)


@pytest.mark.parametrize(
    ("rows", "ids"),
    [
        (slice(1, 4), [1, 2, 3]),
        (slice(None, None, -2), [4, 2, 0]),
        (np.array([3, 0, 3]), [3, 0, 3]),
        (np.array([True, False, False, False, True]), [0, 4]),
        (np.array([], int), []),
    ],
)
def test_rows_are_picked_from_every_array_alike(rows, ids):
    faces = make()
    picked = faces[rows]
    assert len(picked) == len(ids)
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(picked, name), getattr(faces, name)[ids])
    assert (picked.schema, picked.source) == (KAGGLE15, "kaggle")


def test_size_is_height_then_width():
    assert make(size=(8, 6)).size == (8, 6)


def test_a_point_is_labelled_where_both_coordinates_are_there():
    faces = make(2)
    points = np.zeros((2, 15, 2), np.float32)
    points[0, 1, 0] = points[0, 2, 1] = points[1, 4] = np.nan
    wanted = np.ones((2, 15), bool)
    wanted[0, 1] = wanted[0, 2] = wanted[1, 4] = False
    np.testing.assert_array_equal(replace(faces, points=points).labelled, wanted)


def test_slots_are_those_of_each_rows_convention():
    faces = make(4)
    np.testing.assert_array_equal(faces.slots, KAGGLE15.to_slots(faces.points, [0, 1, 0, 1]))


def nudged(array):
    """The same array with its first value changed a little."""
    other = array.copy()
    other.flat[0] += 1
    return other


def test_one_changed_value_of_anything_that_training_depends_on_changes_the_digest():
    faces = make()
    changed = [replace(faces, **{name: nudged(getattr(faces, name))}) for name in ARRAYS[:4]]
    unlabelled = faces.points.copy()
    unlabelled[1, 0] = np.nan
    changed += [
        replace(faces, points=unlabelled),
        replace(faces, group=faces.group.astype(np.int32)),
        replace(faces, schema=replace(KAGGLE15, name="other")),
        replace(faces, images=faces.images.reshape(5, 6, 8, 1)),
        faces[:4],
        faces[np.array([1, 0, 2, 3, 4])],
    ]
    digests = [f.digest() for f in (faces, *changed)]
    assert len(set(digests)) == len(digests)


def test_nothing_else_changes_the_digest(tmp_path):
    faces = make()
    np.save(tmp_path / "images.npy", faces.images)
    strided = np.repeat(faces.images, 2, axis=2)[:, :, ::2]
    assert not strided.flags.c_contiguous
    for same in (
        make(),
        replace(faces, ids=np.array(list("abcde"))),
        replace(faces, source="synthetic"),
        replace(faces, images=np.load(tmp_path / "images.npy", mmap_mode="r")),
        replace(faces, images=strided),
        replace(faces, points=np.asfortranarray(faces.points)),
    ):
        assert same.digest() == faces.digest()


def test_the_digest_is_the_same_on_every_machine_and_day():
    faces = Faces(
        np.arange(8, dtype=np.uint8).reshape(2, 2, 2, 1),
        np.arange(60, dtype="<f4").reshape(2, 15, 2),
        np.array([0, 1], np.uint8),
        np.array([7, 8], "<i8"),
        np.arange(2),
        KAGGLE15,
        "synthetic",
    )
    assert faces.digest() == DIGEST


# Runs keep it: where it changes, no run of before can be gone on with.
DIGEST = "1a836c375009d5906dca9d849a4590de98a6e10701153b0044fe52a741457f8d"


def test_no_faces_have_a_digest():
    assert len(make()[:0].digest()) == 64
