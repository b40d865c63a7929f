"""The merged ensemble as one file: python -m specialists.export --run RUN --format onnx|litert|openvino|saved_model.

Bases, specialists with their views, merge and radii become one graph: faces in (uint8, one or more), points and radii
out, in px. `specialists.predict --model FILE` and `Predictor(model=FILE)` run it without TensorFlow.
"""

import contextlib
import dataclasses
import os
import tempfile
import time
from argparse import ArgumentTypeError
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import Parser, UsageError, command

FORMATS = ("onnx", "litert", "openvino", "saved_model")
SCORED = 2000  # held-out faces that the RMSE is of, at most
CHECKED = 64  # real faces on which the file is compared with Keras
REPEATS = {1: 15, CHECKED: 3}  # of timings, per number of faces


@dataclass(frozen=True)
class Check:
    """How a file compares with the run it was made from, on the run's held-out faces.

    Args:
        faces: how many were asked of both.
        difference: px, the largest distance between a point of the file and of Keras.
        radius: px, the largest difference of a radius.
        rmse: px, (of the run's ensemble without calibration and shifted views, of the file) on held-out faces of the
            convention; NaN without labels.
        trimmed: px, the same without the worst 2 % of the points, where wrong labels are.
        megabytes: size.
        seconds: dict of number of faces to the median time.
        threads: on how many, in words.
    """

    faces: int
    difference: float
    radius: float
    rmse: tuple
    trimmed: tuple
    megabytes: float
    seconds: dict
    threads: str

    def lines(self):
        """The same in words."""
        from base_models.predict import WORST

        (before, after), (own, left) = self.rmse, self.trimmed
        times = ", ".join(f"{n} face{'s' * (n > 1)} {1000 * s:.1f} ms" for n, s in self.seconds.items())
        return [
            f"size {self.megabytes:.1f} MB",
            f"largest difference from Keras on {self.faces} faces: points {self.difference:.4f} px, radii "
            f"{self.radius:.4f} px",
            f"validation RMSE {after:.3f} px, the run's own (uncalibrated, unshifted) {before:.3f} px: "
            f"{after - before:+.4f}; without the worst {WORST:.0%}: {left:.3f}, {own:.3f}: {left - own:+.4f}",
            f"median time, {self.threads}: {times}",
        ]


def export_run(run, kind, out, convention=None, int8=False, flip=True, specialists=None, student=False):
    """Write a run's merged ensemble as one file, and compare it with the run.

    Args:
        run: folder of the run.
        kind: a name in FORMATS.
        out: the file to write; for saved_model, the folder.
        convention: name of the one that points follow; None = the schema's first.
        int8: weights in 8 bits.
        flip: False = leave out the look at the mirrored face, for half the time. Merge and radii are fitted again.
        specialists: only so many of them, those that help most on the run's held-out faces, for less time; None = all.
            Merge and radii are fitted again.
        student: the run's student (`specialists.distill`) in the ensemble's place. Radii are fitted again.

    Returns:
        `Check`.

    Raises:
        UsageError: a converter that is not installed, no such convention, less is wanted of an ensemble of several
            runs, or specialists of a student, which has none. RunError: no merged ensemble, or no student of it.
    """
    from base_models.options import load_keras
    from specialists.export_formats import check_format

    if student and specialists is not None:
        raise UsageError("--student: expected it or --specialists, not both: a student has none")
    check_format(kind, int8)
    load_keras()
    from specialists.ensemble import load_ensemble
    from specialists.predictor import held_faces

    whole = ensemble = load_ensemble(run)
    held = held_faces(run, ensemble)
    if student:
        ensemble = replaced(run, ensemble, held, flip)
    elif not flip or specialists is not None:
        ensemble = reduced(ensemble, held, flip, specialists)
    if ensemble is not whole:  # whose radii are others, so that a face is doubtful from another one on
        held = dataclasses.replace(held, radius=ensemble.predict(held.images, held.convention)[1])
    index, about = _about(held, convention)
    write_export(ensemble, index, held.images, kind, Path(out), about, int8)
    return compare(Path(out), ensemble, held, index, whole)


def _about(held, convention):
    """(index of the convention, what the file says of itself)."""
    from specialists.exported import described
    from specialists.photos import training_of
    from specialists.predictor import doubt_limit

    training, index = training_of(held, convention)
    return index, described(training, index, doubt_limit(held))


