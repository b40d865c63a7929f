"""Specialists: which rows train, how they are seen, what is copied from the base, and that they resume and load."""

import os
from dataclasses import replace

import numpy as np
import pytest
import tiny

from base_models import fit
from base_models.base import split_faces, train_base
from base_models.predict import validation_scores
from base_models.weights import get_weights
from data.augment import AugmentSettings
from data.errors import DataError, RunError
from data.keypoints import KAGGLE15
from data.synthetic import make_faces
from specialists.members import Team, ask
from specialists.points import SPECIALISTS, specialist_settings
from specialists.specialist import (
    REFERENCE,
    Looked,
    ViewBatches,
    labelled_slots,
    load_specialist,
    mean_face,
    rows_for,
    train_specialist,
)
from specialists.view import View

LEFT, RIGHT, NOSE = (KAGGLE15.index(name) for name in ("left_eye_center", "right_eye_center", "nose_tip"))
MIRROR = KAGGLE15.slot_mirror
SETTINGS = tiny.settings(train__epochs=2, specialist__train__epochs=2)


@pytest.fixture(scope="module")
def faces():
    return make_faces(48, seed=2, size=32)


class World:
    """A run with a base and two specialists, all trained once."""

    def __init__(self, folder, faces):
        self.folder, self.faces = folder, faces
        self.base = train_base(faces, SETTINGS, folder, 7)
        split = split_faces(faces, SETTINGS.split, 7)
        self.train, self.held = (
            Looked(side, np.mean(self.base.look(side.images, True), 0)) for side in (split.train, split.validation)
        )
        self.summaries = {point: self.specialist(point, folder) for point in ("left_eye_center", "nose_tip")}

    def specialist(self, point, folder, settings=SETTINGS.specialist, train=None, held=None):
        return train_specialist(point, self.base, train or self.train, held or self.held, settings, folder)


@pytest.fixture(scope="module")
def world(faces, tmp_path_factory):
    return World(tmp_path_factory.mktemp("run"), faces)


def labelled(*points):
    """One row of slots that labels just these slots."""
    row = np.full((17, 2), np.nan, np.float32)
    row[list(points)] = 10
    return row


@pytest.mark.parametrize(
    ("picked", "flip", "rows"),
    [
        ([LEFT], 0.5, [0, 1, 2]),
        ([RIGHT], 0.5, [0, 1, 2]),
        ([LEFT], 0.0, [0, 2]),  # nothing is mirrored, so the partner's labels teach nothing
        ([RIGHT], 0.0, [1, 2]),
        ([NOSE, 15], 0.5, [3, 4]),  # each convention's nose tip
        ([NOSE, 15], 0.0, [3, 4]),
    ],
)
def test_rows_that_label_the_point_or_its_partner_train(picked, flip, rows):
    slots = np.stack(
        [labelled(LEFT), labelled(RIGHT), labelled(LEFT, RIGHT), labelled(NOSE), labelled(15), labelled(12)]
    )
    assert rows_for(slots, picked, MIRROR, flip).tolist() == rows


def test_the_conventions_share_the_slots_that_they_draw_alike():
    assert KAGGLE15.slot_names[15] == "nose_tip@four"
    assert (KAGGLE15.slot_points == NOSE).nonzero()[0].tolist() == [NOSE, 15]


def test_every_labelled_row_is_used_and_only_the_training_part(world):
    slots = world.train.faces.slots
    for point, picked in (("left_eye_center", [LEFT, RIGHT]), ("nose_tip", [NOSE, 15])):
        assert world.summaries[point]["rows"] == labelled_slots(slots, picked).sum()
    held = labelled_slots(world.held.faces.slots, [LEFT]).sum()
    assert world.summaries["left_eye_center"]["validation_rows"] == held


def view_of(world, picked):
    reference = mean_face(world.train.shapes, MIRROR, 32)
    return View(np.array(picked), reference, SETTINGS.specialist.width, 16)


def one_epoch(looked, view, settings, epoch=0):
    made = ViewBatches(looked, looked.faces.slots, view, settings, 7, epoch)
    images, points = zip(*(made[i] for i in range(len(made))), strict=True)
    rows = np.concatenate(
        [np.sort(made.order[i * made.batch_size : (i + 1) * made.batch_size]) for i in range(len(made))]
    )
    return np.concatenate(images), np.concatenate(points), rows, made


