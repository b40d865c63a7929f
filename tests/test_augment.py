"""Augmentation of whole faces and a specialist's view: a dot under every transform, and what must not change."""

import dataclasses

import cv2
import numpy as np
import pytest

from data.augment import AugmentSettings, apply, compose, draw, invert, move, similarity, warp
from data.keypoints import KAGGLE15
from specialists.view import View, procrustes

NONE = AugmentSettings(**{field.name: 0 for field in dataclasses.fields(AugmentSettings)})
SINGLE = {
    "flip": 1.0,
    "rotation": 60.0,
    "scale": 0.3,
    "stretch": 0.3,
    "shift": 0.15,
    "brightness": 0.2,
    "contrast": 0.4,
    "blur": 2.0,
    "noise": 12.0,
}
TRANSFORMS = {
    "none": NONE,
    **{name: dataclasses.replace(NONE, **{name: value}) for name, value in SINGLE.items()},
    # A patch may lie on the dot; it has tests of its own.
    "all": AugmentSettings(**{**SINGLE, "flip": 0.5, "erase": 0}),
    "defaults": AugmentSettings(erase=0),
}
SLOTS = len(KAGGLE15.slot_names)
MIRROR = KAGGLE15.slot_mirror
every_transform = pytest.mark.parametrize("name", TRANSFORMS)
sizes = pytest.mark.parametrize("size", [(96, 96, 1), (64, 112, 3)], ids=str)


def dots(points, size):
    """uint8 [n, H, W, C]: a soft white dot at each point [n, 2], on grey."""
    y, x = np.mgrid[: size[0], : size[1]]
    distance = (x - points[:, 0, None, None]) ** 2 + (y - points[:, 1, None, None]) ** 2
    image = 60 + 120 * np.exp(-distance / (2 * 1.6**2))
    return np.repeat(np.rint(image)[..., None], size[2], -1).astype(np.uint8)


def find(image):
    """(x, y) of the dot: the centre of gravity around the brightest place. Knows nothing of the code under test."""
    grey = image.astype(np.float32).mean(-1)
    smooth = cv2.GaussianBlur(grey, (0, 0), 2)
    cy, cx = np.unravel_index(smooth.argmax(), smooth.shape)
    y, x = np.mgrid[: grey.shape[0], : grey.shape[1]]
    near = (np.abs(x - cx) <= 6) & (np.abs(y - cy) <= 6)
    weight = np.where(near, np.maximum(smooth - np.median(grey) - 0.15 * np.ptp(smooth), 0), 0)
    return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()


def labelled(points, which, n):
    """float32 [n, slots, 2]: each row's one point in slot `which`, NaN elsewhere."""
    slots = np.full((n, SLOTS, 2), np.nan, np.float32)
    slots[np.arange(n), which] = points
    return slots


def inside(points, size, margin):
    return ((points >= margin) & (points <= np.array([size[1], size[0]]) - 1 - margin)).all(-1)


def check_dots(seen, moved, wanted, size):
    """The dot lies under its label in every view that shows it, the label is in the slot wanted, the rest is NaN."""
    n = len(seen)
    label = moved[np.arange(n), wanted]
    assert np.isfinite(label).all()
    assert np.isfinite(moved).sum() == 2 * n
    shown = np.flatnonzero(inside(label, size, 7))
    assert len(shown) > n / 2
    errors = [np.linalg.norm(find(seen[i]) - label[i]) for i in shown]
    assert max(errors) < 0.5


@sizes
@every_transform
def test_the_dot_stays_under_its_label(name, size):
    n, rng = 40, np.random.default_rng(1)
    points = rng.uniform(0.2, 0.8, (n, 2)) * (np.array(size[1::-1]) - 1)
    which = rng.integers(0, SLOTS, n)
    draws = draw(TRANSFORMS[name], n, [2, 3])
    matrices = draws.matrices(size[:2])
    seen, moved = apply(dots(points, size), labelled(points, which, n), draws, matrices, MIRROR, size[:2])
    assert (seen.shape, seen.dtype, moved.dtype) == ((n, *size), np.float32, np.float32)
    check_dots(seen, moved, np.where(draws.flipped, MIRROR[which], which), size)


