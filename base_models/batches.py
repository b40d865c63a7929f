"""Batches of augmented faces. Order and views are a pure function of (seed, epoch), so nothing random is saved."""

import math
import zlib

import keras
import numpy as np

from base_models.feed import AHEAD, WORKERS
from data import augment


class Batches(keras.utils.PyDataset):
    """One epoch of batches of whole faces. `specialists.specialist` has the same for a part of the face.

    Args:
        faces: `Faces` to train on.
        slots: float32 [n, slots, 2], their labels in px, NaN = not labelled.
        settings: `AugmentSettings`.
        batch_size: faces per batch.
        seed: of the part that trains.
        epoch: counted from 0.

    A batch is (float32 [b, h, w, C] in 0..255, float32 [b, slots, 2] in px of the view).
    """

    def __init__(self, faces, slots, settings, batch_size, seed, epoch):
        super().__init__(workers=WORKERS, max_queue_size=AHEAD)  # for backends other than TensorFlow: see feed.py
        self.faces, self.slots, self.batch_size, self.size = faces, slots, batch_size, faces.size
        self.order = np.random.default_rng([seed, epoch, 1]).permutation(len(faces))
        self.draws = augment.draw(settings, len(faces), [seed, epoch, 2])
        self.matrices = self.draws.matrices(faces.size)

    def __len__(self):
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, index):
        rows = np.sort(
            self.order[index * self.batch_size : (index + 1) * self.batch_size]
        )  # a memory map reads forwards
        mirror = self.faces.schema.slot_mirror
        return augment.apply(
            self.faces.images[rows], self.slots[rows], self.draws[rows], self.matrices[rows], mirror, self.size
        )


def part_seed(seed, name):
    """A seed for one part of a run, so that parts do not share their noise."""
    return zlib.crc32(f"{seed}/{name}".encode())
