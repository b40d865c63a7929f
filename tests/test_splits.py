"""Splits: groups stay whole, both sides look alike, folds tile the set."""

import numpy as np
import pytest

from data.errors import DataError, UsageError
from data.faces import Faces
from data.keypoints import KAGGLE15
from data.splits import split_by_group


def make(group, convention=None):
    n = len(group)
    convention = np.zeros(n, np.uint8) if convention is None else np.asarray(convention, np.uint8)
    images, points = np.zeros((n, 2, 2, 1), np.uint8), np.zeros((n, 15, 2), np.float32)
    return Faces(images, points, convention, np.asarray(group), np.arange(n), KAGGLE15, "test")


def persons(kind, n=1200, seed=0):
    """Face sets as they occur: rows of a person lie together or not, and conventions go by person or do not."""
    rng = np.random.default_rng(seed)
    if kind == "every row its own":
        return make(rng.permutation(n), rng.random(n) < 0.7)
    if kind == "a convention goes by person":
        group = np.repeat(np.arange(n), rng.integers(1, 9, n))[:n]
        return make(group * 10**12 - 5, (rng.random(n) < 0.3)[group])
    sizes = np.minimum(rng.zipf(2.0, n), 60)  # most persons once, a few very often
    group = rng.permutation(np.repeat(np.arange(n), sizes)[:n])
    return make(group, rng.random(n) < 0.5)


KINDS = ("every row its own", "a convention goes by person", "a few persons very often")
every_kind = pytest.mark.parametrize("kind", KINDS)
shares = pytest.mark.parametrize(("share", "folds"), [(0.5, 2), (0.25, 4), (0.1, 10)])


@every_kind
@shares
def test_no_person_is_on_both_sides(kind, share, folds):
    faces = persons(kind)
    for fold in range(folds):
        train, validation = split_by_group(faces, share, 3, fold)
        assert not set(faces.group[train]) & set(faces.group[validation])


@every_kind
@shares
def test_both_sides_have_the_same_mix_of_conventions(kind, share, folds):
    faces = persons(kind)
    for fold in range(folds):
        _, validation = split_by_group(faces, share, 3, fold)
        for c in (0, 1):
            rows = faces.convention == c
            assert np.isin(np.flatnonzero(rows), validation).mean() == pytest.approx(share, abs=0.02), (fold, c)


@every_kind
@shares
def test_the_folds_of_a_seed_do_not_overlap_and_cover_every_row(kind, share, folds):
    faces = persons(kind)
    held = [split_by_group(faces, share, 3, fold)[1] for fold in range(folds)]
    assert np.sort(np.concatenate(held)).tolist() == list(range(len(faces)))


def test_the_sides_are_sorted_and_together_every_row():
    faces = persons(KINDS[2])
    train, validation = split_by_group(faces, 0.1)
    assert train.dtype == validation.dtype == np.int64
    for side in (train, validation):
        assert (np.diff(side) > 0).all()
    assert sorted([*train, *validation]) == list(range(len(faces)))


def test_the_seed_decides():
    faces = persons(KINDS[1])
    once, again, other = (split_by_group(faces, 0.1, seed)[1] for seed in (5, 5, 6))
    assert once.tolist() == again.tolist()
    assert once.tolist() != other.tolist()


def test_how_groups_are_numbered_does_not_matter():
    faces = persons(KINDS[0])
    shifted = make(faces.group * 7 - 10**15, faces.convention)
    assert split_by_group(faces, 0.1)[1].tolist() == split_by_group(shifted, 0.1)[1].tolist()


def test_as_few_groups_as_folds_give_one_group_each():
    faces = make([4, 4, 4, 9])
    for fold, seed in np.ndindex(2, 5):
        assert split_by_group(faces, 0.5, seed, fold)[1].tolist() in ([0, 1, 2], [3])


@pytest.mark.parametrize(
    ("group", "share", "fold", "words"),
    [
        ([1, 1, 1, 1], 0.5, 0, "validation split: expected at least 2 persons or images; received 1"),
        (range(9), 0.1, 0, "expected at least 10 persons or images; received 9"),
        ([], 0.5, 0, "expected at least 2 persons or images; received 0"),
        (range(20), 0.1, 10, "validation fold: expected 0 to 9 (share 0.1); received 10"),
        (range(20), 0.1, -1, "expected 0 to 9 (share 0.1); received -1"),
    ],
)
def test_sets_and_folds_that_cannot_be(group, share, fold, words):
    with pytest.raises(DataError) as told:
        split_by_group(make(np.array(group, int)), share, 0, fold)
    assert words in str(told.value)


@pytest.mark.parametrize("share", [0, -0.1, 0.51, 0.9, 1, 3, float("nan")])
def test_a_share_that_leaves_a_side_empty_or_too_small_is_refused(share):
    with pytest.raises(UsageError, match=r"split\.share: expected more than 0 and at most 0\.5"):
        split_by_group(make(np.arange(20)), share)
