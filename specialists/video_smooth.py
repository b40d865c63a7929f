"""Points that follow a moving face without trembling: faces matched from frame to frame, and a One-Euro filter."""

from dataclasses import replace

import numpy as np

STILL = 1.0  # Hz; what a face that rests is smoothed to
EAGER = 4.0  # Hz per face width a second: how fast the smoothing gives way where a point moves
SPEED = 1.0  # Hz; smoothing of the speed itself
LOST = 0.5  # s; a face that was not seen for longer is a new one
NEAR = 0.5  # face widths between two frames; one farther off is another face


class OneEuro:
    """The One-Euro filter of Casiez, Roussel and Vogel 2012 (CHI), for many coordinates at once.

    A low-pass filter whose cut-off rises with the speed: no tremble at rest, little lag in motion.

    Args:
        still, eager, speed: see the constants of this file.
    """

    def __init__(self, still=STILL, eager=EAGER, speed=SPEED):
        self.still, self.eager, self.speed = still, eager, speed
        self.value = self.slope = None

    def __call__(self, value, seconds):
        """The smoothed value.

        Args:
            value: float array of the filter's one shape, in face widths.
            seconds: since the last call; ignored in the first.
        """
        value = np.asarray(value, float)
        if self.value is None:
            self.value, self.slope = value, np.zeros_like(value)
            return value
        slope = (value - self.value) / seconds
        self.slope = self.slope + _share(self.speed, seconds) * (slope - self.slope)
        # One speed for both coordinates of a point, so that the path is not bent towards the axes.
        pace = np.linalg.norm(self.slope, axis=-1, keepdims=True)
        self.value = self.value + _share(self.still + self.eager * pace, seconds) * (value - self.value)
        return self.value


def _share(cutoff, seconds):
    """How far a first-order low-pass of `cutoff` Hz goes towards a new value after `seconds`."""
    turn = 2 * np.pi * cutoff * seconds
    return turn / (turn + 1)


class Track:
    """One face over time."""

    def __init__(self, number):
        self.number, self.filter, self.face, self.time = number, OneEuro(), None, 0.0

    def follow(self, face, time):
        """The smoothed `Face` at `time` s."""
        width = side(face)
        points = width * self.filter(face.points / width, max(time - self.time, 1e-6))
        self.face, self.time = face, time
        return replace(face, points=points.astype(np.float32))


class Tracks:
    """Faces of a video, each smoothed along its own track."""

    def __init__(self):
        self.tracks, self.count = [], 0

    def follow(self, faces, time):
        """List of (number of the track, smoothed `Face`) of one frame's faces at `time` s."""
        self.tracks = [track for track in self.tracks if time - track.time <= LOST]
        free, out = list(self.tracks), []
        for face in faces:
            track = min(free, key=lambda track: _distance(track.face, face), default=None)
            if track is None or _distance(track.face, face) > NEAR:
                self.count += 1
                track = Track(self.count)
                self.tracks.append(track)
            else:
                free.remove(track)
            out.append((track.number, track.follow(face, time)))
        return out


def side(face):
    """Size of a face, px: the larger side of the box around its points."""
    return max(1.0, float(np.ptp(face.points, 0).max()))


def _distance(a, b):
    return np.linalg.norm(a.points.mean(0) - b.points.mean(0)) / side(b)
