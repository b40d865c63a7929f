"""Try a run on other labelled faces: python -m specialists.evaluate --data PATH --run DIR --out FOLDER."""

from pathlib import Path

import numpy as np

from base_models.options import load_keras
from data.errors import Parser, UsageError, command
from data.runs import Part


def evaluate(faces, run, out):
    """Predict other faces than a run was trained on, and write predictions and report.

    Args:
        faces: `Faces`, labelled as far as there are labels.
        run: folder of a run with a merged ensemble.
        out: folder for predictions.npz and report.html.

    Returns:
        Lines of text: RMSE in px of base, ensemble, and of the mean of these very labels; and a warning where these
        are the faces that the run was trained on.

    Raises:
        RunError, DataError.
    """
    from base_models.predict import score
    from reports.build import build_report
    from reports.predictions import Predictions
    from specialists.ensemble import load_ensemble

    ensemble = load_ensemble(run)
    ensemble.check(faces)
    points, radius = ensemble.predict_set(faces)
    made = ensemble.base.part.settings()
    trained = faces.digest() == made["data"]
    info = {"source": faces.source, "faces": "training" if trained else "other"}
    info["calibrated"] = ensemble.calibrates(faces)
    kept = (np.asarray(faces.images), np.asarray(faces.ids), np.asarray(faces.convention), np.asarray(faces.points))
    predictions = Predictions(*kept, points, radius, faces.schema, info, np.asarray(faces.group))
    Path(out).mkdir(parents=True, exist_ok=True)
    predictions.save(Path(out) / "predictions.npz")
    build_report(predictions, Path(out) / "report.html")
    lines = [f"{name} RMSE {score(points[name], predictions.truth):.3f} px" for name in ("base", "ensemble")]
    lines.append(f"mean of these labels RMSE {score(_mean_labels(faces), predictions.truth):.3f} px")
    if trained:
        lines.insert(0, "these are the very faces that the run was trained on: the figures say nothing of others")
    return [*lines, f"report: {Path(out) / 'report.html'}"]


def _mean_labels(faces):
    """The mean of the labels of each convention [n, k, 2]: what a model must beat."""
    from base_models.base import mean_positions

    return faces.schema.from_slots(
        np.repeat(mean_positions(faces.slots, faces.size)[None], len(faces), 0), faces.convention
    )


def _run_seed(run):
    """The seed of a finished base on drawn faces, else None."""
    part = Part(Path(run) / "base")
    made = part.settings() if part.finished else {}
    return made["seed"] if made.get("source") == "synthetic" else None


def face_settings(run):
    """`FaceSettings` by which the faces of a run were cut out of photos; None where they were not."""
    from base_models.settings import FaceSettings, with_overrides

    part = Part(Path(run) / "base")
    made = part.settings() if part.finished else {}
    return with_overrides(FaceSettings(), made["faces"], str(part.folder)) if "faces" in made else None


def main(argv=None):
    parser = Parser(prog="python -m specialists.evaluate", description=__doc__)
    parser.add_argument("--data", required=True, help="PATH of a face set, synthetic[:COUNT], or kaggle")
    parser.add_argument("--run", default="runs/default", metavar="DIR", help="folder of the run (default: %(default)s)")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="for predictions.npz and report.html")
    parser.add_argument("--test", action="store_true", help="the set's test part, where it has one, with its answers")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of drawn faces (default: %(default)s)")
    a = parser.parse_args(argv)
    if Path(a.out).exists() and not Path(a.out).is_dir():
        raise UsageError(f"--out: expected a folder; received the file {a.out}")
    if (Path(a.out) / "base").exists() or (Path(a.out) / "ensemble").exists():
        raise UsageError(f"--out: expected a folder of its own; received the run {a.out}, whose report would be lost")
    if a.data.partition(":")[0] == "synthetic" and a.seed == _run_seed(a.run):
        raise UsageError(f"--seed: expected another than {a.seed}, whose drawn faces {a.run} was trained on")
    from data.sources import read_labelled_test, read_training

    faces = (read_labelled_test if a.test else read_training)(a.data, a.seed, face_settings(a.run))
    load_keras()
    print("\n".join(evaluate(faces, a.run, a.out)))


if __name__ == "__main__":
    command(main)
