"""Damage is never silent: flipped bits, cut files and content of others, in every kind of file that is stored."""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tiny
from damage import REFUSED, STATUSES, damaged, ended, mutants, outcome
from trust import sized

from base_models.compare import kept_row
from base_models.kept import read_kept
from base_models.settings import read_settings
from data import cache, kaggle
from data.errors import RunError
from data.runs import Part
from data.storage import read_arrays, read_json, write_arrays, write_json
from data.synthetic import make_faces
from data.synthetic_files import write_kaggle
from reports.features import Features
from reports.label_store import Labels
from reports.predictions import Predictions
from reports.training import read_trainings
from specialists import ensemble
from specialists.distill import kept_answers
from specialists.specialist import load_specialist
from tuning.oracles import _is_trial, is_outcome
from tuning.plan import claim

SPECIALIST = "specialists/nose_tip"
PART, MERGED = ["settings.json", "weights.npz", "history.json"], ["settings.json", "merge.json", "predictions.npz"]
OUTCOME = {"val_trimmed": 1.5, "val_rmse": 2.25, "epochs": 3, "seconds": 1.5, "curve": {"val_rmse": [3, 2.25]}}
SEARCH = {"tuner": "random", "goal": {"seed": 3, "settings": {"train": {"learning_rate": 0.002}}}}
STATES = {  # what searches, sweeps and comparisons keep: file to content
    "trial.json": {"id": "0", "values": {"train.learning_rate": 0.00123, "train.optimizer": "adam"}},
    "outcome.json": OUTCOME,
    "search.json": {"name": "resnet", "trials": [OUTCOME | {"trial": 0, "status": "COMPLETED"}], "confirmed": None},
    "search/settings.json": SEARCH,
    "comparison.json": {"networks": [{"network": "vgg", "scores": {"all": {"rmse": [1.25, 1.0, 1.5]}}}]},
    "figures.json": {"measured": {"format": 1}, "row": {"scores": {"all": {"rmse": [1.25, 1.0, 1.5]}}}},
    "best.json": {"train": {"learning_rate": 0.00123, "epochs": 20}, "network": {"backbone": "vgg"}},
}


