"""The calibration: what a set's framing and drawing say of errors."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import tiny

from base_models import calibration
from base_models.base import split_faces, train_base
from base_models.calibration import Calibration, calibration_of, cross_fitted, fit_calibration
from data.errors import RunError
from data.runs import Part
from data.storage import read_json, write_json
from data.synthetic import make_faces
from reports.predictions import Predictions
from specialists.ensemble import build_ensemble, calibrated, load_ensemble
from specialists.members import Answers

SIZE = (96, 96)


def shapes_and_truth(n=400, slots=5, wrong=0, seed=0):
    """Answers about labels that lie to the right of them, and the farther from the middle the face the more so."""
    rng = np.random.default_rng(seed)
    where = rng.normal(0, 4, (n, 1, 2))
    shapes = rng.uniform(20, 70, (1, slots, 2)) + where + rng.normal(0, 1, (n, slots, 2))
    truth = shapes + np.array([0.5, 0.0]) - 0.2 * where + rng.normal(0, 0.5, shapes.shape)
    truth[:wrong] += 40
    truth[rng.random(truth.shape[:2]) < 0.3] = np.nan
    return shapes, truth, np.arange(n) // 4


def rms(values):
    return np.sqrt(np.nanmean(values**2))


@pytest.mark.parametrize("wrong", [0, 12])
def test_what_depends_on_the_shape_is_taken_out_of_other_faces_whatever_a_few_labels_say(wrong):
    shapes, truth, group = shapes_and_truth(wrong=wrong)
    found = fit_calibration(shapes, truth, group, SIZE)
    others, wanted, _ = shapes_and_truth()
    others, wanted = others[200:], wanted[200:]
    assert rms(others - wanted) > 1
    assert rms(others + found(others) - wanted) < 0.55  # 0.5 is the noise


def test_a_set_in_other_pixels_has_the_same_correction():
    shapes, truth, group = shapes_and_truth()
    found = fit_calibration(shapes, truth, group, SIZE)
    larger = fit_calibration(2.5 * shapes, 2.5 * truth, group, (240, 240))
    np.testing.assert_allclose(larger(2.5 * shapes[:9]), 2.5 * found(shapes[:9]), rtol=1e-4, atol=1e-4)


def test_a_point_with_next_to_no_labels_stays_where_it_is():
    shapes, truth, group = shapes_and_truth()
    truth[2:, 1] = truth[:, 2] = np.nan
    found = fit_calibration(shapes, truth, group, SIZE)(shapes)
    assert (found[:, 1:3] == 0).all()
    assert (found[:, [0, 3, 4]] != 0).all()


NONE = {
    "few groups": lambda s, t, g: (s, t, g % 4),
    "no labels": lambda s, t, g: (s, np.full_like(t, np.nan), g),
    "no faces": lambda s, t, g: (s[:0], t[:0], g[:0]),
    "errors that are chance": lambda s, t, g: (s, s + np.random.default_rng(1).normal(0, 1, s.shape), g),
    "no errors": lambda s, t, g: (s, s.copy(), g),
}


@pytest.mark.parametrize("case", NONE)
def test_where_it_cannot_help_there_is_none(case):
    assert fit_calibration(*NONE[case](*shapes_and_truth()), SIZE) is None


def test_base_and_specialist_are_moved_alike_and_stay_within_the_image():
    shapes, truth, group = shapes_and_truth()
    found = fit_calibration(shapes, truth, group, SIZE)
    base = shapes.astype(np.float32)
    base[0, 0, 0] = 95.99
    specialist = base + np.float32(0.25)
    specialist[:, 3] = np.nan
    moved = calibrated(Answers(base, specialist, None), found(base), SIZE)
    np.testing.assert_allclose(moved.base[1:], (base + found(base))[1:])
    np.testing.assert_allclose((moved.specialist - moved.base)[1:, :3], 0.25, atol=1e-4)
    assert np.isnan(moved.specialist[:, 3]).all()
    assert moved.base.max() <= 96 >= np.nanmax(moved.specialist)
    assert moved.base.dtype == np.float32


# ---- in an ensemble ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(run, its faces, its settings): with a calibration that is right about the mean errors of the held-out faces."""
    faces, folder, settings = make_faces(60, 5), tmp_path_factory.mktemp("calibration") / "run", tiny.settings()
    base, held = train_base(faces, settings, folder, 3), split_faces(faces, settings.split, 3).validation
    shapes = sum(base.look(held.images, True)) / 2
    centre, offset = shapes.mean(0), np.nanmean(held.slots - shapes, 0)
    weight = np.full((2, *offset.shape), 1e-3)
    weight[0] = np.nan_to_num(offset)
    with pytest.MonkeyPatch.context() as patch:
        made = Calibration(centre.ravel(), np.ones((1, offset.size)), weight, np.full(len(offset), 5.0))
        patch.setattr(calibration, "fit_calibration", lambda *_: made)
        build_ensemble(folder, faces, settings, 3)
    return folder, faces, settings


