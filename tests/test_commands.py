"""The commands, run for real on one tiny competition; and what each says and leaves of a bad input."""

import contextlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny

from base_models import features as features_command
from base_models import train as base_command
from data.errors import command
from data.sources import read_training
from data.storage import locked
from data.synthetic import make_files
from reports import build as report_command
from reports.features import Features
from reports.predictions import Predictions
from specialists import ensemble, evaluate, submission
from specialists import train as train_command

ROOT = Path(__file__).parents[1]
ONE = ["--set=train.epochs=1", "--set=specialist.train.epochs=1"]
COMMANDS = ["base_models.train", "specialists.train", "specialists.ensemble", "specialists.submission"]
COMMANDS += ["specialists.evaluate", "base_models.features", "reports.build", "data.synthetic"]


def run(module, *arguments, cache):
    environment = os.environ | {"KEYPOINT_CACHE": str(cache), "PYTHONPATH": str(ROOT)}
    call = [sys.executable, "-m", module, *map(str, arguments)]
    return subprocess.run(call, capture_output=True, text=True, timeout=240, env=environment, cwd=cache.parent)


class Folder(type(Path())):
    """A path that carries what was done there."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Folder with a competition in data/, trained with the commands in run/. `said` has what each command printed."""
    folder = Folder(tmp_path_factory.mktemp("commands"))
    make_files(folder / "data", 60, 6, seed=4)
    options = ["--data", folder / "data", "--run", folder / "run", "--seed", "3", *tiny.COMMAND, *ONE]
    calls = {
        "specialists.train": ["--keypoint", "left_eye_center", *options],
        "specialists.submission": ["--data", folder / "data", "--run", folder / "run", "--out", folder / "out.csv"],
    }
    folder.options = list(map(str, options))
    with contextlib.redirect_stdout(io.StringIO()) as told:
        base_command.main(folder.options)
    folder.told = told.getvalue()
    folder.said = {name: run(name, *arguments, cache=folder / "cache") for name, arguments in calls.items()}
    return folder


