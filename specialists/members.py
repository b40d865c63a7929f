"""The members of an ensemble: what one run or several trained, asked together."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from base_models.calibration import within
from base_models.predict import WORST, mirrored, score
from data.errors import RunError


@dataclass(frozen=True)
class Team:
    """What one run trained, as far as an ensemble takes it.

    Args:
        run: folder of the run.
        bases: dict of name to `Base`: "base", and its teachers "teacher1" and so on.
        specialists: dict of point to `Specialist`.
    """

    run: Path
    bases: dict
    specialists: dict

    @property
    def prints(self):
        """What the members are, for `load_teams`: {"bases": {name: SHA-256 of the weights}, "specialists": ...}."""
        return {
            "bases": {name: base.part.fingerprint() for name, base in self.bases.items()},
            "specialists": {point: s.part.fingerprint() for point, s in self.specialists.items()},
        }

    def unseen(self, faces):
        """bool [n]: which of the faces this run held out, so that its answers on them are honest.

        Raises:
            RunError: it was trained on other faces, of which some may be among these.
        """
        from base_models.base import split_faces
        from base_models.settings import SplitSettings, with_overrides

        part = next(iter(self.bases.values())).part
        made = part.settings()
        if made["data"] != faces.digest():
            raise RunError(f"{part.folder}: expected a run trained on {faces.source}; received one of other faces")
        held = split_faces(faces, with_overrides(SplitSettings(), made["split"]), made["seed"]).validation
        return np.isin(faces.ids, held.ids)


def load_team(run, bases=None, points=None):
    """A run's finished members.

    Args:
        run: folder of the run.
        bases: names to load; None = base and teachers.
        points: whose specialists to load; None = all.

    Raises:
        RunError: no base, a damaged part, or a specialist that was trained from another base.
    """
    from base_models.base import load_base, load_teachers
    from specialists.specialist import load_specialist

    run = Path(run)
    base = load_base(run)
    names = {t.part.folder.name: t for t in load_teachers(run)} if bases is None else {}
    loaded = {"base": base} | names if bases is None else {b: load_base(run, b) for b in bases}
    every = (*base.schema.groups, *base.schema.points)  # a point's own specialist has the last word
    found = {p: load_specialist(run, p) for p in (every if points is None else points)}
    return Team(run, loaded, {p: _of(base, s) for p, s in found.items() if s})


def _of(base, specialist):
    """The specialist. Raises RunError where it comes from another base: it may have trained on what is held out now."""
    if specialist.part.settings()["base"] != base.part.fingerprint():
        folder = specialist.part.folder
        raise RunError(
            f"{folder}: was trained from another base than {base.part.folder}; delete {folder}, train it again"
        )
    return specialist


# -- what they say


DISAGREEMENTS = 4  # figures of `Answers.disagreement`


@dataclass(frozen=True)
class Answers:
    """What the members of an ensemble say about n faces, per output slot. Positions end at the image's edges, and
    so does every merge of them.

    Args:
        base: float32 [n, slots, 2] px, what the bases agree on.
        specialist: float32 [n, slots, 2] px, NaN where no specialist was trained.
        disagreement: float32 [n, slots, 4] px: bases on the face against its mirror image, bases against the
            specialist, the first averaged over the face, and the bases' distance from what they agree on.
    """

    base: np.ndarray
    specialist: np.ndarray
    disagreement: np.ndarray


def ask(teams, images, flip, reach, shifted=False, looks=None, seen=None):
    """Ask every member.

    Args:
        teams: list of `Team`.
        images: uint8 [n, H, W, C].
        flip: ask about the mirrored faces too.
        reach: px, as of `agreed`.
        shifted: ask the bases about shifted views too, unless `looks` are known.
        looks: list of what `look` says for each team, where that is known already.
        seen: bool [teams, n]: faces that a team was trained on, so that its answers do not count.

    Returns:
        `Answers`.
    """
    looks = looks or [look(team, images, flip, shifted) for team in teams]
    seen = np.zeros((len(teams), len(images)), bool) if seen is None else seen
    voices = [hidden(opinions, gone) for opinions, gone in zip(looks, seen, strict=True)]
    bases = np.concatenate(voices)
    own = [agreed(np.concatenate(list(opinions)), reach) for opinions in looks]
    closer = [hidden(_specialists(t, images, s, flip), gone) for t, s, gone in zip(teams, own, seen, strict=True)]
    shapes, answer = agreed(np.concatenate(list(bases)), reach), agreed(np.stack(closer), reach)
    shapes, answer = (within(positions, images.shape[1:3]) for positions in (shapes, answer))
    return Answers(shapes, answer, _disagreement(bases, shapes, answer))


def look(team, images, flip, shifted=False):
    """float32 [bases, 2, n, slots, 2] px: what each base says of the face, and of its mirror image."""
    return np.stack([base.look(images, flip, shifted) for base in team.bases.values()])


def hidden(opinions, gone):
    """Opinions [..., n, slots, 2] without those on the faces `gone` [n]."""
    return np.where(gone[:, None, None], np.nan, opinions)


def agreed(opinions, reach):
    """What several opinions agree on: their mean, after each was moved to within `reach` px of their median.

    One that has lost a point on a freak face so cannot pull the others off it: a step of the M-estimator of Huber 1964.

    Args:
        opinions: float [m, n, slots, 2] px; NaN = none.
        reach: px.

    Returns:
        float32 [n, slots, 2] px; NaN where there is no opinion.
    """
    out = np.full(opinions.shape[1:], np.nan, np.float32)
    some = np.isfinite(opinions).any((0, -1))
    picked = opinions[:, some]
    middle = np.nanmedian(picked, 0)
    step = picked - middle
    length = np.linalg.norm(step, axis=-1, keepdims=True)
    out[some] = middle + np.nanmean(step * np.minimum(1, reach / np.maximum(length, 1e-9)), 0)
    return out


def _disagreement(bases, shapes, answer):
    """float32 [n, slots, 4] of `Answers` for opinions [bases, 2, n, slots, 2]; 0 where there is but one."""
    own = np.nan_to_num(_mean(np.linalg.norm(bases[:, 0] - bases[:, 1], axis=-1)))
    other = np.nan_to_num(np.linalg.norm(answer - shapes, axis=-1))
    spread = np.nan_to_num(_mean(np.linalg.norm(bases.mean(1) - shapes, axis=-1)))
    whole = np.broadcast_to(own.mean(1, keepdims=True), own.shape)
    return np.stack([own, other, whole, spread], -1).astype(np.float32)


def _mean(values):
    """The mean over the first axis of what is not NaN; every face has an honest base."""
    return np.nansum(values, 0) / np.maximum(np.isfinite(values).sum(0), 1)


def _specialists(team, images, shapes, flip):
    """What a team's specialists say, float32 [n, slots, 2] px; NaN where there is none.

    A second opinion comes from the mirror partner's network, on the mirrored face.
    """
    schema = next(iter(team.bases.values())).schema
    opinions = np.full((2, *shapes.shape), np.nan, np.float32)
    for specialist in team.specialists.values():
        opinions[0][:, specialist.view.slots] = specialist.predict(images, shapes)
        if flip:
            partner = schema.slot_mirror[specialist.view.slots]
            opinions[1][:, partner] = _mirrored_opinion(schema, specialist, images, shapes)
    both = np.isfinite(opinions).all(0)
    return np.where(both, opinions.mean(0), np.where(np.isfinite(opinions[0]), opinions[0], opinions[1]))


def _mirrored_opinion(schema, specialist, images, shapes):
    width = images.shape[2]
    there = mirrored(shapes[:, schema.slot_mirror], width)
    return mirrored(specialist.predict(images, there, mirror=True), width)


# -- which of them to take


def chosen(looks, seen, truth, reach):
    """Which bases to take, by what they say on held-out faces (after Caruana et al. 2004, ICML, "Ensemble selection
    from libraries of models").

    Begins with the best base of every group that held out the same faces, since each face needs an honest answer; then
    adds whichever base helps most, as long as one does. Scores leave out the worst errors, where wrong labels are.

    Args:
        looks: list of float [bases, 2, n, slots, 2] px, per team, as from `look`.
        seen: bool [teams, n]: faces that a team was trained on.
        truth: float [n, slots, 2] px; NaN = not labelled.
        reach: px, as of `agreed`.

    Returns:
        List, per team, of the indices of its bases, best first; some may be empty.
    """
    voices = {(t, b): hidden(o, seen[t]) for t, team in enumerate(looks) for b, o in enumerate(team)}

    def scored(members):
        return _trimmed(agreed(np.concatenate([voices[m] for m in members]), reach), truth)

    alone = {member: scored([member]) for member in voices}
    groups = {}
    for member in sorted(voices, key=alone.get):
        groups.setdefault(seen[member[0]].tobytes(), member)
    picked = list(groups.values())
    left, best = [m for m in voices if m not in picked], scored(picked)
    while left:
        trials = {m: scored([*picked, m]) for m in left}
        member = min(trials, key=trials.get)
        if not trials[member] < best:
            break
        best = trials[member]
        picked.append(member)
        left.remove(member)
    return [[b for t, b in picked if t == team] for team in range(len(looks))]


def _trimmed(positions, truth):
    """The trimmed RMSE in px where there is an answer; infinite where nothing is labelled."""
    answered = np.where(np.isfinite(positions), truth, np.nan)
    value = score(np.nan_to_num(positions), answered, WORST)
    return value if np.isfinite(value) else np.inf
