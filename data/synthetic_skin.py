"""Paints the flat face: skin, brows, eyes, nose, mouth, beard and front hair, as grey levels under full light."""
# ruff: noqa: RUF005  (sums of vectors, not of lists)

import cv2
import numpy as np

from data.synthetic_head import TALL, V0, WIDE, bumps, cells
from data.synthetic_paint import SHIFT, Painter, arc, ellipse, stroke, texture
from data.synthetic_points import P


def paint(face, person, shot, rng, scale):
    """The flat face, uint8 [TALL * scale, WIDE * scale]."""
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
    """Bare skin with its tones, folds and pores, uint8 [canvas, canvas]."""
    tones = 1 + bumps(_tones(face, person, rng), scale)
    tones += rng.gamma(1.5, 0.03) * texture("clouds", tones.shape, rng)
    tones *= _creases(face, person, rng, scale)
    skin = cv2.resize(person.skin * tones, tuple(scale * n for n in (WIDE, TALL)))
    skin += texture("grain", skin.shape, rng) * (2 + 3 * person.age)
    return np.clip(skin, 0, 255).astype(np.uint8)


def _tones(face, person, rng):
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
            (-0.2, u + sign * 7, v - 4, 6, 4, 4),
            (-0.08 - 0.08 * age, u - sign, v + 6, 6, 2, 2),
            (0.06, u + sign * 2, v + 16, 7, 6, 6),
            (-0.12, u - sign * 9, v - 1, 3, 5, 4),
        ]
    table = np.array(table)
    table[:, 0] *= np.exp(rng.normal(0, 0.35, len(table)))
    return table


def _creases(face, person, rng, scale):
    """Factor [cells, cells] of folds beside the nose and mouth, under the eyes and on the forehead."""
    mask = np.zeros((TALL * scale // 2, WIDE * scale // 2), np.uint8)
    for points, strength in _folds(face, person, rng):
        tone = min((45 + 130 * person.age) * strength, 255)
        stroke(mask, cells(points, scale), float(tone), 0.6 * scale)
    return 1 - cv2.GaussianBlur(mask, (0, 0), 0.4 * scale).astype(np.float32) * np.float32(0.6 / 255)


def _folds(face, person, rng):
    """Lines of skin folds and their strengths."""
    f, tip = face.flat, face.flat[P["nose_tip"]]
    for side, sign in (("left", 1), ("right", -1)):
        corner, eye = f[P[f"mouth_{side}_corner"]], f[P[f"{side}_eye_center"]]
        wing = tip + [sign * 8.5, -1]
        yield arc(wing, (wing + corner) / 2 + [sign * 3.5, -1], corner + [sign * 2.5, -2], 1, 7), rng.uniform(0.3, 1.2)
        yield arc(wing + [-sign, -1], wing + [sign * 1.3, 2], [wing[0] - sign, face.nose_base - 0.5], 1, 5), 1
        yield arc(eye + [-sign * 6, 4], eye + [0, 7.5], eye + [sign * 7, 5], 1, 7), rng.uniform(0, 0.9)
    for k in range(3 if person.age > 0.5 else 0):
        v = f[P["left_eyebrow_inner_end"], 1] - 6 - 4.5 * k + rng.normal()
        yield arc(np.array([28, v + 2]), np.array([48, v]), np.array([68, v + 2]), 1, 7), 0.4


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
    painter.fill(np.vstack([edge, inner[::-1]]), lip * 0.74)
    if gap:
        _opening(painter, inner, under, gap, person, shot)
    else:
        shut, where = painter.mask([np.vstack([inner - [0, 0.8], inner[::-1] + [0, 0.8]])], 0.3)
        painter.lay(shut, where, person.skin * 0.25)
    painter.line(inner, person.skin * 0.4, 0.6)


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
        hole = ellipse(np.array([u + sign * 4.2, base - 1.9]), (2.2, 0.95), 8)
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
    """Hair that falls over forehead and temples, or the front of a cap."""
    if person.style == "bald":
        return
    cap = person.style == "cap"
    mask, where = painter.mask([_hairline(face, person)], 0.6 if cap else 1.6, 0)
    strands = texture("strands", mask.shape, rng)
    if not cap:  # ragged edges
        mask = np.clip((mask - 0.5 + 0.14 * strands) * 2.5 + 0.5, 0, 1)
    tone = (person.hair + 6) * (1 + (0.04 if cap else 0.28) * strands)
    painter.lay(mask, where, np.clip(tone, 0, 255))


def _hairline(face, person):
    """Outline of everything above the hairline, u and v."""
    centre, first, second, side = person.hairline
    middle = face.flat[:, 0].mean()
    down = {"long": 120, "cap": 22}.get(person.style, 50)
    edge = [
        (-side, down - 8),
        (1 - side, (first + down) / 2 - 4),
        (-22, first),
        (-9, (centre + first) / 2),
        (0, centre),
    ]
    edge += [(9, (centre + second) / 2), (22, second), (side - 1, (second + down) / 2 - 4), (side, down - 8)]
    border = [(70, down - 3), (70, V0 - 2), (-70, V0 - 2), (-70, down - 3)]
    return np.array(edge + border) + (middle, 0)