def write_export(ensemble, convention, faces, kind, out, about, int8=False):
    """Write an `Ensemble` as a graph.

    Args:
        ensemble: `Ensemble`.
        convention: index of the schema's conventions.
        faces: uint8 [n, H, W, C], real ones.
        kind, out, int8: as of `export_run`.
        about: as of `exported.described`.
    """
    from specialists.export_formats import converted
    from specialists.merged import Merged
    from specialists.model_files import write_model

    # TensorFlow itself is slow at convolutions with groups; every other runtime is faster with them.
    function = Merged(ensemble, convention, together=kind != "saved_model").function()
    with _target(kind, out) as folder:
        payload = converted(kind, function, faces, int8, folder)
        write_model(folder if kind == "saved_model" else out, kind, payload, about)


@contextlib.contextmanager
def _target(kind, out):
    """Context: a folder beside `out` that takes its place in the end; for formats of one file, nothing."""
    if kind != "saved_model":
        yield None
        return
    with tempfile.TemporaryDirectory(prefix=".part-", dir=out.parent) as name:
        yield Path(name) / "made"
        os.rename(Path(name) / "made", out)


def reduced(ensemble, held, flip, count=None):
    """The ensemble with less to do; merge and radii fitted again on the run's held-out faces.

    Args:
        ensemble: `Ensemble`.
        held: `Predictions` of the run on its held-out faces.
        flip: False = without looks at the mirrored face.
        count: of specialists, those that help most there; None = all.

    Raises:
        UsageError: it has networks of several runs, each of which was trained on faces that the others held out.
    """
    if len(ensemble.teams) > 1:
        raise UsageError(
            f"--no-flip, --specialists: expected an ensemble of one run; received one of {len(ensemble.teams)}"
        )
    truth = held.schema.to_slots(held.truth, held.convention)
    made = _refitted(dataclasses.replace(ensemble, flip=ensemble.flip and flip), held.images, truth)
    (team,) = made.teams
    if count is None or count >= len(team.specialists):
        return made
    from base_models.progress import say

    ranked = ranking(made, held.images, truth)
    say(f"kept: {', '.join(ranked[:count]) or 'the base alone'}; left out: {', '.join(ranked[count:])}")
    kept = {point: s for point, s in team.specialists.items() if point in ranked[:count]}
    return _refitted(dataclasses.replace(made, teams=[dataclasses.replace(team, specialists=kept)]), held.images, truth)


def replaced(run, ensemble, held, flip):
    """The student of a run in its ensemble's place, as an `Ensemble`; `held` and `flip` as of `reduced`."""
    from specialists.distill import STUDENT, load_student
    from specialists.members import Team

    teams = [Team(Path(run), {STUDENT: load_student(run, ensemble)}, {})]
    alone = dataclasses.replace(ensemble, teams=teams, flip=ensemble.flip and flip)
    return _refitted(alone, held.images, held.schema.to_slots(held.truth, held.convention))


def _refitted(ensemble, images, truth):
    """The same members, merged anew on faces uint8 [n, H, W, C] whose labels are float [n, slots, 2] px."""
    from specialists.members import ask
    from specialists.merge import fit_merge, fit_radius

    answers = ask(ensemble.teams, images, ensemble.flip, ensemble.merge.reach)
    merge = fit_merge(answers.base, answers.specialist, truth, ensemble.merge.reach)
    errors = np.linalg.norm(merge(answers.base, answers.specialist) - truth, axis=-1)
    radius = fit_radius(errors, answers.disagreement)
    radius = dataclasses.replace(radius, **{name: np.nan_to_num(value) for name, value in vars(radius).items()})
    return dataclasses.replace(ensemble, merge=merge, radius=radius)


def ranking(ensemble, images, truth):
    """Names of an ensemble's specialists, first the one that takes most squared error, without the worst, off the
    bases' answers on faces; arguments as of `_refitted`."""
    from base_models.predict import WORST, score
    from specialists.members import ask

    answers = ask(ensemble.teams, images, ensemble.flip, ensemble.merge.reach)
    merged = ensemble.merge(answers.base, answers.specialist)
    known = np.isfinite(truth).all(-1).sum(0)

    def gain(specialist):
        slots = [slot for slot in specialist.view.slots if known[slot]]
        before, after = ([score(p[:, s], truth[:, s], WORST) ** 2 for s in slots] for p in (answers.base, merged))
        return float(np.dot(known[slots], np.subtract(before, after))) if slots else 0.0

    specialists = ensemble.teams[0].specialists
    return sorted(specialists, key=lambda point: -gain(specialists[point]))


