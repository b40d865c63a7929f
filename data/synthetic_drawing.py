"""Puts one drawn face together: flat face, light, projection, surroundings, camera."""

import cv2
import numpy as np

from data import synthetic_head as head
from data.synthetic_camera import photograph
from data.synthetic_scene import Scene, draw_before, draw_behind
from data.synthetic_skin import paint

FINE = 2  # canvas and scene pixels per px of the picture, each way


def render(face, person, shot, rng, size=96):
    """Draw a face.

    Args:
        face: Face, the geometry in px of a 96 px image.
        person: Person.
        shot: Shot.
        rng: numpy Generator of everything left to chance.
        size: px of a side of the image.

    Returns:
        uint8 [size, size] image, and float64 [17, 2] positions of the output slots in px of a 96 px image.
    """
    big = max(size, 96)  # smaller pictures are made by shrinking
    scale = FINE * max(1, round(big / 96))
    height = head.heights(face, person.build, scale)
    flat = paint(face, person, shot, rng, scale)
    scene = Scene(face, FINE * big)
    draw_behind(scene, person, shot, rng)
    scene.image = _before(scene.image, face, height, _lit(flat, height, face, shot), scale)
    draw_before(scene, person, shot, rng)
    return photograph(scene.image, size, rng), _seen_at(face, height, scale)


def _lit(flat, height, face, shot):
    light = cv2.resize(head.shade(height, face.rotation, shot.light), flat.shape[::-1])
    return np.minimum(flat * light, 255)


def _before(behind, face, height, flat, scale):
    """The head, seen from the camera, before what is behind it."""
    column, row, there = head.look_up(height, face, scale, len(behind))
    seen = cv2.remap(flat, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    cover = np.clip((there - head.EDGE) * np.float32(1 / 3), 0, 1)
    return (behind + (seen - behind) * cover).astype(np.uint8)


def _seen_at(face, height, scale):
    """Image positions of the output slots, which lie on the head's surface."""
    flat = face.slots_flat
    return face.project(np.column_stack([flat, head.sample(height, flat, scale) - head.BACK]))
