"""How to search, and what makes one search another."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from data.errors import RunError, UsageError
from tuning.words import resolved

SETTINGS = "settings.json"  # what a search is, in its folder
TUNERS = ("bayesian", "hyperband", "random", "grid")
FIGURES = {"val_trimmed": "trimmed validation RMSE", "val_rmse": "validation RMSE"}


@dataclass(frozen=True)
class Plan:
    """How to search.

    Args:
        tuner: a name in TUNERS.
        trials: most of them, those of earlier calls counted; None = as many as the tuner has.
        budget: seconds of training, of all trials and workers together, after which none begins; None = no limit.
        objective: a key of FIGURES.
        seed: of the proposals.
        epochs: of a trial; None = as the settings have it.
        only: names of the settings to search; empty = all of the space.
        fresh: folder of the run whose base holds out the fresh fold, for specialists; None = RUN/tuning/fresh.
        seeds: trainings of each side on the fresh fold; 0 = leave that out.
    """

    tuner: str = "bayesian"
    trials: int | None = 30
    budget: float | None = None
    objective: str = "val_trimmed"
    seed: int = 0
    epochs: int | None = None
    only: tuple = ()
    fresh: Path | None = None
    seeds: int = 1


def plan_of(a):
    """`Plan` from parsed arguments. Raises UsageError."""
    for name in ("trials", "budget", "epochs", "faces", "workers"):
        value = getattr(a, name)
        if value is not None and value <= 0:
            raise UsageError(f"--{name}: expected more than 0; received {value}")
    if a.confirm < 0:
        raise UsageError(f"--confirm: expected 0 or more; received {a.confirm}")
    trials = a.trials or (None if a.tuner in ("hyperband", "grid") else 30)
    only = tuple(name.strip() for name in a.only.split(",")) if a.only else ()
    budget = None if a.budget is None else 60 * a.budget
    fresh = None if a.fresh is None else Path(a.fresh)
    return Plan(a.tuner, trials, budget, a.objective, a.seed, a.epochs, only, fresh, a.confirm)


def rows_of(goal, plan):
    """(rows, dict of name to value of the first trial) of the space of a search."""
    from tuning.spaces import backbone_rows, fitted, specialist_rows

    rows = specialist_rows(goal.own) if hasattr(goal, "point") else backbone_rows(goal.own)
    only = [resolved(name, {row.name for row in rows}, "--only") for name in plan.only]
    return fitted([row for row in rows if not only or row.name in only], goal.own)


def epochs_of(goal, plan):
    """Epochs of a trial."""
    return goal.own.train.epochs if plan.epochs is None else plan.epochs


def space_of(rows, defaults):
    """Rows fit for JSON: list of dicts with name, choices, low, high, scale, when, default."""
    return [dataclasses.asdict(row) | {"default": defaults[row.name]} for row in rows]


def identity_of(goal, plan, space):
    """What a search is: with anything else of it changed, it would be another one."""
    own = {name: getattr(plan, name) for name in ("tuner", "objective", "seed", "epochs")}
    return {**own, "goal": goal.about(), "space": {f"{i} {row['name']}": row for i, row in enumerate(space)}}


def claim(folder, identity):
    """Write what a search is into its folder, or compare with what stands there.

    Raises:
        RunError: the folder holds a search with other options, data or space.
    """
    from base_models.progress import say
    from base_models.settings import flatten
    from data.storage import read_json, write_json

    path, wanted = folder / SETTINGS, json.loads(json.dumps(identity))
    if not path.exists():
        if any(folder.glob("trials/[0-9]*")):
            say(f"{path}: expected what the trials were made with; received none: they are taken as they are")
        return write_json(path, wanted)
    try:
        found = read_json(path)
    except RunError as error:
        say(f"{error}; it is written again, and the trials are taken as they are")
        return write_json(path, wanted)
    found, wanted = flatten(found), flatten(wanted)
    differing = sorted(key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key))
    if differing:
        more = " ..." if len(differing) > 4 else ""
        raise RunError(
            f"{folder}: holds a search with other {', '.join(differing[:4])}{more}; repeat its options, choose another "
            "--run, or delete that folder to search anew"
        )
    return None
