"""Running trials: Keras Tuner's tuner around the project's own training loop.

Its oracle may be in this process or in that of the chief; Keras Tuner decides by three environment variables.
"""

import math
import time
from pathlib import Path

import keras_tuner as kt
from keras_tuner.engine.base_tuner import BaseTuner

from base_models.progress import say
from data.errors import RunError
from data.storage import read_json, understood, write_json
from tuning.goals import EPOCHS, OBJECTIVES, reached
from tuning.memory import Watch
from tuning.oracles import OUTCOME, TRIAL, is_outcome, rounded, trial_folder, without_tuner


class TrialTuner(BaseTuner):
    """Takes trials from an oracle and trains them.

    Args:
        oracle: one of `tuning.oracles`.
        goal: what to train, of `tuning.goals`.
        folder: of the search.
        epochs: of each trial; None = as the goal's settings say.
        bounded: raise `tuning.memory.Grown` between trials where memory has grown.
    """

    def __init__(self, oracle, goal, folder, epochs=None, bounded=False):
        self.goal, self.folder, self.epochs = goal, Path(folder), epochs
        self.objective, self.watch = oracle.objective.name, Watch(bounded)
        super().__init__(oracle=oracle, directory=str(folder), project_name="trials")

    def run_trial(self, trial):
        """Train, or read what was trained: the score."""
        outcome = self._outcome(trial)
        if "why" in outcome:
            raise kt.errors.FailedTrialError(outcome["why"])
        return outcome[self.objective]

    def _outcome(self, trial):
        folder, started = trial_folder(self.folder, trial.trial_id), time.perf_counter()
        if (folder / OUTCOME).exists():
            return outcome_in(folder / OUTCOME)
        folder.mkdir(parents=True, exist_ok=True)
        values = rounded(trial.hyperparameters.values)  # 32-bit numbers where they come from the chief
        epochs = values.get("tuner/epochs", self.epochs)
        own = without_tuner(values) | ({} if epochs is None else {EPOCHS: epochs})
        say(f"trial {int(trial.trial_id)}: " + ", ".join(f"{k}={v}" for k, v in own.items()))
        outcome = self._trained(own, folder)
        outcome = {"seconds": round(time.perf_counter() - started, 1), **outcome}
        write_json(folder / OUTCOME, outcome)
        return outcome

    def _trained(self, values, folder):
        try:
            return finite(reached(self.goal, values, folder, self.goal.seed))
        except (OSError, MemoryError, RunError) as error:  # not this trial's fault: the search ends
            raise kt.errors.FatalError(str(error)) from error

    def on_trial_end(self, trial):
        """Tell the oracle, and look at the memory."""
        super().on_trial_end(trial)
        self.watch.look()

    def save(self):
        """The trials are all there is to keep."""

    def reload(self):
        """See `tuning.oracles.Remembering.open`."""


def finite(outcome):
    """The outcome; a failure where a figure is no number. Keras Tuner would take an infinite one for a success."""
    wrong = [f"{name} {outcome[name]:g}" for name in OBJECTIVES if name in outcome and not math.isfinite(outcome[name])]
    return {"why": f"expected finite figures; received {', '.join(wrong)}"} if wrong else outcome


def outcome_in(path):
    """What a training reached, from its file. Raises RunError where that tells something else."""
    outcome = read_json(path)
    if not is_outcome(outcome):
        raise RunError(f"{path}: expected the figures of a training; received others: delete it to read them again")
    return outcome


def trial_rows(folder):
    """What is known of every trial: list of dicts with trial, values, status, and the outcome's figures, in order."""
    rows = []
    for path in sorted(Path(folder).glob(f"trials/[0-9]*/{TRIAL}")):
        outcome = path.with_name(OUTCOME)
        told = outcome_in(outcome) if outcome.exists() else None
        status = "RUNNING" if told is None else "FAILED" if "why" in told else "COMPLETED"
        with understood(path, "a trial"):
            row = {"trial": int(path.parent.name), "values": dict(read_json(path)["values"]), "status": status}
        rows.append(row | {k: v for k, v in (told or {}).items() if k != "curve"})
    return rows


def best_row(rows, objective):
    """The row with the lowest figure, the earliest of equals; None where no trial has one."""
    known = [row for row in rows if row["status"] == "COMPLETED"]
    return min(known, key=lambda row: row[objective], default=None)
