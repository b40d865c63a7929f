"""The drawn head as a height map over the face's plane, lit by one lamp, and seen from the camera by marching rays.

The canvas is the flat face: u from U0 over WIDE and v from V0 over TALL px of a 96 px image, at `scale` canvas pixels
per px. The height map has a cell for every two canvas pixels each way.
"""

from functools import lru_cache

import cv2
import numpy as np

from data.synthetic_points import P

U0, WIDE, V0, TALL = 0.0, 96, -22.0, 128
DEPTH, HALF_WIDTH = 44.0, 40.0  # of the skull, px
BACK = 42.0  # height of the eyes' plane over the ears: depths of points count from there
EDGE = 5.0  # height at which the head ends; below is background
MARCH = ((48, 7), (96, 5))  # (grid, steps): rays start coarse and end fine


@lru_cache(maxsize=8)
def axis(start, extent, scale):
    """u or v [cells] of the height map's cells: two canvas pixels each."""
    return (start + (2 * np.arange(extent * scale // 2) + 0.5) / scale).astype(np.float32)


def canvas(points, scale):
    """Canvas pixel positions of points [n, 2] given as u and v."""
    return (np.asarray(points, np.float64) - (U0, V0)) * scale


def cells(points, scale):
    """Height-map positions, in cells, of points [n, 2] given as u and v."""
    return (canvas(points, scale) + 0.5) / 2 - 0.5


def bumps(table, scale):
    """Sum of Gaussian bumps, float32 [cells, cells].

    Args:
        table: rows of amplitude, u, v, width in u, width upwards, width downwards.
    """
    a, u, v, su, up, down = np.asarray(table, np.float32).T[..., None]
    x, y = axis(U0, WIDE, scale)[None] - u, axis(V0, TALL, scale)[None] - v
    across = a * np.exp(-0.5 * (x / su) ** 2)
    along = np.exp(-0.5 * (y / np.where(y < 0, up, down)) ** 2)
    return along.T @ across


def heights(face, build, scale):
    """Height map [cells, cells] of a head, px over its ears.

    Args:
        face: Face.
        build: dict of the person's proportions: cheek, nose, brow, chin, socket, jaw, all near 1.
    """
    flat = face.flat
    chin = flat[P["mouth_center_bottom_lip"], 1] + 14 * build["chin"]
    u, v = axis(U0, WIDE, scale), axis(V0, TALL, scale)
    jaw = np.clip((v - 55) / (chin - 55), 0, 1.2)
    width = HALF_WIDTH * build["cheek"] * (1 - (0.28 * jaw + 0.32 * jaw**3) / build["jaw"])
    middle = flat[:, 0].mean()
    r = np.abs((u[None] - np.float32(middle)) / width[:, None].astype(np.float32))
    r = np.minimum(r, 1.6)
    r *= r
    skull = DEPTH * (1 - r * r)
    top = np.maximum(8 - v, 0) ** 2 * 0.022
    under = np.maximum(v - chin + 6, 0) ** 2 * 0.22
    fall = np.minimum(top + under, 90).astype(np.float32)
    return skull - fall[:, None] + bumps(_relief(face, build, middle, chin), scale)


def _relief(face, build, middle, chin):
    """Bumps of brows, sockets, nose, cheeks, lips and chin over the smooth skull."""
    p = {name: face.flat[i] for name, i in P.items() if i < 15}
    (tip_u, tip_v), base = p["nose_tip"], face.nose_base
    nasion = (p["left_eye_center"] + p["right_eye_center"]) / 2
    upper, gap, lower = face.mouth
    mouth_u, line = p["mouth_center_top_lip"] + [0, upper]
    n, s, b = build["nose"], build["socket"], build["brow"]
    table = [(2 * b, middle, nasion[1] - 8, 7, 5, 4)]
    for side in ("left", "right"):
        (u, v), sign = p[f"{side}_eye_center"], 1 if side == "left" else -1
        table += [
            (3 * b, u, v - 8.5, 10, 5, 3.5),
            (-5.5 * s, u - sign * 2, v, 8, 5, 6),
            (3, u, v + 0.3, 5.5, 3.5, 3.5),
            (3, u + sign * 3, v + 17, 9, 8, 8),
            (4.5 * n, tip_u + sign * 6.5, tip_v + 1.5, 3, 3.5, 2),
        ]
    ridge = tip_v - nasion[1]
    table += [
        (3 * n, nasion[0], nasion[1] - 1, 3.6, 6, 6),
        (6.5 * n, (nasion[0] + tip_u) / 2, nasion[1] + 0.5 * ridge, 4, 6, 5),
        (11 * n, tip_u, tip_v - 1, 4.8, 6, (base - tip_v) * 0.38),
        (4.5, mouth_u, line, 15, 9, 9),
        (1.5, mouth_u, line - upper / 2, 7, 2, 1.5),
        (2.5, mouth_u, line + gap + lower / 2, 7, 1.6, 2.2),
        (-2, mouth_u, line + gap + lower + 3, 8, 2, 2.2),
        (5, middle, chin - 7, 9, 5, 5),
    ]
    return table


def sample(grid, points, scale):
    """Values of a height map at points [n, 2] given as u and v."""
    at = cells(points, scale).astype(np.float32)
    return cv2.remap(grid, at[None], None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0]


def shade(height, rotation, light):
    """How bright the lamp makes each cell, about 1 where it is turned to the lamp, as a photograph would show it.

    Args:
        height: float32 [cells, cells].
        light: dict: direction [3] in the camera's axes, ambient, hollow (how much hollows darken), cast (how deep
            shadows are), shine.
    """
    cell = TALL / height.shape[0]
    du = cv2.Sobel(height, cv2.CV_32F, 1, 0, scale=0.125 / cell)
    dv = cv2.Sobel(height, cv2.CV_32F, 0, 1, scale=0.125 / cell)
    x, y, z = (rotation.T @ light["direction"]).astype(np.float32)
    facing = (z - x * du - y * dv) / np.sqrt(1 + du * du + dv * dv)
    lit = light["ambient"] + (1 - light["ambient"]) * np.maximum(facing, 0)
    hollow = height - cv2.blur(height, (round(15 / cell),) * 2, borderType=cv2.BORDER_REPLICATE)
    lit *= 1 + light["hollow"] * np.clip(hollow, -6, 3)
    lit *= 1 - light["cast"] * _cast(height, x, y, z, cell)
    bright = np.sqrt(np.maximum(lit, 0.01))  # film's response flattens light
    gloss = np.maximum(facing, 0)
    gloss *= gloss
    gloss *= gloss
    return bright + light["shine"] * gloss * gloss * gloss


def _cast(height, x, y, z, cell):
    """Share of each cell that lies in the shadow of brows, nose or chin, for a lamp in direction (x, y, z)."""
    over = np.full_like(height, -9)
    for reach in (4.0, 8.0, 13.0):
        shift = np.float32([[1, 0, -reach * x / cell], [0, 1, -reach * y / cell]])
        towards = cv2.warpAffine(height, shift, height.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
        np.maximum(over, towards - np.float32(reach * max(z, 0.2)), out=over)
    return np.clip((over - height) * np.float32(0.3), 0, 1)


def look_up(height, face, scale, side):
    """Where on the canvas each image pixel's ray meets the head.

    Args:
        height: float32 [cells, cells].
        side: px of the image wanted.

    Returns:
        Canvas columns, canvas rows and heights there, each float32 [side, side].
    """
    depth = None
    for grid, steps in MARCH:
        origin, ray = _rays(face, grid)
        depth = np.full((grid, grid), 30.0, np.float32) if depth is None else cv2.resize(depth, (grid, grid)) + 1.5
        depth = _march(height, origin, ray, depth, steps, scale)
    u, v, there = (cv2.resize(o + r * depth, (side, side)) for o, r in zip(origin, ray, strict=True))
    return (u - np.float32(U0)) * scale, (v - np.float32(V0)) * scale, there


@lru_cache(maxsize=8)
def _pixels(grid):
    """x and y of a grid's pixels in a 96 px image."""
    return ((np.arange(grid) + 0.5) * (96 / grid) - 0.5).astype(np.float32)


def _rays(face, grid):
    """Head coordinates (3 arrays) of each pixel's ray at depth 0, and the ray's direction [3] towards the viewer."""
    x, y = _pixels(grid) - np.float32(face.centre[0]), _pixels(grid) - np.float32(face.centre[1])
    r = face.rotation.astype(np.float32)
    origin = [
        r[0, i] * x[None] + r[1, i] * y[:, None] + np.float32(face.pivot[i] + (BACK if i == 2 else 0)) for i in range(3)
    ]
    return origin, r[2]


def _march(height, origin, ray, depth, steps, scale):
    """Bring rays from the viewer's side down to the surface, by steps short enough not to jump through a nose."""
    h = np.float32(scale / 2)
    shift = np.float32(0.25 - 0.5)
    relax = np.float32(0.75 / (1 + 0.8 * (abs(ray[0]) + abs(ray[1]))))
    ou, ov = (origin[0] - np.float32(U0)) * h + shift, (origin[1] - np.float32(V0)) * h + shift
    for _ in range(steps):
        found = cv2.remap(
            height, ou + ray[0] * h * depth, ov + ray[1] * h * depth, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        depth = depth + relax * (found - origin[2] - ray[2] * depth)
    return depth
