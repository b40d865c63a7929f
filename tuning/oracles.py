"""Keras Tuner's oracles, which say what to try next, with a memory that survives anything.

Keras Tuner keeps an oracle's state in files that a kill can truncate, that it re-uses for another search space without
a word, and that leave out part of the state: a search that was resumed proposes other trials than one that was not.
Here a proposal is a function of (seed, number of the trial, what the trials before it reached), and the trials' own
files, each written once and whole, are all there is:

    trials/0007/trial.json    the values to try
    trials/0007/outcome.json  what came of it
"""

import itertools
import math
import warnings
from pathlib import Path

import keras_tuner as kt
import numpy as np
from keras_tuner.engine.trial import Trial

from base_models.batches import part_seed
from base_models.kept import read_kept
from base_models.settings import flatten
from data.errors import RunError
from data.storage import TEMPORARY, read_json, write_json

TRIAL, OUTCOME = "trial.json", "outcome.json"
RUNNING, STOPPED, COMPLETED, FAILED = "RUNNING", "STOPPED", "COMPLETED", "FAILED"
INITIAL = 10  # random trials before the Gaussian process has a say
NOISE = 0.05  # variance of a score between seeds, as a share of its variance between trials
FIGURES = 3  # of a number that is tried: enough, easy to read, and the same after Keras Tuner's 32-bit messages
GRID = 3  # values of a number in a grid
NEVER = 1 << 30  # so many failures in a row end a search


def trial_folder(folder, trial_id):
    """Folder of a trial in that of its search."""
    return Path(folder) / "trials" / f"{int(trial_id):04d}"


def rounded(values):
    """Values with floats of `FIGURES` figures."""
    return {k: float(f"{v:.{FIGURES}g}") if isinstance(v, float) else v for k, v in values.items()}


def without_tuner(values):
    """Values without those that Hyperband keeps its books in."""
    return {name: value for name, value in values.items() if not name.startswith("tuner/")}


def hyperparameters(rows, defaults):
    """Keras Tuner's form of rows of `tuning.spaces`.

    Args:
        rows: `Row`s; one that depends on another comes after it.
        defaults: dict of name to the value of the first trial.
    """
    made = kt.HyperParameters()
    for row in sorted(rows, key=lambda row: bool(row.when)):
        parent = {"parent_name": row.when[0], "parent_values": list(row.when[1])} if row.when else {}
        default = defaults[row.name]
        if row.choices:
            made.Choice(row.name, list(row.choices), default=default, **parent)
        else:
            made.Float(row.name, row.low, row.high, sampling=row.scale, default=float(default), **parent)
    return made


class Remembering:
    """What this house adds to an oracle. Call `open` before the first trial."""

    folder = budget = None
    on_end = staticmethod(lambda number: None)
    spent = 0.0  # seconds of training of all trials so far

    def open(self, folder, budget=None, on_end=None):
        """Remember the trials of a search.

        Args:
            folder: of the search.
            budget: seconds of training after which no trial begins.
            on_end: function of the number of a trial that has ended.
        """
        self.folder, self.budget = Path(folder), budget
        numbers = [int(found.name) for found in self.folder.glob("trials/[0-9]*")]
        for number in range(max(numbers, default=-1) + 1):
            self._remember(number)
        self.on_end = on_end or self.on_end

    def _remember(self, number):
        """A trial as its files tell it; where they do not, as it was or would be proposed."""
        folder = trial_folder(self.folder, number)
        for left in folder.glob(f"{TEMPORARY}*"):
            left.unlink()
        known = read_kept(folder / TRIAL, _is_trial, "the values are taken from what was trained, or proposed again")
        trial_id, values = (known["id"], known["values"]) if known else self._again(number, folder)
        space = self.hyperparameters.copy()
        space.values = dict(values)
        trial = Trial(space, trial_id, RUNNING)
        self._record_values(trial)
        self.trials[trial_id] = trial
        self.start_order.append(trial_id)
        self._placed(trial)
        self._save_trial(trial)
        outcome = read_kept(folder / OUTCOME, is_outcome, "it is read again from what was trained")
        if outcome is None:
            self._retry_queue.append(trial_id)
        else:
            self._told(trial, outcome)

    def _again(self, number, folder):
        """(id, values) of a trial whose own file is lost."""
        response = self.populate_space(str(number))
        proposed = response.get("values") or {}
        found = trained_values(folder, without_tuner(proposed))
        return str(number), proposed | (found or {})

    def _told(self, trial, outcome):
        score = outcome.get(self.objective.name)
        trial.status, trial.message = (FAILED, outcome.get("why")) if score is None else (COMPLETED, None)
        if score is not None:
            self.update_trial(trial.trial_id, {self.objective.name: score})
            self.score_trial(trial)
        self.end_order.append(trial.trial_id)
        self.spent += outcome.get("seconds", 0)

    def _placed(self, trial):
        """Where an oracle keeps books of its own: enter a remembered trial."""

    def populate_space(self, trial_id):
        """The next proposal."""
        if self.budget is not None and self.spent >= self.budget:
            return {"status": STOPPED, "values": None}
        number = len(self.trials)
        self._seed_state = part_seed(self.seed, f"trial {number}")
        self._random_state = np.random.RandomState(self._seed_state)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a Gaussian process on few trials has much to complain of
            response = super().populate_space(trial_id)
        values = response.get("values")
        if response["status"] != RUNNING:
            return response
        if number == 0:
            values = {k: v for k, v in values.items() if k.startswith("tuner/")} | self.defaults()
        response["values"] = rounded(values)
        return response

    def defaults(self):
        """Values of the first trial: the settings as they are."""
        made = kt.HyperParameters()
        for row in self.hyperparameters.space:
            made.merge([row])
        return dict(made.values)

    def end_trial(self, trial):
        """Called when a trial has ended, here or in a worker."""
        super().end_trial(trial)
        trial = self.trials[trial.trial_id]
        path = trial_folder(self.folder, trial.trial_id) / OUTCOME
        if not path.exists():  # a worker on another disk has it
            told = {"why": "the worker that tried it knows"} if trial.score is None else {}
            write_json(path, told or {self.objective.name: trial.score})
        self.spent += read_json(path).get("seconds", 0)
        self.on_end(int(trial.trial_id))

    def _save_trial(self, trial):
        """Keras Tuner calls this whenever a trial changes; its values never do."""
        folder = trial_folder(self.folder, trial.trial_id)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / TRIAL).exists():
            write_json(folder / TRIAL, {"id": trial.trial_id, "values": trial.hyperparameters.values})

    def save(self):
        """Nothing that the trials do not tell."""


