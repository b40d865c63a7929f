"""Merge base and specialists: python -m specialists.ensemble --data PATH --run DIR."""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from base_models.calibration import framed, within
from base_models.options import parser, read_options
from base_models.progress import say
from data.errors import DataError, RunError, command
from data.runs import Part
from specialists.members import DISAGREEMENTS, ask, chosen, load_team, look

WAIT = 1800  # seconds for another process that merges the same run: merging and drawing the pages takes a minute


@dataclass(frozen=True)
class Ensemble:
    """A trained ensemble, ready to use.

    Args:
        teams: list of `Team`: the members, per run that trained them.
        merge: `Merge`.
        radius: `Radius`.
        flip: average with the mirrored face.
        shifts: average the bases' answers on a set with those for shifted views of the face.
        calibration: `Calibration`, or None.
    """

    teams: list
    merge: object
    radius: object
    flip: bool
    shifts: bool = False
    calibration: object = None

    @property
    def base(self):
        """The first `Base`; all agree in what they are trained on."""
        return next(iter(self.teams[0].bases.values()))

    def check(self, faces):
        """Raises DataError where faces are not of the schema and size that the base was trained on."""
        made = self.base.part.settings()
        shape = [*faces.size, faces.images.shape[-1]]
        if (faces.schema.stored, shape) != (made["schema"], made["shape"]):
            own = f"the {self.base.schema.name} faces of {made['shape']} px that {self.base.part.folder} was trained on"
            other = "other points named " if faces.schema.stored != made["schema"] else ""
            raise DataError(f"{faces.source}: expected {own}; received {other}{faces.schema.name}, {shape} px")

    def calibrates(self, faces):
        """Whether answers on `Faces` of a set are calibrated: where these are cut out as the training faces are."""
        return self.calibration is not None and framed(faces, self.base.part.settings()["source"])

    def predict(self, images, convention):
        """Points on faces from anywhere, such as photos of one's own: without shifted views and calibration.

        Args:
            images: uint8 [n, H, W, C].
            convention: int [n]: how each face's points are to be drawn.

        Returns:
            dict of "base", "specialist" and "ensemble" to float32 [n, k, 2] px, and radius float32 [2, n, k] px.
        """
        return self.decide(ask(self.teams, images, self.flip, self.merge.reach), convention)

    def predict_set(self, faces):
        """The same on `Faces` of a set, as the held-out faces were answered: with shifted views, and calibrated where
        they are cut out as the training faces are."""
        answers = ask(self.teams, faces.images, self.flip, self.merge.reach, self.shifts)
        if self.calibrates(faces):
            answers = calibrated(answers, self.calibration(answers.base), faces.size)
        return self.decide(answers, faces.convention)

    def decide(self, answers, convention):
        """The same from `Answers`, calibrated or not."""
        pick = self.base.schema.from_slots
        slots = {
            "base": answers.base,
            "specialist": answers.specialist,
            "ensemble": self.merge(answers.base, answers.specialist),
        }
        points = {name: pick(s, convention).astype(np.float32) for name, s in slots.items()}
        radii = self.radius(answers.disagreement)
        return points, np.stack([pick(r, convention) for r in radii])


def load_ensemble(run):
    """The finished ensemble of a run. Raises RunError where a part is missing, damaged, or newer than the merge."""
    from base_models.calibration import Calibration
    from data.storage import read_json, understood
    from specialists.merge import Merge, Radius

    run, part = Path(run), merged_part(run)
    rule = read_json(part.checked("merge.json"))
    with understood(part.folder / "merge.json", "a merge", "run python -m specialists.ensemble again"):
        members = {run / where: (prints["bases"], prints["specialists"]) for where, prints in rule["members"].items()}
        radius = Radius(*(np.array(rule["radius"][name], float) for name in ("typical", "slope", "factors")))
        merge, flip = Merge(np.array(rule["weight"], float), rule["reach"]), rule["flip"]
        shifts = rule.get("shifts", False)  # merges of before shifts have none
        _check_rule(merge, radius, flip, shifts)
        kept = rule.get("calibration")  # merges of before calibrations have none
        calibration = kept and Calibration(**{name: np.array(value, float) for name, value in kept.items()})
        teams = [_member(part, where, *prints) for where, prints in members.items()]
        slots = len(next(iter(teams[0].bases.values())).schema.slot_names)
        if not len(merge.weight) == len(radius.typical) == slots:
            raise ValueError(f"{len(merge.weight)} weights for {slots} positions")
        _check_calibration(calibration, slots)
    return Ensemble(teams, merge, radius, flip, shifts, calibration)


def merged_part(run):
    """The finished `Part` of a run's ensemble. Raises RunError where there is none."""
    part = Part(Path(run) / "ensemble")
    if not part.finished:
        raise RunError(f"{part.folder}: expected a merged ensemble; received none: run python -m specialists.ensemble")
    return part


