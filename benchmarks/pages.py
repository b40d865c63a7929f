"""Building the pages of a run against one plain Bokeh page of the same faces.

    python benchmarks/pages.py --run RUN

Ours is `reports.run_pages.build_all`: every page that the run has enough for; and the error report alone. Both with the
run's validation faces and with 1,783 (those again and again), as many as the competition's test set has. The
alternative is what Bokeh's guide leads to: each face an `image_rgba`, truth and answer as columns of a `scatter` over a
grid of faces, a histogram of the errors, and `file_html`. It computes no interval, no doubtful label and no bias, and
links nothing. A figure per face would be the other usual way; it takes minutes and a browser cannot hold it, so the
grid is the stronger opponent. Sizes of the files are told too: what a page weighs is waited for at every look.
"""

import argparse
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from measure import pairs, record

FACES = 1783
PAIRS = 5
PREDICTIONS = Path("ensemble") / "predictions.npz"


def plain_page(predictions, path):
    """Write a page of Bokeh figures with everything as plain columns."""
    from bokeh.embed import file_html
    from bokeh.layouts import column
    from bokeh.plotting import figure
    from bokeh.resources import INLINE

    n, height, width = predictions.images.shape[:3]
    columns = int(np.ceil(np.sqrt(n)))
    right, down = np.arange(n) % columns * width, np.arange(n) // columns * height
    wall = figure(width=1200, height=1200, title="faces", match_aspect=True)
    wall.image_rgba(list(map(rgba, predictions.images)), x=right, y=-down - height, dw=width, dh=height)
    for name, points, colour in (("truth", predictions.truth, "green"), ("found", best_points(predictions), "red")):
        x = points[..., 0] + right[:, None] + 0.5
        y = -(points[..., 1] + down[:, None] + 0.5)
        wall.scatter(x.ravel(), y.ravel(), size=3, color=colour, legend_label=name)
    errors = np.linalg.norm(best_points(predictions) - predictions.truth, axis=-1)
    counts, edges = np.histogram(errors[np.isfinite(errors)], 60)
    bars = figure(width=1200, height=300, title="errors, px")
    bars.quad(top=counts, bottom=0, left=edges[:-1], right=edges[1:])
    names = list(predictions.schema.points)
    by_point = figure(y_range=names, width=1200, height=400, title="RMSE of each point, px")
    by_point.hbar(y=names, right=np.sqrt(np.nanmean(errors**2, 0) / 2), height=0.8)
    Path(path).write_text(file_html(column(by_point, bars, wall), INLINE, "report"), encoding="utf-8")


def best_points(predictions):
    return predictions.points["ensemble"]


def rgba(image):
    """uint32 [H, W] of a grey or RGB image uint8 [H, W, C], bottom row first."""
    out = np.full((*image.shape[:2], 4), 255, np.uint8)
    out[..., :3] = image[..., :3]
    return out[::-1].copy().view(np.uint32)[..., 0]


def enlarged(predictions, count):
    """Predictions on `count` faces: the given ones again and again."""
    rows = np.resize(np.arange(len(predictions)), count)
    kept = {name: getattr(predictions, name)[rows] for name in ("images", "ids", "convention", "truth")}
    group = None if predictions.group is None else predictions.group[rows]
    points = {name: found[rows] for name, found in predictions.points.items()}
    return replace(predictions, **kept, group=group, points=points, radius=predictions.radius[:, rows])


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--run", required=True, metavar="RUN")
    a = parser.parse_args()
    from data.runs import Part
    from reports.build import build_report
    from reports.predictions import Predictions
    from reports.run_pages import build_all

    rows = []
    with tempfile.TemporaryDirectory() as name:
        run = Path(name) / "run"
        shutil.copytree(a.run, run)
        known = Predictions.load(run / PREDICTIONS)
        for count in (len(known), FACES):
            predictions = enlarged(known, count)
            part = Part(run / "ensemble")
            predictions.save(run / PREDICTIONS)
            part.seal(["settings.json", "merge.json", "predictions.npz"])
            plain, report = Path(name) / "plain.html", Path(name) / "report.html"

            def alternative(predictions=predictions, plain=plain):
                plain_page(predictions, plain)

            sides = {
                "all pages": (lambda: build_all(run), lambda: sum(path.stat().st_size for path in run.glob("*.html"))),
                "the error report": (
                    lambda predictions=predictions, report=report: build_report(predictions, report),
                    lambda report=report: report.stat().st_size,
                ),
            }
            for what, (ours, size) in sides.items():
                row = pairs(ours, alternative, PAIRS)
                sizes = f"{size() / 1e6:.1f} MB against {plain.stat().st_size / 1e6:.1f} MB"
                rows.append({"what": f"{what}, {count:,} faces ({sizes})", **row})
    record("pages", "python benchmarks/pages.py --run RUN", rows)


if __name__ == "__main__":
    main()