@pytest.mark.parametrize("flip", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("epoch", [0, 1])
def test_rows_that_label_only_the_partner_are_always_mirrored_and_the_others_never_blindly(world, flip, epoch):
    points = world.train.faces.points.copy()
    points[::3, LEFT] = np.nan
    points[1::3, RIGHT] = np.nan
    looked = replace(world.train, faces=replace(world.train.faces, points=points))
    rows = rows_for(looked.faces.slots, [LEFT], MIRROR, flip)
    looked = looked[rows]
    settings = replace(SETTINGS.specialist, augment=replace(SETTINGS.specialist.augment, flip=flip))
    _, seen, order, made = one_epoch(looked, view_of(world, [LEFT]), settings, epoch)
    itself, partner = (labelled_slots(looked.faces.slots, [slot]) for slot in (LEFT, RIGHT))
    assert made.draws.flipped[partner & ~itself].all()
    assert not made.draws.flipped[itself & ~partner].any()
    assert sorted(order) == list(range(len(rows)))
    assert np.isfinite(seen).all()  # so every row teaches in every epoch


def test_labels_move_with_the_view_and_the_mirror(world):
    """A dot drawn on the label is under the label in the view, mirrored or not."""
    faces = make_faces(30, seed=9, size=96, noise=0)
    slots = faces.slots
    rows = np.flatnonzero(labelled_slots(slots, [LEFT]) & labelled_slots(slots, [RIGHT]))
    faces = faces[rows]
    images = np.zeros_like(faces.images)
    for image, (x, y) in zip(images, np.rint(faces.slots[:, LEFT]).astype(int), strict=True):
        image[y - 1 : y + 2, x - 1 : x + 2] = 255
    shapes = np.nan_to_num(faces.slots, nan=48.0)
    looked = Looked(replace(faces, images=images), shapes)
    still = replace(AugmentSettings(), brightness=0, contrast=0, blur=0, noise=0, erase=0)
    settings = replace(SETTINGS.specialist, augment=still, jitter=1.0)
    view = View(np.array([LEFT]), mean_face(shapes, MIRROR, 96), 0.5, 48)
    seen, points, order, made = one_epoch(looked, view, settings)
    grid = np.stack(np.meshgrid(np.arange(48), np.arange(48)), -1)
    upright = ~made.draws.flipped[order]
    assert upright.any()
    for image, point in zip(seen[upright], points[upright], strict=True):
        centre = (grid * image).sum((0, 1)) / image.sum()
        np.testing.assert_allclose(centre, point[0], atol=0.6)
    for image, point in zip(seen[~upright], points[~upright], strict=True):  # the dot is now the right eye
        if image.sum() > 0:
            assert np.linalg.norm((grid * image).sum((0, 1)) / image.sum() - point[0]) > 3


def test_validation_is_seen_straight_and_whole(world):
    view = view_of(world, [LEFT])
    first, matrices = view.look(world.held.faces.images, world.held.shapes)
    again, same = view.look(world.held.faces.images, world.held.shapes)
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(matrices, same)
    turn = matrices[:, :, :2]
    assert (np.linalg.det(turn) > 0).all()  # never mirrored
    positions = np.random.default_rng(0).uniform(0, 16, (len(first), 1, 2))
    there = view.back(positions, matrices)
    np.testing.assert_allclose(there @ turn.swapaxes(1, 2) + matrices[:, None, :, 2], positions, atol=1e-4)


def test_the_score_of_its_summary_is_that_of_the_loaded_specialist_on_validation(world):
    from base_models.predict import score

    for point, summary in world.summaries.items():
        specialist = load_specialist(world.folder, point)
        found = specialist.predict(world.held.faces.images, world.held.shapes)
        truth = world.held.faces.slots[:, specialist.view.slots]
        assert summary["val_rmse"] == pytest.approx(score(found, truth), abs=1e-4)


def test_a_loaded_specialist_predicts_as_the_trained_one_whatever_its_network_did_since(world, tmp_path):
    images, shapes = world.held.faces.images, world.held.shapes
    before = load_specialist(world.folder, "left_eye_center").predict(images, shapes)
    assert np.isfinite(before).all()
    world.specialist("right_eye_center", tmp_path)  # trains on the very network that both share
    np.testing.assert_array_equal(load_specialist(world.folder, "left_eye_center").predict(images, shapes), before)


def test_specialists_of_one_shape_train_in_one_network(world, tmp_path, monkeypatch):
    def built(*arguments):
        raise AssertionError(f"another network was built: {arguments}")

    world.specialist("left_eye_center", tmp_path)
    monkeypatch.setattr("specialists.specialist.build_network", built)
    assert world.specialist("right_eye_center", tmp_path)["epochs"] == 2


def test_its_weights_do_not_depend_on_what_was_trained_before(world, tmp_path):
    world.specialist("right_eye_center", tmp_path / "a")
    world.specialist("left_eye_center", tmp_path / "b")  # now with a used network and optimiser
    weights = "specialists/left_eye_center/weights.npz"
    assert (tmp_path / "b" / weights).read_bytes() == (world.folder / weights).read_bytes()


def test_frozen_blocks_keep_the_base_s_weights_and_statistics(world, tmp_path):
    settings = replace(SETTINGS.specialist, frozen=2)
    world.specialist("left_eye_center", tmp_path, settings)
    found = load_specialist(tmp_path, "left_eye_center").weights
    world.specialist("right_eye_center", tmp_path, replace(SETTINGS.specialist, frozen=0))
    free = load_specialist(tmp_path, "right_eye_center").weights
    source = get_weights(world.base.model)
    early = [name for name in source if name.startswith(("conv1", "norm1", "conv2", "norm2"))]
    assert len(early) == 10
    for name in early:
        np.testing.assert_array_equal(found[name], source[name])
        assert not np.array_equal(free[name], source[name])
    assert not np.array_equal(found["conv3/kernel"], source["conv3/kernel"])


def test_the_summary_tells_what_came_from_the_base(world):
    summary = world.summaries["left_eye_center"]
    assert summary["transfer"].startswith(
        "29 arrays copied"
    )  # all but the dense layer after the flattening, and the output
    fresh = {text.partition(" ")[0] for text in summary["fresh"]}
    assert fresh == {"dense1/kernel", "coordinates/kernel", "coordinates/bias", "positions/anchor"}


def test_the_summary_tells_where_it_started_and_what_the_base_reaches_there(world):
    """With a dense head, whose last layer is fresh and zero, the start is to look at the mean position in the view."""
    point = world.base.schema.index("left_eye_center")
    held = world.held[np.flatnonzero(labelled_slots(world.held.faces.slots, [point]))]
    truth = held.faces.slots[:, [point]]
    summary = world.summaries["left_eye_center"]
    assert summary["base"] == pytest.approx(validation_scores(held.shapes[:, [point]], truth))
    specialist = load_specialist(world.folder, "left_eye_center")
    anchor = np.repeat(specialist.weights["positions/anchor"][None], len(truth), 0)
    _, matrices = specialist.view.look(held.faces.images, held.shapes)
    assert summary["start"] == pytest.approx(validation_scores(specialist.view.back(anchor, matrices), truth), abs=1e-4)


def test_it_starts_at_the_mean_of_what_it_will_see(world):
    """Before the first epoch an answer is the anchor: as good as looking at the mean position in the view."""
    arrays = load_specialist(world.folder, "left_eye_center").weights
    assert arrays["positions/anchor"].shape == (1, 2)
    assert np.abs(arrays["positions/anchor"] - 7.5).max() < 6  # px of a 16 px view
    assert REFERENCE not in arrays


def stopped(*args):
    SAVE(*args)
    raise KeyboardInterrupt


SAVE = fit._save


def test_an_interrupted_specialist_goes_on_to_the_same_bytes(world, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(fit, "_save", stopped)
        with pytest.raises(KeyboardInterrupt):
            world.specialist("nose_tip", tmp_path)
    world.specialist("left_eye_center", tmp_path)  # something else in between, on another network
    summary = world.specialist("nose_tip", tmp_path)
    assert summary["epochs"] == 2
    for point in ("nose_tip", "left_eye_center"):
        file = f"specialists/{point}/weights.npz"
        assert (tmp_path / file).read_bytes() == (world.folder / file).read_bytes()


class Killed(BaseException):
    """Stands for a kill."""


@pytest.mark.parametrize("at", range(1, 7))
def test_killed_at_any_replacing_of_a_file_it_goes_on_to_the_same_bytes(world, tmp_path, at):
    """settings, two checkpoints, weights, history, manifest: each time just before the new file is in place."""
    real, count = os.replace, [0]

    def replaced(*args):
        count[0] += 1
        if count[0] >= at:
            raise Killed
        return real(*args)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", replaced)
        patch.setattr(os, "unlink", lambda *args: None)
        with pytest.raises(Killed):
            world.specialist("nose_tip", tmp_path)
    world.specialist("nose_tip", tmp_path)
    found, wanted = tiny.files(tmp_path), tiny.files(world.folder / "specialists" / "nose_tip")
    assert [name.rpartition("/")[2] for name in found] == list(wanted)
    assert found["specialists/nose_tip/weights.npz"] == wanted["weights.npz"]


def test_a_finished_specialist_is_left_alone_and_not_mixed_with_other_settings(world):
    before = tiny.files(world.folder)
    assert world.specialist("nose_tip", world.folder) == world.summaries["nose_tip"]
    with pytest.raises(RunError, match=r"nose_tip: was trained with other specialist.width \(0.[0-9]+, now 0.9\)"):
        world.specialist("nose_tip", world.folder, replace(SETTINGS.specialist, width=0.9))
    assert tiny.files(world.folder) == before


def test_a_point_without_labels_is_refused_before_anything_is_written(world, tmp_path):
    points = world.train.faces.points.copy()
    points[:, [LEFT, RIGHT]] = np.nan
    blank = replace(world.train, faces=replace(world.train.faces, points=points))
    with pytest.raises(DataError, match=r"left_eye_center: expected at least 2 training faces.*received 0 and \d"):
        world.specialist("left_eye_center", tmp_path, train=blank)
    assert list(tmp_path.iterdir()) == []


def test_a_specialist_that_was_not_trained_is_none(world):
    assert load_specialist(world.folder, "mouth_left_corner") is None


def test_a_specialist_in_the_wrong_place_is_refused(world, tmp_path):
    import shutil

    shutil.copytree(world.folder / "specialists" / "nose_tip", tmp_path / "specialists" / "left_eye_center")
    with pytest.raises(RunError, match="expected the specialist of left_eye_center; received that of nose_tip"):
        load_specialist(tmp_path, "left_eye_center")


# -- asking the members together


def asked(world, images, *points, flip):
    specialists = {point: load_specialist(world.folder, point) for point in points}
    return ask([Team(world.folder, {"base": world.base}, specialists)], images, flip, reach=4.0)


def test_without_specialists_only_the_base_answers(world):
    answers = asked(world, world.held.faces.images, flip=True)
    assert np.isnan(answers.specialist).all()
    np.testing.assert_array_equal(answers.disagreement[..., 1], 0)
    np.testing.assert_allclose(answers.base, np.clip(world.held.shapes, 0, 32))


def test_with_some_specialists_missing_the_others_answer_for_their_points(world):
    images = world.held.faces.images
    answers = asked(world, images, "nose_tip", "left_eye_center", flip=False)
    answered = np.isfinite(answers.specialist).all((0, 2)).nonzero()[0]
    assert answered.tolist() == [LEFT, NOSE, 15]
    plain = world.base.look(images, False)[0]
    expected = np.clip(load_specialist(world.folder, "nose_tip").predict(images, plain), 0, 32)
    np.testing.assert_allclose(answers.specialist[:, [NOSE, 15]], expected, atol=1e-4)
    flipped = asked(world, images, "left_eye_center", flip=True)  # it answers for its partner too
    assert np.isfinite(flipped.specialist).all((0, 2)).nonzero()[0].tolist() == [LEFT, RIGHT]


def test_a_mirrored_face_gives_the_mirrored_answer(world):
    world.specialist("right_eye_center", world.folder)
    three = ("left_eye_center", "right_eye_center", "nose_tip")
    images = world.held.faces.images
    one = asked(world, images, *three, flip=True)
    other = asked(world, np.ascontiguousarray(images[:, :, ::-1]), *three, flip=True)
    for name in ("base", "specialist"):
        turned = getattr(other, name)[:, MIRROR]
        turned[..., 0] = 31 - turned[..., 0]
        inside = (getattr(one, name) > 0) & (getattr(one, name) < 31)  # where no edge cut the answer
        assert np.nanmean(inside) > 0.1
        np.testing.assert_allclose(np.where(inside, turned, 0), np.where(inside, getattr(one, name), 0), atol=2e-3)
    np.testing.assert_allclose(other.disagreement[:, MIRROR][..., 0], one.disagreement[..., 0], atol=2e-3)


def test_the_table_names_points_and_settings_that_exist():
    for point in SPECIALISTS:
        KAGGLE15.index(point)
        assert specialist_settings(tiny.Settings(), point) != specialist_settings(tiny.Settings(), "left_eye_center")


def test_the_user_s_settings_win_over_the_table():
    user = tiny.settings(specialist__width=0.8)
    assert specialist_settings(user, "nose_tip").width == 0.8
    assert specialist_settings(user, "nose_tip", {"width": "0.7"}).width == 0.7
    assert specialist_settings(user, "left_eye_center", {"train.epochs": 9}).train.epochs == 9