@pytest.fixture(autouse=True)
def own_signals():
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def test_help_and_bad_options_need_nothing_slow():
    code = f"""
import contextlib, importlib, io, sys
from data.errors import ProjectError
for name in {COMMANDS}:
    main = importlib.import_module(name).main
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()) as told:
        main(["--help"])
    assert "usage: python -m " + name in told.getvalue(), name
    if "train" in name:
        with contextlib.suppress(ProjectError):
            main(["--all"][: name.startswith("s")] + ["--data", "synthetic:4", "--set", "train.epochs=0"])
print(sorted({{"tensorflow", "keras", "pandas", "sklearn", "bokeh", "scipy"}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")


def test_base_command_trains_and_tells_its_score(place):
    assert place.told.startswith("base: validation RMSE ")
    assert " px after epoch 1 of 1, 5" in place.told


def test_specialist_command_prints_its_table_and_writes_the_whole_run(place):
    done = place.said["specialists.train"]
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split("  ")[0] == "keypoint"
    assert [line.split("  ")[0] for line in lines[1:3]] == ["left_eye_center", "all points"]
    assert "no specialist for right_eye_center: the mirror partner's answers on the mirrored face" in lines
    assert lines[-1] == f"report: {place / 'run' / 'report.html'}"
    kept = {"settings.json", "weights.npz", "history.json", "manifest.json"}
    merged = {"settings.json", "merge.json", "predictions.npz", "manifest.json"}
    parts = {"base": kept, "specialists/left_eye_center": kept, "ensemble": merged}
    wanted = {f"{part}/{name}" for part, names in parts.items() for name in names} | {"features.npz", "labels.npz"}
    pages = {name for name in tiny.files(place / "run") if name.endswith((".html", ".csv"))}
    assert set(tiny.files(place / "run")) == wanted | pages
    assert pages >= {"index.html", "report.html", "labels.html", "training.html", "network.html"}
    told = [line.split(" ")[0] for line in done.stderr.splitlines()]  # no greetings, no warnings, no bar in a log
    assert told == ["base:", "base:", "left_eye_center:", "left_eye_center", "ensemble:"]
    assert "left_eye_center: from the base: 29 arrays copied (" in done.stderr


def test_submission_command_answers_the_table(place):
    done = place.said["specialists.submission"]
    assert done.returncode == 0, done.stderr
    rows = (place / "out.csv").read_text().splitlines()
    asked = (place / "data" / "IdLookupTable.csv").read_text().splitlines()
    assert done.stdout == f"{place / 'out.csv'}: {len(asked) - 1} rows\n"
    assert [row.partition(",")[0] for row in rows] == [row.partition(",")[0] for row in asked]
    assert all(0 <= float(row.partition(",")[2]) <= 96 for row in rows[1:])


def test_report_command_draws_the_run_again(place, capsys):
    (place / "run" / "report.html").unlink()
    report_command.main([str(place / "run")])
    assert capsys.readouterr().out.startswith(f"{place / 'run' / 'report.html'} (")
    assert (place / "run" / "report.html").read_text().startswith("<!DOCTYPE html>")


def test_features_command_stores_the_faces_that_are_asked_for_and_the_page_shows_them(place, capsys):
    file = place / "run" / "features.npz"
    before, typical = file.read_bytes(), Features.load(file).ids.tolist()
    names = sorted(set(Predictions.load(place / "run" / "ensemble" / "predictions.npz").ids.tolist()) - set(typical))[
        :2
    ]
    features_command.main(["--run", str(place / "run"), *(f"--face={name}" for name in names)])
    assert capsys.readouterr().out.startswith(f"{file} (")
    assert Features.load(file).ids.tolist() == names
    report_command.main([str(place / "run")])
    assert f"face {names[0]}" in (place / "run" / "network.html").read_text()
    features_command.main(["--run", str(place / "run")])
    assert file.read_bytes() == before


def test_ensemble_command_merges_again_to_the_same_bytes(place, capsys):
    before = tiny.files(place / "run")
    ensemble.main(place.options)
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("base validation RMSE ")
    assert told[1].startswith("ensemble validation RMSE ")
    assert float(told[1].split()[3]) <= float(told[0].split()[3])
    after = tiny.files(place / "run")
    assert before.keys() == after.keys()
    assert [name for name in before if before[name] != after[name] and not name.endswith(".html")] == []


def test_evaluate_command_tries_the_run_on_other_faces(place, tmp_path, capsys):
    evaluate.main(["--data", "synthetic:20", "--run", str(place / "run"), "--out", str(tmp_path / "seen")])
    told = capsys.readouterr().out.splitlines()
    assert [line.split(" RMSE ")[0] for line in told[:3]] == ["base", "ensemble", "mean of these labels"]
    assert sorted(tiny.files(tmp_path)) == ["seen/predictions.npz", "seen/report.html"]


def test_evaluate_command_scores_the_test_part_as_its_answers_do(place, tmp_path, capsys):
    seen = ["--data", str(place / "data"), "--test", "--run", str(place / "run"), "--out", str(tmp_path / "seen")]
    evaluate.main(seen)
    told = capsys.readouterr().out.splitlines()
    files = place / "out.csv", place / "data" / "test_truth.csv"
    given, truth = (np.loadtxt(file, delimiter=",", skiprows=1, usecols=1) for file in files)
    assert float(told[1].split()[2]) == pytest.approx(np.sqrt(np.mean((given - truth) ** 2)), abs=1e-3)
    assert len(Predictions.load(tmp_path / "seen" / "predictions.npz")) == 6


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (["--seed", "3"], "--seed: expected another than 3, whose drawn faces"),
        (["--out", "run"], "--out: expected a folder of its own; received the run"),
    ],
)
def test_evaluate_refuses_what_would_mislead_or_lose_a_report(place, tmp_path, monkeypatch, capsys, change, words):
    monkeypatch.chdir(place)
    monkeypatch.setattr(evaluate, "_run_seed", lambda run: 3)  # as if it were a run on drawn faces
    before = tiny.files(place / "run")
    seen = ["--data", "synthetic:20", "--run", "run", "--out", str(tmp_path / "seen")]
    code, lines = told(evaluate.main, [*seen, *change], capsys)
    assert (code, len(lines)) == (2, 1)
    assert words in lines[0]
    assert tiny.files(place / "run") == before


def test_evaluate_says_that_it_was_given_the_training_faces(place, tmp_path):
    faces = read_training(str(place / "data"))
    lines = evaluate.evaluate(faces, place / "run", tmp_path / "seen")
    assert lines[0].startswith("these are the very faces that the run was trained on")
    assert Predictions.load(tmp_path / "seen" / "predictions.npz").info["faces"] == "training"


def test_the_same_command_again_trains_nothing(place, capsys):
    before = tiny.files(place / "run")
    train_command.main(["--keypoint", "left_eye_center", *place.options])
    assert " 1/1 " not in capsys.readouterr().err
    same = ("base/", "specialists/", "ensemble/")
    after = tiny.files(place / "run")
    assert [n for n in before if n.startswith(same)] == [
        n for n in before if n.startswith(same) and before[n] == after[n]
    ]


def told(main, arguments, capsys):
    """(exit status, lines on stderr) of a command."""
    with pytest.raises(SystemExit) as ended:
        command(lambda: main(list(map(str, arguments))))
    return ended.value.code, capsys.readouterr().err.splitlines()


TRAIN = (train_command, ["--keypoint", "nose_tip", "--data", "synthetic:24"])
BASE = (base_command, ["--data", "synthetic:24"])

BAD_OPTIONS = [
    (
        train_command,
        ["--keypoint", "nosetip", "--data", "synthetic:24"],
        2,
        "keypoint: expected one of left_eye_center, ",
    ),
    (*TRAIN, "--set=points.nosetip.width=0.5", 2, "keypoint: expected one of left_eye_center, "),
    (*TRAIN, "--set=points.nose_tip.widht=0.5", 2, "received 'widht'; did you mean 'width'?"),
    (train_command, [], 2, "one of the arguments --keypoint --group --all is required; see --help"),
    (train_command, ["--all", "--keypoint", "nose_tip"], 2, "argument --keypoint: not allowed with argument --all"),
    (*BASE, "--set=train.epoch=3", 2, "--set: train.epoch: expected one of epochs, "),
    (*BASE, "--set=train.epochs", 2, "--set: expected KEY=VALUE; received 'train.epochs'"),
    (*BASE, "--set=train.epochs=0", 2, "--set: train.epochs: expected 1 to 100000; received 0"),
    (*BASE, "--set=train.batch_size=0", 2, "--set: train.batch_size: expected 1 to 65536; received 0"),
    (*BASE, "--set=train.learning_rate=0", 2, "--set: train.learning_rate: expected 1e-09 to 1000; received 0.0"),
    (*BASE, "--set=train.learning_rate=inf", 2, "--set: train.learning_rate: expected a finite number"),
    (*BASE, "--set=train.optimizer=lion", 2, "--set: train.optimizer: expected one of adam, adamw, sgd,"),
    (*BASE, "--set=train.schedule=cyclic", 2, "--set: train.schedule: expected one of constant, step,"),
    (*BASE, "--set=train.loss=rmse", 2, "--set: train.loss: expected one of huber, mse, mae, "),
    (*BASE, "--set=train.precision=float16", 2, "--set: train.precision: expected one of float32, mixed_bfloat16"),
    (*BASE, "--weights=imagenet", "--set=network.weights=none", 2, "--weights: expected it or --set network.weights="),
    (*BASE, "--set=network.filters=0", 2, "--set: network.filters: expected 1 to 1024; received 0"),
    (*BASE, "--set=network.backbone=lenet", 2, "--set: network.backbone: expected one of alexnet, "),
    (*BASE, "--set=network.dropout_start=1", 2, "--set: network.dropout_start: expected 0 to 0.95; received 1.0"),
    (*BASE, "--set=specialist.frozen=5", 2, "--set: specialist.frozen: expected 0 to 4; received 5"),
    (*BASE, "--set=specialist.size=8", 2, "--set: specialist.size: expected 16 to 1024; received 8"),
    (*BASE, "--set=split.share=0.9", 2, "--set: split.share: expected 0.01 to 0.5; received 0.9"),
    (*BASE, "--set=split.fold=10", 3, "validation fold: expected 0 to 9"),
    (*BASE, "--seed=-1", 2, "--seed: expected 0 to 4294967295; received -1"),
    (*BASE, "--seed=4294967296", 2, "--seed: expected 0 to 4294967295; received 4294967296"),
    (*BASE, "--seed=one", 2, "argument --seed: invalid int value: 'one'"),
    (*BASE, "--data=nowhere", 3, "received 'nowhere', which is none of them"),
    (*BASE, "--data=synthetic:0", 2, "--data: expected synthetic:COUNT with COUNT from 1 to 9999999; received"),
    (*BASE, "--data=synthetic:3", 3, "validation split: expected at least 10 persons or images; received"),
    (*BASE, "--settings=nowhere.json", 2, "--settings nowhere.json: cannot be read: No such file or directory"),
    (ensemble, ["--data", "synthetic:24"], 4, "run: expected a run with a trained base; received none"),
    (submission, ["--data", "synthetic:24", "--out", "out.csv"], 3, "synthetic:24: expected a source with test.csv"),
    (
        submission,
        ["--data", "synthetic:24", "--out", "none/out.csv"],
        2,
        "--out: expected a file name in a folder that exists",
    ),
    (evaluate, ["--data", "synthetic:24", "--out", "seen"], 4, "ensemble: expected a merged ensemble; received none"),
]


@pytest.mark.parametrize("case", BAD_OPTIONS, ids=lambda case: f"{case[0].__name__} {case[-3]}")
def test_bad_options_are_one_line_and_change_nothing(case, tmp_path, monkeypatch, capsys):
    module, arguments, *more = case
    *extra, status, words = more
    monkeypatch.chdir(tmp_path)
    code, lines = told(module.main, [*arguments, "--run", "run", *extra], capsys)
    assert (code, len(lines)) == (status, 1), lines
    assert lines[0].startswith("error: ")
    assert words in lines[0]
    assert list(tmp_path.iterdir()) == []


def test_a_run_that_is_a_file_is_left_as_it_is(tmp_path, capsys):
    (tmp_path / "run").write_text("mine")
    code, lines = told(base_command.main, [*BASE[1], "--run", tmp_path / "run", *tiny.COMMAND], capsys)
    assert (code, len(lines)) == (4, 1), lines
    assert "expected a folder that can be written; received: Not a directory" in lines[0]
    assert (tmp_path / "run").read_text() == "mine"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs a file system that nobody may write to")
def test_a_run_where_nothing_can_be_written_is_said_before_training(capsys):
    code, lines = told(base_command.main, [*BASE[1], "--run", "/proc/run", *tiny.COMMAND], capsys)
    assert (code, len(lines)) == (4, 1), lines
    assert lines[0].startswith("error: /proc/run/base: expected a folder that can be written")


OTHER = [
    (
        ["--set=train.learning_rate=0.5"],
        "base: was trained with other train.learning_rate (0.002, now 0.5); repeat its options",
    ),
    (["--seed=4"], "base: was trained with other seed (3, now 4); repeat its options"),
    (["--data=synthetic:60"], "base: was trained with other "),
    (["--set=specialist.width=0.9"], "left_eye_center: was trained with other specialist.width ("),
]


@pytest.mark.parametrize(("change", "words"), OTHER)
def test_a_run_made_with_other_settings_is_refused_and_left_as_it_is(place, change, words, capsys):
    before = tiny.files(place / "run")
    code, lines = told(train_command.main, ["--keypoint", "left_eye_center", *place.options, *change], capsys)
    assert code == 4
    assert [line for line in lines if line.startswith("error: ")] == [lines[-1]]
    assert words in lines[-1]
    assert tiny.files(place / "run") == before


DAMAGED = ["base/weights.npz", "specialists/left_eye_center/weights.npz", "base/history.json", "base/manifest.json"]


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("module", [train_command, ensemble])
def test_one_flipped_bit_is_found_and_nothing_is_lost(place, name, module, capsys):
    file = place / "run" / name
    whole = file.read_bytes()
    file.write_bytes(bytes([*whole[: len(whole) // 2], whole[len(whole) // 2] ^ 4]) + whole[len(whole) // 2 + 1 :])
    before = tiny.files(place / "run")
    try:
        keypoint = ["--keypoint", "left_eye_center"] if module is train_command else []
        if (name, module) == ("base/history.json", ensemble):
            pytest.skip("the merge reads no history")
        code, lines = told(module.main, [*keypoint, *place.options], capsys)
        assert tiny.files(place / "run") == before
    finally:
        file.write_bytes(whole)
    assert code == 4, lines
    assert str(place / "run" / Path(name).parent) in lines[-1]
    assert "damaged" in lines[-1] or "expected" in lines[-1]


def test_a_run_in_use_is_refused_with_its_holder(place, capsys, tmp_path):
    with locked(tmp_path / "base"):
        code, lines = told(base_command.main, [*BASE[1], "--run", tmp_path, *tiny.COMMAND], capsys)
    assert code == 4
    assert lines == [
        f"error: {tmp_path / 'base'}: in use by process {os.getpid()}; wait for it or choose another --run"
    ]


@pytest.mark.slow
def test_a_specialist_of_another_base_is_not_merged(place, tmp_path, capsys):
    import shutil

    shutil.copytree(place / "run" / "specialists", tmp_path / "specialists")
    options = [*BASE[1], "--run", tmp_path, *tiny.COMMAND, *ONE]
    base_command.main(list(map(str, options)))
    capsys.readouterr()
    code, lines = told(ensemble.main, options, capsys)
    assert code == 4
    assert "left_eye_center: was trained from another base than" in lines[-1]
    assert not (tmp_path / "ensemble").exists()


def test_an_ensemble_whose_members_were_trained_anew_is_not_used(place, tmp_path, capsys):
    import shutil

    shutil.copytree(place / "run", tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "specialists" / "left_eye_center")
    out = tmp_path / "out.csv"
    code, lines = told(submission.main, ["--data", place / "data", "--run", tmp_path / "run", "--out", out], capsys)
    assert code == 4
    assert "ensemble: its members were trained anew: run python -m specialists.ensemble again" in lines[-1]
    assert not out.exists()


def test_a_process_ends_with_the_status_and_one_line(place):
    done = run("specialists.train", "--keypoint=nosetip", "--data=synthetic:12", cache=place / "cache")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("error: keypoint: expected one of left_eye_center, ")
    assert "received 'nosetip'; did you mean 'nose_tip'? (groups: brows, eyes, nose, mouth)" in done.stderr
