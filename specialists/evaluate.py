"""Try a run on other labelled faces: python -m specialists.evaluate --data PATH --run DIR --out FOLDER."""

from pathlib import Path

import numpy as np

from base_models.options import load_keras
from data.errors import Parser, UsageError, command


def evaluate(faces, run, out):
    """Predict faces that a run has not seen, and write predictions and report.

    Args:
        faces: `Faces`, labelled as far as there are labels.
        run: folder of a run with a merged ensemble.
        out: folder for predictions.npz and report.html.

    Returns:
        Lines of text: RMSE in px of base, ensemble, and of the mean of these very labels.

    Raises:
        RunError, DataError.
    """
    from base_models.predict import score
    from reports.build import build_report
    from reports.predictions import Predictions
    from specialists.ensemble import load_ensemble

    ensemble = load_ensemble(run)
    ensemble.check(faces)
    points, radius = ensemble.predict(faces.images, faces.convention)
    info = {"source": faces.source, "faces": "unseen"}
    kept = (np.asarray(faces.images), np.asarray(faces.ids), np.asarray(faces.convention), np.asarray(faces.points))
    predictions = Predictions(*kept, points, radius, faces.schema, info)
    Path(out).mkdir(parents=True, exist_ok=True)
    predictions.save(Path(out) / "predictions.npz")
    build_report(predictions, Path(out) / "report.html")
    lines = [f"{name} RMSE {score(points[name], predictions.truth):.3f} px" for name in ("base", "ensemble")]
    lines.append(f"mean of these labels RMSE {score(_mean_labels(faces), predictions.truth):.3f} px")
    return [*lines, f"report: {Path(out) / 'report.html'}"]


def _mean_labels(faces):
    """The mean of the labels of each convention [n, k, 2]: what a model must beat."""
    from base_models.base import mean_positions

    return faces.schema.from_slots(
        np.repeat(mean_positions(faces.slots, faces.size)[None], len(faces), 0), faces.convention
    )


def main(argv=None):
    parser = Parser(prog="python -m specialists.evaluate", description=__doc__)
    parser.add_argument("--data", required=True, help="PATH of a face set, synthetic[:COUNT], or kaggle")
    parser.add_argument("--run", default="runs/default", metavar="DIR", help="folder of the run (default: %(default)s)")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="for predictions.npz and report.html")
    a = parser.parse_args(argv)
    if Path(a.out).exists() and not Path(a.out).is_dir():
        raise UsageError(f"--out: expected a folder; received the file {a.out}")
    from data.sources import read_training

    faces = read_training(a.data)
    load_keras()
    print("\n".join(evaluate(faces, a.run, a.out)))


if __name__ == "__main__":
    command(main)
