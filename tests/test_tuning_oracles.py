"""What is tried next: a function of the seed and of the trials so far, whatever was killed or damaged in between."""

import json
import math

import numpy as np
import pytest
import tiny

from base_models.settings import Settings, with_overrides
from data.errors import RunError, TrainingError
from tuning import goals, oracles, trials
from tuning.confirm import compared, trimmed, wins
from tuning.importance import importance
from tuning.memory import Grown, Watch
from tuning.oracles import OUTCOME, TRIAL, make_oracle, trial_folder
from tuning.plan import claim, space_of
from tuning.spaces import NETWORKS, backbone_rows, between, current, fitted, one_of, own_value, specialist_rows
from tuning.trials import TrialTuner, best_row, finite, trial_rows

ROWS = (
    between("train.learning_rate", 1e-4, 1e-1, "log"),
    one_of("train.optimizer", "adam", "sgd"),
    between("train.momentum", 0.5, 0.9, when=("train.optimizer", ("sgd",))),
    between("augment.rotation", 0.0, 30.0),
)
SPACE, DEFAULTS = fitted(ROWS, Settings())
QUICK = ("random", "hyperband", "grid")  # the Gaussian process takes a second for each proposal
KINDS = (*QUICK, "bayesian")
FEW = {"bayesian": 6}  # trials, of which the last three come from the process; others 12


class Goal:
    """Stands for a training: a score that the values decide."""

    seed = 0

    def score(self, values):
        found = 2 + abs(math.log10(values["train.learning_rate"] / 3e-3)) + values["augment.rotation"] / 100
        return found + 1 / values.get("train.epochs", 9)


@pytest.fixture
def train(monkeypatch):
    """Make trials instant: `train.outcome` is called with (values, folder) and may raise; `train.seen` counts."""

    class Training:
        seen = 0

        def outcome(self, values, folder):
            return {name: Goal().score(values) for name in goals.OBJECTIVES} | {"epochs": 1, "seconds": 7.0}

    own = Training()

    def reached(goal, values, folder, seed):
        own.seen += 1
        return own.outcome(values, folder)

    monkeypatch.setattr(trials, "reached", reached)
    monkeypatch.setattr(oracles, "INITIAL", 3)
    return own


def run(folder, kind="random", count=0, budget=None, seed=0, rows=SPACE):
    count = FEW.get(kind, 12) if count == 0 else count
    oracle = make_oracle(kind, rows, DEFAULTS, "val_trimmed", seed, count, 9)
    oracle.open(folder, budget)
    TrialTuner(oracle, Goal(), folder).search()
    return [(row["values"], row.get("val_trimmed")) for row in trial_rows(folder)]


@pytest.mark.parametrize("kind", KINDS)
def test_the_defaults_come_first_and_no_combination_twice(train, tmp_path, kind):
    found = run(tmp_path, kind)
    first = {"train.learning_rate": 0.002, "train.optimizer": "adamw", "augment.rotation": 20.0}
    assert {k: v for k, v in found[0][0].items() if "tuner/" not in k} == first
    told = [json.dumps(values, sort_keys=True) for values, _ in found]
    assert len(told) == len(set(told)) == FEW.get(kind, 12)
    for values, _ in found:
        assert ("train.momentum" in values) == (values["train.optimizer"] == "sgd")
        assert 1e-4 <= values["train.learning_rate"] <= 1e-1


@pytest.mark.parametrize(
    ("kind", "after"), [(kind, after) for kind in QUICK for after in (1, 4, 9)] + [("bayesian", 5)]
)
def test_a_search_that_was_killed_ends_with_the_same_trials(train, tmp_path, kind, after):
    wanted = run(tmp_path / "whole", kind)
    plain = train.outcome

    def killed(values, folder):
        if train.seen == stop:
            raise KeyboardInterrupt
        return plain(values, folder)

    train.outcome, train.seen, stop = killed, 0, after
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "killed", kind)
    assert run(tmp_path / "killed", kind) == wanted


