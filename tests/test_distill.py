"""A run's student: what it is taught, that it goes on where it was stopped, what is refused, and its exported file."""

import dataclasses
import shutil

import numpy as np
import pytest
import tiny

from base_models.base import split_faces
from data.errors import RunError, UsageError
from data.keypoints import KAGGLE15
from data.runs import Part
from data.storage import read_json
from data.synthetic import make_faces
from specialists.distill import STUDENT, answered, held_out, load_student, main, taught, train_student
from specialists.ensemble import build_ensemble, load_ensemble
from specialists.export import checked_out, export_run, replaced
from specialists.export import main as export_main
from specialists.exported import load_exported
from specialists.members import ask, load_team
from specialists.predictor import DOUBT, held_faces

FACES = make_faces(40, seed=2, size=32)
HELD = split_faces(FACES, tiny.settings().split, 0).validation


def settings(**more):
    return tiny.settings(train__epochs=1, **more)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with an ensemble; tests that change it copy it."""
    return tiny.merged_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def student(run, tmp_path_factory):
    """The same with its student."""
    folder = tmp_path_factory.mktemp("taught") / "run"
    shutil.copytree(run, folder)
    train_student(FACES, settings(), folder, 0)
    return folder


def test_a_student_is_taught_what_its_ensemble_answers_and_labels_as_far_as_wanted(run, tmp_path):
    ensemble, faces = load_ensemble(run), FACES[:36]
    asked = ask(ensemble.teams, faces.images, ensemble.flip, ensemble.merge.reach, ensemble.shifts)
    wanted, known = ensemble.merge(asked.base, asked.specialist), np.isfinite(faces.slots)
    assert 0 < known.mean() < 1
    answers = answered(Part(tmp_path, {"of": "tests"}), ensemble, faces)
    np.testing.assert_allclose(answers, wanted, atol=1e-3)
    np.testing.assert_array_equal(taught(faces, answers, 1.0), answers)
    half = taught(faces, answers, 0.5)
    np.testing.assert_allclose(half[known], (wanted[known] + faces.slots[known]) / 2, atol=1e-3)
    labels = taught(faces, answers, 0.0)
    np.testing.assert_array_equal(labels[known], faces.slots[known])
    np.testing.assert_array_equal(labels[~known], answers[~known])


def test_answers_are_kept_block_by_block_and_asked_for_again_where_they_are_not_whole(
    run, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("specialists.distill.BLOCK", 16)
    ensemble, part = load_ensemble(run), Part(tmp_path, {"of": "tests"})
    wanted, before = answered(part, ensemble, FACES), tiny.files(tmp_path)
    assert list(before) == ["answers00000.npz", "answers00001.npz", "answers00002.npz"]
    asked = []
    monkeypatch.setattr("specialists.members.ask", lambda *given: asked.append(len(given[1])) or ask(*given))
    np.testing.assert_array_equal(answered(part, ensemble, FACES), wanted)
    assert asked == []
    (tmp_path / "answers00002.npz").write_bytes(before["answers00002.npz"][:-50])
    np.testing.assert_array_equal(answered(part, ensemble, FACES), wanted)
    assert asked == [8]
    assert "answers00002.npz: expected an array file; received damaged content" in capsys.readouterr().err
    assert tiny.files(tmp_path) == before
    answered(Part(tmp_path, {"of": "another"}), ensemble, FACES)
    assert asked == [8, 16, 16, 8]


def test_a_student_s_folder_says_what_it_is(student):
    epochs, summary = Part(student / STUDENT).history()
    assert (len(epochs), summary["rows"], summary["epochs"]) == (3, 35, 3)
    made = Part(student / STUDENT).settings()
    assert (made["part"], made["network"]["filters"], made["trust"]) == (STUDENT, 4, 1.0)
    assert not list((student / STUDENT).glob("answers*"))


def test_it_trains_on_its_ensembles_answers_for_what_the_run_does_not_hold_out(run, tmp_path, monkeypatch):
    shutil.copytree(run, tmp_path / "run")
    seen = {}

    def train(part, split, labels, own, *rest):
        (tmp_path / "run" / STUDENT).mkdir()
        seen.update(split=split, labels=labels(), network=own.network, train=own.train)

    monkeypatch.setattr("base_models.base.train_network", train)
    wanted = settings(student__network__filters=6, student__trust=0.25)
    train_student(FACES, wanted, tmp_path / "run", 0)
    faces, ensemble = seen["split"].train, load_ensemble(run)
    np.testing.assert_array_equal(seen["split"].validation.ids, HELD.ids)
    assert not set(faces.ids) & set(HELD.ids)
    answers = answered(Part(tmp_path, {"of": "tests"}), ensemble, faces)
    np.testing.assert_allclose(seen["labels"], taught(faces, answers, 0.25), atol=1e-4)
    assert (seen["network"], seen["train"]) == (wanted.student.network, wanted.student.train)


def test_a_stopped_student_reaches_the_same_bytes(run, student, tmp_path, monkeypatch):
    class Stopped(Exception):
        pass

    def stop(part, *arguments):
        save(part, *arguments)
        raise Stopped

    from base_models import fit

    shutil.copytree(run, tmp_path / "run")
    save = fit._save
    with monkeypatch.context() as patched:
        patched.setattr(fit, "_save", stop)
        with pytest.raises(Stopped):
            train_student(FACES, settings(), tmp_path / "run", 0)
    assert Part(tmp_path / "run" / STUDENT).checkpoint.exists()
    train_student(FACES, settings(), tmp_path / "run", 0)
    own, whole = (tiny.files(folder / STUDENT) for folder in (tmp_path / "run", student))
    assert own.keys() == whole.keys()
    assert own["weights.npz"] == whole["weights.npz"]


def test_a_finished_student_is_loaded_and_one_of_other_settings_refused(student):
    before = tiny.files(student / STUDENT)
    train_student(FACES, settings(), student, 0)
    assert tiny.files(student / STUDENT) == before
    with pytest.raises(RunError, match=r"student: was trained with other .*trust"):
        train_student(FACES, settings(student__trust=0.5), student, 0)


def test_a_student_of_another_ensemble_is_refused(student, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(student, run)
    build_ensemble(run, FACES, settings(ensemble__calibrate=False), 0)
    assert load_student(run, load_ensemble(run)).part.folder == run / STUDENT  # a calibration teaches nothing
    build_ensemble(run, FACES, settings(ensemble__flip=False), 0)
    with pytest.raises(RunError, match=r"student: was taught by another ensemble than .*delete"):
        load_student(run, load_ensemble(run))
    with pytest.raises(RunError, match=r"student: was trained with other ensemble"):
        train_student(FACES, settings(), run, 0)


def test_what_is_held_out_is_what_the_run_holds_out_whatever_the_settings_say_now(student):
    before = tiny.files(student / STUDENT)
    train_student(FACES, settings(split__fold=1), student, 0)
    assert tiny.files(student / STUDENT) == before
    np.testing.assert_array_equal(FACES.ids[held_out(load_ensemble(student), FACES)], HELD.ids)


@pytest.mark.parametrize("more", [{"split__fold": 1}, {"split__share": 0.2}])
def test_an_ensemble_whose_members_hold_out_other_faces_has_no_student(run, tmp_path, more):
    from base_models.base import train_base

    own, other = tmp_path / "run", tmp_path / "other"
    shutil.copytree(run, own)
    train_base(FACES, settings(**more), other, 1)
    build_ensemble(own, FACES, settings(), 0, [other])
    ensemble = load_ensemble(own)
    if len(ensemble.teams) == 1:  # so little trained, the other one need not be taken
        ensemble = dataclasses.replace(ensemble, teams=[*ensemble.teams, load_team(other)])
    with pytest.raises(UsageError, match=r"other: expected members that hold out the same faces as .*run; received"):
        held_out(ensemble, FACES)


def test_faces_of_another_set_are_refused(run):
    with pytest.raises(RunError, match="expected a run trained on synthetic; received one of other faces"):
        train_student(FACES[:39], settings(), run, 0)


def test_a_run_without_ensemble_or_student_says_what_is_missing(run, tmp_path):
    with pytest.raises(RunError, match=r"student: expected a trained student; received none: run python -m"):
        load_student(run, load_ensemble(run))
    with pytest.raises(RunError, match="expected a merged ensemble"):
        train_student(FACES, settings(), tmp_path, 0)
    with pytest.raises(RunError, match="expected a merged ensemble"):
        main(["--data", "nowhere", "--run", str(tmp_path)])


def test_what_belongs_to_the_base_is_refused():
    with pytest.raises(UsageError, match=r"--weights: is the base's; expected --set student\.network\.weights"):
        main(["--weights", "imagenet"])


def test_the_command_teaches_tells_and_draws_the_training_page(tmp_path, capsys):
    run = tmp_path / "run"
    common = ["--data", "synthetic:40", "--run", str(run), *tiny.COMMAND]
    from base_models.train import main as train
    from specialists.ensemble import main as merge

    for command in (train, merge, main):
        command(common)
    told = capsys.readouterr().out
    assert "student: validation RMSE" in told
    assert "35 rows" in told
    page = (run / "training.html").read_text(encoding="utf-8")
    assert "student" in page
    assert "could not be read" not in page
    assert read_json(run / STUDENT / "settings.json")["part"] == STUDENT


@pytest.mark.slow
@pytest.mark.parametrize("flip", [True, False])
def test_its_file_says_what_it_says_itself(student, tmp_path, monkeypatch, flip):
    monkeypatch.setattr("specialists.predictor.FEWEST", 2)
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    out = tmp_path / "student.onnx"
    found = export_run(student, "onnx", out, flip=flip, student=True)
    assert found.difference < 0.01
    plain, mirrored = load_student(student, load_ensemble(student)).look(FACES.images, flip)
    wanted = load_student(student, load_ensemble(student)).schema.from_slots(
        (plain + mirrored) / 2, np.zeros(len(FACES), int)
    )
    exported = load_exported(out)
    points, radii = exported.predict(FACES.images, np.zeros(len(FACES), int))
    np.testing.assert_allclose(points["ensemble"], np.clip(wanted, 0, 32), atol=0.01)
    assert (radii > 0).all()
    held = np.median(exported.predict(HELD.images, np.zeros(len(HELD), int))[1][1], -1) / 32
    assert exported.doubt == pytest.approx(DOUBT * np.quantile(held, 0.99), rel=1e-3)  # by its own radii
    assert found.rmse[1] != pytest.approx(found.rmse[0], abs=1e-9)  # that of the run's own ensemble


@pytest.mark.parametrize("flip", [True, False])
def test_in_an_ensembles_place_a_student_answers_alone_with_radii_of_its_own(student, flip):
    ensemble, held = load_ensemble(student), held_faces(student, load_ensemble(student))
    made = replaced(student, ensemble, held, flip)
    points, radii = made.predict(HELD.images, HELD.convention)
    own = np.mean(load_student(student, ensemble).look(HELD.images, flip), 0)
    np.testing.assert_allclose(points["ensemble"], np.clip(KAGGLE15.from_slots(own, HELD.convention), 0, 32), atol=0.01)
    known = np.isfinite(HELD.points).all(-1)
    errors = np.linalg.norm(points["ensemble"] - HELD.points, axis=-1)
    assert 0.9 <= (errors[known] <= radii[1][known]).mean() <= 1
    assert not made.teams[0].specialists


def test_its_file_has_a_name_of_its_own(student):
    assert checked_out(None, student, "onnx", STUDENT) == student / "student.onnx"
    assert checked_out(None, student, "saved_model", STUDENT) == student / "student_saved_model"


def test_a_student_has_no_specialists_to_choose_from(student, tmp_path):
    with pytest.raises(UsageError, match="--student: expected it or --specialists, not both"):
        export_run(student, "onnx", tmp_path / "a.onnx", specialists=2, student=True)
    with pytest.raises(UsageError, match="--student: expected it or --specialists, not both"):
        export_main(["--run", str(student), "--student", "--specialists", "2", "--out", str(tmp_path / "a.onnx")])


def test_settings_of_students_are_checked():
    with pytest.raises(UsageError, match="expected 0 to 1"):
        settings(student__trust=1.5)
    assert dataclasses.asdict(settings())["student"]["network"]["filters"] == 4
