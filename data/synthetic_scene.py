"""What surrounds a drawn face: background, hair, ears, neck and clothes behind it; things before it."""
# ruff: noqa: RUF005  (sums of vectors, not of lists)

import cv2
import numpy as np

from data.synthetic_paint import ellipse, polygon, stroke, texture
from data.synthetic_points import P


class Scene:
    """An image of `side` px and the calls that draw on it at 96-px positions or at points of the head."""

    def __init__(self, face, side):
        self.face, self.side, self.zoom = face, side, side / 96
        self.image = np.zeros((side, side), np.uint8)

    def px(self, xy):
        return (np.asarray(xy, float) + 0.5) * self.zoom - 0.5

    def head(self, uv, depth):
        """Image pixels of points at u and v, `depth` px before the eyes' plane."""
        return self.px(self.face.project(np.column_stack([uv, np.broadcast_to(depth, len(uv))])))

    def fill(self, points, tone):
        polygon(self.image, points, float(np.clip(tone, 0, 255)))

    def line(self, points, tone, width):
        stroke(self.image, points, float(np.clip(tone, 0, 255)), width * self.zoom)


def draw_behind(scene, person, shot, rng):
    """Background, hair, ears, neck and clothes."""
    scene.image[:] = _background(scene, shot, rng)
    middle = scene.face.flat[:, 0].mean()
    _back_hair(scene, person, middle)
    _body(scene, person, shot, middle, rng)
    if person.style != "long":
        _ears(scene, person, shot, middle)


def _background(scene, shot, rng):
    """A wall with a slope of light, patches, beams, and often out of focus; at half the scene's resolution."""
    image = _wall(shot, scene.side // 2, rng)
    zoom = scene.zoom / 2
    for _ in range(rng.poisson(3)):
        centre, size = rng.uniform(-10, 106, 2), rng.gamma(2, 9, 2) + 2
        shape = ellipse(centre, size, 10, float(rng.choice([1.5, 2, 8]))) + rng.normal(0, 1, (10, 2))
        polygon(image, shape * zoom, float(255 * rng.beta(1, 1.4)))
    for _ in range(rng.poisson(1)):
        ends = rng.uniform(-10, 106, (2, 2))
        if rng.random() < 0.6:
            ends[1, rng.integers(2)] = ends[0, rng.integers(2)]
        stroke(image, ends * zoom, float(rng.uniform(0, 255)), rng.uniform(0.5, 5) * zoom)
    if rng.random() < 0.6:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.5, 4) * zoom)
    return cv2.resize(image, (scene.side, scene.side))


def _wall(shot, side, rng):
    y, x = np.mgrid[-0.5:0.5:24j, -0.5:0.5:24j].astype(np.float32)
    slope = rng.normal(0, 45, 2)
    rough = rng.normal(0, 30) * texture("clouds", (240, 240), rng)[::10, ::10]
    wall = shot.background + slope[0] * x + slope[1] * y + rough
    return np.clip(cv2.resize(wall, (side, side)), 0, 255).astype(np.uint8)


def _back_hair(scene, person, middle):
    if person.style == "bald":
        return
    tone = person.hair * 0.8
    wide = 38 * person.build["cheek"] + person.volume
    scene.fill(scene.head(ellipse((middle, 28), (wide, 46 + 0.6 * person.volume)), -28), tone)
    if person.style == "long":
        scene.fill(
            scene.head(
                [(middle - wide, 30), (middle + wide, 30), (middle + wide + 3, 122), (middle - wide - 3, 122)], -24
            ),
            tone,
        )


