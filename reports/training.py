"""What a run's folder tells of its trainings: one `Training` per network, finished or not."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from data.errors import ProjectError, RunError
from data.runs import Part
from data.storage import read_arrays, read_json
from reports.theme import point_label

# In the order of the page.
KINDS = {"base": "base network", "teacher": "teacher", "specialist": "specialist", "student": "student"}
BIGGEST = 40 << 20  # bytes of a weights file; those of larger networks are not compared: it would take too long


@dataclass(frozen=True)
class Training:
    """The training of one network.

    Args:
        name: folder within the run, such as `base` or `specialists/nose_tip`.
        kind: of KINDS.
        point: of a specialist, "" otherwise.
        epochs: list of dicts: loss, val_rmse, val_trimmed, learning_rate, dropout, seconds, and, where it was kept,
            peak_mb.
        most, patience: as set: epochs at most, and how many without a better one before it stops.
        summary: dict of what the part says about itself; empty while it trains.
        base: SHA-256 of the weights that a specialist started from. own: that of its own weights.
        finished: whether it is.
        source: of the faces, where it is told.
    """

    name: str
    kind: str
    point: str
    epochs: list
    most: int
    patience: int
    summary: dict = field(default_factory=dict)
    base: str = ""
    own: str = ""
    finished: bool = True
    source: str = ""

    @property
    def label(self):
        return point_label(self.point) if self.point else point_label(self.name)

    def column(self, name):
        """float [epochs] of what the records have under a name; NaN where one has none."""
        return np.array([np.nan if (v := record.get(name)) is None else v for record in self.epochs], float)

    @property
    def best(self):
        """Index of the best epoch: the first with the lowest trimmed validation RMSE; -1 before the first."""
        scores = self.column("val_trimmed")
        return int(np.argmin(scores)) if len(scores) and np.isfinite(scores).all() else -1

    @property
    def ended(self):
        """ "patience", "epochs", or "training" where it goes on."""
        if not self.finished:
            return "training"
        return "patience" if len(self.epochs) < self.most else "epochs"

    @property
    def seconds(self):
        return float(np.nansum(self.column("seconds")))

    @property
    def peak_mb(self):
        """The most memory of the process, MB; NaN where it was not kept."""
        known = self.column("peak_mb")
        return float(np.nanmax(known)) if np.isfinite(known).any() else np.nan


def read_trainings(run):
    """All trainings of a run.

    Returns:
        (list of `Training` in the order of KINDS; list of texts: what could not be read, and why).

    Raises:
        RunError: there is none.
    """
    folders = [path.parent for path in sorted(Path(run).glob("*/settings.json"))]
    folders += [path.parent for path in sorted(Path(run).glob("specialists/*/settings.json"))]
    found, problems = [], []
    for folder in folders:
        try:
            found += filter(None, [_training(Path(run), folder)])
        except (ProjectError, KeyError, TypeError, ValueError, AttributeError) as error:
            told = (
                str(error) if isinstance(error, ProjectError) else f"{folder}: expected a training; received {error!r}"
            )
            problems.append(told)
    if not found and not problems:
        raise RunError(f"{run}: expected a run with a trained network; received none")
    return sorted(found, key=lambda one: (list(KINDS).index(one.kind), one.name != "base")), problems


def _training(run, folder):
    """The training of a folder; None where it is of something else or has not ended an epoch."""
    part = Part(folder)
    made = read_json(folder / "settings.json")
    kind = str(made.get("part")).rstrip("0123456789")  # teachers are counted
    if kind not in KINDS:
        return None
    if part.finished:
        epochs, summary = part.history()
    elif part.checkpoint.is_file():
        epochs, summary = json.loads(read_arrays(part.checkpoint)["state"].tobytes())["history"], {}
    else:
        return None
    train = made["specialist"]["train"] if kind == "specialist" else made["train"]
    return Training(
        name=folder.relative_to(run).as_posix(),
        kind=kind,
        point=made.get("point", ""),
        epochs=epochs,
        most=int(train["epochs"]),
        patience=int(train["patience"]),
        summary=summary,
        base=made.get("base", ""),
        own=part.fingerprint() if part.finished else "",
        finished=part.finished,
        source=str(made.get("source", "")),
    )


@dataclass(frozen=True)
class Moves:
    """How far training moved what was copied from the base.

    Args:
        kernels: names, in the base's order. points: labels of the specialists.
        share: float [kernels, points]: length of the change by that of the base's own kernel; 0 = frozen, NaN = not
            copied.
    """

    kernels: list
    points: list
    share: np.ndarray


def read_moves(run, trainings):
    """`Moves` of the specialists against their base, None where there are no finished ones, or too large ones.

    Raises:
        RunError: damaged weights.
    """
    bases = {t.own: t for t in trainings if t.kind == "base" and t.finished}
    own = [t for t in trainings if t.kind == "specialist" and t.finished and t.base in bases]
    if not own or (Path(run) / own[0].name / "weights.npz").stat().st_size > BIGGEST:
        return None
    weights = {
        sha: Part(Path(run) / base.name).weights() for sha, base in bases.items() if sha in {t.base for t in own}
    }
    kernels = [name for name in weights[own[0].base] if name.endswith("kernel")]
    share = np.stack([_moved(kernels, weights[t.base], Part(Path(run) / t.name).weights()) for t in own], -1)
    return Moves([name.removesuffix("/kernel") for name in kernels], [t.label for t in own], share)


def _moved(kernels, before, after):
    """float [kernels]"""
    found = []
    for name in kernels:
        if name not in after or name not in before or after[name].shape != before[name].shape:
            found.append(np.nan)
        else:
            old = before[name].astype(float)
            found.append(np.linalg.norm(after[name] - old) / max(np.linalg.norm(old), 1e-12))
    return np.array(found)
