"""Views of faces as training makes them: each transform at its extremes, and as it draws them."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from data.augment import AugmentSettings, apply, draw

RANDOM = 28  # draws per face
TRIED = 8  # draws per face to count the labels that leave the picture
FIELDS = [field.name for field in dataclasses.fields(AugmentSettings)]
NEUTRAL = AugmentSettings(**dict.fromkeys(FIELDS, 0))


@dataclass(frozen=True)
class View:
    """One view of a face.

    Args:
        title: what was done to it, in words.
        image: uint8 [H, W, C]. points: float32 [k, 2] px, NaN = not labelled.
        flipped: whether it is mirrored, so that left and right points changed places.
    """

    title: str
    image: np.ndarray
    points: np.ndarray
    flipped: bool


# Of each setting at its ends: (title, how `Draws` differ from none at all), from the setting's value.
EXTREMES = {
    "flip": lambda v: [("mirrored", {"flipped": True})] if v else [],
    "rotation": lambda v: _two(v, "turned by {:+.0f}°", lambda a: {"angle": np.deg2rad(a)}),
    "scale": lambda v: _two(v, "zoomed by {:+.0%}", lambda a: {"zoom": 1 + a}),
    "stretch": lambda v: _two(v, "stretched by {:+.0%}", lambda a: {"stretch": 1 + a}),
    "shift": lambda v: [
        *_two(v, "shifted in x by {:+.0%}", lambda a: {"shift": (a, 0)}),
        *_two(v, "shifted in y by {:+.0%}", lambda a: {"shift": (0, a)}),
    ],
    "brightness": lambda v: _two(v, "brightness {:+.0%} of the range", lambda a: {"offset": 255 * a}),
    "contrast": lambda v: _two(v, "contrast {:+.0%}", lambda a: {"gain": 1 + a}),
    "saturation": lambda v: _two(v, "colours {:+.0%}", lambda a: {"saturation": 1 + a}),
    "blur": lambda v: [(f"blurred, sigma {v:g} px", {"blur": v})] if v else [],
    "noise": lambda v: [(f"noise, {v:g} grey levels", {"noise": v})] if v else [],
    "erase": lambda v: [("a patch, the largest", {"patch": (0.5, 0.5, 0.4, 0.4, 128)})] if v else [],
}

# What each setting is, and in what unit, for the table.
MEANINGS = {
    "flip": "share of the views that are mirrored; left and right points change places",
    "rotation": "degrees to either side, about the picture's centre",
    "scale": "zoom in or out by at most this share",
    "stretch": "wider or narrower against the height by at most this share",
    "shift": "share of the picture's size, in x and in y",
    "brightness": "share of the full range, up or down",
    "contrast": "gain about the picture's mean, more or less by this share",
    "saturation": "colours nearer to or further from grey by this share; grey pictures have none",
    "blur": "px, largest sigma; one view in four",
    "noise": "grey levels of 255, largest standard deviation; one view in four",
    "erase": "share of the views with a patch painted over",
    "steady": "share of the views whose light and colours stay as they are",
}


def _two(value, words, change):
    """Both ends of a range that is drawn from +- `value`; none where it is turned off."""
    return (
        [(words.format(end).replace("-", "−").replace("%", " %"), change(end)) for end in (-value, value)]
        if value
        else []
    )


def extreme_views(image, points, schema, settings):
    """The face as it is, then every transform of `settings` at its ends, one at a time.

    Args:
        image: uint8 [H, W, C]. points: float32 [k, 2] px.
        schema: the table of points. settings: `AugmentSettings`.

    Returns:
        dict of setting, "" for the face as it is, to a list of Views.
    """
    views = {"": [_view(image, points, schema, "as it is", {})]}
    for name in FIELDS:
        grey = name == "saturation" and image.shape[-1] == 1
        own = [] if grey or name not in EXTREMES else EXTREMES[name](getattr(settings, name))
        if own:
            views[name] = [_view(image, points, schema, title, change) for title, change in own]
    return views


def _view(image, points, schema, title, change):
    none = draw(NEUTRAL, 1, [0])
    replaced = {n: np.broadcast_to(np.asarray(v), getattr(none, n).shape) for n, v in change.items()}
    replaced = {n: v.astype(getattr(none, n).dtype) for n, v in replaced.items()}
    return _applied(image[None], points[None], schema, dataclasses.replace(none, **replaced), [title])[0]


def _applied(images, points, schema, draws, titles):
    size = images.shape[1:3]
    seen, moved = apply(images, points, draws, draws.matrices(size), schema.mirror, size)
    kinds = zip(titles, seen.round().astype(np.uint8), moved, draws.flipped, strict=True)
    return [View(title, image, own, bool(flipped)) for title, image, own, flipped in kinds]


def random_views(image, points, schema, settings, seed, count=RANDOM):
    """List of `count` Views as training draws them; equal seeds (sequences of ints) give equal views."""
    draws = draw(settings, count, seed)
    images, labels = np.repeat(image[None], count, 0), np.repeat(points[None], count, 0)
    return _applied(images, labels, schema, draws, [said(draws[[i]], settings) for i in range(count)])


# What each setting makes of one of `Draws`, in words, and whether it is worth a word.
SAID = {
    "flip": lambda d: ("mirrored", d.flipped[0]),
    "rotation": lambda d: (f"turned {np.rad2deg(d.angle[0]):+.0f}°", abs(d.angle[0]) >= 0.01),
    "scale": lambda d: _share("zoom", d.zoom[0] - 1),
    "stretch": lambda d: _share("stretch", d.stretch[0] - 1),
    "shift": lambda d: (f"shift {d.shift[0, 0]:+.0%}, {d.shift[0, 1]:+.0%}", np.abs(d.shift[0]).max() >= 0.005),
    "brightness": lambda d: _share("brightness", d.offset[0] / 255),
    "contrast": lambda d: _share("contrast", d.gain[0] - 1),
    "saturation": lambda d: _share("colours", d.saturation[0] - 1),
    "blur": lambda d: (f"blur {d.blur[0]:.1f} px", d.blur[0] > 0.1),
    "noise": lambda d: (f"noise {d.noise[0]:.0f}", d.noise[0] >= 0.5),
    "erase": lambda d: ("a patch", d.patch[0, 2] > 0),
}


def _share(word, value):
    return f"{word} {value:+.0%}", abs(value) >= 0.005


def said(draws, settings):
    """What one of `Draws` does, in words; transforms that are turned off or do next to nothing are left out."""
    told = [SAID[name](draws) for name in FIELDS if name in SAID and getattr(settings, name)]
    words = ", ".join(words for words, happens in told if happens)
    return words.replace("-", "−").replace("%", " %") or "as it is"


def share_outside(images, points, settings, seed=0):
    """Share of the labels that random views move out of the picture; NaN without labels.

    Args:
        images: [n, H, W, C], only their size matters. points: float32 [n, k, 2] px. settings: `AugmentSettings`.
    """
    from data.augment import move

    size = images.shape[1:3]
    draws = draw(settings, TRIED * len(points), [seed, 3])
    moved = move(np.tile(points, (TRIED, 1, 1)), draws.matrices(size))
    known = np.isfinite(moved).all(-1)
    inside = ((moved >= -0.5) & (moved <= np.array(size[::-1]) - 0.5)).all(-1)
    return float((known & ~inside).sum() / known.sum()) if known.any() else np.nan


def sides_kept(view, original, schema):
    """(pairs whose left point lies on the same side of the right one as in `original`, pairs labelled in both)."""
    pairs = [(p, int(q)) for p, q in enumerate(schema.mirror) if p < q]
    order = [np.array([points[p, 0] - points[q, 0] for p, q in pairs]) for points in (original.points, view.points)]
    known = np.isfinite(order[0]) & np.isfinite(order[1]) if pairs else np.zeros(0, bool)
    return int((known & (np.sign(order[0]) == np.sign(order[1]))).sum()), int(known.sum())
