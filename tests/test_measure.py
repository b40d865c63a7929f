"""What a network of a comparison is said to reach: its figures, and intervals over persons."""

from dataclasses import replace

import numpy as np
import pytest

from base_models.measure import scores
from data.synthetic import make_faces


@pytest.fixture(scope="module")
def held():
    """80 faces of 8 persons; all errors of a person are alike."""
    return replace(make_faces(80, seed=4, size=32), group=np.arange(80) // 10)


def found(held):
    """Positions that are off to the right by a px more for each person."""
    return held.slots + (1 + held.group[:, None, None]) * np.array([1, 0], np.float32)


def test_intervals_draw_persons(held):
    alone = replace(held, group=np.arange(80))
    ends = {name: scores(found(held), faces)["all"]["rmse"] for name, faces in (("persons", held), ("faces", alone))}
    assert ends["persons"][0] == ends["faces"][0]
    width = {name: high - low for name, (_, low, high) in ends.items()}
    assert 2 < width["persons"] / width["faces"] < 5  # about the root of 10


def test_one_person_gives_no_interval(held):
    one = replace(held, group=np.zeros(80, np.int64))
    for own in scores(found(held), one).values():
        assert (own["rmse"][1:], own["trimmed"][1:]) == ([None, None], [None, None])