def test_a_search_that_is_killed_before_every_trial_ends_with_the_same_trials(train, tmp_path):
    wanted = run(tmp_path / "whole", "hyperband")
    plain = train.outcome
    for stop in range(12):

        def killed(values, folder, stop=stop):
            if len(list(folder.parent.glob(f"*/{OUTCOME}"))) == stop:
                raise KeyboardInterrupt
            return plain(values, folder)

        train.outcome = killed
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path / "killed", "hyperband")
    train.outcome = plain
    assert run(tmp_path / "killed", "hyperband") == wanted


def test_other_seeds_try_other_values(train, tmp_path):
    assert run(tmp_path / "a", seed=1)[1:] != run(tmp_path / "b", seed=2)[1:]


@pytest.mark.parametrize("name", [TRIAL, OUTCOME])
@pytest.mark.parametrize("damage", ["truncated", "emptied", "deleted", "another object"])
@pytest.mark.parametrize("kind", ["random", "hyperband"])
def test_a_damaged_file_is_named_and_made_again(train, tmp_path, capsys, name, damage, kind):
    wanted = run(tmp_path, kind)
    path = trial_folder(tmp_path, 7) / name
    whole = path.read_bytes()
    broken = {"truncated": whole[: len(whole) // 2], "emptied": b"", "another object": b"[1]"}
    path.unlink() if damage == "deleted" else path.write_bytes(broken[damage])
    assert run(tmp_path, kind) == wanted
    told = capsys.readouterr().err
    assert (str(path) in told) == (damage != "deleted")


def test_lost_values_are_taken_from_what_was_trained(train, tmp_path):
    """Several workers propose in an order that nobody can repeat; the training itself knows its values."""
    run(tmp_path, count=3)
    folder = trial_folder(tmp_path, 2)
    values = {"train.learning_rate": 0.0123, "train.optimizer": "adam", "augment.rotation": 3.0}
    tree = {"train": {"learning_rate": 0.0123, "optimizer": "adam"}, "augment": {"rotation": 3.0}}
    proposed = json.loads((folder / TRIAL).read_text())["values"]
    (folder / "base").mkdir()
    (folder / "base" / "settings.json").write_text(json.dumps(tree | {"extra": {"momentum": 0.9}}))
    (folder / TRIAL).unlink()
    found = run(tmp_path, count=3)[2][0]
    assert found == (values if proposed["train.optimizer"] != "sgd" else proposed)


def test_trials_that_fail_count_and_end_nothing(train, tmp_path):
    plain, bad = train.outcome, {2: math.nan, 3: math.inf, 4: None, 5: -math.inf}

    def failing(values, folder):
        number = int(folder.name)
        if number not in bad:
            return plain(values, folder)
        return (
            {"why": "no such network"} if bad[number] is None else plain(values, folder) | {"val_trimmed": bad[number]}
        )

    train.outcome = failing
    found = run(tmp_path)
    assert [place for place, (_, score) in enumerate(found) if score is None] == [2, 3, 4, 5]
    rows = trial_rows(tmp_path)
    assert rows[3]["why"] == "expected finite figures; received val_trimmed inf"
    assert rows[4]["why"] == "no such network"
    assert best_row(rows, "val_trimmed")["status"] == "COMPLETED"
    assert run(tmp_path) == found


@pytest.mark.parametrize("error", [OSError(28, "No space left"), MemoryError(), RunError("damaged")])
def test_what_is_not_a_trials_fault_ends_the_search(train, tmp_path, error):
    import keras_tuner as kt

    def failing(values, folder):
        raise error

    train.outcome = failing
    with pytest.raises(kt.errors.FatalError) as raised:
        run(tmp_path)
    assert raised.value.__cause__ is error
    assert [row["status"] for row in trial_rows(tmp_path)] == ["RUNNING"]


def test_no_trial_begins_after_the_budget_however_often_it_was_stopped(train, tmp_path):
    assert len(run(tmp_path, budget=29)) == 5  # 7 s each: the fifth begins after 28
    assert len(run(tmp_path, budget=29)) == 5
    assert len(run(tmp_path, budget=36)) == 6


def test_a_grid_has_every_combination_that_counts_once(train, tmp_path):
    found = run(tmp_path, "grid", count=None)
    # The defaults; 3 rates x 3 rotations with two optimisers without momentum, and with 3 momenta of the third.
    assert len(found) == 1 + 3 * 3 * (2 + 3)


def test_hyperband_trains_few_for_long(train, tmp_path):
    epochs = [values["tuner/epochs"] for values, _ in run(tmp_path, "hyperband", count=None)]
    assert set(epochs) == {1, 3, 9}
    assert epochs.count(1) > epochs.count(3) > 0 < epochs.count(9)


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (TrainingError("loss nan"), "loss nan"),
        (ValueError("negative\ndimension"), "ValueError: negative\\ndimension"),
    ],
)
def test_what_values_are_to_blame_for_is_an_outcome(error, why):
    class Failing(Goal):
        def train(self, *_):
            raise error

    assert goals.reached(Failing(), {}, None, 0) == {"why": why}
    assert finite({"val_trimmed": 1.0, "val_rmse": math.inf}) == {
        "why": "expected finite figures; received val_rmse inf"
    }


