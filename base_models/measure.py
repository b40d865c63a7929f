"""What a trained network reaches and what it costs: one row of a comparison."""

import time

import numpy as np

from base_models.backbones import BACKBONES
from base_models.calibration import calibration_of, framed, within
from base_models.cost import multiply_adds, parameters
from base_models.predict import WORST
from reports.bootstrap import interval, resamples, trimmed_interval

FACES = (1, 64)  # at once, when speed is measured
MEASURED = 0.5  # seconds of repeats, of at least REPEATS
REPEATS = 5


def measure_network(base, faces, rows, settings, test=None):
    """A row of figures, fit for JSON.

    Args:
        base: a trained `Base`.
        faces: all `Faces` of its run.
        rows: (training rows, validation rows) of these, as from `split_rows`.
        settings: `EnsembleSettings`: what answers are averaged with, and whether they are calibrated, where that
            helps. Speeds are of one look.
        test: labelled `Faces` that nothing was chosen by, or None.

    Returns:
        dict: head; scores: "all" and the name of each convention there is, to those of `scores`; test_scores: the same
        of `test`, where there is one, with its number of faces as test_rows; parameters; multiply_adds of one face;
        epochs, best_epoch, seconds of the whole training, epoch_seconds (median); ms_1 and ms_64: milliseconds per face
        where so many are asked about at once; rows, validation_rows, source; flip and shifts; calibrated, whether
        answers are.
    """

    def look(picked):
        return _answers(base, faces[picked], settings.flip)  # shifts change little in it, and there are many faces

    held, told = faces[rows[1]], {}
    answers = _answers(base, held, settings.flip, settings.shifts)
    calibration = calibration_of(faces, rows[0], look, held, answers) if settings.calibrate else None

    def calibrated_scores(positions, side):
        if calibration and framed(side, faces.source):
            positions = calibration.moved(positions, side.size)
        return scores(positions, side)

    if test is not None:
        told = {
            "test_scores": calibrated_scores(_answers(base, test, settings.flip, settings.shifts), test),
            "test_rows": len(test),
        }
    history, summary = base.part.history()
    network = base.part.settings()["network"]
    told |= {name: summary[name] for name in ("epochs", "best_epoch", "seconds", "rows", "validation_rows")}
    return {
        **told,
        "head": network["head"] or BACKBONES[network["backbone"]].head,
        "source": held.source,
        "flip": settings.flip,
        "shifts": settings.shifts,
        "calibrated": calibration is not None,
        "scores": calibrated_scores(answers, held),
        "parameters": parameters(base.model),
        "multiply_adds": multiply_adds(base.model),
        "epoch_seconds": float(np.median([record["seconds"] for record in history])),
        **{f"ms_{count}": milliseconds(base.model, held.images, count) for count in FACES},
    }


def _answers(base, faces, flip, shifted=False):
    """float32 [n, slots, 2] px, within the image."""
    return within(np.mean(base.look(faces.images, flip, shifted), 0), faces.size)


def scores(positions, held):
    """RMSE in px, with its 95 % interval over groups of faces (persons), of all labels and of each convention's.

    Args:
        positions: float32 [n, slots, 2] px.
        held: `Faces`.

    Returns:
        dict of "all" or a convention's name to {"faces", "rmse", "trimmed"}; the last two are [value, low, high], low
        and high None for a single group, `trimmed` without the share WORST of the errors.
    """
    errors = np.linalg.norm(positions - held.slots, axis=-1)
    chosen = {"all": np.isfinite(errors).any(1)}
    for kind, convention in enumerate(held.schema.conventions):
        chosen[convention.name] = chosen["all"] & (held.convention == kind)
    return {name: _score(errors[rows], held.group[rows]) for name, rows in chosen.items() if rows.any()}


def _score(errors, group):
    weights = resamples(len(errors), group=group)
    found = {"rmse": interval(errors, weights), "trimmed": trimmed_interval(errors, weights, WORST)}
    return {"faces": len(errors)} | {k: [v if np.isfinite(v) else None for v in one] for k, one in found.items()}


def milliseconds(model, images, count):
    """Milliseconds per face when `count` of `images` are asked about at once: the lowest of many repeats, since other
    work on the machine only ever makes one longer."""
    batch = np.asarray(images[np.arange(count) % len(images)], np.float32)
    model.predict_on_batch(batch)  # traced here
    times = []
    while len(times) < REPEATS or sum(times) < MEASURED:
        started = time.perf_counter()
        np.asarray(model.predict_on_batch(batch))
        times.append(time.perf_counter() - started)
    return round(1000 * min(times) / count, 4)
