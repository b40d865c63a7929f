"""Anchors: scores that the user gives to compare with, such as "dlib=1.96" (RMSE in px on the same faces)."""

import math

from data.errors import UsageError


def read_anchors(given, where="--anchor"):
    """dict of name to px from texts such as "dlib=1.96"; one text may hold several, divided by commas.

    Raises:
        UsageError: an anchor without a name, or whose figure is no positive number.
    """
    entries = [entry.strip() for text in given for entry in text.split(",") if entry.strip()]
    return dict(_anchor(entry, where) for entry in entries)


def _anchor(entry, where):
    name, _, figure = entry.rpartition("=")
    try:
        px = float(figure)
    except ValueError:
        px = math.nan
    if not name.strip() or not 0 < px < math.inf:
        raise UsageError(f"{where}: expected NAME=PX, such as dlib=1.96; received {entry!r}")
    return name.strip(), px
