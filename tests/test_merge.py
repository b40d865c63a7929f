"""The merge is never worse than the base on validation; radii hold the share of errors that they promise."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from base_models.predict import score
from reports.predictions import LEVELS
from specialists.merge import Merge, coverage, fit_merge, fit_radius, merged

SLOTS = 4


def world(n, seed, base=2.0, specialist=1.0, hidden=0.2):
    """Truth, base and specialist answers [n, SLOTS, 2] px with these standard deviations of their errors."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(20, 76, (n, SLOTS, 2))
    one, other = (truth + rng.normal(0, 1, truth.shape) * sd for sd in (base, specialist))
    truth[rng.random((n, SLOTS)) < hidden] = np.nan
    return truth, one, other


values = st.floats(-200, 200, width=32) | st.just(math.nan)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 12), st.data(), st.sampled_from([0.0, 0.5, 4.0, 1000.0]))
def test_on_validation_no_point_is_worse_than_the_base(n, data, reach):
    shape = (n, SLOTS, 2)
    base = data.draw(arrays.arrays(np.float32, shape, elements=st.floats(0, 96, width=32)))
    specialist, truth = (data.draw(arrays.arrays(np.float32, shape, elements=values)) for _ in range(2))
    specialist[:, np.isnan(specialist).any((0, 2))] = np.nan  # a specialist answers on all faces or was not trained
    truth[np.isnan(truth).any(-1)] = np.nan
    merge = fit_merge(base, specialist, truth, reach)
    answer = merge(base, specialist)
    assert np.isfinite(answer).all()
    assert ((merge.weight >= 0) & (merge.weight <= 1)).all()
    assert (np.linalg.norm(answer - base, axis=-1) <= reach + 1e-4).all()
    for s in range(SLOTS):
        if np.isfinite(truth[:, s]).all(-1).any():
            assert score(answer[:, s], truth[:, s]) <= score(base[:, s], truth[:, s])
        if np.isnan(specialist[:, s]).any():
            np.testing.assert_array_equal(answer[:, s], base[:, s])


@pytest.mark.parametrize(
    ("base", "specialist", "low", "high"),
    [
        (2.0, 0.2, 0.9, 1.0),  # the specialist is far better: take it
        (1.0, 1.0, 0.35, 0.65),  # as good and independent: the middle
        (2.0, 1.0, 0.7, 0.9),  # the best weight of independent errors is 4 / (4 + 1)
        (0.3, 8.0, 0.0, 0.05),  # far worse: leave it
    ],
)
def test_weights_follow_the_errors(base, specialist, low, high):
    merge = fit_merge(*_of(world(600, 1, base, specialist)), reach=50.0)
    assert ((merge.weight >= low) & (merge.weight <= high)).all()


def _of(made):
    truth, base, specialist = made
    return base, specialist, truth


def test_a_specialist_that_is_worse_gets_nothing_even_among_good_ones():
    base, specialist, truth = _of(world(300, 2, 2.0, 0.5))
    specialist[:, 2] = base[:, 2] + 10
    merge = fit_merge(base, specialist, truth, 50.0)
    assert merge.weight[2] == 0
    assert (merge.weight[[0, 1, 3]] > 0.8).all()


def test_few_labels_borrow_from_the_other_points():
    base, specialist, truth = _of(world(400, 3, 2.0, 0.5))
    truth[1:, 0] = np.nan  # one label only, on which the base is better by chance of the draw or not
    alone = fit_merge(base, specialist, truth, 50.0).weight[0]
    assert alone == 0 or alone > 0.8
    truth[:, 0] = np.nan  # none at all: what is best for the others
    assert fit_merge(base, specialist, truth, 50.0).weight[0] > 0.8


def test_missing_specialists_leave_the_base_and_the_others_alone():
    base, specialist, truth = _of(world(200, 4))
    whole = fit_merge(base, specialist, truth, 50.0)
    specialist[:, 1] = np.nan
    merge = fit_merge(base, specialist, truth, 50.0)
    assert merge.weight[1] == 0
    assert (merge.weight[[0, 2, 3]] > 0.5).all()
    np.testing.assert_array_equal(merge(base, specialist)[:, 1], base[:, 1])
    assert np.abs(merge.weight - whole.weight)[[0, 2, 3]].max() < 0.2


