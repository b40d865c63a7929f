"""Searches and sweeps that train for real, on very little: what they leave, and that they go on where they were."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tiny

from base_models.base import identity, load_base, split_faces
from base_models.predict import predict, validation_scores
from base_models.settings import Settings, read_settings, with_overrides
from data.errors import DataError, RunError, UsageError
from data.runs import Part
from data.sources import read_training
from data.storage import read_json
from specialists.points import specialist_settings
from tuning import search as search_command
from tuning import sweep as sweep_command
from tuning.goals import BaseGoal, PointGoal, check_point, some_faces
from tuning.plan import Plan
from tuning.results import BEST, PAGE, RESULTS, summary
from tuning.search import search
from tuning.studies import STUDIES
from tuning.sweep import Sweep, run_sweep

ONLY = ("train.learning_rate", "train.batch_size", "augment.rotation")  # one network serves all trials
PLAN = Plan("random", 3, only=ONLY, epochs=1, seeds=1)


@pytest.fixture(scope="module")
def faces():
    return read_training("synthetic:60", 0)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tmp_path_factory.mktemp("tuning")


@pytest.fixture(scope="module")
def base_goal(faces):
    return BaseGoal(faces, tiny.settings(train__epochs=2), 0)


@pytest.fixture(scope="module")
def found(base_goal, run):
    return search(base_goal, run, PLAN)


@pytest.mark.slow
def test_a_search_begins_with_the_defaults_and_scores_as_the_training_does(found, base_goal, run):
    first = found["trials"][0]
    assert first["values"] == {"train.learning_rate": 0.002, "train.batch_size": 16, "augment.rotation": 20.0}
    assert [row["trial"] for row in found["trials"]] == [0, 1, 2]
    for row in found["trials"]:
        place = run / "tuning" / "alexnet" / "trials" / f"{row['trial']:04d}"
        history, own = Part(place / "base").history()
        assert (row["epochs"], row["val_rmse"], len(history)) == (1, own["val_rmse"], 1)
        held = split_faces(base_goal.faces, base_goal.settings.split, 0).validation
        scored = validation_scores(predict(load_base(place).model, held.images), held.slots)
        assert scored["val_trimmed"] == pytest.approx(row["val_trimmed"], rel=1e-5)
        made = Part(place / "base").settings()
        assert made["train"]["learning_rate"] == row["values"]["train.learning_rate"]
        assert made["augment"]["rotation"] == row["values"]["augment.rotation"]


@pytest.mark.slow
def test_its_files_hold_what_it_returns(found, run):
    folder = run / "tuning" / "alexnet"
    assert read_json(folder / RESULTS) == json.loads(json.dumps(found))
    assert "3 trials of the base network by random search, 1 epoch each" in (folder / PAGE).read_text()
    assert summary(found, folder)[-1] == f"page: {folder / PAGE}"


@pytest.mark.slow
def test_the_best_settings_are_what_the_training_commands_take(found, run):
    best = min(found["trials"], key=lambda row: row["val_trimmed"])
    settings, points = read_settings(run / "tuning" / "alexnet" / BEST)
    assert points == {}
    assert settings == with_overrides(tiny.settings(train__epochs=2), best["values"])  # not the trial's one epoch


@pytest.mark.slow
def test_the_best_are_tried_on_a_fold_that_no_choice_was_made_by(found, run):
    confirmed = found["confirmed"]
    if confirmed is None:
        assert found["trials"][0]["val_trimmed"] == min(row["val_trimmed"] for row in found["trials"])
        return
    assert confirmed["fold"] == 1
    held = split_faces(read_training("synthetic:60", 0), Settings().split, 0).validation
    assert confirmed["faces"] >= 1 <= confirmed["persons"] <= confirmed["faces"] + len(held)
    for figures in (confirmed["val_trimmed"], confirmed["val_rmse"]):
        difference = figures["best"][0] - figures["default"][0]
        assert figures["difference"][0] == pytest.approx(difference)
        assert figures["difference"][1] <= figures["difference"][2]
    assert confirmed["wins"] == (confirmed["val_trimmed"]["difference"][2] < 0)


@pytest.mark.slow
def test_the_same_search_again_trains_nothing_and_a_longer_one_only_what_is_new(found, base_goal, run, capsys):
    again = search(base_goal, run, PLAN)
    assert " 1/1 " not in capsys.readouterr().err
    assert again == found
    longer = search(base_goal, run, replace(PLAN, trials=4, seeds=0))
    assert capsys.readouterr().err.count("base 1/1") == 1
    assert longer["trials"][:3] == found["trials"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tuner": "bayesian"}, "other tuner"),
        ({"seed": 1}, "other seed"),
        ({"only": ("train.learning_rate",)}, "other space."),
        ({"epochs": 2}, "other epochs"),
        ({"objective": "val_rmse"}, "other objective"),
    ],
)
def test_a_changed_search_never_uses_an_old_one(found, base_goal, run, change, words):
    with pytest.raises(RunError, match=words):
        search(base_goal, run, replace(PLAN, **change))


@pytest.mark.slow
def test_a_search_of_other_faces_never_uses_an_old_one(found, base_goal, run):
    with pytest.raises(RunError, match=r"other goal\.faces"):
        search(replace(base_goal, faces=base_goal.faces[5:]), run, PLAN)


@pytest.mark.slow
def test_a_specialist_is_searched_on_the_base_of_the_run(faces, found, run):
    """Through the command, which also trains the base of the run and that of the next fold."""
    options = ["--data=synthetic:60", f"--run={run}", *tiny.COMMAND, "--set=train.epochs=1"]
    status = search_command.main(
        [*options, "--keypoint=nose_tip", "--trials=2", "--epochs=1", "--only=jitter,learning_rate", "--tuner=random"]
    )
    results = json.loads((run / "tuning" / "nose_tip" / RESULTS).read_text())
    assert status == 0
    assert [row["status"] for row in results["trials"]] == ["COMPLETED"] * 2
    assert results["trials"][0]["values"] == {"jitter": 2.0, "train.learning_rate": 0.002}
    settings, points = read_settings(run / "tuning" / "nose_tip" / BEST)
    best = min(results["trials"], key=lambda row: row["val_trimmed"])
    own = specialist_settings(settings, "nose_tip", points["nose_tip"])
    assert (own.jitter, own.train.learning_rate) == tuple(best["values"].values())
    assert own.width == 0.5  # of the table of points
    made = Part(run / "tuning" / "nose_tip" / "trials" / "0001" / "specialists" / "nose_tip").settings()
    assert made["specialist"]["jitter"] == results["trials"][1]["values"]["jitter"]


@pytest.mark.slow
def test_a_specialist_on_a_base_of_other_faces_is_refused(faces, run, found):
    goal = PointGoal("nose_tip", faces[3:], run, tiny.settings())
    with pytest.raises(RunError, match="was trained on other faces"):
        _ = goal.base


def test_points_without_labels_are_refused(faces):
    with pytest.raises(UsageError, match="nose_tipp"):
        check_point(faces, "nose_tipp")
    points = faces.points.copy()
    points[:, faces.schema.index("nose_tip")] = np.nan
    with pytest.raises(DataError, match="expected labels of it; received 60 faces without any"):
        check_point(replace(faces, points=points), "nose_tip")


@pytest.mark.parametrize("count", [10, 30, 59, 60, 500])
def test_some_faces_are_whole_persons_and_always_the_same(faces, count):
    picked = some_faces(faces, count, 3)
    assert np.array_equal(picked.ids, some_faces(faces, count, 3).ids)
    left = np.setdiff1d(faces.ids, picked.ids)
    assert not set(picked.group) & set(faces.group[np.isin(faces.ids, left)])
    largest = max(np.bincount(np.unique(faces.group, return_inverse=True)[1]))
    assert min(count, 60) <= len(picked) < count + largest


def test_training_seeds_leave_the_split_as_it_is(base_goal):
    held = [
        split_faces(base_goal.faces, base_goal.changed({}).split, seed).validation.ids.tolist() for seed in (0, 1, 2)
    ]
    assert held[0] == held[1] == held[2]
    other = with_overrides(Settings(), {"split.seed": 5}).split
    assert split_faces(base_goal.faces, other, 0).validation.ids.tolist() != held[0]
    assert identity(base_goal.faces, base_goal.changed({}), 1)["seed"] == 1


# ---- sweeps --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def swept(run):
    options = ["--data=synthetic:60", f"--run={run}", *tiny.COMMAND, "--epochs=1", "--seeds=2"]
    sweep_command.main([*options, "--vary=learning_rate=2e-3,5e-3"])
    return json.loads((run / "sweeps" / "train.learning_rate" / "sweep.json").read_text())


@pytest.mark.slow
def test_a_sweep_trains_every_value_with_every_seed_and_the_default_once(swept, run):
    (factor,) = swept["factors"]
    assert (factor["goal"], factor["name"]) == ("alexnet", "train.learning_rate")
    assert [arm["label"] for arm in factor["arms"]] == ["default", "5e-3"]  # 2e-3 is the default
    assert factor["arms"][0]["shows"] == "0.002"
    assert [[t["seed"] for t in arm["trainings"]] for arm in factor["arms"]] == [[0, 1], [0, 1]]
    folders = [path for path in (run / "sweeps" / "trainings").iterdir() if path.is_dir()]
    assert len(folders) == 4
    made = [Part(folder / "base").settings() for folder in folders]
    assert sorted((m["train"]["learning_rate"], m["seed"]) for m in made) == [
        (0.002, 0),
        (0.002, 1),
        (0.005, 0),
        (0.005, 1),
    ]
    assert {m["split"]["seed"] for m in made} == {0}


@pytest.mark.slow
def test_a_sweep_again_trains_nothing(swept, faces, run, capsys):
    goal = BaseGoal(faces, tiny.settings(), 0)
    again = Sweep("again", "Once more.", (goal,), {"rate": {"5e-3": {"train.learning_rate": 5e-3}}}, (0, 1), 1)
    results = run_sweep(again, run)
    assert " 1/1 " not in capsys.readouterr().err
    assert results["factors"][0]["arms"][1]["trainings"] == swept["factors"][0]["arms"][1]["trainings"]


def test_what_a_network_has_of_its_own_is_its_default_too(faces):
    goal = BaseGoal(faces, tiny.settings(), 0)
    factors = {"depth": {str(n): {"network.depth": n} for n in (3, 4)}, "epochs": {"2": {"train.epochs": 2}}}
    sweep = Sweep("own", "", (goal,), factors | {"activation": {"relu": {"network.activation": "relu"}}}, (0, 1), 1)
    labels = [(factor, label, seed, values) for _, factor, label, values, seed in sweep.trainings()]
    assert [one[:3] for one in labels] == [
        (factor, label, seed)
        for seed in (0, 1)
        for factor, label in ((None, "default"), ("depth", "3"), ("epochs", "2"))
    ]
    assert [one[3]["train.epochs"] for one in labels[:3]] == [1, 1, 2]


@pytest.mark.slow
def test_an_arm_that_fails_says_why_and_ends_nothing(swept, faces, run):
    goal = BaseGoal(faces, tiny.settings(), 0)
    arms = {"9": {"network.depth": 9}, "5e-3": {"train.learning_rate": 5e-3}}
    results = run_sweep(Sweep("fails", "Too deep?", (goal,), {"arms": arms}, (0,), 1), run)
    failed, other = (arm["trainings"][0] for arm in results["factors"][0]["arms"][1:])
    assert "expected at least 2x2 px" in failed["why"]
    assert other["val_trimmed"] > 0
    assert "expected at least 2x2 px" in (run / "sweeps" / "fails" / "sweep.html").read_text()
    assert "9: network.backbone: expected at least 2x2 px" in "\n".join(sweep_command.summary(results, run))


BAD = [
    (["--vary=learning_rat=1"], "--vary: expected a setting such as train.learning_rate; received 'learning_rat'; did"),
    (["--vary=learning_rate"], "--vary: expected KEY=VALUE,VALUE; received 'learning_rate'"),
    (["--vary=learning_rate=1,"], "--vary: expected KEY=VALUE,VALUE"),
    (["--study=learning_rate"], "--study: expected one of learning_rates, "),
    ([], "expected --vary, or --study"),
    (["--study=layers", "--vary=epochs=1"], "received both or none"),
    (["--study=layers", "--keypoint=nose_tip"], "--keypoint: a study names its points itself"),
    (["--vary=epochs=1", "--seeds=0"], "--seeds: expected more than 0; received 0"),
    (["--vary=epochs=1,many"], "epochs: expected a whole number"),
]


@pytest.mark.parametrize(("options", "words"), BAD, ids=lambda value: str(value)[:40])
def test_bad_sweeps_are_told_in_words(options, words, tmp_path):
    with pytest.raises(UsageError) as error:
        sweep_command.main(["--data=synthetic:20", f"--run={tmp_path / 'run'}", *options])
    assert words in str(error.value)


BAD_SEARCHES = [
    (["--keypoint=nose"], "nose"),
    (["--backbone=resnt"], "expected one of alexnet, "),
    (["--backbone=resnet", "--trials=0"], "--trials: expected more than 0; received 0"),
    (["--backbone=resnet", "--budget=-1"], "--budget: expected more than 0"),
    (["--backbone=resnet", "--only=learning"], "--only: expected a setting"),
    (["--backbone=resnet", "--confirm=-1"], "--confirm: expected 0 or more"),
    (["--backbone=resnet", "--keypoint=nose_tip"], "not allowed with argument"),
]


@pytest.mark.parametrize(("options", "words"), BAD_SEARCHES, ids=lambda value: str(value)[:40])
def test_bad_searches_are_told_in_words(options, words, tmp_path):
    with pytest.raises(UsageError) as error:
        search_command.main(["--data=synthetic:20", f"--run={tmp_path / 'run'}", *options])
    assert words in str(error.value)


@pytest.mark.parametrize("name", list(STUDIES))
def test_every_arm_of_a_named_study_is_a_setting(name):
    study = STUDIES[name]
    settings = with_overrides(Settings(), study.fixed)
    for factor, arms in study.factors.items():
        assert len(arms) > 1, factor
        for values in arms.values():
            with_overrides(settings.specialist if study.points else settings, values)


def test_studies_are_told(capsys):
    sweep_command.main(["--list-studies"])
    told = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in told] == list(STUDIES)


def test_what_no_search_trains_makes_no_other_search(faces):
    """So searches and sweeps that were begun before there were students go on."""
    from tuning.apart import digest_of

    goals = [BaseGoal(faces, tiny.settings(student__train__epochs=epochs), 0) for epochs in (3, 9)]
    assert "student" not in goals[0].about()["settings"]
    assert goals[0].about() == goals[1].about()
    assert digest_of(goals[0], {}, 0) == digest_of(goals[1], {}, 0) != digest_of(goals[0], {"train.epochs": 7}, 0)
