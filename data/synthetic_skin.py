"""Paints the flat face: skin, brows, eyes, nose, mouth, beard and front hair, as grey levels under full light."""
# ruff: noqa: RUF005  (sums of vectors, not of lists)

from functools import lru_cache

import cv2
import numpy as np

from data.synthetic_head import EXTENT, U0, V0, bumps, canvas
from data.synthetic_points import P

SHIFT = 5  # bits of sub-pixel position in OpenCV's drawing calls


@lru_cache(maxsize=1)
def noise_bank():
    """float32 [3, 768, 768] textures of mean 0 and sd 1: clouds, grain, strands (vertical). The same in every run."""
    rng = np.random.default_rng(20)
    n = 768
    layers = [cv2.resize(rng.standard_normal((n // k, n // k), np.float32), (n, n)) * k**0.7 for k in (48, 16, 6, 3)]
    grain = cv2.GaussianBlur(rng.standard_normal((n, n), np.float32), (0, 0), 0.8)
    strands = cv2.GaussianBlur(rng.standard_normal((n, n), np.float32), (0, 0), 0.9, sigmaY=9)
    strands = strands + 0.6 * cv2.GaussianBlur(rng.standard_normal((n, n), np.float32), (0, 0), 3, sigmaY=20) * 3
    return np.stack([(layer - layer.mean()) / layer.std() for layer in (sum(layers), grain, strands)])


def texture(kind, shape, rng):
    """A random cut [h, w] of one of the textures, by name; larger than the bank: repeated."""
    bank = noise_bank()[("clouds", "grain", "strands").index(kind)]
    y, x = rng.integers(0, 500, 2)
    rows, columns = (np.arange(shape[0]) + y) % len(bank), (np.arange(shape[1]) + x) % len(bank)
    if y + shape[0] <= len(bank) and x + shape[1] <= len(bank):
        return bank[y : y + shape[0], x : x + shape[1]]
    return bank[rows[:, None], columns]


def polygon(image, points, tone):
    """Fill a polygon given in image pixels, with sub-pixel corners and smooth edges."""
    cv2.fillPoly(image, [_fixed(points)], tone, cv2.LINE_AA, SHIFT)


def stroke(image, points, tone, width):
    """Draw an open line of a width in whole pixels."""
    cv2.polylines(image, [_fixed(points)], False, tone, max(1, round(width)), cv2.LINE_AA, SHIFT)


def _fixed(points):
    return np.round(np.asarray(points) * (1 << SHIFT)).astype(np.int32)


def arc(a, middle, b, power=1.0, n=11):
    """Points [n, 2] of a bow from a to b through `middle`; a power under 1 makes it boxier."""
    a, middle, b = np.asarray(a, float), np.asarray(middle, float), np.asarray(b, float)
    t = np.linspace(0, 1, n)[:, None]
    return a + (b - a) * t + (middle - (a + b) / 2) * np.sin(np.pi * t).clip(0) ** power


class Painter:
    """A canvas in grey levels and the calls that put features on it at u and v."""

    def __init__(self, base, scale):
        self.image, self.scale = base, scale

    def at(self, points):
        return canvas(points, self.scale)

    def fill(self, points, tone):
        polygon(self.image, self.at(points), float(tone))

    def line(self, points, tone, width):
        stroke(self.image, self.at(points), float(tone), width * self.scale)

    def box(self, points, margin):
        """Slices of the canvas around points, and their corner in canvas pixels."""
        p = self.at(points)
        low = np.maximum(np.floor(p.min(0) - margin * self.scale), 0).astype(int)
        high = np.maximum(np.ceil(p.max(0) + margin * self.scale), low + 1).astype(int) + 1
        return (slice(low[1], high[1]), slice(low[0], high[0])), low

    def mask(self, outlines, blur, margin=None):
        """Soft mask in [0, 1] of polygons, and where it lies on the canvas. None where it lies outside."""
        where, low = self.box(np.vstack(outlines), 2.5 * blur + 1 if margin is None else margin)
        mask = np.zeros(self.image[where].shape, np.uint8)
        for outline in outlines:
            polygon(mask, self.at(outline) - low, 255)
        if blur:
            mask = cv2.GaussianBlur(mask, (0, 0), blur * self.scale)
        return mask.astype(np.float32) * np.float32(1 / 255), where

    def lay(self, mask, where, tone):
        """Blend a tone, or an image of tones, over the canvas."""
        under = self.image[where].astype(np.float32)
        self.image[where] = np.clip(under + (tone - under) * mask, 0, 255)


def paint(face, person, shot, rng, scale):
    """The flat face, uint8 [EXTENT * scale, EXTENT * scale]."""
    painter = Painter(_skin(face, person, rng, scale), scale)
    _beard(painter, face, person, rng)
    _mouth(painter, face, person, shot)
    _nose(painter, face, person)
    for side in (0, 1):
        _eye(painter, face, person, shot, side)
        _brow(painter, face, person, rng, side)
    _hair(painter, face, person, rng)
    return painter.image


def _skin(face, person, rng, scale):
    tones = bumps(_tones(face, person), scale)
    clouds = texture("clouds", tones.shape, rng)
    side = EXTENT * scale
    skin = cv2.resize(person.skin * (1 + tones + 0.03 * clouds), (side, side))
    skin += texture("grain", skin.shape, rng) * (2 + 3 * person.age)
    creases = _creases(face, person, rng, scale)
    return np.clip(skin * creases, 0, 255).astype(np.uint8)


def _tones(face, person):
    """Bumps of skin tone, as shares: dark around the eyes and under lips and nose, light on cheeks and forehead."""
    f = face.flat
    age = person.age
    tip_u = f[P["nose_tip"], 0]
    mouth_u, bottom = f[P["mouth_center_bottom_lip"]]
    table = [(-0.18, tip_u, face.nose_base - 1.5, 7.5, 1.8, 2), (-0.12, mouth_u, bottom + 2, 7, 1.5, 2.5)]
    table += [(-0.14, tip_u + sign * 9.5, face.nose_base - 4, 2.2, 4, 2.5) for sign in (1, -1)]
    for side, sign in (("left", 1), ("right", -1)):
        u, v = f[P[f"{side}_eye_center"]]
        table += [
            (-0.2 - 0.1 * age, u, v - 1.5, 8, 5, 3),
            (-0.15, u + sign * 5, v - 4, 6, 4, 3),
            (-0.08 - 0.08 * age, u - sign, v + 6, 6, 2, 2),
            (0.06, u + sign * 2, v + 16, 7, 6, 6),
            (-0.12, u - sign * 9, v - 1, 3, 5, 4),
        ]
    return table


def _creases(face, person, rng, scale):
    """Factor [canvas, canvas] of folds beside the nose and mouth, under the eyes and on the forehead."""
    mask = np.zeros((EXTENT * scale, EXTENT * scale), np.uint8)
    f, depth = face.flat, 25 + 130 * person.age
    tip = f[P["nose_tip"]]
    width = 1.2 * scale

    def draw(points, strength):
        stroke(mask, canvas(points, scale), float(min(depth * strength, 255)), width)

    for side, sign in (("left", 1), ("right", -1)):
        corner, eye = f[P[f"mouth_{side}_corner"]], f[P[f"{side}_eye_center"]]
        alar = tip + [sign * 8.5, -1]
        draw(arc(alar, (alar + corner) / 2 + [sign * 3.5, -1], corner + [sign * 2.5, -2], 1, 7), 0.8)
        draw(arc(alar + [-sign, -1], alar + [sign * 1.3, 2], [alar[0] - sign, face.nose_base - 0.5], 1, 5), 1)
        draw(arc(eye + [-sign * 6, 4], eye + [0, 7.5], eye + [sign * 7, 5], 1, 7), 0.5)
    if person.age > 0.5:
        for k in range(3):
            v = f[P["left_eyebrow_inner_end"], 1] - 6 - 4.5 * k + rng.normal()
            draw(arc([28, v + 2], [48, v], [68, v + 2], 1, 7), 0.4)
    soft = cv2.GaussianBlur(mask, (0, 0), 0.7 * scale).astype(np.float32)
    return 1 - soft * np.float32(0.6 / 255)


def _beard(painter, face, person, rng):
    moustache, beard, stubble = person.beard
    f = face.flat
    right, left = f[P["mouth_right_corner"]], f[P["mouth_left_corner"]]
    top, bottom = f[P["mouth_center_top_lip"]], f[P["mouth_center_bottom_lip"]]
    base = np.array([f[P["nose_tip"], 0], face.nose_base + 1.5])
    whiskers = np.vstack(
        [arc(right + [-2, 3], top + [0, 1.5], left + [2, 3]), arc(left + [1, -1], base, right + [-1, -1])]
    )
    jaw = np.array(
        [[9, 52], right + [-7, -5], base + [-7, 1], base + [7, 1], left + [7, -5], [87, 52], [86, 112], [10, 112]]
    )
    chin = np.vstack([arc(right + [-4, 0], bottom + [0, 4], left + [4, 0]), [left + [6, 25], right + [-6, 25]]])
    tone = person.hair * 0.8 + 10
    for outline, strength, blur in (
        (jaw, 0.45 * stubble, 3),
        (chin if beard < 0.7 else jaw, beard, 2),
        (whiskers, moustache, 0.8),
    ):
        if strength > 0.05:
            mask, where = painter.mask([outline], blur)
            mask *= strength * np.clip(0.85 + 0.2 * texture("grain", mask.shape, rng), 0, 1)
            painter.lay(mask, where, tone)


def _mouth(painter, face, person, shot):
    f = face.flat
    right, left = f[P["mouth_right_corner"]], f[P["mouth_left_corner"]]
    top, bottom = f[P["mouth_center_top_lip"]], f[P["mouth_center_bottom_lip"]]
    upper, gap, lower = face.mouth
    above, below = top + [0, upper], bottom - [0, lower]
    lip = person.skin * person.lips
    edge, inner = arc(right, top, left, 0.9), arc(right, above, left)
    edge[[4, 6], 1] -= 0.5  # the bow on both sides of its dip
    under, rim = arc(right, below, left, 0.8), arc(right, bottom, left, 0.9)
    mask, where = painter.mask([np.vstack([edge, rim[::-1]])], 0.5)
    painter.lay(mask, where, 0.5 * (lip + person.skin * 0.97))
    painter.fill(np.vstack([edge, inner[::-1]]), lip * 0.88)
    if gap:
        _opening(painter, inner, under, gap, person, shot)
    else:
        shut, where = painter.mask([np.vstack([inner - [0, 0.55], inner[::-1] + [0, 0.55]])], 0.3)
        painter.lay(shut, where, person.skin * 0.25)
    painter.line(inner[:2], person.skin * 0.45, 0.8)
    painter.line(inner[-2:], person.skin * 0.45, 0.8)


def _opening(painter, inner, under, gap, person, shot):
    painter.fill(np.vstack([inner, under[::-1]]), 18 + 0.1 * person.skin)
    height = min(gap, 3.5) * shot.teeth
    if height > 0.4:
        t = np.linspace(0, 1, len(inner))[:, None]
        reach = np.minimum(height * np.sin(np.pi * t), (under - inner)[:, 1:]).clip(0)
        row = slice(2, -2)
        painter.fill(np.vstack([inner[row], (inner + reach * [0, 1])[row][::-1]]), 150 + 0.35 * person.skin)


def _nose(painter, face, person):
    u, base = face.flat[P["nose_tip"], 0], face.nose_base
    for sign in (1, -1):
        t = np.linspace(0, 2 * np.pi, 9)[:-1]
        hole = np.array([u + sign * 4.2, base - 1.9]) + np.column_stack([2.2 * np.cos(t), 0.95 * np.sin(t)])
        hole[:, 1] += sign * 0.25 * (hole[:, 0] - u - sign * 4.2)
        mask, where = painter.mask([hole], 0.4)
        painter.lay(mask, where, person.skin * 0.28)


def _eye(painter, face, person, shot, side):
    name = ("left", "right")[side]
    f = face.flat
    inner, outer, centre = (f[P[f"{name}_eye_{part}"]] for part in ("inner_corner", "outer_corner", "center"))
    half = shot.opening[side] / 2
    lid, under = arc(inner, centre - [0, half], outer, 0.8), arc(inner, centre + [0, half], outer, 0.9)
    if half > 0.6:
        outline = np.vstack([lid, under[::-1]])
        mask, where = painter.mask([outline], 0, 2)
        painter.lay(mask, where, _ball(painter, centre + shot.gaze, half, outline, person, where))
    crease = lid[1:-1] - [0, 1.6 + 0.25 * half]
    painter.line(crease, person.skin * 0.62, 0.5)
    painter.line(under[2:], person.skin * 0.6, 0.5)
    lashes = np.vstack([lid + [0, 0.3], lid[::-1] - [0, 1.0]])
    lash, where = painter.mask([lashes], 0.35)
    painter.lay(lash * 0.9, where, person.skin * 0.22)


def _ball(painter, pupil, half, outline, person, where):
    """Grey levels of the eyeball over the part `where` of the canvas."""
    ball = np.full(painter.image[where].shape, np.clip(0.5 * person.skin + 45, 60, 175), np.uint8)
    corner = np.array([where[1].start, where[0].start])
    x, y = (painter.at(pupil) - corner) * (1 << SHIFT)
    for radius, tone in ((3.4, person.iris * 0.6), (3.0, person.iris), (1.4, 10)):
        cv2.circle(
            ball, (round(x), round(y)), round(radius * painter.scale * (1 << SHIFT)), tone, -1, cv2.LINE_AA, SHIFT
        )
    spark = round(x + 24 * painter.scale), round(y - 30 * painter.scale)
    cv2.circle(ball, spark, round(0.55 * painter.scale * (1 << SHIFT)), 235, -1, cv2.LINE_AA, SHIFT)
    rows = np.arange(ball.shape[0]) + corner[1]
    shadow = np.clip((rows - painter.at(outline)[:, 1].min()) / (2.5 * painter.scale), 0, 1) * 0.5 + 0.5
    return ball * shadow[:, None].astype(np.float32)  # the upper lid's shadow


def _brow(painter, face, person, rng, side):
    name = ("left", "right")[side]
    inner, outer = (face.flat[P[f"{name}_eyebrow_{end}_end"]] for end in ("inner", "outer"))
    middle = inner + (outer - inner) * 0.5 + [0, -2.2]
    spine = arc(inner, middle, outer, 1, 9) + [0, 0.4]  # annotators keep to the upper half
    t = np.linspace(0, 1, 9)
    half = 0.5 * person.brow_height * np.interp(t, [0, 0.15, 0.6, 1], [0.8, 1.05, 0.9, 0.25])
    up = np.column_stack([np.zeros(9), half])
    mask, where = painter.mask([np.vstack([spine - up, (spine + up)[::-1]])], 0.5)
    hairs = np.clip(0.85 + 0.2 * texture("strands", mask.shape, rng), 0.3, 1)
    painter.lay(mask * hairs, where, person.skin * person.brow * 0.8)


def _hair(painter, face, person, rng):
    if person.style == "bald":
        return
    centre, first, second, side = person.hairline
    middle = face.flat[:, 0].mean()
    down = {"long": 120, "cap": 22}.get(person.style, 50)
    edge = [
        (-24, down),
        (-side, down - 8),
        (-side + 1, (first + down) / 2 - 4),
        (-22, first),
        (-9, (centre + first) / 2),
    ]
    edge += [
        (0, centre),
        (9, (centre + second) / 2),
        (22, second),
        (side - 1, (second + down) / 2 - 4),
        (side, down - 8),
    ]
    edge = np.array([(middle + u, v) for u, v in edge[1:]])
    border = [(middle + 70, edge[-1, 1] + 5), (U0 + EXTENT, V0), (U0, V0), (middle - 70, edge[0, 1] + 5)]
    mask, where = painter.mask([np.vstack([edge, border])], 0.6 if person.style == "cap" else 1.2, 0)
    flat = 0.04 if person.style == "cap" else 0.28
    strands = texture("strands", mask.shape, rng)
    soft = np.clip(mask * (1 + (flat - 0.04) * strands), 0, 1)
    painter.lay(soft, where, np.clip((person.hair + 6) * (1 + flat * strands), 0, 255))