def test_a_damaged_description_of_a_search_is_named_and_written_again(tmp_path, capsys):
    claim(tmp_path, {"seed": 1})
    (tmp_path / "settings.json").write_text('{"seed": ')
    claim(tmp_path, {"seed": 1})
    assert f"{tmp_path / 'settings.json'}: expected JSON" in capsys.readouterr().err
    with pytest.raises(RunError, match="other seed; repeat its options"):
        claim(tmp_path, {"seed": 2})


def test_memory_that_grows_ends_the_process_only_where_it_may(monkeypatch):
    from tuning import memory

    sizes = iter([100, 100, 114, 116, 100, 100, 900])
    monkeypatch.setattr(memory, "memory", lambda: next(sizes))
    watch = Watch(True)
    watch.look()
    watch.look()
    with pytest.raises(Grown):
        watch.look()
    free = Watch(False)
    free.look()
    free.look()


# ---- spaces --------------------------------------------------------------------------------------------------------


def test_every_network_has_a_space_of_settings_that_it_has():
    from base_models.backbones import BACKBONES

    assert list(NETWORKS) == list(BACKBONES)
    for name in NETWORKS:
        settings = with_overrides(Settings(), {"network.backbone": name})
        rows, defaults = fitted(backbone_rows(settings), settings)
        for row in rows:
            for value in (*row.choices, *(v for v in (row.low, row.high) if v is not None)):
                with_overrides(settings, {row.name: value})
            assert defaults[row.name] is not None
            if row.choices:
                assert defaults[row.name] in row.choices
            else:
                assert row.low <= defaults[row.name] <= row.high


@pytest.mark.parametrize("name", ["resnet", "alexnet", "nose_small", "points68", "unet"])
def test_the_first_trial_is_the_network_as_it_is(name):
    from base_models.cost import parameters
    from base_models.network import build_network, dropouts

    plain = with_overrides(Settings(), {"network.backbone": name}).network
    settings = with_overrides(
        Settings(),
        {"network.backbone": name, "network.padding": "same"} if name == "points68" else {"network.backbone": name},
    )
    _, defaults = fitted(backbone_rows(settings), settings)
    own = with_overrides(settings, defaults)
    built = [build_network(s, 3, (96, 96, 1)) for s in (settings.network, own.network)]
    assert parameters(built[0]) == parameters(built[1])
    assert [d.full_rate for d in dropouts(built[0])] == [d.full_rate for d in dropouts(built[1])]
    assert plain.backbone == name