def test_flipping_twice_changes_nothing():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (4, 32, 48, 3), dtype=np.uint8)
    slots = rng.uniform(0, 30, (4, SLOTS, 2)).astype(np.float32)
    draws = draw(TRANSFORMS["flip"], 4, 0)
    once, moved = apply(images, slots, draws, draws.matrices((32, 48)), MIRROR, (32, 48))
    np.testing.assert_allclose(once, images[:, :, ::-1], atol=1e-3)
    np.testing.assert_array_equal(moved[..., 0], 47 - slots[:, MIRROR, 0])
    np.testing.assert_array_equal(moved[..., 1], slots[:, MIRROR, 1])
    twice, back = apply(np.rint(once).astype(np.uint8), moved, draws, draws.matrices((32, 48)), MIRROR, (32, 48))
    np.testing.assert_array_equal(np.rint(twice).astype(np.uint8), images)
    np.testing.assert_allclose(back, slots, atol=1e-5)


def test_left_and_right_change_places_on_a_flip():
    left, right = KAGGLE15.index("left_eye_center"), KAGGLE15.index("right_eye_center")
    slots = labelled(np.array([[20.0, 30.0]]), left, 1)
    draws = draw(TRANSFORMS["flip"], 1, 0)
    _, moved = apply(np.zeros((1, 96, 96, 1), np.uint8), slots, draws, draws.matrices((96, 96)), MIRROR, (96, 96))
    assert moved[0, right].tolist() == [75.0, 30.0]
    assert np.isnan(moved[0, left]).all()


@pytest.mark.parametrize(
    ("angle", "zoom", "shift", "flipped", "point", "wanted"),
    [
        (0, 1, (0, 0), False, (58, 40), (58, 40)),
        (90, 1, (0, 0), False, (58, 40), (48, 50)),
        (-90, 1, (0, 0), False, (58, 40), (48, 30)),
        (180, 1, (0, 0), False, (58, 45), (38, 35)),
        (0, 2, (0, 0), False, (58, 45), (68, 50)),
        (0, 1, (3, -4), False, (58, 45), (61, 41)),
        (0, 1, (0, 0), True, (58, 45), (38, 45)),
        (90, 2, (1, 1), True, (58, 40), (49, 21)),  # mirrored to (38, 40), turned to (48, 30), zoomed to (48, 20)
        (77, 1.3, (0, 0), True, (48, 40), (48, 40)),  # the centre stays
    ],
)
def test_known_places(angle, zoom, shift, flipped, point, wanted):
    matrices = similarity(np.deg2rad([angle]), np.array([zoom]), np.array([shift]), np.array([flipped]), (81, 97))
    np.testing.assert_allclose(move(np.array([[point]], float), matrices)[0, 0], wanted, atol=1e-5)


def test_shift_is_a_share_of_width_and_height():
    draws = dataclasses.replace(draw(NONE, 1, 0), shift=np.array([[0.1, -0.5]]))
    np.testing.assert_allclose(draws.matrices((50, 200))[0], [[1, 0, 20], [0, 1, -25]], atol=1e-9)


@pytest.mark.parametrize("name", ["none", "brightness", "contrast", "blur", "noise"])
def test_light_does_not_move_points(name):
    slots = np.random.default_rng(0).uniform(0, 95, (9, SLOTS, 2)).astype(np.float32)
    draws = draw(TRANSFORMS[name], 9, 4)
    _, moved = apply(np.zeros((9, 96, 96, 1), np.uint8), slots, draws, draws.matrices((96, 96)), MIRROR, (96, 96))
    np.testing.assert_array_equal(moved, slots)


def lit(image, **changes):
    """One image [H, W, C] under one light."""
    neutral = draw(NONE, 1, 0)
    draws = dataclasses.replace(neutral, **{k: np.array([v], np.float32) for k, v in changes.items()})
    size, slots = image.shape[:2], np.zeros((1, SLOTS, 2), np.float32)
    return apply(image[None], slots, draws, draws.matrices(size), MIRROR, size)[0][0]


