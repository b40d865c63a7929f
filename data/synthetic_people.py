"""Who is drawn and how: a person's lasting traits, and what changes from one shot to the next. Lengths in px of 96."""

from dataclasses import dataclass

import numpy as np

HAIR = ("short",) * 6 + ("side", "side", "fringe", "long", "long", "long", "bald", "bald", "cap")


@dataclass(frozen=True)
class Person:
    """Lasting traits. Tones are grey levels 0 to 255 under full light; proportions are factors near 1."""

    shape: np.ndarray  # [30] standard normals of the points' shape
    skin: float
    hair: float
    brow: float  # tone of the brows as a share of the skin's
    brow_height: float  # px
    style: str
    volume: float  # px of hair over the skull
    hairline: tuple  # v at the centre, at the image's left and right, and px from the middle at the eyes' height
    build: dict  # proportions of the skull and its features
    iris: float
    age: float  # 0 smooth to 1 wrinkled
    beard: tuple  # strength 0 to 1 of moustache, beard, stubble
    lips: float  # tone as a share of the skin's
    glasses: tuple | None  # (shape exponent, half width, half height, thickness, frame tone, lens darkness)


@dataclass(frozen=True)
class Shot:
    """What changes between pictures of one person."""

    opening: np.ndarray  # [2] height of the image-right and image-left eye's opening, px
    gaze: np.ndarray  # [2] px
    teeth: float  # 0 none to 1 a full row
    light: dict
    background: float
    clothes: float


def draw_person(rng):
    """A random person."""
    skin = float(np.clip(rng.normal(178, 38), 60, 240))
    hair = float(
        np.clip(rng.choice([35, 60, 95, 150, 205], p=[0.4, 0.25, 0.15, 0.12, 0.08]) + rng.normal(0, 15), 8, 235)
    )
    style = str(rng.choice(HAIR))
    names = "cheek nose socket brow chin jaw".split()
    spread = (0.06, 0.2, 0.3, 0.35, 0.12, 0.2)
    build = {
        name: float(np.clip(rng.normal(1, s), 1 - 2 * s, 1 + 2 * s)) for name, s in zip(names, spread, strict=True)
    }
    return Person(
        shape=rng.standard_normal(30),
        skin=skin,
        hair=hair,
        brow=float(rng.uniform(0.25, 0.8)),
        brow_height=float(rng.uniform(1.8, 4.6)),
        style=style,
        volume=float(rng.uniform(1, 9)),
        hairline=_hairline(style, rng),
        build=build,
        iris=float(rng.choice([35, 55, 95], p=[0.5, 0.3, 0.2])),
        age=float(rng.beta(1.2, 1.6)),
        beard=_beard(style, rng),
        lips=float(rng.uniform(0.65, 0.95)),
        glasses=_glasses(rng) if rng.random() < 0.2 else None,
    )


def _hairline(style, rng):
    centre, spread = {"bald": (-20, 3), "cap": (8, 5), "fringe": (17, 5), "long": (0, 6)}.get(style, (0, 6))
    v = rng.normal(centre, spread)
    tilt = rng.normal(0, 9 if style in ("side", "long") else 2)
    drop = rng.uniform(2, 14) if style != "cap" else rng.uniform(-1, 3)
    side = rng.uniform(27, 36) if style == "long" else rng.uniform(31, 39)
    return float(v), float(v + drop + tilt), float(v + drop - tilt), float(side)


def _beard(style, rng):
    kind = rng.random() * (0.45 if style in ("short", "bald") else 1.4)
    if kind < 0.07:
        return float(rng.uniform(0.5, 1)), float(rng.uniform(0.5, 1)), 0.5
    if kind < 0.14:
        return float(rng.uniform(0.5, 1)), 0.0, 0.2
    return 0.0, 0.0, float(rng.uniform(0, 0.7)) if kind < 0.4 else 0.0


def _glasses(rng):
    sun = rng.random() < 0.07
    return (
        float(rng.choice([2.0, 2.6, 4.5])),
        float(rng.uniform(9.5, 13)),
        float(rng.uniform(6, 10)),
        float(rng.uniform(0.5, 1.8)),
        float(rng.choice([15, 40, 90, 210])),
        float(rng.uniform(0.6, 0.95)) if sun else float(rng.uniform(0, 0.15)),
    )


def draw_shot(rng):
    """A random shot."""
    opening = np.full(2, np.clip(rng.normal(4.2, 1.1), 1.8, 7.0)) + rng.normal(0, 0.25, 2)
    if rng.random() < 0.08:
        opening = rng.uniform(0, 1.2, 2)
    return Shot(
        opening=opening,
        gaze=rng.normal(0, (0.7, 0.4)) * (1 if rng.random() < 0.8 else 2.5),
        teeth=float(np.clip(rng.normal(0.5, 0.5), 0, 1)),
        light=_light(rng),
        background=float(245 * rng.beta(1.1, 1.7)),
        clothes=float(245 * rng.beta(0.8, 1.3)),
    )


def _light(rng):
    """A lamp from above or the side, with daylight all round."""
    side, height = rng.normal(0, 0.7), rng.normal(0.5, 0.35)
    direction = np.array([np.sin(side) * np.cos(height), -np.sin(height), np.cos(side) * np.cos(height)])
    return {
        "direction": direction,
        "ambient": float(rng.uniform(0.08, 0.6)),
        "cast": float(rng.uniform(0, 0.6)),
        "hollow": float(rng.uniform(0.02, 0.09)),
        "shine": float(max(0, rng.normal(0.03, 0.08))),
    }
