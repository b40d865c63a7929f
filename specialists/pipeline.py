"""The main job: base network, specialists, ensemble, report, and the table that sums them up."""

from pathlib import Path

import numpy as np

from base_models.base import split_faces, split_rows, train_base
from base_models.predict import WORST, score
from base_models.progress import aligned
from data.errors import DataError
from reports.bootstrap import interval, resamples
from reports.figures import measure
from reports.label_store import store_labels
from specialists.apart import train_apart
from specialists.ensemble import build_ensemble, summary_lines
from specialists.points import specialist_settings
from specialists.specialist import check_network, looked_at, train_specialist


def train_specialists(points, faces, settings, overrides, run, seed, where=None):
    """Train specialists for `points`, the base before them where there is none, and merge what the run has.

    Args:
        points: names of keypoints, or of groups of them for one specialist each.
        faces: all training `Faces`.
        settings: `Settings`.
        overrides: dict of point to dict of dotted setting to value, over `specialists/points.py`.
        run: folder of the run.
        seed: int.
        where: `base_models.jobs.Where` to train them, several at once; None = here, one after another.

    Returns:
        Lines of text: the summary table and what the merge gave.

    Raises:
        UsageError, DataError, RunError, TrainingError. WorkerLost: of the first point whose workers were lost again
            and again, once all others are trained.
    """
    for point in (*points, *overrides):
        faces.schema.named(point)  # a misspelt name is found before hours of training
    chosen = {point: specialist_settings(settings, point, overrides.get(point, {})) for point in points}
    for point in points:
        check_network(point, chosen[point], faces.schema, faces.images.shape[-1])
    base = train_base(faces, settings, run, seed)
    about = base.part.history()[1]  # a damaged part is found before hours of training
    split = split_faces(faces, settings.split, seed)
    train, held = (looked_at(base, side) for side in (split.train, split.validation))
    store_labels(run, faces, split_rows(faces, settings.split, seed), (train.shapes, held.shapes))
    if where is not None:  # what follows then finds them finished
        train_apart(chosen, base, faces, (train.shapes, held.shapes), settings.split, run, seed, where)
    summaries, skipped = {}, []
    for point in points:
        try:
            summaries[point] = train_specialist(point, base, train, held, chosen[point], run)
        except DataError as error:  # one point without labels shall not cost the others
            if len(points) == 1:
                raise
            skipped.append(f"skipped: {error}")
    _, predictions, missing = build_ensemble(run, faces, settings, seed, looked=train.shapes)
    lines = table(summaries, predictions, about)
    pages = [f"all pages: {Path(run) / 'index.html'}", f"report: {Path(run) / 'report.html'}"]
    return [*lines, *skipped, *summary_lines(predictions, missing), *pages]


MEMBERS = ("base", "specialist", "ensemble")
HEADINGS = (
    "keypoint",
    "rows",
    "epochs",
    "seconds",
    *(f"{m} px" for m in MEMBERS),
    "95 % interval",
    *(f"{m}*" for m in MEMBERS),
)
NOTE = f"RMSE on the validation faces; * without the worst {WORST:.0%} of the errors, where wrong labels are"


def table(summaries, predictions, base):
    """Lines of text: one per specialist and one for all points.

    Args:
        summaries: dict of point to the summary of its training.
        predictions: `Predictions` on the validation faces; RMSE in px, with a bootstrap interval over faces.
        base: summary of the base's training.
    """
    figures = measure(predictions)
    rows = [HEADINGS]
    for point, summary in summaries.items():
        k = [predictions.schema.index(p) for p in predictions.schema.named(point)]
        scores = {member: _of_points(predictions, figures, member, k) for member in figures.members}
        rows.append(_row(point, summary, scores, _trimmed(predictions, k)))
    every = _trimmed(predictions, range(len(predictions.schema)))
    # Specialists of some points only cannot stand beside what is over all points.
    overall = {member: figures.overall[member] for member in figures.members if member in every}
    return [*aligned([*rows, _row("all points", base, overall, every)]), NOTE]


def _of_points(predictions, figures, member, k):
    """`Interval` of the RMSE of a point or of a group's points."""
    if len(k) == 1:
        return figures.points[member][k[0]]
    return interval(predictions.errors(member)[:, k], resamples(len(predictions), group=predictions.group))


def _trimmed(predictions, points):
    """dict of member to RMSE without the worst errors; members that do not answer every point have none."""
    picked = {m: predictions.points[m][:, points] for m in MEMBERS}
    truth = predictions.truth[:, points]
    return {m: score(found, truth, WORST) for m, found in picked.items() if np.isfinite(found).all()}


def _row(name, summary, scores, trimmed):
    shown = [f"{scores[m].value:.3f}" if m in scores else "-" for m in MEMBERS]
    starred = [f"{trimmed[m]:.3f}" if m in trimmed else "-" for m in MEMBERS]
    low, high = scores["ensemble"][1:]
    about = name, summary["rows"], summary["epochs"], f"{summary['seconds']:.0f}"
    return *about, *shown, f"{low:.3f} to {high:.3f}", *starred