def test_brightness_and_contrast_value_by_value():
    image = np.full((4, 6, 1), 100, np.uint8)
    image[:, 3:] = 200
    for changes, dark, light in [
        ({}, 100, 200),
        ({"offset": 20}, 120, 220),
        ({"offset": -130}, 0, 70),
        ({"gain": 0.5}, 125, 175),
        ({"gain": 1.4, "offset": -10}, 70, 210),
        ({"gain": 3}, 0, 255),
    ]:
        seen = lit(image, **changes)
        np.testing.assert_allclose(seen[:, :3], dark, atol=1e-3)
        np.testing.assert_allclose(seen[:, 3:], light, atol=1e-3)


def test_blur_and_noise_are_as_strong_as_they_say():
    grey, dot = np.full((96, 96, 1), 120, np.uint8), np.zeros((41, 41, 1), np.uint8)
    dot[20, 20] = 255
    noisy = lit(grey, noise=8)
    assert noisy.std() == pytest.approx(8, rel=0.05)
    assert noisy.mean() == pytest.approx(120, abs=0.5)
    weight = lit(dot, blur=2)[..., 0]
    assert weight.sum() == pytest.approx(255, rel=0.01)
    spread = (weight * (np.arange(41) - 20) ** 2).sum() / weight.sum()
    assert np.sqrt(spread) == pytest.approx(2, rel=0.05)


@every_transform
def test_missing_labels_stay_missing_and_do_not_spread(name):
    rng = np.random.default_rng(0)
    slots = rng.uniform(0, 95, (30, SLOTS, 2)).astype(np.float32)
    missing = rng.random((30, SLOTS)) < 0.5
    slots[missing] = np.nan
    draws = draw(TRANSFORMS[name], 30, 1)
    _, moved = apply(np.zeros((30, 16, 16, 1), np.uint8), slots, draws, draws.matrices((16, 16)), MIRROR, (16, 16))
    wanted = np.where(draws.flipped[:, None], missing[:, MIRROR], missing)
    np.testing.assert_array_equal(np.isnan(moved), np.repeat(wanted[..., None], 2, -1))


def views(seed, rows=slice(None), settings=TRANSFORMS["all"]):
    """Some faces' views as bytes, images and points."""
    rng = np.random.default_rng(9)
    images = rng.integers(0, 256, (24, 20, 20, 1), dtype=np.uint8)
    slots = rng.uniform(0, 19, (24, SLOTS, 2)).astype(np.float32)
    draws = draw(settings, 24, seed)
    seen, moved = apply(images[rows], slots[rows], draws[rows], draws.matrices((20, 20))[rows], MIRROR, (20, 20))
    return seen, moved


def test_views_are_a_function_of_seed_and_epoch():
    first, points = views([7, 3])
    again, points_again = views([7, 3])
    assert first.tobytes() == again.tobytes()
    assert points.tobytes() == points_again.tobytes()
    for other in ([7, 4], [8, 3]):
        seen, moved = views(other)
        assert all((a != b).any() for a, b in zip(first, seen, strict=True))
        assert all((a != b).any() for a, b in zip(points, moved, strict=True))


def test_a_rows_view_does_not_depend_on_its_batch():
    whole, points = views([7, 3])
    rows = np.random.default_rng(0).permutation(24)[:20]
    seen, moved = views([7, 3], rows)
    np.testing.assert_array_equal(moved, points[rows])
    np.testing.assert_array_equal(seen, whole[rows])


NEUTRAL = {
    "flip": ("flipped", False),
    "rotation": ("angle", 0),
    "scale": ("zoom", 1),
    "shift": ("shift", 0),
    "brightness": ("offset", 0),
    "contrast": ("gain", 1),
    "blur": ("blur", 0),
    "noise": ("noise", 0),
}


@pytest.mark.parametrize("name", SINGLE)
def test_zero_turns_one_transform_off_and_no_other(name):
    draws = draw(dataclasses.replace(TRANSFORMS["all"], **{name: 0}), 200, 0)
    for other, (field, neutral) in NEUTRAL.items():
        assert (getattr(draws, field) == neutral).all() == (other == name), other


def test_all_at_zero_is_the_image_itself():
    seen, moved = views(0, settings=NONE)
    rng = np.random.default_rng(9)
    np.testing.assert_allclose(seen, rng.integers(0, 256, (24, 20, 20, 1), dtype=np.uint8), atol=1e-3)
    np.testing.assert_array_equal(moved, rng.uniform(0, 19, (24, SLOTS, 2)).astype(np.float32))