def test_framed_answers_are_those_that_the_report_tells_and_others_go_without(run):
    folder, faces, settings = run
    told, ensemble = Predictions.load(folder / "ensemble" / "predictions.npz"), load_ensemble(folder)
    held = split_faces(faces, settings.split, 3).validation
    assert ensemble.calibrates(held)
    framed, radii = ensemble.predict_set(held)
    plain, same = ensemble.predict_set(replace(held, source="elsewhere"))
    np.testing.assert_allclose(framed["ensemble"], told.points["ensemble"], atol=1e-3)
    np.testing.assert_array_equal(radii, same)
    slots, moved = (held.schema.to_slots(p["ensemble"], held.convention) for p in (plain, framed))
    known = np.isfinite(slots).all(-1) & np.isfinite(moved).all(-1)
    wanted = np.clip(slots + ensemble.calibration(sum(ensemble.base.look(held.images, True, True)) / 2), 0, 96)
    assert np.abs(moved - slots)[known].max() > 0.1
    np.testing.assert_allclose(moved[known], wanted[known], atol=0.01)
    quick, _ = ensemble.predict(held.images, held.convention)
    np.testing.assert_allclose(quick["ensemble"], plain["ensemble"], atol=0.05)  # not moved either


@pytest.mark.slow
def test_without_the_setting_there_is_none(run, tmp_path):
    _, faces, settings = run
    train_base(faces, settings, tmp_path / "run", 3)
    off = tiny.settings(ensemble__calibrate=False)
    build_ensemble(tmp_path / "run", faces, off, 3)
    assert load_ensemble(tmp_path / "run").calibration is None


BROKEN = [
    {"calibration": {"centre": [1.0], "axes": [], "weight": [], "limit": []}},
    {"calibration": {"centre": []}},
    {"calibration": {"centre": [], "axes": [], "weight": [], "limit": [], "more": []}},
    {"calibration": "none"},
    {"shifts": 4},
    {"shifts": None},
]


@pytest.mark.parametrize("wrong", BROKEN)
def test_one_that_is_none_is_refused(run, tmp_path, wrong):
    shutil.copytree(run[0], tmp_path / "run")
    part = Part(tmp_path / "run" / "ensemble")
    rule = read_json(part.folder / "merge.json")
    write_json(part.folder / "merge.json", rule | wrong)
    part.seal(["settings.json", "merge.json", "predictions.npz"])
    with pytest.raises(RunError, match=r"merge.json: expected a merge as this version writes it; received other"):
        load_ensemble(tmp_path / "run")


def constant(slots, offset):
    """A calibration that moves everything by so many px."""
    weight = np.full((1, slots, 2), offset)
    return Calibration(np.zeros(2 * slots), np.zeros((0, 2 * slots)), weight, np.full(slots, 9.0))


@pytest.mark.parametrize(("offset", "kept"), [(0.0, True), (1.0, False), (np.nan, False)])
def test_one_that_makes_held_out_faces_worse_is_dropped(run, monkeypatch, offset, kept):
    faces = run[1]
    right = np.nan_to_num(faces.slots, nan=48.0).astype(np.float32)
    made = constant(right.shape[1], offset)
    monkeypatch.setattr(calibration, "fit_calibration", lambda *_: made)
    found = calibration_of(faces, np.arange(len(faces)), lambda rows: right[rows], faces[:9], right[:9])
    assert (found is made) == kept


