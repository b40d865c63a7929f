"""Schemas: named tables of points. Mirror partners, sides, groups and column names derive from the names."""

import re
from dataclasses import dataclass, replace
from difflib import get_close_matches
from functools import cached_property

import numpy as np

from data.errors import UsageError

# Parts of a face by words in the names of its points; an eyebrow is no eye, so brows come first.
GROUP_WORDS = {
    "jaw": ("jaw", "chin"),
    "brows": ("brow",),
    "eyes": ("eye", "pupil"),
    "nose": ("nose", "nostril"),
    "mouth": ("mouth", "lip"),
}
POINT_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,63}")  # also names a folder, and a key between dots
MOST_POINTS = 1000


@dataclass(frozen=True)
class Convention:
    """One way of labelling a schema.

    Args:
        name: how the convention is called in options and reports.
        labelled: names of the points that its rows may carry.
        own: names of the points that it draws elsewhere than the schema's first convention does.
    """

    name: str
    labelled: tuple
    own: tuple = ()


@dataclass(frozen=True)
class Schema:
    """A named table of points on an object with a left and a right side.

    "left" is the person's left, which is the image's right. A network has one output slot per position that some
    convention draws: first one per point (the first convention), then one per `own` point of each further one.

    Args:
        name: one word.
        points: names.
        conventions: `Convention`s, the first one labels every point.
        lines: tuples of points to join in drawings.
        pairs: None, or all (point, mirror partner) pairs where the names do not tell them.
        regions: None, or all (group, points) where the names do not tell them.
    """

    name: str
    points: tuple
    conventions: tuple
    lines: tuple = ()
    pairs: tuple | None = None
    regions: tuple | None = None

    def __len__(self):
        return len(self.points)

    def index(self, point):
        """Index of a point by name. Raises UsageError naming the points there are."""
        if point not in self.points:
            near = get_close_matches(point, self.points, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UsageError(f"keypoint: expected one of {', '.join(self.points)}; received {point!r}{hint}")
        return self.points.index(point)

    @cached_property
    def columns(self):
        """Column names of the coordinates, x before y, in the order of the points."""
        return tuple(f"{point}_{axis}" for point in self.points for axis in "xy")

    def partner(self, point):
        """Name of the point, or slot, that a mirror turns this one into: itself where it has no side."""
        if self.pairs is not None:
            name, at, convention = point.partition("@")
            return {a: b for pair in self.pairs for a, b in (pair, pair[::-1])}.get(name, name) + at + convention
        if "left" in point:
            return point.replace("left", "right")
        return point.replace("right", "left")

    @cached_property
    def groups(self):
        """dict of group, such as "eyes", to the names of its points; a point of no group is in none."""
        if self.regions is not None:
            return {name: tuple(points) for name, points in self.regions}
        found = {name: tuple(p for p in self.points if _group(p) == name) for name in GROUP_WORDS}
        return {name: points for name, points in found.items() if points}

    def named(self, name):
        """The points that a point's or group's name stands for. Raises UsageError naming what there is."""
        if name in self.groups and name not in self.points:
            return self.groups[name]
        try:
            return (self.points[self.index(name)],)
        except UsageError as error:
            raise UsageError(f"{error} (groups: {', '.join(self.groups) or 'none'})") from None

    def slots_of(self, name):
        """int [s]: the output slots of a point, as all conventions draw it, or of a group's points."""
        return np.flatnonzero(np.isin(self.slot_points, [self.points.index(point) for point in self.named(name)]))

    def subset(self, names):
        """The schema of some points, in the order of this one's.

        Raises:
            UsageError: no such point, or one whose mirror partner is left out.
        """
        kept = {point for name in names for point in self.named(name)}
        for point in self.points:
            if point in kept and self.partner(point) not in kept:
                raise UsageError(f"points: expected {self.partner(point)} too, the mirror partner of {point}")
        points = tuple(p for p in self.points if p in kept)
        if points == self.points:
            return self
        return replace(
            self,
            name=f"{self.name}_{len(points)}",
            points=points,
            conventions=tuple(_kept_convention(c, kept) for c in self.conventions),
            lines=tuple(line for line in self.lines if set(line) <= kept),
            pairs=None if self.pairs is None else tuple(p for p in self.pairs if set(p) <= kept),
            regions=tuple(
                (name, rest) for name, ps in self.groups.items() if (rest := tuple(p for p in ps if p in kept))
            ),
        )

    @property
    def stored(self):
        """What files keep of the schema: its name where SCHEMAS has it, else all of it as a JSON object."""
        if SCHEMAS.get(self.name) == self:
            return self.name
        own = {"name": self.name, "points": list(self.points), "lines": [list(line) for line in self.lines]}
        own["conventions"] = [[c.name, list(c.labelled), list(c.own)] for c in self.conventions]
        own["pairs"] = None if self.pairs is None else [list(pair) for pair in self.pairs]
        own["regions"] = None if self.regions is None else [[name, list(points)] for name, points in self.regions]
        return own

    @cached_property
    def mirror(self):
        """int [points]: index of each point's mirror partner."""
        return np.array([self.index(self.partner(point)) for point in self.points])

    @cached_property
    def slot_names(self):
        """Names of a network's outputs: the points, then `point@convention` for points drawn differently."""
        own = [f"{point}@{c.name}" for c in self.conventions[1:] for point in c.own]
        return (*self.points, *own)

    @cached_property
    def slots(self):
        """int [conventions, points]: the output slot that holds each point as each convention draws it."""
        names = self.slot_names
        return np.array(
            [
                [
                    names.index(f"{p}@{c.name}" if c is not self.conventions[0] and p in c.own else p)
                    for p in self.points
                ]
                for c in self.conventions
            ]
        )

    @cached_property
    def slot_points(self):
        """int [slots]: the point that each output slot belongs to."""
        return np.array([self.points.index(name.partition("@")[0]) for name in self.slot_names])

    @cached_property
    def slot_mirror(self):
        """int [slots]: the slot that a mirror turns each slot into."""
        names = self.slot_names
        return np.array([names.index(self.partner(name)) for name in names])

    def to_slots(self, points, convention):
        """Spread labels over output slots.

        Args:
            points: float [n, points, 2], NaN where not labelled.
            convention: int [n], the convention of each row.

        Returns:
            float32 [n, slots, 2]; NaN in slots that the row's convention does not draw or the row does not label.
        """
        spread = np.full((len(points), len(self.slot_names), 2), np.nan, np.float32)
        rows = np.arange(len(points))[:, None]
        spread[rows, self.slots[np.asarray(convention, int)]] = points
        return spread

    def from_slots(self, slots, convention):
        """Pick each row's points, as its convention draws them, from output slots: the inverse of `to_slots`.

        Args:
            slots: float [n, slots, 2] or [n, slots].
            convention: int [n].

        Returns:
            An array [n, points, ...] of the same type.
        """
        slots = np.asarray(slots)
        return slots[np.arange(len(slots))[:, None], self.slots[np.asarray(convention, int)]]


def schema_of(stored):
    """The schema that `Schema.stored` gave. Raises KeyError, TypeError or ValueError where it is none."""
    if not isinstance(stored, dict):
        return SCHEMAS[stored]
    tuples = {name: _tuples(stored[name]) for name in ("points", "lines", "pairs", "regions")}
    conventions = tuple(Convention(*_tuples(each)) for each in stored["conventions"])
    made = Schema(stored["name"], conventions=conventions, **tuples)
    if not all(isinstance(point, str) and POINT_NAME.fullmatch(point) for point in made.points):
        raise ValueError("names of points expected")
    made.mirror  # noqa: B018  (raises where partners are missing)
    return made


def _tuples(value):
    return tuple(map(_tuples, value)) if isinstance(value, list | tuple) else value


def _group(point):
    return next((name for name, words in GROUP_WORDS.items() if any(word in point for word in words)), None)


def _kept_convention(convention, kept):
    labelled, own = (tuple(p for p in points if p in kept) for points in (convention.labelled, convention.own))
    return Convention(convention.name, labelled, own)


def _one_convention(name, points, lines):
    return Schema(name, points, (Convention("all", points),), lines)


def _numbered(stem, numbers):
    return tuple(f"{stem}_{i}" for i in numbers)


def _kaggle15():
    points = tuple(
        "left_eye_center right_eye_center left_eye_inner_corner left_eye_outer_corner right_eye_inner_corner "
        "right_eye_outer_corner left_eyebrow_inner_end left_eyebrow_outer_end right_eyebrow_inner_end "
        "right_eyebrow_outer_end nose_tip mouth_left_corner mouth_right_corner mouth_center_top_lip "
        "mouth_center_bottom_lip".split()
    )
    four = ("left_eye_center", "right_eye_center", "nose_tip", "mouth_center_bottom_lip")
    lines = (
        ("left_eye_inner_corner", "left_eye_center", "left_eye_outer_corner"),
        ("right_eye_inner_corner", "right_eye_center", "right_eye_outer_corner"),
        ("left_eyebrow_inner_end", "left_eyebrow_outer_end"),
        ("right_eyebrow_inner_end", "right_eyebrow_outer_end"),
        (
            "mouth_left_corner",
            "mouth_center_top_lip",
            "mouth_right_corner",
            "mouth_center_bottom_lip",
            "mouth_left_corner",
        ),
    )
    # In the four-point rows "nose tip" lies under the nose and "bottom lip" is the mouth's centre.
    conventions = (Convention("fifteen", points), Convention("four", four, ("nose_tip", "mouth_center_bottom_lip")))
    return Schema("kaggle15", points, conventions, lines)


def _ibug68():
    """The 68 points of 300-W (Sagonas et al. 2013), in its order."""
    jaw = (*_numbered("right_jaw", range(1, 9)), "chin", *_numbered("left_jaw", range(8, 0, -1)))
    right_brow, left_brow = _numbered("right_brow", range(1, 6)), _numbered("left_brow", range(5, 0, -1))
    bridge = (*_numbered("nose_bridge", range(1, 4)), "nose_tip")
    base = ("right_nostril_1", "right_nostril_2", "nose_base", "left_nostril_2", "left_nostril_1")
    eye = ("outer_corner", "top_outer", "top_inner", "inner_corner", "bottom_inner", "bottom_outer")
    right_eye = tuple(f"right_eye_{part}" for part in eye)
    left_eye = tuple(f"left_eye_{eye[i]}" for i in (3, 2, 1, 0, 5, 4))
    outer, inner = _ring("mouth", 2), _ring("lips_inner", 1)
    lines = (jaw, right_brow, left_brow, bridge, base, *(_closed(ring) for ring in (right_eye, left_eye, outer, inner)))
    return _one_convention(
        "ibug68", (*jaw, *right_brow, *left_brow, *bridge, *base, *right_eye, *left_eye, *outer, *inner), lines
    )


def _ring(stem, between):
    """A mouth's contour from its right corner over the top: corners, middles, and `between` points on each quarter."""
    there, back = range(1, between + 1), range(between, 0, -1)
    top = (*_numbered(f"{stem}_right_top", there), f"{stem}_top", *_numbered(f"{stem}_left_top", back))
    bottom = (*_numbered(f"{stem}_left_bottom", there), f"{stem}_bottom", *_numbered(f"{stem}_right_bottom", back))
    return (f"{stem}_right_corner", *top, f"{stem}_left_corner", *bottom)


def _closed(line):
    return (*line, line[0])


def _imm58(name="imm58", along=False):
    """The 58 points of the IMM face database (Nordstrom et al. 2004), in the order of its files.

    There eyes and brows count alike on both sides, and the nose is one contour whose middle is its tip.

    Args:
        name: of the schema.
        along: the order of files that were interpolated from 68 points: eyes and brows count from the image's left
            to its right, and the nose is its ridge, then its base.
    """
    jaw = (*_numbered("right_jaw", range(1, 7)), "chin", *_numbered("left_jaw", range(6, 0, -1)))
    right_eye, left_eye = (_numbered(f"{side}_eye", range(1, 9)) for side in ("right", "left"))
    right_brow, left_brow = (_numbered(f"{side}_brow", range(1, 6)) for side in ("right", "left"))
    nose = (*_numbered("right_nose", range(1, 6)), "nose_tip", *_numbered("left_nose", range(5, 0, -1)))
    noses = (nose,)
    if along:
        left_eye = tuple(left_eye[(4 - i) % 8] for i in range(8))
        left_brow = left_brow[::-1]
        bridge = (*_numbered("nose_bridge", range(1, 5)), "nose_side", "nose_tip")
        base = ("right_nostril_1", "right_nostril_2", "nose_base", "left_nostril_2", "left_nostril_1")
        nose, noses = bridge + base, (bridge[:4], base)
    mouth = _ring("mouth", 1)
    lines = (jaw, _closed(right_eye), _closed(left_eye), right_brow, left_brow, _closed(mouth), *noses)
    return _one_convention(name, (*jaw, *right_eye, *left_eye, *right_brow, *left_brow, *mouth, *nose), lines)


KAGGLE15, IBUG68, IMM58, IMM58_ALONG = _kaggle15(), _ibug68(), _imm58(), _imm58("imm58_along", True)
SCHEMAS = {schema.name: schema for schema in (KAGGLE15, IBUG68, IMM58, IMM58_ALONG)}