def test_draws_fill_their_ranges_and_stay_within():
    s, n = TRANSFORMS["all"], 4000
    draws = draw(s, n, 0)
    for values, limit in [
        (np.rad2deg(draws.angle), s.rotation),
        (draws.zoom - 1, s.scale),
        (draws.shift, s.shift),
        (draws.offset / 255, s.brightness),
        (draws.gain - 1, s.contrast),
    ]:
        assert np.abs(values).max() == pytest.approx(limit, rel=0.01)
        assert np.abs(values).max() <= limit * (1 + 1e-6)
        assert abs(values.mean()) < 0.05 * limit
    assert draws.flipped.mean() == pytest.approx(0.5, abs=0.03)
    for values, limit in [(draws.blur, s.blur), (draws.noise, s.noise)]:
        assert (values > 0).mean() == pytest.approx(0.25, abs=0.03)
        assert limit * 0.98 < values.max() <= limit
    assert len(set(draws.seed)) == n


def test_inputs_are_not_changed():
    images = np.random.default_rng(0).integers(0, 256, (8, 20, 20, 1), dtype=np.uint8)
    slots = np.random.default_rng(1).uniform(0, 19, (8, SLOTS, 2)).astype(np.float32)
    images.flags.writeable = slots.flags.writeable = False  # as a memory map's are
    before = images.tobytes(), slots.tobytes()
    for settings in TRANSFORMS.values():
        draws = draw(settings, 8, 1)
        for field in dataclasses.fields(draws):
            getattr(draws, field.name).flags.writeable = False
        apply(images, slots, draws, draws.matrices((20, 20)), MIRROR, (20, 20))
    assert (images.tobytes(), slots.tobytes()) == before


def random_similarities(n, seed=0, mirrored=True):
    rng = np.random.default_rng(seed)
    flipped = (rng.random(n) < 0.5) & mirrored
    return similarity(rng.uniform(-3, 3, n), rng.uniform(0.5, 2, n), rng.normal(0, 9, (n, 2)), flipped, (96, 96))


def test_compose_applies_the_inner_first_and_invert_undoes():
    outer, inner = random_similarities(20, 1), random_similarities(20, 2)
    points = np.random.default_rng(3).uniform(0, 95, (20, 5, 2))
    np.testing.assert_allclose(move(points, compose(outer, inner)), move(move(points, inner), outer), atol=1e-3)
    np.testing.assert_allclose(move(move(points, outer), invert(outer)), points, atol=1e-3)
    identity = np.broadcast_to(np.eye(2, 3), (20, 2, 3))
    np.testing.assert_allclose(compose(invert(outer), outer), identity, atol=1e-9)


def test_warp_keeps_images_that_are_not_moved():
    images = np.random.default_rng(0).integers(0, 256, (3, 9, 12, 2), dtype=np.uint8)
    np.testing.assert_array_equal(warp(images, np.broadcast_to(np.eye(2, 3), (3, 2, 3)).copy(), (9, 12)), images)
    assert warp(images[:0], np.zeros((0, 2, 3)), (9, 12)).shape == (0, 9, 12, 2)


# A specialist's view.


def face():
    """float [slots, 2]: a plain symmetric face, the conventions' versions 3 px apart."""
    half = {
        "eye_center": (18, 36), "eye_inner_corner": (11, 37), "eye_outer_corner": (25, 37),
        "eyebrow_inner_end": (9, 29), "eyebrow_outer_end": (30, 29), "corner": (13, 76),
    }  # fmt: skip
    middle = {"nose_tip": 58, "mouth_center_top_lip": 73, "mouth_center_bottom_lip": 80}
    places = []
    for name in KAGGLE15.slot_names:
        point, _, own = name.partition("@")
        if point in middle:
            places.append((47.5, middle[point] + (3 if own else 0)))
        else:
            side = 1 if "left" in point else -1
            x, y = next(place for end, place in half.items() if point.endswith(end) or f"mouth_left_{end}" in point
                        or f"mouth_right_{end}" in point)  # fmt: skip
            places.append((47.5 + side * x, y))
    return np.array(places, float)


