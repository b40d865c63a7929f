"""Drawing calls: soft-edged shapes on a canvas in grey levels, and random textures."""

from functools import lru_cache

import cv2
import numpy as np

from data.synthetic_head import canvas

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


@lru_cache(maxsize=32)
def _bow(power, n):
    t = np.linspace(0, 1, n)[:, None]
    return t, np.sin(np.pi * t).clip(0) ** power


def arc(a, middle, b, power=1.0, n=11):
    """Points [n, 2] of a bow from a to b through `middle`; a power under 1 makes it boxier."""
    t, bow = _bow(power, n)
    return a + (b - a) * t + (middle - (a + b) / 2) * bow


@lru_cache(maxsize=32)
def _circle(n, power):
    t = np.linspace(0, 2 * np.pi, n, endpoint=False)
    across, along = np.cos(t), np.sin(t)
    unit = np.column_stack([across, along])
    return np.sign(unit) * np.abs(unit) ** (2 / power)


def ellipse(centre, radii, n=16, power=2.0):
    """Points [n, 2] of a super-ellipse; powers over 2 are boxier."""
    return centre + _circle(n, power) * radii


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
        low = np.clip(np.floor(p.min(0) - margin * self.scale), 0, np.array(self.image.shape[::-1]) - 2).astype(int)
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