def _body(scene, person, shot, middle, rng):
    face = scene.face
    foot = face.project([(middle, 88, -30)])[0]
    narrow, shoulder = rng.uniform(17, 26), rng.uniform(101, 111)
    neck = foot + np.array([(-narrow, -14), (narrow, -14), (narrow + 4, 60), (-narrow - 4, 60)])
    scene.fill(scene.px(neck), person.skin * rng.uniform(0.25, 0.7))
    for sign in (1, -1):
        x, y = foot[0], shoulder - 97 + foot[1]
        cloth = [
            (x + sign * 4, y + 24),
            (x + sign * (narrow + 1), y - 6),
            (x + sign * 70, y + 8),
            (x + sign * 70, y + 60),
            (x, y + 60),
        ]
        scene.fill(scene.px(cloth), shot.clothes)


def _ears(scene, person, shot, middle):
    for sign in (1, -1):
        u = middle + sign * 38 * person.build["cheek"]
        lit = 0.75 + 0.25 * sign * shot.light["direction"][0]
        ear = ellipse((u, 46), (6, 11.5), 14)
        scene.fill(scene.head(ear, -32), person.skin * 0.85 * lit)
        inner = ellipse((u + sign, 46), (2.5, 7), 10)
        scene.fill(scene.head(inner, -31), person.skin * 0.55 * lit)


def draw_before(scene, person, shot, rng):
    """Glasses, and now and then a hand, a microphone or a lock of hair before the face."""
    if person.glasses:
        _glasses(scene, person, rng)
    if rng.random() < 0.06:
        _microphone(scene, rng)
    if rng.random() < 0.05:
        _stray(scene, rng)


def _glasses(scene, person, rng):
    power, wide, high, thick, tone, dark = person.glasses
    flat = scene.face.flat
    eyes = flat[[P["left_eye_center"], P["right_eye_center"]]] + [0, 1.5]
    glare = rng.random() < 0.15
    for eye, sign in zip(eyes, (1, -1), strict=True):
        lens = ellipse(eye + [sign * 0.5, 0], (wide, high), 24, power)
        depth = 9 - 0.35 * np.maximum(sign * (lens[:, 0] - eye[0]), 0)
        points = scene.head(lens, depth)
        if dark:
            _tint(scene, points, 25, dark)
        if glare:
            _tint(scene, scene.head(eye + rng.normal(0, 3, 2) + (lens - eye) * 0.4, 9), 235, rng.uniform(0.15, 0.6))
        scene.line(np.vstack([points, points[:1]]), tone, thick)
        arm = [(eye[0] + sign * wide, eye[1] - 2), (48 + sign * 38, eye[1])]
        scene.line(scene.head(arm, np.array([6.0, -30])), tone, thick)
    bridge = [
        (eyes[1, 0] + wide, eyes[1, 1] - 2),
        (eyes.mean(0)[0], eyes.mean(0)[1] - 3.5),
        (eyes[0, 0] - wide, eyes[0, 1] - 2),
    ]
    scene.line(scene.head(bridge, 10), tone, thick)


def _tint(scene, points, tone, share):
    over = scene.image.copy()
    polygon(over, points, float(tone))
    cv2.addWeighted(over, share, scene.image, 1 - share, 0, scene.image)


def _microphone(scene, rng):
    mouth = scene.face.project([(*scene.face.flat[P["mouth_center_bottom_lip"]], 10)])[0]
    tip = mouth + rng.normal((0, 7), (8, 5))
    radius = rng.uniform(3, 8)
    end = tip + [rng.normal(0, 25), 60]
    scene.line(scene.px([tip, end]), rng.uniform(5, 90), radius * 1.2)
    scene.fill(scene.px(ellipse(tip, (radius, radius * 1.2))), rng.uniform(5, 150))


def _stray(scene, rng):
    """Something that hides part of the face: a hand, a sign, a neighbour's shoulder."""
    angle = rng.uniform(0, 2 * np.pi)
    centre = 48 + 46 * np.array([np.cos(angle), np.sin(angle)])
    shape = ellipse(centre, rng.uniform(6, 20, 2), 9) + rng.normal(0, 2, (9, 2))
    scene.fill(scene.px(shape), rng.uniform(10, 240))
