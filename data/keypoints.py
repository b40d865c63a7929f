"""Schemas: named tables of points. Mirror partners, sides and column names derive from the names."""

from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

import numpy as np

from data.errors import UsageError


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
    """

    name: str
    points: tuple
    conventions: tuple
    lines: tuple = ()

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
        """Name of the point that a mirror turns this one into: itself where it has no side."""
        if "left" in point:
            return point.replace("left", "right")
        return point.replace("right", "left")

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


KAGGLE15 = _kaggle15()
SCHEMAS = {schema.name: schema for schema in (KAGGLE15,)}