def test_rows_hold_what_the_settings_have():
    settings = with_overrides(
        Settings(), {"train.batch_size": 48, "train.learning_rate": 0.5, "train.optimizer": "sgd"}
    )
    rows, defaults = fitted((*ROWS[:1], one_of("train.batch_size", 8, 64), *ROWS[2:3]), settings)
    assert (rows[0].high, rows[1].choices, rows[2].when) == (0.5, (8, 48, 64), ())
    assert defaults == {"train.learning_rate": 0.5, "train.batch_size": 48, "train.momentum": 0.9}
    assert [row.name for row in fitted(ROWS[2:3], Settings())[0]] == []  # momentum counts only for SGD
    assert space_of(rows, defaults)[1]["default"] == 48


def test_a_specialist_is_searched_with_units_of_its_own_head():
    settings = tiny.settings().specialist
    dense = [row for row in specialist_rows(settings) if row.name == "network.dense_units"]
    assert dense[0].choices == (64, 128, 256, 500)
    assert current(settings, "network.depth") == 4
    assert own_value(Settings().network, "dense_units") == 64


# ---- what a search is worth ----------------------------------------------------------------------------------------


def test_figures_are_compared_face_by_face_and_person_by_person():
    generator = np.random.default_rng([3])
    groups = np.repeat(np.arange(20), 5)
    default = generator.gamma(2, 1, (100, 2)) + np.repeat(generator.gamma(2, 1, 20), 5)[:, None]
    default[generator.random((100, 2)) < 0.2] = np.nan
    found = compared(default, 0.9 * default, groups, resamples=200)
    known = default[np.isfinite(default)]
    rmse = np.sqrt(np.mean(known**2) / 2)
    assert found["val_rmse"]["default"][0] == pytest.approx(rmse)
    assert found["val_rmse"]["difference"][0] == pytest.approx(-0.1 * rmse)
    assert found["val_rmse"]["difference"][2] < 0
    kept = np.sort(known)[: round(0.98 * len(known))]
    assert (
        found["val_trimmed"]["best"][0]
        == pytest.approx(0.9 * np.sqrt(np.mean(kept**2) / 2))
        == trimmed(0.9 * default, 0.02)
    )
    assert wins({"val_trimmed": found["val_trimmed"]}, "val_trimmed")
    # A paired difference is known far better than either side.
    assert np.ptp(found["val_rmse"]["difference"][1:]) < 0.2 * np.ptp(found["val_rmse"]["default"][1:])
    noise = compared(default, generator.permutation(default), groups, resamples=200)
    assert not wins(noise, "val_trimmed")
    assert not wins(None, "val_trimmed")


def rows_of(count, noise, seed=0):
    generator = np.random.default_rng([seed])
    made = []
    for i in range(count):
        rate, kind = float(10 ** generator.uniform(-4, -1)), ["adam", "sgd"][generator.integers(2)]
        score = 2 + 0.5 * abs(math.log10(rate / 3e-3)) + noise * generator.normal()
        values = {"train.learning_rate": rate, "train.optimizer": kind, "augment.rotation": generator.uniform(0, 30)}
        made.append({"trial": i, "values": values, "status": "COMPLETED", "val_trimmed": score})
    return made


def test_importance_finds_what_decides_and_says_how_sure_it_is(monkeypatch):
    monkeypatch.setattr("tuning.importance.RESAMPLES", 8)
    monkeypatch.setattr("tuning.importance.SHUFFLES", 2)
    space = space_of(SPACE, DEFAULTS)
    sure = importance(rows_of(40, 0.01), space, "val_trimmed")
    assert sure["settings"][0]["name"] == "train.learning_rate"
    assert sure["settings"][0]["low"] > max(s["value"] for s in sure["settings"][1:])
    assert sure["explained"][0] > 0.5
    lost = importance(rows_of(40, 5.0), space, "val_trimmed")
    assert all(s["low"] < 0.5 for s in lost["settings"])
    assert lost["explained"][0] < 0.2
    assert sure == importance(rows_of(40, 0.01), space, "val_trimmed")


def test_few_or_equal_trials_have_no_importance():
    space = space_of(SPACE, DEFAULTS)
    assert importance(rows_of(9, 0.1), space, "val_trimmed") is None
    same = [row | {"val_trimmed": 2.0} for row in rows_of(20, 0.1)]
    assert importance(same, space, "val_trimmed") is None
