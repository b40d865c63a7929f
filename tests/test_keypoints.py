"""Schemas: what derives from the names of points, and output slots."""

import numpy as np
import pytest

from data.errors import UsageError
from data.keypoints import KAGGLE15, SCHEMAS, Convention, Schema

# Small enough to write every expected value down.
TINY = Schema(
    "tiny",
    ("nose", "left_eye", "right_eye", "chin"),
    (
        Convention("all", ("nose", "left_eye", "right_eye", "chin")),
        Convention("some", ("nose", "left_eye", "right_eye"), ("nose", "left_eye", "right_eye")),
    ),
)
every_schema = pytest.mark.parametrize("schema", [TINY, *SCHEMAS.values()], ids=lambda s: s.name)


def labels(schema, n, seed=0):
    """Random points that carry labels where their row's convention has them."""
    rng = np.random.default_rng(seed)
    convention = rng.integers(0, len(schema.conventions), n)
    points = rng.uniform(0, 96, (n, len(schema), 2)).astype(np.float32)
    for i, c in enumerate(convention):
        missing = [p not in schema.conventions[c].labelled for p in schema.points]
        points[i, missing] = np.nan
    return points, convention


def test_the_competitions_points_and_columns():
    assert len(KAGGLE15) == 15
    assert len(KAGGLE15.columns) == 30
    assert KAGGLE15.columns[:3] == ("left_eye_center_x", "left_eye_center_y", "right_eye_center_x")
    assert KAGGLE15.columns[20:22] == ("nose_tip_x", "nose_tip_y")
    assert KAGGLE15.columns[-1] == "mouth_center_bottom_lip_y"


@pytest.mark.parametrize(
    ("point", "partner"),
    [
        ("left_eye_center", "right_eye_center"),
        ("right_eyebrow_outer_end", "left_eyebrow_outer_end"),
        ("mouth_left_corner", "mouth_right_corner"),
        ("nose_tip", "nose_tip"),
        ("mouth_center_top_lip", "mouth_center_top_lip"),
    ],
)
def test_mirror_partners(point, partner):
    assert KAGGLE15.partner(point) == partner
    assert KAGGLE15.mirror[KAGGLE15.index(point)] == KAGGLE15.index(partner)


def test_tiny_schema_value_by_value():
    assert TINY.slot_names == ("nose", "left_eye", "right_eye", "chin", "nose@some", "left_eye@some", "right_eye@some")
    assert TINY.mirror.tolist() == [0, 2, 1, 3]
    assert TINY.slots.tolist() == [[0, 1, 2, 3], [4, 5, 6, 3]]
    assert TINY.slot_points.tolist() == [0, 1, 2, 3, 0, 1, 2]
    assert TINY.slot_mirror.tolist() == [0, 2, 1, 3, 4, 6, 5]


@every_schema
def test_mirroring_twice_is_no_mirroring(schema):
    assert schema.mirror[schema.mirror].tolist() == list(range(len(schema)))
    assert schema.slot_mirror[schema.slot_mirror].tolist() == list(range(len(schema.slot_names)))


@every_schema
def test_a_slots_mirror_belongs_to_its_points_mirror_in_the_same_convention(schema):
    np.testing.assert_array_equal(schema.slot_points[schema.slot_mirror], schema.mirror[schema.slot_points])
    np.testing.assert_array_equal(schema.slot_mirror[schema.slots], schema.slots[:, schema.mirror])


@every_schema
def test_every_convention_has_its_own_slot_for_each_point_it_draws_elsewhere(schema):
    for c, convention in enumerate(schema.conventions):
        assert len(set(schema.slots[c])) == len(schema)
        moved = np.flatnonzero(schema.slots[c] != schema.slots[0])
        assert [schema.points[k] for k in moved] == [p for p in schema.points if p in convention.own]
        np.testing.assert_array_equal(schema.slot_points[schema.slots[c]], np.arange(len(schema)))


@every_schema
def test_conventions_and_lines_name_points_of_the_schema(schema):
    for convention in schema.conventions:
        assert set(convention.own) <= set(convention.labelled) <= set(schema.points)
    assert {p for line in schema.lines for p in line} <= set(schema.points)


@every_schema
def test_slots_round_trip(schema):
    points, convention = labels(schema, 40)
    spread = schema.to_slots(points, convention)
    assert spread.shape == (40, len(schema.slot_names), 2)
    assert spread.dtype == np.float32
    np.testing.assert_array_equal(schema.from_slots(spread, convention), points)


@every_schema
def test_a_label_fills_one_slot_and_no_other(schema):
    points, convention = labels(schema, 40)
    spread = schema.to_slots(points, convention)
    assert np.isfinite(spread).sum() == np.isfinite(points).sum()


def test_slots_of_the_two_kaggle_conventions():
    nose, lip = KAGGLE15.index("nose_tip"), KAGGLE15.index("mouth_center_bottom_lip")
    assert KAGGLE15.slot_names[15:] == ("nose_tip@four", "mouth_center_bottom_lip@four")
    points = np.arange(60, dtype=np.float32).reshape(2, 15, 2)
    spread = KAGGLE15.to_slots(points, np.array([0, 1]))
    assert spread[0, nose].tolist() == points[0, nose].tolist()
    assert np.isnan(spread[0, 15:]).all()
    assert spread[1, 15].tolist() == points[1, nose].tolist()
    assert spread[1, 16].tolist() == points[1, lip].tolist()
    assert np.isnan(spread[1, [nose, lip]]).all()


def test_from_slots_picks_values_without_coordinates_too():
    values = np.arange(14).reshape(2, 7)
    assert TINY.from_slots(values, np.array([1, 0], np.uint8)).tolist() == [[4, 5, 6, 3], [7, 8, 9, 10]]


def test_slots_of_no_rows():
    assert KAGGLE15.to_slots(np.zeros((0, 15, 2)), np.zeros(0, np.uint8)).shape == (0, 17, 2)


@pytest.mark.parametrize("name", ["nose", "", "NOSE_TIP", "nose_tip@four"])
def test_an_unknown_point_is_refused_naming_the_choices(name):
    with pytest.raises(UsageError) as told:
        KAGGLE15.index(name)
    assert all(point in str(told.value) for point in KAGGLE15.points)
    assert f"received {name!r}" in str(told.value)
    assert ("did you mean 'nose_tip'?" in str(told.value)) is name.startswith("nose")
