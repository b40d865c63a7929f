"""Train every recipe on real photos, at a size that fits two cores, and write what it gave.

    python docs/train_recipes.py --imm DIR --300w DIR --youtube DIR --kaggle DIR --out DIR [--only NAME ...]

It may be stopped at any moment: the same command goes on, and what is finished is only loaded. OUT/NAME is the run of
each recipe with its report (best and worst faces); OUT/figures.md is the table of docs/recipes.md, OUT/curves.svg and
OUT/faces.svg (points of the best and the worst faces, no photos) are its pictures. Leave out the sets that you have not
got. Minutes are estimates for two cores.
"""

import argparse
import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

# What fits two cores: settings over the recipe's, and estimated minutes.
SMALL = {
    "imm-nose-small": ([], 1),
    "imm-nose-tiny": ([], 1),
    "imm-58-medium": ([], 2),
    "imm-58-large": (["faces.width=240", "faces.height=180", "train.epochs=12"], 6),
    "imm-58-wide": (["faces.width=160", "faces.height=120", "train.epochs=8"], 6),
    "300w-resnet18": (["faces.width=112", "faces.height=112", "train.epochs=8", "train.step_every=3"], 10),
    "youtube-68": (["train.epochs=6"], 7),
    "300w-unet-gaussian": (["faces.width=96", "faces.height=96", "train.epochs=4", "train.step_every=2"], 8),
    "300w-unet-disc": (["faces.width=96", "faces.height=96", "train.epochs=3", "train.step_every=2"], 6),
    "kaggle-15-alexnet": (["train.epochs=12"], 3),
    "kaggle-15": (["teachers.count=0", "train.epochs=8"], 4),
}
PERSON = {"300w": [r"faces.person=([^/]+)_\d+\.\w+$"]}  # frames of one person must not stand on both sides
WIDTH, HEIGHT, COLUMNS = 260, 150, 3  # px of one chart, and how many side by side
FACE, ENDS = 110, 2  # px of one face, and how many best and worst ones are drawn
TRUTH, FOUND = "#9aa5b1", "#d55e00"


def train(name, data, out):
    """Train a recipe, or go on with it; returns the settings that it had over the recipe's."""
    asked = SMALL[name][0] + PERSON.get(name.split("-")[0], [])
    options = ["--recipe", name, "--data", str(data), "--run", str(out / name), *(f"--set={text}" for text in asked)]
    for module in ("base_models.train", "specialists.ensemble"):
        subprocess.run([sys.executable, "-m", module, *options], cwd=ROOT, check=True)
    return asked


def measure(name, data, out, asked):
    """dict of figures on the validation faces, and the validation error of each epoch in px."""
    from base_models.settings import read_settings
    from data.sources import read_training
    from reports.predictions import Predictions

    found = Predictions.load(out / name / "ensemble" / "predictions.npz")
    settings, _ = read_settings(None, [*asked, "faces.points="], name)
    whole = read_training(str(data), 0, settings.faces)  # with the eyes, which a recipe for the nose leaves out
    row = {face: i for i, face in enumerate(map(str, whole.ids))}
    eyes = eye_distance(whole)[[row[str(face)] for face in found.ids]]
    history = json.loads((out / name / "base" / "history.json").read_text())
    errors = found.errors("ensemble")
    size = "x".join(map(str, found.images.shape[2:0:-1]))
    coordinates = np.sqrt(np.nanmean((found.points["ensemble"] - found.truth) ** 2))
    return {
        **{"recipe": name, "size": size, "rows": history["summary"]["rows"], "validation": len(found)},
        **{"epochs": history["summary"]["epochs"], "minutes": history["summary"]["seconds"] / 60},
        **{"rmse": float(coordinates), "mean": float(np.nanmean(errors)), "asked": asked},
        "share": float(np.nanmean(errors / eyes[:, None])),
        "labels": float(np.sqrt(np.nanmean((found.truth - np.nanmean(found.truth, 0)) ** 2))),
        "curve": [epoch["val_rmse"] for epoch in history["epochs"]],
        "faces": best_and_worst(found, errors),
    }


def best_and_worst(found, errors):
    """The faces whose mean error is lowest and highest: dicts of error px, size px, and points by pairs of lists."""
    order = [i for i in np.argsort(np.nanmean(errors, 1)) if np.isfinite(errors[i]).any()]
    lines = [[found.schema.index(point) for point in line] for line in found.schema.lines]
    return [
        {
            **{"error": float(np.nanmean(errors[i])), "height": found.images.shape[1], "width": found.images.shape[2]},
            **{"truth": found.truth[i].round(1).tolist(), "found": found.points["ensemble"][i].round(1).tolist()},
            "lines": lines,
        }
        for i in [*order[:ENDS], *order[-ENDS:]]
    ]


