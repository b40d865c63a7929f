"""Time to a score on the replica: ours against the recipe of fifteen separate fits (tutorial.py).

    python benchmarks/time_to_score.py --data FOLDER --out FOLDER [--minutes 600] [--set train.precision=...]

Ours is the commands as they are: base_models.train, then specialists.train --all on the same run (OUT/ours). The other
is OUT/tutorial. Both answer for the same held-out persons, and are scored alike: RMSE over all of their labels, px of
the face image, whole and without the worst 2 %, where wrong labels are. Of ours, what a command took beside its epochs
(imports, reading, tracing, pages, whatever a stop threw away) counts before the first epoch; of the other side only
fits count. One side runs after the other; --minutes stops each, and the same command goes on.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import tutorial
from measure import record, single

from data.storage import read_arrays, read_json, write_json

ROOT = Path(__file__).parent.parent
TARGET = 5  # times faster to the tutorial's own best
KINDS = {"RMSE": 1, "trimmed RMSE": 2}  # place in a curve's points
SCORES = {"RMSE": (4.5, 4.0, 3.75, 3.5), "trimmed RMSE": (3.0, 2.5, 2.0, 1.75)}  # px
STAGES = {"base": ("base_models.train",), "ensemble": ("specialists.train", "--all")}
STOPPED = 143  # exit status of a command that SIGTERM stopped


def first_reached(curve, score, kind="RMSE"):
    """Seconds until a curve first is at or below a score; None where it never is."""
    return min((point[0] for point in curve if point[KINDS[kind]] <= score), default=None)


def best(curve, kind):
    return min(point[KINDS[kind]] for point in curve)


def run_ours(a, out):
    """Run the stages for as long as there is time; OUT/ours.json keeps the seconds that each has taken so far."""
    path = Path(out) / "ours.json"
    spent = read_json(path)["stages"] if path.exists() else {}
    for name, command in STAGES.items():
        taken = spent.get(name, {"seconds": 0.0, "finished": False})
        left = 60 * a.minutes - sum(stage["seconds"] for stage in spent.values())
        if taken["finished"]:
            continue
        if left <= 0:
            break
        status, seconds = _timed(a, out, command, left)
        if status not in (0, STOPPED):
            sys.exit(f"{command[0]} ended with status {status}: its last lines are above")
        taken = {"seconds": taken["seconds"] + seconds, "finished": status == 0}
        write_json(path, {"stages": spent | {name: taken}})
        spent[name] = taken
    return spent


def _timed(a, out, command, limit):
    """(exit status, seconds) of a command of ours that is stopped after so many seconds."""
    settings = [part for text in a.set for part in ("--set", text)]
    options = ["--data", a.data, "--run", str(Path(out) / "ours"), "--seed", str(a.seed), *settings]
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", *command, *options], env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=sys.stderr
    )
    try:
        process.wait(limit)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()
    return process.returncode, time.perf_counter() - started


def curve_of(run, spent):
    """list of (seconds, RMSE px, trimmed RMSE px, part) of a run: every epoch of the base, then the ensemble. What
    its teachers took comes before."""
    teachers = [epoch for folder in Path(run).glob("teacher*") for epoch in epochs(folder)]
    found, seconds = [], sum(epoch["seconds"] for epoch in teachers)
    for epoch in epochs(Path(run) / "base"):
        seconds += epoch["seconds"]
        found.append((seconds, epoch["val_rmse"], epoch["val_trimmed"], "base"))
    beside = max(0.0, spent["base"]["seconds"] - seconds)
    found = [(beside + point[0], *point[1:]) for point in found]
    if spent.get("ensemble", {}).get("finished"):
        found.append((sum(stage["seconds"] for stage in spent.values()), *merged(run), "ensemble"))
    return found


def epochs(folder):
    """Records of a part's epochs, whether it is finished or not."""
    if (folder / "manifest.json").exists():
        return read_json(folder / "history.json")["epochs"]
    checkpoint = folder / "checkpoint.npz"
    return json.loads(read_arrays(checkpoint)["state"].tobytes())["history"] if checkpoint.exists() else []


def merged(run):
    """(RMSE, trimmed RMSE) of a run's ensemble on its held-out faces."""
    from base_models.predict import validation_scores
    from reports.predictions import Predictions

    predictions = Predictions.load(Path(run) / "ensemble" / "predictions.npz")
    return tuple(validation_scores(predictions.points["ensemble"], predictions.truth).values())


def rows_of(ours, other):
    """Rows: the tutorial's best score, given scores, and where ours ends."""
    rows = []
    for kind in KINDS:
        own = best(other, kind)
        rows.append(_row(ours, other, kind, own, "the tutorial's best") | {"target": TARGET})
        rows += [_row(ours, other, kind, score, "given") for score in SCORES[kind]]
        for part in ("base", "ensemble"):
            curve = [point for point in ours if point[3] == part]
            if curve:
                rows.append(_row(curve, other, kind, best(curve, kind), f"best of our {part}"))
    return rows


def _row(ours, other, kind, score, why):
    seconds = first_reached(ours, score, kind), first_reached(other, score, kind)
    # Rounded up: down, it would name a score that the side it comes from has not reached.
    return {"what": f"{kind} {math.ceil(1000 * score) / 1000:.3f} px ({why})", **single(*seconds)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--data", required=True, metavar="FOLDER")
    add("--out", required=True, metavar="FOLDER", help="where both sides are kept; the same one goes on")
    add("--minutes", type=float, default=600, help="of each side, at most (default: %(default)s)")
    add("--seed", type=int, default=0)
    add("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting of ours")
    a = parser.parse_args()
    out = Path(a.out)
    out.mkdir(parents=True, exist_ok=True)
    spent = run_ours(a, out)
    fits = [tutorial.__file__, "--data", a.data, "--out", str(out / "tutorial"), "--minutes", str(a.minutes)]
    subprocess.run([sys.executable, *fits, "--seed", str(a.seed)], check=True)
    from base_models.options import load_keras

    load_keras()
    from base_models.base import split_faces
    from base_models.settings import SplitSettings
    from data.sources import read_training

    split = split_faces(read_training(a.data), SplitSettings(), a.seed)
    ours, other = curve_of(out / "ours", spent), tutorial.curve(split.train, split.validation, out / "tutorial")
    if not ours:
        sys.exit(f"{out}: expected at least one epoch of ours; received none: go on with more --minutes")
    options = "".join(f" --set {text}" for text in a.set)
    about = {"minutes": a.minutes, "stages": spent, "curves": {"ours": ours, "tutorial": other}}
    command = f"python benchmarks/time_to_score.py --data REPLICA --out OUT --minutes {a.minutes:g}{options}"
    record("time_to_score", command, rows_of(ours, other), **about)


if __name__ == "__main__":
    main()