@pytest.mark.parametrize(("most", "looked"), [(59, 59), (60, 60), (30, 30), (61, 60)])
def test_so_many_faces_are_looked_at_and_no_more(run, monkeypatch, most, looked):
    faces, seen = run[1], []
    monkeypatch.setattr(calibration, "MOST", most)
    calibration_of(
        faces, np.arange(60), lambda rows: seen.extend(rows) or faces.slots[rows], faces[:0], faces.slots[:0]
    )
    assert len(set(seen)) == looked


def test_faces_cut_out_of_photos_have_none(run):
    faces = replace(run[1], matrices=np.zeros((len(run[1]), 2, 3)))
    assert calibration_of(faces, np.arange(60), None, None, None) is None


def test_faces_of_another_source_are_not_framed_alike(run):
    ensemble, faces = load_ensemble(run[0]), run[1]
    assert ensemble.calibrates(faces)
    assert not ensemble.calibrates(replace(faces, source="kaggle"))
    assert not ensemble.calibrates(replace(faces, matrices=np.zeros((len(faces), 2, 3))))
    assert not replace(ensemble, calibration=None).calibrates(faces)


def test_merges_of_before_shifted_views_and_calibrations_have_none(run, tmp_path):
    shutil.copytree(run[0], tmp_path / "run")
    part = Part(tmp_path / "run" / "ensemble")
    rule = read_json(part.folder / "merge.json")
    old = {name: value for name, value in rule.items() if name not in ("calibration", "shifts", "checksum")}
    write_json(part.folder / "merge.json", old)
    part.seal(["settings.json", "merge.json", "predictions.npz"])
    loaded = load_ensemble(tmp_path / "run")
    assert (loaded.shifts, loaded.calibration) == (False, None)


def test_no_face_is_moved_farther_than_nearly_all_training_faces():
    shapes, truth, group = shapes_and_truth()
    found = fit_calibration(shapes, truth, group, SIZE)
    usual = np.linalg.norm(found(shapes), axis=-1).max()
    lost = shapes + np.array([900.0, 0.0])
    assert np.linalg.norm(found(lost), axis=-1).max() <= usual * 1.001 < 10


def test_an_answer_that_is_no_number_is_no_calibration():
    shapes, truth, group = shapes_and_truth()
    shapes[3, 1] = np.nan
    assert fit_calibration(shapes, truth, group, SIZE) is None


def test_what_is_fitted_on_is_corrected_by_fits_without_its_group():
    shapes, truth, group = shapes_and_truth()
    made, before = cross_fitted(shapes, truth, group, SIZE)
    wrong = np.where((group == 7)[:, None, None], truth + 30, truth)
    _, after = cross_fitted(shapes, wrong, group, SIZE)
    np.testing.assert_array_equal(after[group == 7], before[group == 7])
    assert np.abs(after - before)[group != 7].max() > 0
    np.testing.assert_allclose(before, made(shapes), atol=0.5)


@pytest.mark.slow
def test_where_all_folds_vote_their_answers_are_fitted_on(tmp_path, monkeypatch):
    faces, seen = make_faces(40, 6, size=32), []
    for fold in (0, 1):
        own = tiny.settings(split__share=0.5, split__fold=fold, train__epochs=1)
        train_base(faces, own, tmp_path / str(fold), 2)
    own = tiny.settings(split__share=0.5, train__epochs=1)

    def fitted(shapes, truth, group, size):
        seen.append((len(shapes), len(truth), len(set(group)), size))
        correction = np.zeros(shapes.shape, np.float32)
        correction[::2] = 1.0
        return constant(shapes.shape[1], 2.0), correction

    monkeypatch.setattr(calibration, "cross_fitted", fitted)
    build_ensemble(tmp_path / "0", faces, own, 2)
    assert seen[0][0] == 20  # a single run is fitted on its training rows
    both, predictions, _ = build_ensemble(tmp_path / "0", faces, own, 2, [tmp_path / "1"])
    assert seen[-1] == (40, 40, len(set(faces.group)), (32, 32))
    assert both.calibration.limit[0] == 9
    off = replace(own, ensemble=replace(own.ensemble, calibrate=False))
    _, bare, _ = build_ensemble(tmp_path / "0", faces, off, 2, [tmp_path / "1"])
    moved = predictions.points["base"] - bare.points["base"]
    np.testing.assert_allclose(moved, np.broadcast_to(np.arange(40)[:, None, None] % 2 == 0, moved.shape), atol=1e-4)
