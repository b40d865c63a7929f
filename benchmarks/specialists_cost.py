"""What fifteen specialists cost: their training time against their base's, and against training each one in full.

    python benchmarks/specialists_cost.py --data FOLDER --run RUN --out FOLDER [--point NAME ...]

RUN is a finished run of `specialists.train --all` on FOLDER; its histories say what each part took and reached. All
points, or those that are named, are then trained again from the same base and on the same faces, with nothing frozen,
into OUT; the same command goes on there. What the run had measured beside other work, or on another machine, is no
match for what is trained now: --again trains the frozen ones of these points anew too, into OUT. Seconds are those of
epochs, validation included; reading, tracing and pages are not. All points together are compared label by label on the
held-out faces, in a bootstrap over persons: so that is what chance does with one training of each side.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

import numpy as np
from measure import record, single

from base_models.predict import WORST
from data.keypoints import schema_of
from data.runs import Part
from reports.bootstrap import gain_over, resamples, rmse


def cost(run):
    """(seconds of the base, dict of point to the summary of its specialist)."""
    run = Path(run)
    parts = {folder.name: Part(folder) for folder in sorted((run / "specialists").iterdir())}
    return Part(run / "base").history()[1]["seconds"], {n: p.history()[1] for n, p in parts.items() if p.finished}


def scores(folder):
    """(summary, trimmed RMSE px of the epoch that was kept) of a finished specialist."""
    epochs, summary = Part(folder).history()
    return summary, epochs[summary["best_epoch"] - 1]["val_trimmed"]


def row(point, frozen, full):
    """Row of a point: the specialist with frozen blocks against the one that trained in full."""
    (a, a_trimmed), (b, b_trimmed) = frozen, full
    told = f"{a['val_rmse']:.3f} px, trimmed {a_trimmed:.3f}, against {b['val_rmse']:.3f}, trimmed {b_trimmed:.3f}"
    return {"what": f"{point}: frozen against in full ({told})", **single(a["seconds"], b["seconds"])}


def together(frozen, full, group, seconds):
    """Row of all points: errors float [n, m] px of both sides on the same labels, persons int [n], and what training
    took. Where labels are wrong both sides are far off, so the worst of their mean are left out of both."""
    mean = (frozen + full) / 2
    left = mean <= np.nanquantile(mean, 1 - WORST)
    trimmed = [np.where(left, errors, np.nan) for errors in (frozen, full)]
    better = gain_over(*trimmed, resamples(len(frozen), group=group))
    pairs = zip((frozen, full), trimmed, strict=True)
    sides = ", against ".join(f"{rmse(every):.3f} px, trimmed {rmse(most):.3f}" for every, most in pairs)
    what = f"all of these points: frozen against in full ({sides})"
    told = f"in full is {_signed(better.value)} (95 % over persons: {_signed(better.low)} to {_signed(better.high)})"
    wanted = "trimmed RMSE no worse than in full, beyond chance", told, better.low <= 0
    return {"what": what, "wanted": wanted, **single(*seconds)}


def _signed(gain):
    return f"{abs(gain):.3f} px {'better' if gain >= 0 else 'worse'}"


def errors_of(run, points, held):
    """float [n, m] px: how far a run's specialists of these points are off on `Looked` faces; NaN without a label."""
    from specialists.specialist import load_specialist

    found = []
    for point in points:
        specialist = load_specialist(run, point)
        positions = specialist.predict(held.faces.images, held.shapes)
        found.append(np.linalg.norm(positions - held.faces.slots[:, specialist.view.slots], axis=-1))
    return np.concatenate(found, 1)


def trained(a):
    """Train the points of `a` in full and, where asked for, with what is frozen by default: the held-out `Looked`."""
    from base_models.base import load_base, split_faces
    from base_models.settings import SpecialistSettings, SplitSettings, flatten, with_overrides
    from data.sources import read_training
    from specialists.specialist import looked_at, train_specialist

    base = load_base(a.run)
    made, faces = base.part.settings(), read_training(a.data)
    split = split_faces(faces, with_overrides(SplitSettings(), made["split"]), made["seed"])
    sides = [looked_at(base, side) for side in (split.train, split.validation)]
    for point in a.point:
        kept = Part(Path(a.run) / "specialists" / point).settings()["specialist"]
        settings = with_overrides(SpecialistSettings(), flatten(kept), point)
        if a.again:
            train_specialist(point, base, *sides, settings, Path(a.out) / "frozen")
        train_specialist(point, base, *sides, dataclasses.replace(settings, frozen=0), Path(a.out) / "full")
    return sides[1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    for name in ("--data", "--run", "--out"):
        add(name, required=True, metavar="FOLDER")
    add("--point", action="append", metavar="NAME", help="only this one; may be repeated")
    add("--again", action="store_true", help="train the frozen ones again too, beside those in full")
    a = parser.parse_args()
    base, summaries = cost(a.run)
    points = schema_of(Part(Path(a.run) / "base").settings()["schema"]).points
    again = "".join(f" --point {point}" for point in a.point or ()) + " --again" * a.again
    a.point = a.point or list(points)
    if missing := set(points) - summaries.keys():
        sys.exit(f"{a.run}: expected a specialist of every point; received none of {', '.join(sorted(missing))}")
    total = sum(summary["seconds"] for summary in summaries.values())
    what = f"{len(summaries)} specialists together against their base, by the histories of the run"
    rows = [{"what": what, "target": 1, **single(total, base)}]
    from base_models.options import load_keras

    load_keras()
    held = trained(a)
    folders = Path(a.out) / "frozen" if a.again else Path(a.run), Path(a.out) / "full"
    found = {point: [scores(folder / "specialists" / point) for folder in folders] for point in a.point}
    seconds = [sum(summary["seconds"] for summary, _ in side) for side in zip(*found.values(), strict=True)]
    errors = [errors_of(folder, a.point, held) for folder in folders]
    rows.append(together(*errors, held.faces.group, seconds))
    rows += [row(point, *sides) for point, sides in found.items()]
    record("specialists", f"python benchmarks/specialists_cost.py --data REPLICA --run RUN --out OUT{again}", rows)


if __name__ == "__main__":
    main()
