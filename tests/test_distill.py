"""A run's student: what it is taught, that it goes on where it was stopped, what is refused, and its exported file."""

import dataclasses
import shutil

import numpy as np
import pytest
import tiny

from data.errors import RunError, UsageError
from data.runs import Part
from data.storage import read_json
from data.synthetic import make_faces
from specialists.distill import STUDENT, load_student, main, taught_by, train_student
from specialists.ensemble import build_ensemble, load_ensemble
from specialists.export import export_run
from specialists.export import main as export_main
from specialists.exported import load_exported
from specialists.members import ask

FACES = make_faces(40, seed=2, size=32)


def settings(**more):
    return tiny.settings(train__epochs=1, **more)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with an ensemble; tests that change it copy it."""
    return tiny.merged_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def taught(run, tmp_path_factory):
    """The same with its student."""
    folder = tmp_path_factory.mktemp("taught") / "run"
    shutil.copytree(run, folder)
    train_student(FACES, settings(), folder, 0)
    return folder


def test_a_student_is_taught_what_its_ensemble_answers_and_labels_as_far_as_wanted(run, monkeypatch):
    monkeypatch.setattr("specialists.distill.BLOCK", 16)  # three goes
    ensemble, faces = load_ensemble(run), FACES[:36]
    answers = ask(ensemble.teams, faces.images, ensemble.flip, ensemble.merge.reach, ensemble.shifts)
    wanted, known = ensemble.merge(answers.base, answers.specialist), np.isfinite(faces.slots)
    assert 0 < known.mean() < 1
    np.testing.assert_allclose(taught_by(ensemble, faces, 1.0), wanted, atol=1e-3)
    half = taught_by(ensemble, faces, 0.5)
    np.testing.assert_allclose(half[known], (wanted[known] + faces.slots[known]) / 2, atol=1e-3)
    labels = taught_by(ensemble, faces, 0.0)
    np.testing.assert_array_equal(labels[known], faces.slots[known])
    np.testing.assert_allclose(labels[~known], wanted[~known], atol=1e-3)


def test_a_student_s_folder_says_what_it_is(taught):
    epochs, summary = Part(taught / STUDENT).history()
    assert (len(epochs), summary["rows"], summary["epochs"]) == (3, 35, 3)
    assert epochs[-1]["val_trimmed"] < epochs[0]["val_trimmed"]
    made = Part(taught / STUDENT).settings()
    assert (made["part"], made["network"]["filters"], made["trust"]) == (STUDENT, 4, 1.0)


def test_a_stopped_student_reaches_the_same_bytes(run, taught, tmp_path, monkeypatch):
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
    own, whole = (tiny.files(folder / STUDENT) for folder in (tmp_path / "run", taught))
    assert own.keys() == whole.keys()
    assert own["weights.npz"] == whole["weights.npz"]


def test_a_finished_student_is_loaded_and_one_of_other_settings_refused(taught):
    before = tiny.files(taught / STUDENT)
    train_student(FACES, settings(), taught, 0)
    assert tiny.files(taught / STUDENT) == before
    with pytest.raises(RunError, match=r"student: was trained with other .*trust"):
        train_student(FACES, settings(student__trust=0.5), taught, 0)


def test_a_student_of_another_ensemble_is_refused(taught, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(taught, run)
    assert load_student(run).part.folder == run / STUDENT
    build_ensemble(run, FACES, settings(ensemble__flip=False), 0)
    with pytest.raises(RunError, match=r"student: was taught by another ensemble than .*delete"):
        load_student(run)
    with pytest.raises(RunError, match=r"student: was trained with other ensemble"):
        train_student(FACES, settings(), run, 0)


def test_members_that_know_what_is_held_out_are_refused(run):
    with pytest.raises(UsageError, match="expected members that hold out the same faces as this run"):
        train_student(FACES, settings(split__fold=1), run, 0)


def test_a_run_without_ensemble_or_student_says_what_is_missing(run, tmp_path):
    with pytest.raises(RunError, match=r"student: expected a trained student; received none: run python -m"):
        load_student(run)
    with pytest.raises(RunError, match="expected a merged ensemble"):
        train_student(FACES, settings(), tmp_path, 0)


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
def test_its_file_says_what_it_says_itself(taught, tmp_path, flip):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    out = tmp_path / "student.onnx"
    found = export_run(taught, "onnx", out, flip=flip, student=True)
    assert found.difference < 0.01
    plain, mirrored = load_student(taught).look(FACES.images, flip)
    wanted = load_student(taught).schema.from_slots((plain + mirrored) / 2, np.zeros(len(FACES), int))
    points, radii = load_exported(out).predict(FACES.images, np.zeros(len(FACES), int))
    np.testing.assert_allclose(points["ensemble"], np.clip(wanted, 0, 32), atol=0.01)
    assert (radii > 0).all()
    assert found.rmse[1] != pytest.approx(found.rmse[0], abs=1e-9)  # that of the run's own ensemble


def test_a_student_has_no_specialists_to_choose_from(taught, tmp_path):
    with pytest.raises(UsageError, match="--student: expected it or --specialists, not both"):
        export_main(["--run", str(taught), "--student", "--specialists", "2", "--out", str(tmp_path / "a.onnx")])


def test_settings_of_students_are_checked():
    with pytest.raises(UsageError, match="expected 0 to 1"):
        settings(student__trust=1.5)
    assert dataclasses.asdict(settings())["student"]["network"]["filters"] == 4
