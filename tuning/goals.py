"""What a search or a sweep trains: the base network, or the specialist of one point. Both by the one training loop.

A goal turns dotted settings into a trained part of a folder, and says what it reached. Its folder is a run like any
other: `base/` or `specialists/<point>/` in it is resumable, and finished ones are only read.
"""

import dataclasses
import functools
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from base_models.base import Base, identity, load_base, split_faces, train_base
from base_models.settings import with_overrides
from data.errors import DataError, ProjectError, RunError, TrainingError, one_line
from data.faces import Faces
from data.runs import Part
from specialists.points import specialist_settings
from specialists.specialist import load_specialist, looked_at, train_specialist

OBJECTIVES = ("val_trimmed", "val_rmse")  # figures of the best epoch, px; the first one is the better judge
EPOCHS = "train.epochs"


@dataclass(frozen=True)
class BaseGoal:
    """Train the base.

    Args:
        faces: all training `Faces`; a training splits them as `settings.split` says.
        settings: `Settings` that the values of a trial change. Its teachers are left out: they cost twice as much.
        seed: of the split; that of a training comes with it.
    """

    faces: Faces
    settings: object
    seed: int

    @property
    def name(self):
        return self.settings.network.backbone

    @property
    def own(self):
        """The settings dataclass that values name fields of."""
        return self.settings

    def changed(self, values):
        """`Settings` of a training."""
        return with_overrides(self.settings, {"split.seed": self.seed, "teachers.count": 0, **values})

    def train(self, values, folder, seed):
        """Train, go on, or leave as it is: the finished `Part`."""
        settings = self.changed(values)
        part = Part(Path(folder) / "base", identity(self.faces, settings, seed))
        if not part.finished:
            return train_base(self.faces, settings, folder, seed, shared=True).part
        part.drop_checkpoint()
        return part

    def about(self):
        """What determines all trainings, JSON values."""
        return {"faces": self.faces.digest(), "seed": self.seed, "settings": determining(self.settings)}

    def on_fold(self, fold, folder):
        """The same goal with another part held out."""
        return dataclasses.replace(self, settings=with_overrides(self.settings, {"split.fold": fold}))

    @property
    def fold(self):
        return self.settings.split.fold

    @functools.cached_property
    def held(self):
        """Held-out `Faces`."""
        return split_faces(self.faces, self.settings.split, self.seed).validation

    def errors(self, folder):
        """float [n, slots]: distances in px of the trained network on the held-out faces; NaN = not labelled."""
        found = load_base(folder).look(self.held.images, flip=False)[0]
        return np.linalg.norm(found - self.held.slots, axis=-1)

    def as_settings(self, values):
        """The values as `--settings` takes them."""
        return nested(values)


def determining(settings):
    """A settings dataclass as a dict, without what no search trains."""
    return {name: value for name, value in dataclasses.asdict(settings).items() if name != "student"}


