"""The answers to a test set on photos, such as 300-W's: points in px of the original pictures, as `Id,Predicted`.

Ids count from 0 through the faces in the set's order, their points, x before y: what the class contests on 300-W take.
"""

import io

import numpy as np

from data.augment import invert, move
from data.errors import DataError


def in_photos(points, matrices):
    """Points [n, k, 2] in px of images, to px of the photos that they were cut from by matrices [n, 2, 3]."""
    return move(points, invert(matrices))


def photo_submission_text(points):
    """The CSV file as text.

    Args:
        points: float [n, k, 2] px of the photos.

    Raises:
        DataError: a value is missing; nothing is written.
    """
    values = np.asarray(points, float).ravel()
    if not np.isfinite(values).all():
        first = int(np.flatnonzero(~np.isfinite(values))[0])
        raise DataError(f"Id {first}: expected a position; received {values[first]}")
    out = io.StringIO()
    out.write("Id,Predicted\n")
    out.writelines(f"{i},{value:.4f}\n" for i, value in enumerate(values))
    return out.getvalue()


def mean_absolute_error(points, truth):
    """Mean of |error| in px over all labelled coordinates; NaN where there are none."""
    error = np.abs(points - truth)
    known = np.isfinite(error)
    return float(error[known].mean()) if known.any() else np.nan


def write_photo_submission(album, run, out):
    """Cut the faces of a test set out as a run's were, predict them, and write the CSV in px of the photos.

    Args:
        album: `Album`; its labels, where it has any, are only compared with.
        run: folder of a run with a merged ensemble.
        out: Path of the file to write.

    Returns:
        Lines of text: how many values, and the mean absolute error where there are labels.

    Raises:
        DataError: the faces are not of the run's points. RunError: the run was not trained on photos.
    """
    from data.crops import FaceSettings
    from data.readers import faces_of
    from data.storage import write_text
    from specialists.ensemble import load_ensemble
    from specialists.evaluate import face_settings

    ensemble = load_ensemble(run)
    settings = face_settings(run) or FaceSettings()
    faces = faces_of(album, settings)
    ensemble.check(faces)
    points, _ = ensemble.predict_set(faces)
    found = in_photos(points["ensemble"], faces.matrices)
    write_text(out, photo_submission_text(found))
    error = mean_absolute_error(found, in_photos(faces.points, faces.matrices))
    lines = [f"{out}: {found.size} values of {len(faces)} faces"]
    if np.isfinite(error):
        lines.append(
            f"mean absolute error {error:.3f} px of the photos, on {int(faces.labelled.sum())} labelled points"
        )
    return lines