def faces(n, seed=0):
    """float [n, slots, 2]: the face turned, zoomed and shifted a little, each point a little off."""
    rng = np.random.default_rng(seed)
    turn = similarity(rng.uniform(-0.5, 0.5, n), rng.uniform(0.8, 1.1, n), rng.normal(0, 3, (n, 2)), np.zeros(n, bool),
                      (96, 96))  # fmt: skip
    return move(np.repeat(face()[None], n, 0), turn) + rng.normal(0, 1, (n, SLOTS, 2))


def view_of(point, width=0.5, pixels=48):
    slots = np.flatnonzero(KAGGLE15.slot_points == KAGGLE15.index(point))
    return View(slots, face(), width, pixels)


POINTS = ("left_eye_center", "right_eyebrow_outer_end", "nose_tip", "mouth_left_corner")
every_point = pytest.mark.parametrize("point", POINTS)


@every_point
@pytest.mark.parametrize(("width", "pixels"), [(0.5, 48), (0.35, 48), (0.6, 40)])
def test_the_dot_lies_where_the_view_says_and_back(point, width, pixels):
    n, view, shapes = 20, view_of(point, width, pixels), faces(20)
    points = shapes[:, view.slots[0]] + np.random.default_rng(1).uniform(-4, 4, (n, 2))
    seen, matrices = view.look(dots(points, (96, 96, 1)), shapes)
    assert (seen.shape, seen.dtype) == ((n, pixels, pixels, 1), np.uint8)
    there = move(points[:, None], matrices)
    found = np.stack([find(image) for image in seen])
    shown = inside(there[:, 0], view.size, 5)
    assert shown.sum() > n / 2
    assert np.linalg.norm(found - there[:, 0], axis=-1)[shown].max() < 0.5
    np.testing.assert_allclose(view.back(there, matrices)[:, 0], points, atol=1e-3)


@every_point
@every_transform
def test_the_dot_stays_under_its_label_in_a_specialists_training_views(point, name):
    n, rng, view, shapes = 30, np.random.default_rng(2), view_of(point), faces(30)
    draws = draw(TRANSFORMS[name], n, [5, 1])
    # What the square shows is the point or, in a mirrored view, what was its partner.
    which = np.where(draws.flipped, MIRROR[view.slots[0]], view.slots[0])
    points = shapes[np.arange(n), which] + rng.uniform(-3, 3, (n, 2))
    matrices = view.training_matrices(shapes, draws, MIRROR, (96, 96), rng.normal(0, 2, (n, 2)))
    seen, moved = apply(dots(points, (96, 96, 1)), labelled(points, which, n), draws, matrices, MIRROR, view.size)
    check_dots(seen, moved, np.full(n, view.slots[0]), view.size)


@every_point
def test_the_square_is_centred_on_the_bases_answer_plus_jitter(point):
    n, view, shapes = 25, view_of(point), faces(25)
    draws = dataclasses.replace(draw(TRANSFORMS["flip"], n, 0), flipped=np.arange(n) % 2 == 0)
    own = np.where(draws.flipped[:, None], MIRROR[view.slots], view.slots)
    middle = np.take_along_axis(shapes, own[..., None], 1).mean(1, keepdims=True)
    still = view.training_matrices(shapes, draws, MIRROR, (96, 96), np.zeros((n, 2)))
    np.testing.assert_allclose(move(middle, still), np.full((n, 1, 2), 23.5), atol=1e-3)
    aside = view.training_matrices(shapes, draws, MIRROR, (96, 96), np.tile([3.0, -2.0], (n, 1)))
    np.testing.assert_allclose(move(middle, aside), np.tile([23.5 - 3, 23.5 + 2], (n, 1, 1)), atol=1e-3)


@every_point
def test_without_augmentation_training_sees_what_prediction_sees(point):
    view, shapes = view_of(point), faces(10)
    training = view.training_matrices(shapes, draw(NONE, 10, 0), MIRROR, (96, 96), np.zeros((10, 2)))
    np.testing.assert_allclose(training, view.matrices(shapes, (96, 96)), atol=1e-4)