@dataclass(frozen=True)
class PointGoal:
    """Train the specialist of one point.

    Args:
        point: name of the keypoint.
        faces: all training `Faces`, those that the base was trained on.
        run: folder of the run whose base the specialist starts from.
        settings: `Settings` of the run.
        overrides: dict of dotted `SpecialistSettings` to value, the user's for this point.
        limit: most training rows; 0 = all. Validation faces are never left out.
    """

    point: str
    faces: Faces
    run: Path
    settings: object
    overrides: dict = field(default_factory=dict)
    limit: int = 0

    @property
    def name(self):
        return self.point

    @property
    def own(self):
        return specialist_settings(self.settings, self.point, self.overrides)

    @functools.cached_property
    def base(self) -> Base:
        """The base that all trainings start from."""
        base = load_base(self.run)
        made = base.part.settings()
        if made["data"] != self.faces.digest():
            raise RunError(f"{base.part.folder}: was trained on other faces: repeat its --data and --seed")
        return base

    @property
    def seed(self):
        return self.base.part.settings()["seed"]

    @property
    def split(self):
        """`SplitSettings` of the base, whatever those of the run are by now."""
        return with_overrides(self.settings.split, self.base.part.settings()["split"])

    @property
    def fold(self):
        return self.split.fold

    @functools.cached_property
    def sides(self):
        """(training, held out) `Looked`: with the base's answers."""
        split = split_faces(self.faces, self.split, self.seed)
        train = some_faces(split.train, self.limit, self.seed) if self.limit else split.train
        return tuple(looked_at(self.base, f) for f in (train, split.validation))

    @property
    def held(self):
        return self.sides[1].faces

    def changed(self, values):
        """`SpecialistSettings` of a training."""
        return specialist_settings(self.settings, self.point, {**self.overrides, **values})

    def train(self, values, folder, seed):
        """Train, go on, or leave as it is: the finished `Part`."""
        train, held = self.sides
        own = None if seed == self.seed else seed
        train_specialist(self.point, self.base, train, held, self.changed(values), folder, own)
        return Part(Path(folder) / "specialists" / self.point)

    def about(self):
        """What determines all trainings, JSON values."""
        own = {"point": self.point, "base": self.base.part.fingerprint(), "limit": self.limit}
        return {**own, "specialist": dataclasses.asdict(self.own)}

    def on_fold(self, fold, folder):
        """The same goal on a base of its own that holds out another part; it is trained in `folder` where it is not."""
        other = dataclasses.replace(self, run=Path(folder))
        if not Part(Path(folder) / "base").finished:
            settings = as_trained(self.base.part.settings(), self.settings)
            train_base(self.faces, with_overrides(settings, {"split.fold": fold}), folder, self.seed)
        if other.fold != fold:
            raise RunError(f"{folder}: expected a base that holds out fold {fold}; received fold {other.fold}")
        return other

    def errors(self, folder):
        """float [n, s]: as for `BaseGoal`, of the point's slots."""
        own, held = load_specialist(folder, self.point), self.sides[1]
        found = own.predict(held.faces.images, held.shapes)
        return np.linalg.norm(found - held.faces.slots[:, own.view.slots], axis=-1)

    def as_settings(self, values):
        """The values as `--settings` takes them."""
        return {"points": {self.point: {**self.overrides, **values}}}


def as_trained(made, settings):
    """`Settings` that a base was trained with, from its identity."""
    made = {"teachers": {"count": 0}, **made}  # a base that knows nothing of teachers had none
    for name in ("split", "augment", "network", "train", "teachers"):
        own = {f"{name}.{key}": value for key, value in made[name].items()}
        settings = with_overrides(settings, own, "the base's settings")
    return settings


def nested(values):
    """A tree of dicts from dotted names."""
    tree = {}
    for name, value in values.items():
        *path, last = name.split(".")
        branch = tree
        for part in path:
            branch = branch.setdefault(part, {})
        branch[last] = value
    return tree


def some_faces(faces, count, seed):
    """About `count` of the faces, persons drawn whole and at random; all where there are fewer."""
    groups, member = np.unique(faces.group, return_inverse=True)
    order = np.random.default_rng([seed, 6]).permutation(len(groups))
    ends = np.cumsum(np.bincount(member)[order])
    taken = order[: np.searchsorted(ends, count) + 1]
    return faces[np.flatnonzero(np.isin(member, taken))]


def reached(goal, values, folder, seed):
    """Train with some values and say what came of it.

    A training that diverges, a network that cannot be built, or anything else that only these values are to blame
    for, is an outcome too. What would also befall the next training (a full disk, a damaged folder) is raised.

    Returns:
        dict fit for JSON: the OBJECTIVES at the best epoch, px; epochs, best_epoch, seconds; curve: those figures of
        every epoch. A failed one has only "why".

    Raises:
        OSError, MemoryError, RunError.
    """
    try:
        history, summary = goal.train(values, folder, seed).history()
    except (OSError, MemoryError, RunError):
        raise
    except (TrainingError, ProjectError) as error:
        return {"why": one_line(error, 300)}
    except Exception as error:  # Keras and its backend raise many types on networks that cannot be
        return {"why": one_line(f"{type(error).__name__}: {error}", 300)}
    best = history[summary["best_epoch"] - 1]
    told = {name: summary[name] for name in ("epochs", "best_epoch", "seconds", "rows", "validation_rows")}
    curve = {name: [record[name] for record in history] for name in OBJECTIVES}
    return {**told, **{name: best[name] for name in OBJECTIVES}, "curve": curve}


def check_point(faces, point):
    """Raises UsageError or DataError where the point is none of the faces', or nobody labels it."""
    k = faces.schema.index(point)
    if not np.isfinite(faces.points[:, k]).any():
        raise DataError(f"{point}: expected labels of it; received {len(faces)} faces without any")