def _check_rule(merge, radius, flip, shifts):
    """Raise ValueError where a merge and its radius are none that `fit_merge` and `fit_radius` give."""
    from reports.predictions import LEVELS

    shapes = [value.shape for value in (merge.weight, radius.typical, radius.slope, radius.factors)]
    if shapes != [merge.weight.shape, (len(merge.weight),), (1 + DISAGREEMENTS,), (len(LEVELS),)]:
        raise ValueError(f"arrays of {shapes}")
    if not ((merge.weight >= 0) & (merge.weight <= 1)).all() or not merge.reach >= 0:
        raise ValueError(f"weights {merge.weight}, reach {merge.reach}")
    if not isinstance(flip, bool) or not isinstance(shifts, bool):
        raise ValueError(f"flip {flip}, shifts {shifts}")


def _check_calibration(calibration, slots):
    """Raise ValueError where it is none of so many slots."""
    if calibration is None:
        return
    values = vars(calibration).values()
    shapes, c = [value.shape for value in values], len(calibration.axes)
    wanted = [(2 * slots,), (c, 2 * slots), (1 + c, slots, 2), (slots,)]
    if shapes != wanted or not all(np.isfinite(value).all() for value in values):
        raise ValueError(f"a calibration of {shapes}")


def _member(part, run, bases, specialists):
    team = load_team(run, bases, specialists)
    if team.prints != {"bases": bases, "specialists": specialists}:
        raise RunError(f"{part.folder}: its members were trained anew: run python -m specialists.ensemble again")
    return team


def build_ensemble(run, faces, settings, seed, others=(), looked=None):
    """Merge what is trained in a run, and in others, on the validation faces; write predictions and report.

    Args:
        run: folder of the run.
        faces: all training `Faces`, split here as in training.
        settings: `Settings`.
        seed: of the run.
        others: folders of more runs on the same faces, whose bases and specialists may become members too. They may
            have other networks, settings, seeds and folds; on a face that a run was trained on it has no vote here.
        looked: float [n, slots, 2] px, the base's answers on the run's training faces and their mirror images, where
            these are known.

    Returns:
        (`Ensemble`, `Predictions` on the validation faces, list of points without a specialist).
    """
    from data.storage import locked
    from reports.anchors import read_anchors

    anchors = read_anchors([settings.report.anchors], "report.anchors")
    if not Part(Path(run) / "base").finished:
        raise RunError(f"{run}: expected a run with a trained base; received none: run python -m specialists.train")
    # Several processes may train specialists of one run. Each merges at its end; the last one finds all of them.
    with locked(run, WAIT):
        return _merged(run, faces, settings, seed, others, looked, anchors)


def _merged(run, faces, settings, seed, others, looked, anchors):
    from base_models.base import split_rows, train_base
    from base_models.features import write_features
    from reports.run_pages import build_all
    from specialists.merge import coverage, fit_merge, fit_radius

    base = train_base(faces, settings, run, seed)  # finished: nothing but the comparison of data and settings
    teams, answers, held = _asked([load_team(r) for r in (run, *others)], faces, settings.ensemble)
    calibration = None
    if settings.ensemble.calibrate:
        train = split_rows(faces, settings.split, seed)[0]
        look = _look(base, faces, train, settings.ensemble.flip, looked)
        calibration, correction = _calibration(faces, train, look, held, answers.base)
    if calibration is not None:
        answers = calibrated(answers, correction, faces.size)
    merge = fit_merge(answers.base, answers.specialist, held.slots, settings.ensemble.reach)
    errors = np.linalg.norm(merge(answers.base, answers.specialist) - held.slots, axis=-1)
    radius = fit_radius(errors, answers.disagreement)
    ensemble = Ensemble(teams, merge, radius, settings.ensemble.flip, settings.ensemble.shifts, calibration)
    inside = coverage(errors, answers.disagreement, held.group)
    covered = {point for team in teams for name in team.specialists for point in faces.schema.named(name)}
    missing = [point for point in faces.schema.points if point not in covered]
    told = {"coverage": inside.tolist(), "missing": missing, "anchors": anchors, "calibrated": calibration is not None}
    predictions = _predictions(ensemble, answers, held, told)
    part = Part(Path(run) / "ensemble", {"ensemble": dataclasses.asdict(settings.ensemble)})
    _write(part, ensemble, predictions)
    write_features(run, base, predictions)
    build_all(run)
    return ensemble, predictions, missing


def _asked(teams, faces, settings):
    """(the teams with the bases that were chosen, their `Answers` on every face that one of them held out, those)."""
    seen = ~np.stack([team.unseen(faces) for team in teams])
    rows = np.flatnonzero(~seen.all(0))
    held, seen = faces[rows], seen[:, rows]
    looks = [look(team, held.images, settings.flip, settings.shifts) for team in teams]
    picked = chosen(looks, seen, held.slots, settings.reach)
    kept = [t for t, bases in enumerate(picked) if bases]
    teams = [_with(teams[t], picked[t]) for t in kept]
    say(f"ensemble: takes {', '.join(str(base.part.folder) for team in teams for base in team.bases.values())}")
    looks = [looks[t][picked[t]] for t in kept]
    return teams, ask(teams, held.images, settings.flip, settings.reach, looks=looks, seen=seen[kept]), held