@every_point
def test_a_mirrored_face_looks_to_a_specialist_as_its_partners_side_mirrored(point):
    """The view of the mirrored face is the mirrored view of the partner, whose square is the same."""
    view, partner, shapes = view_of(point), view_of(KAGGLE15.partner(point)), faces(6)
    flip = np.tile([[-1.0, 0, 95], [0, 1, 0]], (6, 1, 1))
    turned = move(shapes, flip)[:, MIRROR]
    flip_view = np.tile([[-1.0, 0, 47], [0, 1, 0]], (6, 1, 1))
    through_image = compose(view.matrices(turned, (96, 96)), flip)
    through_view = compose(flip_view, partner.matrices(shapes, (96, 96)))
    np.testing.assert_allclose(through_image, through_view, atol=1e-3)


@every_point
def test_a_face_that_is_turned_zoomed_and_shifted_looks_the_same(point):
    view, shapes, turn = view_of(point), faces(20), random_similarities(20, 4, mirrored=False)
    plain = move(shapes, view.matrices(shapes, (96, 96)))
    moved = move(shapes, turn).astype(float)
    np.testing.assert_allclose(move(moved, view.matrices(moved, (96, 96))), plain, atol=1e-2)


def test_procrustes_recovers_a_known_similarity():
    turn = random_similarities(20, 5, mirrored=False)
    shapes = move(np.repeat(face()[None], 20, 0), invert(turn))
    np.testing.assert_allclose(procrustes(shapes.astype(float), face()), turn, atol=1e-3)


def test_procrustes_is_the_least_squares_answer():
    shapes = faces(5) + np.random.default_rng(0).normal(0, 4, (5, SLOTS, 2))
    best = procrustes(shapes, face())

    def cost(matrices):
        return ((move(shapes, matrices) - face()) ** 2).sum((1, 2))

    for angle, zoom, shift in [(0.02, 1, (0, 0)), (-0.02, 1, (0, 0)), (0, 1.02, (0, 0)), (0, 0.98, (0, 0)),
                               (0, 1, (0.5, 0)), (0, 1, (0, -0.5))]:  # fmt: skip
        other = similarity(np.full(5, angle), np.full(5, zoom), np.tile(shift, (5, 1)), np.zeros(5, bool), (96, 96))
        assert (cost(compose(other, best)) > cost(best)).all()


def test_a_face_whose_points_all_fall_together_still_has_a_view_and_a_way_back():
    view, shapes = view_of("nose_tip"), np.full((1, SLOTS, 2), 40.0)
    seen, matrices = view.look(np.zeros((1, 96, 96, 1), np.uint8), shapes)
    assert seen.shape == (1, 48, 48, 1)
    np.testing.assert_allclose(view.back(np.full((1, 1, 2), 23.5), matrices), [[[40, 40]]], atol=1e-3)


def test_patches_cover_what_they_say_and_nothing_else():
    images = np.full((400, 96, 96, 1), 200, np.uint8)
    draws = draw(dataclasses.replace(NONE, erase=0.5), 400, [4])
    seen, _ = apply(images, np.zeros((400, SLOTS, 2), np.float32), draws, draws.matrices((96, 96)), MIRROR, (96, 96))
    painted = draws.patch[:, 2] > 0
    assert 0.4 < painted.mean() < 0.6
    assert (seen[~painted] == 200).all()
    for image, (x, y, wide, high, grey) in zip(seen[painted, :, :, 0], draws.patch[painted], strict=True):
        rows, columns = np.nonzero(np.isclose(image, grey))
        if len(rows) == 0:  # all of it beyond the edge
            assert min(x, y, 1 - x, 1 - y) < 0.05
            continue
        assert (image[image != 200] == np.float32(grey)).all()
        expected = np.clip([x - wide / 2, x + wide / 2, y - high / 2, y + high / 2], 0, 1) * 96
        np.testing.assert_allclose([columns.min(), columns.max() + 1, rows.min(), rows.max() + 1], expected, atol=0.51)


def test_stretching_keeps_the_area_and_changes_the_sides():
    matrix = similarity(np.zeros(2), np.ones(2), np.zeros((2, 2)), np.zeros(2, bool), (50, 50), np.array([1.0, 1.44]))
    np.testing.assert_allclose(matrix[1, :, :2], [[1.2, 0], [0, 1 / 1.2]])
    np.testing.assert_allclose(np.linalg.det(matrix[:, :, :2]), 1)
    np.testing.assert_allclose(move(np.full((2, 1, 2), 24.5), matrix), 24.5)
