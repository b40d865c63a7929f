"""The defaults against the best settings of a search, on a fold that no choice was made by.

The figure that a search ends with is the lowest of many, so it is too good. Here both train alike on another split, and
are compared face by face; persons are drawn again together, since the faces of one are alike.
"""

from pathlib import Path

import numpy as np

from base_models.predict import WORST
from base_models.progress import say

RESAMPLES = 1000


def fresh_fold(split):
    """The fold after the one that `SplitSettings` hold out."""
    return (split.fold + 1) % round(1 / split.share)


def confirm(goal, values, folder, seeds=1):
    """Train the defaults and some values on a goal, and compare them on its held-out faces.

    Args:
        goal: of `tuning.goals`, on a fresh fold.
        values: dict of dotted setting to value.
        folder: where the trainings are kept; one of other values belongs into another.
        seeds: how many trainings of each; their errors count together.

    Returns:
        dict fit for JSON: fold, faces, persons, seeds, and the figures of `compared`.
    """
    errors = {}
    for name, own in (("default", {}), ("best", values)):
        places = [Path(folder) / f"{name}-seed{i}" for i in range(seeds)]
        for i, place in enumerate(places):
            say(f"fold {goal.fold}: {name}, training {i + 1} of {seeds}")
            goal.train(own, place, goal.seed + i)
        errors[name] = np.concatenate([goal.errors(place) for place in places], axis=1)
    groups = goal.held.group
    known = np.isfinite(errors["default"]).any(1)
    about = {"fold": goal.fold, "faces": int(known.sum()), "persons": len(np.unique(groups[known])), "seeds": seeds}
    return about | compared(errors["default"][known], errors["best"][known], groups[known])


def compared(default, best, groups, resamples=RESAMPLES):
    """Figures of two sets of errors on the same faces, with 95 % bootstrap intervals over persons.

    Args:
        default, best: float [n, m] distances in px; NaN = not labelled.
        groups: int [n], person of each face.

    Returns:
        dict of "val_rmse" and "val_trimmed" (without the largest errors) to a dict of "default", "best" and
        "difference" (best - default: below 0 is better) to [value, low, high] in px.
    """
    names, member = np.unique(groups, return_inverse=True)
    faces = [np.flatnonzero(member == i) for i in range(len(names))]
    generator = np.random.default_rng([7, len(names)])
    draws = [np.arange(len(default))]
    draws += [
        np.concatenate([faces[i] for i in generator.integers(0, len(names), len(names))]) for _ in range(resamples)
    ]
    made = {}
    for figure, worst in (("val_rmse", 0.0), ("val_trimmed", WORST)):
        pairs = np.array([[trimmed(side[rows], worst) for side in (default, best)] for rows in draws])
        columns = {"default": pairs[:, 0], "best": pairs[:, 1], "difference": pairs[:, 1] - pairs[:, 0]}
        made[figure] = {name: _interval(column) for name, column in columns.items()}
    return made


def trimmed(errors, worst):
    """RMSE per coordinate in px of distances, without the share `worst` of them, the largest."""
    known = np.sort(errors[np.isfinite(errors)].astype(float))
    return float(np.sqrt(np.mean(known[: max(1, round(len(known) * (1 - worst)))] ** 2) / 2))


def _interval(column):
    """[value, low, high] of the whole and its resamples."""
    return [float(column[0]), *map(float, np.percentile(column[1:], (2.5, 97.5)))]


def wins(confirmed, objective):
    """Whether the best settings are better than the defaults by more than chance."""
    return bool(confirmed and confirmed[objective]["difference"][2] < 0)