class Random(Remembering, kt.oracles.RandomSearchOracle):
    """Each trial is drawn at random."""


class Bayesian(Remembering, kt.oracles.BayesianOptimizationOracle):
    """Each trial is where a Gaussian process through the others hopes for most."""

    def populate_space(self, trial_id):
        """As Keras Tuner; but what was tried is not tried again."""
        response = super().populate_space(trial_id)
        if response["status"] == RUNNING and self._duplicate(response["values"]):
            values = self._random_values()
            return {"status": STOPPED if values is None else RUNNING, "values": values and rounded(values)}
        return response


class Hyperband(Remembering, kt.oracles.HyperbandOracle):
    """Many trials of few epochs, and the best of them again with more: Li et al. 2018 (JMLR 18)."""

    def _placed(self, trial):
        values = trial.hyperparameters.values
        past, turn = values.get("tuner/trial_id"), values.get("tuner/round", 0)
        while turn == 0 and self._current_bracket > values["tuner/bracket"]:
            self._increment_bracket_num()
            self._start_new_bracket()
        for bracket in self._brackets:
            rounds = bracket["rounds"]
            before = [entry["id"] for entry in rounds[turn - 1]] if 0 < turn < len(rounds) else []
            here = past in before if turn else bracket["bracket_num"] == values["tuner/bracket"]
            if here and trial.trial_id not in [entry["id"] for entry in rounds[turn]]:
                rounds[turn].append({"past_id": past, "id": trial.trial_id})


class Combinations(kt.Oracle):
    """Every combination in turn: all choices, and `GRID` values of each number."""

    def populate_space(self, trial_id):
        """The first combination that was not tried; those that differ only in what does not count are one."""
        for combination in itertools.product(*map(_grid_values, self.hyperparameters.space)):
            made = kt.HyperParameters()
            for row, value in zip(self.hyperparameters.space, combination, strict=True):
                made.merge([row])
                if made.is_active(row):
                    made.values[row.name] = value
            values = rounded(made.values)
            if not self._duplicate(values):
                return {"status": RUNNING, "values": values}
        return {"status": STOPPED, "values": None}


class Grid(Remembering, Combinations):
    """As `Combinations`. Keras Tuner's own grid forgets where it was."""


def _grid_values(row):
    if hasattr(row, "ordered"):  # a choice
        return row.values
    return [row.prob_to_value(i / (GRID - 1)) for i in range(GRID)]


TUNERS = {"bayesian": Bayesian, "hyperband": Hyperband, "random": Random, "grid": Grid}


def make_oracle(tuner, rows, defaults, objective, seed, trials, epochs):
    """An oracle that remembers nothing yet.

    Args:
        tuner: a name in TUNERS.
        rows, defaults: as for `hyperparameters`.
        objective: figure to make small.
        seed: int.
        trials: most trials; None = as many as there are combinations, or as Hyperband wants.
        epochs: of a whole training, for Hyperband.
    """
    common = {
        "objective": kt.Objective(objective, "min"),
        "hyperparameters": hyperparameters(rows, defaults),
        "seed": part_seed(seed, "search") or 1,  # Keras Tuner takes 0 for none
        "max_consecutive_failed_trials": NEVER,
    }
    own = {"bayesian": {"num_initial_points": INITIAL, "alpha": NOISE}, "hyperband": {"max_epochs": epochs}}
    made = TUNERS[tuner](**common, **own.get(tuner, {}))
    made.max_trials, made.verbose = trials, 0
    return made


def trained_values(folder, wanted):
    """The values of the settings `wanted` that something was trained with in a trial's folder; None without."""
    for path in (folder / "base" / "settings.json", *folder.glob("specialists/*/settings.json")):
        try:
            made = read_json(path)
        except RunError:
            continue
        known = flatten(made.get("specialist", made))
        if wanted.keys() <= known.keys():
            return {name: known[name] for name in wanted}
    return None


def _is_trial(value):
    return isinstance(value.get("id"), str) and value["id"].isdecimal() and isinstance(value.get("values"), dict)


def is_outcome(value):
    """Whether a JSON object is what `tuning.goals.reached` gives, as far as a search reads it; a worker tells less."""
    if "why" in value:
        return isinstance(value["why"], str)
    figures = [value.get(name, 0) for name in ("val_trimmed", "val_rmse", "epochs", "seconds")]
    known = all(isinstance(f, int | float) and not isinstance(f, bool) and math.isfinite(f) for f in figures)
    return known and not {"val_trimmed", "val_rmse"}.isdisjoint(value)