DIGEST = "0123456789abcdef"
ANSWERS = {  # of an ensemble, for a student
    "positions": np.linspace(0, 32, 60, dtype=np.float32).reshape(10, 3, 2),
    "of": np.frombuffer(DIGEST.encode(), np.uint8),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run with everything in it, as it was left: base, specialist, ensemble, a checkpoint of each, and STATES."""
    from specialists.pipeline import train_specialists

    folder, keep = tmp_path_factory.mktemp("whole") / "run", Part.drop_checkpoint
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reports.run_pages.build_all", lambda run: None)
        patch.setattr(Part, "drop_checkpoint", _kept_aside)
        own = tiny.settings(train__epochs=1, specialist__train__epochs=1)
        train_specialists(["nose_tip"], make_faces(40, seed=2, size=32), own, {}, folder, 0)
    assert Part.drop_checkpoint is keep
    (folder / "search").mkdir()
    for name, content in STATES.items():
        write_json(folder / name, content)
    write_arrays(folder / "answers.npz", ANSWERS)
    (folder / "data").mkdir()
    write_kaggle(folder / "data", make_faces(6, seed=3), make_faces(1, seed=4))
    return folder


def _kept_aside(part):
    """Where a training drops its checkpoint: keep it, as a training that was stopped has it, in a part of its own."""
    if part.checkpoint.exists():
        aside = part.folder.parent / f"{part.folder.name}-stopped"
        aside.mkdir(exist_ok=True)
        shutil.copy(part.folder / "settings.json", aside)
        shutil.move(part.checkpoint, aside)


@pytest.fixture(scope="module")
def run(whole, tmp_path_factory):
    """A copy of it to damage; every test leaves it whole."""
    folder = tmp_path_factory.mktemp("copy") / "run"
    shutil.copytree(whole, folder)
    return folder


def part_of(run, name="base"):
    part = Part(run / name)
    return part.settings(), part.history(), part.weights(), part.fingerprint()


def stopped(run, name="base"):
    """What going on with a stopped training reads before it begins."""
    whole = read_json(run / name / "settings.json")
    aside = run / f"{name}-stopped"
    with Part(aside, {k: v for k, v in whole.items() if k != "format"}).opened() as part:
        arrays = read_arrays(part.checkpoint)
        return json.loads(arrays.pop("state").tobytes()), arrays


def cached(run, folder):
    """The faces of a cache whose source is the run's settings file, and which is made anew where it is damaged."""
    return cache.cached([run / "base" / "settings.json"], partial(make_faces, 12, seed=1, size=32))


def merge(run, team=None):
    """The rule of a merge, as prediction loads it; with `team` in place of its members."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ensemble, "_member", lambda part, where, *prints: team)
        loaded = ensemble.load_ensemble(run)
    return loaded.merge, loaded.radius, loaded.flip, loaded.shifts, loaded.calibration


def searched(run):
    claim(run / "search", SEARCH)  # says so and writes it again, or refuses
    return read_json(run / "search" / "settings.json")


def trained_on(run):
    """The digest of the faces in a set: a run that goes on refuses another one."""
    with open(run / "data" / "training.csv", "rb") as file:
        return kaggle.read_training(file).digest()


RUN_FILES = {  # name: (file in the run, what is read from it)
    "weights": ("base/weights.npz", part_of),
    "history": ("base/history.json", part_of),
    "settings": ("base/settings.json", part_of),
    "manifest": ("base/manifest.json", part_of),
    "specialist's weights": (f"{SPECIALIST}/weights.npz", partial(part_of, name=SPECIALIST)),
    "checkpoint": ("base-stopped/checkpoint.npz", stopped),
    "settings of a stopped training": ("base-stopped/settings.json", stopped),
    "merge": ("ensemble/merge.json", merge),
    "ensemble's manifest": ("ensemble/manifest.json", merge),
    "predictions": ("ensemble/predictions.npz", lambda run: Predictions.load(run / "ensemble/predictions.npz")),
    "labels": ("labels.npz", lambda run: Labels.load(run / "labels.npz")),
    "features": ("features.npz", lambda run: Features.load(run / "features.npz")),
    "trial": ("trial.json", lambda run: read_kept(run / "trial.json", _is_trial, "proposed again")),
    "outcome": ("outcome.json", lambda run: read_kept(run / "outcome.json", is_outcome, "read again")),
    "results of a search": ("search.json", lambda run: read_json(run / "search.json")),
    "what a search is": ("search/settings.json", searched),
    "comparison": ("comparison.json", lambda run: read_json(run / "comparison.json")),
    "figures of a network": ("figures.json", lambda run: kept_row(run, {"format": 1})),
    "answers for a student": ("answers.npz", lambda run: kept_answers(run / "answers.npz", DIGEST, (10, 3, 2))),
    "settings that won": ("best.json", lambda run: read_settings(run / "best.json")),
}
# None: it is told, and made again from what was trained
REMADE = {"trial", "outcome", "figures of a network", "answers for a student"}


@sized("count", 6, 50)
@pytest.mark.parametrize("kind", RUN_FILES)
def test_a_flipped_bit_or_a_cut_is_refused_made_good_or_without_effect(run, figures, monkeypatch, kind, count):
    monkeypatch.setattr("os.fsync", lambda handle: None)
    name, read = RUN_FILES[kind]
    if read is merge:
        team = ensemble.load_team(run, points=())
        read = partial(merge, team=team)
    path = run / name
    raw, wanted, silent = path.read_bytes(), outcome(partial(read, run)), []
    assert wanted != REFUSED
    allowed = {wanted, REFUSED} | ({"None"} if kind in REMADE else set())
    for what, content in damaged(raw, count, np.random.default_rng([9, sum(kind.encode())])):
        path.write_bytes(content)
        silent += [what] if outcome(partial(read, run)) not in allowed else []
    path.write_bytes(raw)
    figures("damaged files taken for whole", len(silent), count)
    assert silent == []


@sized("count", 6, 50)
@pytest.mark.parametrize("name", ["images.npy", "faces.npz", "hashes.json"])
def test_a_damaged_cache_gives_the_same_faces(run, tmp_path, monkeypatch, figures, name, count):
    monkeypatch.setenv("KEYPOINT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("os.fsync", lambda handle: None)
    monkeypatch.setattr(cache, "SETTLED", -1)
    wanted = outcome(partial(cached, run, tmp_path))
    [path] = (tmp_path / "cache").rglob(name)
    raw, silent = path.read_bytes(), []
    for what, content in damaged(raw, count, np.random.default_rng([9, len(name)])):
        path.write_bytes(content)
        silent += [what] if outcome(partial(cached, run, tmp_path)) != wanted else []
    figures("damaged files taken for whole", len(silent), count)
    assert silent == []


@sized("count", 4, 50)
def test_a_set_that_changed_between_two_starts_is_refused_by_the_reader_or_by_the_run(run, figures, tmp_path, count):
    path = run / "data" / "training.csv"
    raw, whole = path.read_bytes(), trained_on(run)
    part = Part(tmp_path / "base", {"data": whole})
    with part.opened():
        part.finish({}, [], {})
    silent = []
    for what, content in damaged(raw, count, np.random.default_rng(13)):
        path.write_bytes(content)
        found = outcome(partial(trained_on, run))
        if found not in (REFUSED, repr(whole)):
            with pytest.raises(RunError, match="was trained with other data"):
                silent += [what] if Part(tmp_path / "base", {"data": found.strip("'")}).finished else []
    path.write_bytes(raw)
    figures("damaged files taken for whole", len(silent), count)
    assert silent == []


# Content of others: whole files, with checksums that fit, in which one value is gone or of another kind.


def specialist(run):
    return load_specialist(run, "nose_tip").view


OTHERS = {  # name: (file, files to seal, what reads it)
    "settings of a base": ("base/settings.json", PART, lambda run: ensemble.load_team(run, points=())),
    "settings of a specialist": (f"{SPECIALIST}/settings.json", PART, specialist),
    "history": ("base/history.json", PART, lambda run: (Part(run / "base").history(), read_trainings(run))),
    "settings, for the training page": ("base/settings.json", PART, read_trainings),
    "manifest": ("base/manifest.json", [], part_of),
    "merge": ("ensemble/merge.json", MERGED, merge),
    "trial": ("trial.json", [], lambda run: read_kept(run / "trial.json", _is_trial, "")),
    "outcome": ("outcome.json", [], lambda run: read_kept(run / "outcome.json", is_outcome, "")),
    "figures of a network": ("figures.json", [], lambda run: kept_row(run, {"format": 1})),
    "settings that won": ("best.json", [], lambda run: read_settings(run / "best.json")),
}


@sized("count", 8, 100)
@pytest.mark.parametrize("kind", OTHERS)
def test_content_of_another_kind_is_one_sentence(run, monkeypatch, figures, kind, count):
    monkeypatch.setattr("os.fsync", lambda handle: None)
    name, names, read = OTHERS[kind]
    if read is merge:
        read = partial(merge, team=ensemble.load_team(run, points=()))
    if kind == "settings of a base":
        count = min(count, 25)  # each builds a network
    path, before = run / name, {f: f.read_bytes() for f in (run / name).parent.glob("*.json")}
    bad = []
    for what, tree in mutants(read_json(path), np.random.default_rng(10), count):
        write_json(path, tree)
        if names:
            Part(path.parent).seal(names)
        bad += failed(partial(read, run), what)
    for file, raw in before.items():
        file.write_bytes(raw)
    figures("state files with other content: no traceback", count - len(bad), count)
    assert bad == []
    assert outcome(partial(read, run)) != REFUSED


@sized("count", 8, 100)
@pytest.mark.parametrize("name", ["ensemble/predictions.npz", "labels.npz", "features.npz"])
def test_arrays_of_another_kind_are_one_sentence(run, monkeypatch, figures, name, count):
    monkeypatch.setattr("os.fsync", lambda handle: None)
    read = next(read for file, read in RUN_FILES.values() if file == name)
    path, rng = run / name, np.random.default_rng(11)
    raw, arrays = path.read_bytes(), read_arrays(run / name)
    told = json.loads(arrays["meta"].tobytes())
    spoilt = [dict(arrays, meta=as_bytes(tree)) for _, tree in mutants(told, rng, count // 2)]
    spoilt += [other_arrays(arrays, rng) for _ in range(count - count // 2)]
    bad = []
    for each in spoilt:
        write_arrays(path, each)
        bad += failed(partial(read, run), {key: (array.dtype, array.shape) for key, array in each.items()})
    path.write_bytes(raw)
    figures("state files with other content: no traceback", len(spoilt) - len(bad), len(spoilt))
    assert bad == []


def failed(read, what):
    """[what and its error] where reading ends in anything but a value or a refusal."""
    try:
        outcome(read)
    except Exception as error:
        return [(what, repr(error))]
    return []


def as_bytes(tree):
    return np.frombuffer(json.dumps(tree).encode(), np.uint8)


def other_arrays(arrays, rng):
    """Arrays of which one is gone, or of another shape or type."""
    name = list(arrays)[rng.integers(len(arrays))]
    old = arrays[name]
    kinds = ["<f8", "<i8", "|b1", "<c16", "<U3", "<M8[s]", "|V4", [("a", "<i4")]]
    choices = [None, np.zeros(0), np.float64(3), old[:-1], old[..., None], np.concatenate([old, old])]
    choices += [np.zeros(old.shape, kind) for kind in kinds] + [np.full(old.shape, v) for v in (np.nan, 1e300, -7)]
    new = choices[rng.integers(len(choices))]
    rest = {key: value for key, value in arrays.items() if key != name}
    return rest if new is None else rest | {name: new}


READ = [f"{part}/{name}" for part in ("base", SPECIALIST) for name in ("settings.json", "weights.npz", "manifest.json")]
READ += [f"ensemble/{name}" for name in ("merge.json", "predictions.npz", "manifest.json")]


@sized("share", 4, 1)
def test_a_command_on_a_damaged_run_is_one_sentence_and_writes_nothing(run, tmp_path, capsys, figures, share):
    from specialists.predict import main

    rng, out = np.random.default_rng(12), tmp_path / "out"
    for name in READ[::share]:
        raw = (run / name).read_bytes()
        (what, content), *_ = damaged(raw, 1, rng)
        (run / name).write_bytes(content)
        status, said = ended(main, ["--run", run, "--out", out, __file__], capsys)
        (run / name).write_bytes(raw)
        good = status == RunError.exit_status and len(said) == 1 and str((run / name).parent) in said[0]
        figures("hostile inputs refused in one sentence", good, 1)
        assert good, (name, what, status, said)
        assert not out.exists()


HUGE = {
    "100 MB": lambda path: _sparse(path, 100 << 20),
    "100 MB of brackets": lambda path: path.write_bytes(b"[" * (100 << 20)),
    "60 MB of digits": lambda path: path.write_bytes(b'{"a": ' + b"9" * (60 << 20) + b"}"),
    "nested 10,000 times": lambda path: path.write_bytes(b'{"a":' * 10_000 + b"1" + b"}" * 10_000),
    "nested 500 times": lambda path: path.write_bytes(b'{"train":' * 500 + b"1" + b"}" * 500),
    "NaN": lambda path: path.write_bytes(b'{"seed": NaN}'),
    "a link to what never ends": lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
}


def _sparse(path, size):
    with open(path, "wb") as file:
        file.truncate(size)


@pytest.mark.faults
@pytest.mark.parametrize("name", ["base/settings.json", "base/manifest.json", "ensemble/merge.json", "best.json"])
@pytest.mark.parametrize("kind", HUGE)
def test_huge_and_deep_state_files_are_refused(whole, tmp_path, capsys, figures, kind, name):
    from specialists.predict import main as predict

    shutil.copytree(whole, tmp_path / "run")
    HUGE[kind](tmp_path / "run" / name)
    given = ["--run", tmp_path / "run", "--out", tmp_path / "out"]
    if name == "best.json":
        from base_models.train import main as train

        status, said = ended(train, ["--settings", tmp_path / "run" / name, *given[:2]], capsys)
    else:
        status, said = ended(predict, [*given, Path(__file__)], capsys)
    good = status in STATUSES and len(said) == 1 and str(tmp_path / "run" / name) in said[0]
    figures("hostile inputs refused in one sentence", good, 1)
    assert good, (status, said)
    assert not (tmp_path / "out").exists()