@pytest.mark.parametrize("nothing", ["labels", "specialists", "faces"])
def test_with_nothing_to_go_by_the_base_stands(nothing):
    base, specialist, truth = _of(world(0 if nothing == "faces" else 20, 5))
    truth[:] = math.nan if nothing == "labels" else truth
    specialist[:] = math.nan if nothing == "specialists" else specialist
    merge = fit_merge(base, specialist, truth, 4.0)
    np.testing.assert_array_equal(merge.weight, 0)
    np.testing.assert_array_equal(merge(base, specialist), base)


def test_reach_cuts_the_step_and_keeps_its_direction():
    base, specialist = np.zeros((1, 3, 2)), np.array([[[3.0, 4.0], [30.0, 40.0], [math.nan] * 2]])
    np.testing.assert_allclose(merged(base, specialist, 1.0, 10.0), [[[3, 4], [6, 8], [0, 0]]])
    np.testing.assert_allclose(merged(base, specialist, 0.5, 10.0), [[[1.5, 2], [3, 4], [0, 0]]])
    np.testing.assert_allclose(Merge(np.array([0.0, 1.0, 1.0]), 0.0)(base, specialist), base)


def simulated(n, seed):
    """Errors [n, SLOTS] px whose size the disagreements [n, SLOTS, 3] tell in part, as those of real members do."""
    rng = np.random.default_rng(seed)
    hard = rng.gamma(2, 0.5, (n, 1)) * np.array([0.5, 1, 1, 2])  # px, of the face and the point
    errors = np.linalg.norm(rng.normal(0, 1, (n, SLOTS, 2)) * hard[..., None], axis=-1)
    features = np.stack([hard * rng.gamma(3, 1 / 3, hard.shape) for _ in range(3)], -1)
    errors[rng.random(errors.shape) < 0.3] = np.nan
    return errors, features


def test_radii_hold_their_share_of_unseen_errors():
    radius = fit_radius(*simulated(800, 6))
    errors, features = simulated(4000, 7)
    known, radii = np.isfinite(errors), radius(features)
    assert radii.shape == (len(LEVELS), *errors.shape)
    inside = [(errors <= r)[known].mean() for r in radii]
    np.testing.assert_allclose(inside, LEVELS, atol=0.03)
    easy = features.mean(-1) < np.median(features.mean(-1))
    assert radii[1][easy].mean() < 0.7 * radii[1][~easy].mean()  # they know the hard faces


def test_coverage_is_told_of_faces_that_were_held_out():
    errors, features = simulated(1500, 8)
    np.testing.assert_allclose(coverage(errors, features, np.arange(1500) // 3), LEVELS, atol=0.04)


def test_coverage_keeps_groups_together():
    """Every face of a group has the same error: judged by its twins it would always be covered."""
    rng = np.random.default_rng(9)
    errors = np.repeat(rng.gamma(0.3, 1, (40, 1)), 20, 0) + np.zeros((800, SLOTS))
    told = coverage(errors, np.ones((800, SLOTS, 3)), np.repeat(np.arange(40), 20))
    assert 0.75 < told[1] < 1


def test_coverage_of_too_few_groups_or_no_labels_is_not_told():
    errors, features = simulated(40, 10)
    assert np.isnan(coverage(errors, features, np.arange(40) % 4)).all()
    assert np.isnan(coverage(np.full_like(errors, np.nan), features, np.arange(40))).all()


def test_nothing_labelled_gives_radii_that_say_so():
    errors, features = simulated(20, 11)
    assert np.isnan(fit_radius(np.full_like(errors, np.nan), features)(features)).all()


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e3])
def test_a_few_labels_give_finite_radii_that_grow_with_the_level(scale):
    errors, features = simulated(6, 12)
    radii = fit_radius(errors * scale, features * scale)(features * scale)
    assert np.isfinite(radii).all()
    assert (radii[0] <= radii[1]).all()
    assert radii.dtype == np.float32
