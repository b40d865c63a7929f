"""Merge base and specialists: python -m specialists.ensemble --data PATH --run DIR."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from base_models.options import parser, read_options
from data.errors import DataError, RunError, command
from data.runs import Part


@dataclass(frozen=True)
class Answers:
    """What the members of an ensemble say about n faces, per output slot. Positions end at the image's edges, and
    so does every merge of them.

    Args:
        base: float32 [n, slots, 2] px.
        specialist: float32 [n, slots, 2] px, NaN where no specialist was trained.
        disagreement: float32 [n, slots, 3] px: base on the face against its mirror image, base against specialist,
            and the first averaged over the face.
    """

    base: np.ndarray
    specialist: np.ndarray
    disagreement: np.ndarray


def ask(base, specialists, images, flip):
    """Ask every member.

    A specialist's second opinion comes from its mirror partner's network, on the mirrored face.

    Args:
        base: `Base`.
        specialists: dict of point to `Specialist`.
        images: uint8 [n, H, W, C].
        flip: ask about the mirrored faces too.

    Returns:
        `Answers`.
    """
    plain, turned = base.look(images, flip)
    shapes = (plain + turned) / 2
    opinions = np.full((2, *shapes.shape), np.nan, np.float32)
    for specialist in specialists.values():
        opinions[0][:, specialist.view.slots] = specialist.predict(images, shapes)
        if flip:
            partner = base.schema.slot_mirror[specialist.view.slots]
            opinions[1][:, partner] = _mirrored_opinion(base, specialist, images, shapes)
    answer = np.where(np.isfinite(opinions[0]) & np.isfinite(opinions[1]), opinions.mean(0), _first(opinions))
    shapes, answer = (np.clip(a, 0, np.array(images.shape[2:0:-1], np.float32)) for a in (shapes, answer))
    own = np.linalg.norm(plain - turned, axis=-1)
    other = np.nan_to_num(np.linalg.norm(answer - shapes, axis=-1))
    whole = np.broadcast_to(own.mean(1, keepdims=True), own.shape)
    return Answers(shapes, answer, np.stack([own, other, whole], -1))


def _first(opinions):
    return np.where(np.isfinite(opinions[0]), opinions[0], opinions[1])


def _mirrored_opinion(base, specialist, images, shapes):
    from base_models.predict import mirrored

    width = images.shape[2]
    there = mirrored(shapes[:, base.schema.slot_mirror], width)
    return mirrored(specialist.predict(np.ascontiguousarray(images[:, :, ::-1]), there), width)


@dataclass(frozen=True)
class Ensemble:
    """A trained ensemble, ready to use.

    Args:
        base: `Base`.
        specialists: dict of point to `Specialist`.
        merge: `Merge`.
        radius: `Radius`.
        flip: average with the mirrored face.
    """

    base: object
    specialists: dict
    merge: object
    radius: object
    flip: bool

    def check(self, faces):
        """Raises DataError where faces are not of the schema and size that the base was trained on."""
        made = self.base.part.settings()
        expected, received = (made["schema"], made["shape"]), (faces.schema.name, [*faces.size, faces.images.shape[-1]])
        if received != expected:
            trained = f"the {expected[0]} faces of {expected[1]} px that {self.base.part.folder} was trained on"
            raise DataError(f"{faces.source}: expected {trained}; received {received[0]}, {received[1]} px")

    def predict(self, images, convention):
        """Points on faces.

        Args:
            images: uint8 [n, H, W, C].
            convention: int [n]: how each face's points are to be drawn.

        Returns:
            dict of "base", "specialist" and "ensemble" to float32 [n, k, 2] px, and radius float32 [2, n, k] px.
        """
        answers = ask(self.base, self.specialists, images, self.flip)
        return self.decide(answers, convention)

    def decide(self, answers, convention):
        """The same from `Answers`."""
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
    from base_models.base import load_base
    from specialists.merge import Merge, Radius
    from specialists.specialist import load_specialist

    part = Part(Path(run) / "ensemble")
    if not part.finished:
        raise RunError(f"{part.folder}: expected a merged ensemble; received none: run python -m specialists.ensemble")
    rule = json.loads(part.checked("merge.json").read_bytes())
    base = load_base(run)
    specialists = {point: load_specialist(run, point) for point in rule["members"]["specialists"]}
    if _members(base, specialists) != rule["members"]:
        raise RunError(f"{part.folder}: its members were trained anew: run python -m specialists.ensemble again")
    radius = Radius(*(np.array(rule["radius"][name], float) for name in ("typical", "slope", "factors")))
    merge = Merge(np.array(rule["weight"]), rule["reach"])
    return Ensemble(base, specialists, merge, radius, rule["flip"])


def _members(base, specialists):
    prints = {point: s.part.fingerprint() if s else None for point, s in specialists.items()}
    return {"base": base.part.fingerprint(), "specialists": prints}


def build_ensemble(run, faces, settings, seed):
    """Merge what is trained in a run, on the validation faces, and write predictions and report.

    Args:
        run: folder of the run.
        faces: all training `Faces`, split here as in training.
        settings: `Settings`.
        seed: of the run.

    Returns:
        (`Ensemble`, `Predictions` on the validation faces, list of points without a specialist).
    """
    from base_models.base import split_faces, train_base
    from reports.build import build_run
    from specialists.merge import coverage, fit_merge, fit_radius
    from specialists.specialist import load_specialist

    if not Part(Path(run) / "base").finished:
        raise RunError(f"{run}: expected a run with a trained base; received none: run python -m specialists.train")
    base = train_base(faces, settings, run, seed)  # finished: loads it, after comparing data and settings
    found = {point: load_specialist(run, point) for point in faces.schema.points}
    missing = [point for point, specialist in found.items() if specialist is None]
    specialists = {point: _of(base, specialist) for point, specialist in found.items() if specialist}
    held = split_faces(faces, settings.split, seed).validation
    answers = ask(base, specialists, held.images, settings.ensemble.flip)
    merge = fit_merge(answers.base, answers.specialist, held.slots, settings.ensemble.reach)
    errors = np.linalg.norm(merge(answers.base, answers.specialist) - held.slots, axis=-1)
    ensemble = Ensemble(base, specialists, merge, fit_radius(errors, answers.disagreement), settings.ensemble.flip)
    inside = coverage(errors, answers.disagreement, held.group)
    predictions = _predictions(ensemble, answers, held, {"coverage": inside.tolist(), "missing": missing})
    _write(Part(Path(run) / "ensemble", {"ensemble": dataclasses.asdict(settings.ensemble)}), ensemble, predictions)
    build_run(run)
    return ensemble, predictions, missing


def _of(base, specialist):
    """The specialist. Raises RunError where it comes from another base: it may have trained on what is held out now."""
    if specialist.part.settings()["base"] != base.part.fingerprint():
        folder = specialist.part.folder
        raise RunError(
            f"{folder}: was trained from another base than {base.part.folder}; delete {folder}, train it again"
        )
    return specialist


def _predictions(ensemble, answers, held, info):
    from reports.predictions import Predictions

    points, radius = ensemble.decide(answers, held.convention)
    info = {**info, "source": held.source, "faces": "validation"}
    info["coverage"] = [c if np.isfinite(c) else None for c in info["coverage"]]
    kept = (np.asarray(held.images), np.asarray(held.ids), np.asarray(held.convention), np.asarray(held.points))
    return Predictions(*kept, points, radius, held.schema, info)


def _write(part, ensemble, predictions):
    """Replace the part; without its manifest it does not count as finished while that happens."""
    from data.storage import write_json

    rule = {
        "weight": ensemble.merge.weight.tolist(),
        "reach": ensemble.merge.reach,
        "flip": ensemble.flip,
        "radius": {name: np.nan_to_num(value).tolist() for name, value in vars(ensemble.radius).items()},
        "members": _members(ensemble.base, ensemble.specialists),
    }
    with part.opened(replace=True):
        write_json(part.folder / "merge.json", rule)
        predictions.save(part.folder / "predictions.npz")
        part.seal(["settings.json", "merge.json", "predictions.npz"])


def summary_lines(predictions, missing):
    """What the merge gave, in a few lines."""
    from base_models.predict import score

    lines = [
        f"{name} validation RMSE {score(predictions.points[name], predictions.truth):.3f} px"
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
    a = parser("specialists.ensemble", __doc__).parse_args(argv)
    settings, _, faces = read_options(a)
    _, predictions, missing = build_ensemble(a.run, faces, settings, a.seed)
    print("\n".join([*summary_lines(predictions, missing), f"report: {Path(a.run) / 'report.html'}"]))


if __name__ == "__main__":
    command(main)