def eye_distance(faces):
    """float [n]: px between the middles of both eyes; NaN where an eye has no label."""
    sides = [
        [k for k, p in enumerate(faces.schema.points) if p in faces.schema.groups["eyes"] and side in p]
        for side in ("left", "right")
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of faces with no label of an eye
        left, right = (np.nanmean(np.where(np.isfinite(p := faces.points[:, k]), p, np.nan), 1) for k in sides)
    return np.linalg.norm(left - right, axis=1)


def table(figures):
    """The figures as a table in Markdown."""
    head = "recipe | px | rows, held out | epochs | minutes | RMSE px | of the mean label | mean error px"
    head += " | share of the eyes' distance"
    lines = [f"| {head} |", "|" + "---|" * len(head.split(" | "))]
    for f in figures:
        cells = [f"`{f['recipe']}`", f["size"], f"{f['rows']}, {f['validation']}", f["epochs"], f"{f['minutes']:.1f}"]
        cells += [f"{f['rmse']:.2f}", f"{f['labels']:.2f}", f"{f['mean']:.2f}", f"{f['share']:.1%}"]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines) + "\n"


def curves(figures):
    """SVG of the validation RMSE over the epochs of every recipe, in small charts alike."""
    rows = -(-len(figures) // COLUMNS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{COLUMNS * WIDTH}" height="{rows * HEIGHT}" '
        'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>'
    ]
    for i, f in enumerate(figures):
        parts.append(f'<g transform="translate({i % COLUMNS * WIDTH},{i // COLUMNS * HEIGHT})">{_chart(f)}</g>')
    return "".join(parts) + "</svg>\n"


def _chart(f):
    values = np.array(f["curve"])
    top = np.quantile(values, 0.95) if len(values) > 3 else values.max()
    x = 40 + np.linspace(0, WIDTH - 60, len(values))
    y = 30 + (HEIGHT - 60) * (1 - np.minimum(values, top) / top)
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    low = int(np.argmin(values))
    return (
        f'<text x="40" y="18">{f["recipe"]}</text>'
        f'<path d="M40,30V{HEIGHT - 30}H{WIDTH - 20}" fill="none" stroke="#9aa5b1"/>'
        f'<text x="36" y="34" text-anchor="end">{top:.1f}</text>'
        f'<text x="36" y="{HEIGHT - 28}" text-anchor="end">0</text>'
        f'<text x="{WIDTH - 20}" y="{HEIGHT - 14}" text-anchor="end">{len(values)} epochs, px</text>'
        f'<polyline points="{line}" fill="none" stroke="#0072b2" stroke-width="1.5"/>'
        f'<circle cx="{x[low]:.1f}" cy="{y[low]:.1f}" r="3" fill="#d55e00"/>'
        f'<text x="{x[low]:.1f}" y="{y[low] - 6:.1f}" text-anchor="end">{values[low]:.2f}</text>'
    )


def faces(figures):
    """SVG of a row a recipe: the points of its best and worst held-out faces, as labelled and as found."""
    width, row = 150 + 2 * ENDS * (FACE + 10), FACE + 26
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{row * len(figures)}" '
        'font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="#fff"/>'
    ]
    for i, f in enumerate(figures):
        parts.append(f'<g transform="translate(0,{i * row})"><text x="8" y="{row / 2:.0f}">{f["recipe"]}</text>')
        for j, face in enumerate(f["faces"]):
            parts.append(f'<g transform="translate({150 + j * (FACE + 10)},4)">{_face(face)}</g>')
        parts.append("</g>")
    return "".join(parts) + "</svg>\n"


def _face(face):
    scale = FACE / max(face["width"], face["height"])
    truth, found = (scale * np.array(face[name], float) for name in ("truth", "found"))
    known = np.isfinite(truth).all(1)
    parts = [f'<rect width="{scale * face["width"]:.0f}" height="{scale * face["height"]:.0f}" fill="#f3f5f8"/>']
    for points, colour in ((np.where(known[:, None], truth, np.nan), TRUTH), (found, FOUND)):
        for line in face["lines"]:
            drawn = " ".join(f"{x:.1f},{y:.1f}" for x, y in points[line] if np.isfinite(x))
            parts.append(f'<polyline points="{drawn}" fill="none" stroke="{colour}" stroke-width="0.7"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="1.6" fill="{colour}"/>' for x, y in points if np.isfinite(x)]
    return "".join(parts) + f'<text x="0" y="{FACE + 14}">{face["error"]:.1f} px</text>'


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("imm", "300w", "youtube", "kaggle"):
        parser.add_argument(f"--{name}", type=Path, metavar="DIR")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=SMALL, default=list(SMALL), metavar="NAME")
    given = vars(parser.parse_args())
    figures, out = [], given["out"]
    for name in given["only"]:
        data = given[name.split("-")[0]]
        if data:
            print(f"{name}: about {SMALL[name][1]} minutes", flush=True)
            figures.append(measure(name, data, out, train(name, data, out)))
            (out / "figures.json").write_text(json.dumps(figures, indent=1) + "\n")
            (out / "figures.md").write_text(table(figures))
            (out / "curves.svg").write_text(curves(figures))
            (out / "faces.svg").write_text(faces(figures))
    print(table(figures))


if __name__ == "__main__":
    main()