def compare(out, ensemble, held, convention, whole=None):
    """`Check` of a file.

    Args:
        out: Path of the file.
        ensemble: the `Ensemble` that it was made from.
        held: `Predictions` of the run on its held-out faces.
        convention: index.
        whole: the run's own `Ensemble`, where `ensemble` has less to do.
    """
    from base_models.predict import WORST, score
    from specialists.exported import load_exported

    exported = load_exported(out, threads=1)
    images, truth = held.images[:SCORED], held.truth[:SCORED]
    faces, names = images[:CHECKED], np.full(len(images), convention)
    found, found_radii = exported.predict(images, names)
    # Whoever runs the file may frame faces in other ways, so it has no calibration; nor has what it is compared with.
    points, radii = ensemble.predict(faces, names[: len(faces)])
    before, _ = (whole or ensemble).predict(images, names)
    gap = np.linalg.norm(found["ensemble"][: len(faces)] - points["ensemble"], axis=-1)
    own = held.convention[:SCORED] == convention
    answers = (before["ensemble"], found["ensemble"])
    return Check(
        len(faces),
        float(gap.max()),
        float(np.abs(found_radii[:, : len(faces)] - radii).max()),
        *(tuple(float(score(a[own], truth[own], worst)) for a in answers) for worst in (0, WORST)),
        size_of(out) / 1e6,
        {n: timed(exported, faces, n, names) for n in REPEATS if n <= len(faces)},
        "TensorFlow's threads" if out.is_dir() else "one thread",
    )


def size_of(path):
    """Bytes of a file, or of all files of a folder."""
    return sum(file.stat().st_size for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file())


def timed(exported, faces, n, names):
    """Median seconds of a prediction of n faces."""
    seconds = []
    for _ in range(REPEATS[n] + 1):  # the first one only warms up
        start = time.perf_counter()
        exported.predict(faces[:n], names[:n])
        seconds.append(time.perf_counter() - start)
    return float(np.median(seconds[1:]))


def checked_out(out, run, kind, name="ensemble"):
    """Path of --out, by default `name` in the run. Raises UsageError where it cannot be written or ends otherwise."""
    from specialists.export_formats import ENDINGS

    path = Path(run) / f"{name}{ENDINGS[kind] or '_saved_model'}" if out is None else Path(out)
    if not path.parent.is_dir():
        raise UsageError(f"--out: expected a name in a folder that exists; received {path}, and no {path.parent}")
    if kind == "saved_model" and path.exists():
        raise UsageError(f"--out: expected a folder that is not there yet; received {path}: delete it, or name another")
    if path.is_dir() or (ENDINGS[kind] and path.suffix != ENDINGS[kind]):
        raise UsageError(f"--out: expected a file name that ends in {ENDINGS[kind]}; received {path}")
    return path


def options():
    """The command's argument parser."""
    parser = Parser(prog="python -m specialists.export", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--run", default="runs/default", metavar="DIR", help="folder of the run (default: %(default)s)")
    add("--format", choices=FORMATS, default="onnx", help="(default: %(default)s)")
    add(
        "--out",
        metavar="FILE",
        help="file to write, of a SavedModel a folder (default: RUN/ensemble.ENDING, or student)",
    )
    add("--convention", metavar="NAME", help="how points are drawn, such as fifteen or four (default: the first)")
    add("--int8", action="store_true", help="weights in 8 bits: a quarter of the size; onnx and litert")
    add("--no-flip", dest="flip", action="store_false", help="no look at the mirrored face: half the time")
    add("--student", action="store_true", help="the one small network that specialists.distill taught, in its place")
    add("--specialists", type=how_many, metavar="N", help="only the N that help most on held-out faces: less time")
    return parser


def how_many(text):
    """A number of specialists, from 0 on. Raises ArgumentTypeError, which the parser turns into a sentence."""
    if not text.isdecimal():
        raise ArgumentTypeError(f"expected a number from 0 on; received {text!r}")
    return int(text)


def main(argv=None):
    a = options().parse_args(argv)
    out = checked_out(a.out, a.run, a.format, "student" if a.student else "ensemble")
    check = export_run(a.run, a.format, out, a.convention, a.int8, a.flip, a.specialists, a.student)
    print("\n".join([*check.lines(), f"written: {out}"]))


if __name__ == "__main__":
    command(main)