def _calibration(faces, train, look, held, answers):
    """(`Calibration`, corrections float32 [n, slots, 2] px of the held-out faces' `answers`), or None twice.

    It is fitted on training rows that no member held out. Where there are none, since members of all folds together
    held out every face, their answers are fitted on, and each face is corrected by a fit without its group.
    """
    from base_models.calibration import calibration_of, cross_fitted

    own = train[~np.isin(faces.ids[train], held.ids)]
    if not len(own) and faces.matrices is None:
        return cross_fitted(answers, held.slots, held.group, faces.size) or (None, None)
    found = calibration_of(faces, own, look, held, answers)
    return found, None if found is None else found(answers)


def _look(base, faces, train, flip, looked):
    """A function of rows of `faces` to the base's answers; `looked` are those on the rows `train`, with flips."""

    def look(rows):
        if looked is not None and flip:
            return looked[np.searchsorted(train, rows)]
        say(f"base: looks at {len(rows)} faces")
        return np.mean(base.look(faces[rows].images, flip), 0)

    return look


def calibrated(answers, correction, size):
    """`Answers` whose bases and specialists are moved alike by float [n, slots, 2] px, within images of (H, W) px."""
    base, specialist = (within(p + correction, size) for p in (answers.base, answers.specialist))
    return dataclasses.replace(answers, base=base, specialist=specialist)


def _with(team, places):
    names = list(team.bases)
    return dataclasses.replace(team, bases={names[p]: team.bases[names[p]] for p in places})


def _predictions(ensemble, answers, held, info):
    from reports.predictions import Predictions

    points, radius = ensemble.decide(answers, held.convention)
    info = {**info, "source": held.source, "faces": "validation"}
    info["coverage"] = [c if np.isfinite(c) else None for c in info["coverage"]]
    kept = (np.asarray(held.images), np.asarray(held.ids), np.asarray(held.convention), np.asarray(held.points))
    return Predictions(*kept, points, radius, held.schema, info, np.asarray(held.group))


def _write(part, ensemble, predictions):
    """Replace the part; without its manifest it does not count as finished while that happens."""
    from data.storage import write_json

    rule = {
        "weight": ensemble.merge.weight.tolist(),
        "reach": ensemble.merge.reach,
        "flip": ensemble.flip,
        "shifts": ensemble.shifts,
        "calibration": ensemble.calibration and {n: v.tolist() for n, v in vars(ensemble.calibration).items()},
        "radius": {name: np.nan_to_num(value).tolist() for name, value in vars(ensemble.radius).items()},
        "members": {_relative(team.run, part.folder.parent): team.prints for team in ensemble.teams},
    }
    with part.opened(replace=True):
        write_json(part.folder / "merge.json", rule)
        predictions.save(part.folder / "predictions.npz")
        part.seal(["settings.json", "merge.json", "predictions.npz"])


def _relative(run, here):
    """A member run's folder as seen from the run that keeps the ensemble, so that both can be moved together."""
    return os.path.relpath(run, here)


def summary_lines(predictions, missing):
    """What the merge gave, in a few lines."""
    from base_models.predict import score

    calibrated = ", calibrated" if predictions.info.get("calibrated") else ""
    lines = [
        f"{name} validation RMSE {score(predictions.points[name], predictions.truth):.3f} px{calibrated}"
        for name in ("base", "ensemble")
    ]
    cover = predictions.info["coverage"]
    if None not in cover:
        lines.append(f"radius: {cover[0]:.1%} of errors inside the 50 % radius, {cover[1]:.1%} inside the 90 % radius")
    else:
        lines.append("radius: too few persons to tell what share of the errors it holds")
    silent = np.isnan(predictions.points["specialist"]).all((0, 2))
    alone = [point for point in missing if silent[predictions.schema.index(point)]]
    partners = [point for point in missing if point not in alone]
    if partners:
        lines.append(f"no specialist for {', '.join(partners)}: the mirror partner's answers on the mirrored face")
    if alone:
        lines.append(f"no specialist for {', '.join(alone)}: the base's answer stands there")
    return lines


def main(argv=None):
    made = parser("specialists.ensemble", __doc__)
    made.add_argument(
        "--with",
        dest="others",
        action="append",
        default=[],
        metavar="DIR",
        help="another run on the same faces, whose networks may become members; may be given several times",
    )
    a = made.parse_args(argv)
    settings, _, faces = read_options(a)
    _, predictions, missing = build_ensemble(a.run, faces, settings, a.seed, a.others)
    print("\n".join([*summary_lines(predictions, missing), f"report: {Path(a.run) / 'report.html'}"]))


if __name__ == "__main__":
    command(main)
