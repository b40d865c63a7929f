"""Write a submission: python -m specialists.submission --data DIR --run DIR --out FILE.

A test set on photos is answered in px of the photos: specialists/photo_submission.py.
"""

import io
from pathlib import Path

import numpy as np

from data.errors import DataError, Parser, UsageError, command
from data.storage import write_text

HIGHEST = 96.0  # px; the competition's values lie in [0, 96]


def submission_text(lookup, points):
    """The CSV file as text, rows in the order of the lookup table.

    Args:
        lookup: `Lookup`: row_id, image (index into points), point, axis, each int [m].
        points: float [n, k, 2] px.

    Returns:
        str: RowId,Location with LF line ends.

    Raises:
        DataError: a value that is asked for is missing or not within [0, 96]; nothing is written.
    """
    values = points[lookup.image, lookup.point, lookup.axis]
    bad = ~(np.isfinite(values) & (values >= 0) & (values <= HIGHEST))
    if bad.any():
        first = np.flatnonzero(bad)[0]
        raise DataError(
            f"RowId {lookup.row_id[first]}: expected a position within 0 to {HIGHEST:g} px; received {values[first]} "
            f"({bad.sum()} of {len(values)} values are missing or out of range)"
        )
    out = io.StringIO()
    out.write("RowId,Location\n")
    out.writelines(f"{row},{value:.4f}\n" for row, value in zip(lookup.row_id, values, strict=True))
    return out.getvalue()


def write_submission(data, run, out):
    """Predict the test faces of a set with a run's ensemble and write the CSV.

    Args:
        data: PATH of the competition's files, or "kaggle"; or PATH of a test set on photos.
        run: folder of a run with a merged ensemble.
        out: file to write; replaced only when the new content is complete.

    Returns:
        Lines of text: how many rows were written, and how good they are where that is known.
    """
    out = Path(out)
    if out.is_dir():
        raise UsageError(f"--out: expected a file name; received the folder {out}")
    if not out.parent.is_dir():
        raise UsageError(f"--out: expected a file name in a folder that exists; received {out}, and no {out.parent}")
    from base_models.options import load_keras
    from data.sources import read_test, read_test_photos
    from specialists.ensemble import load_ensemble

    album = read_test_photos(data)
    if album is not None:
        from specialists.photo_submission import write_photo_submission

        load_keras()
        return write_photo_submission(album, run, out)
    faces, lookup = read_test(data)
    load_keras()
    ensemble = load_ensemble(run)
    ensemble.check(faces)
    points, _ = ensemble.predict_set(faces)
    write_text(out, submission_text(lookup, points["ensemble"]))
    return [f"{out}: {len(lookup.row_id)} rows"]


def main(argv=None):
    parser = Parser(prog="python -m specialists.submission", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--data", required=True, help="PATH of the competition's files or of a set on photos, or kaggle"
    )
    parser.add_argument("--run", default="runs/default", metavar="DIR", help="folder of the run (default: %(default)s)")
    parser.add_argument("--out", required=True, metavar="FILE", help="CSV file to write")
    a = parser.parse_args(argv)
    print("\n".join(write_submission(a.data, a.run, a.out)))


if __name__ == "__main__":
    command(main)
