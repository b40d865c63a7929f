"""A running average of a network's weights over its training steps (Polyak and Juditsky 1992).

The average lies in the middle of what the last steps wander about in, so it scores better than any of them, and long
before the learning rate has fallen. Its batch-norm statistics are averaged alike.
"""

import math

import cv2
import keras
import numpy as np

from base_models.weights import seen_weights

EVERY = 8  # batches from one look at the weights to the next: a look takes a twentieth of a step's time
SAMPLES = 50  # looks that the average shall span at least: where it is short, more of them, down to every batch


class Averaging(keras.callbacks.Callback):
    """Keeps the average while a network is fitted.

    Args:
        average: dict of name to array, the average so far; empty before the first batch.
        horizon: batches over which a step's weights lose all but 1/e of their say.
        steps: batches that were seen so far.
    """

    def __init__(self, average, horizon, steps):
        super().__init__()
        self.average = {name: array.copy() for name, array in average.items()}  # changed in place
        self.every = max(1, min(EVERY, int(horizon / SAMPLES)))
        self.keep, self.steps = math.exp(-self.every / horizon), steps

    def on_train_batch_end(self, batch, logs=None):
        if self.steps % self.every == 0:
            self._take()
        self.steps += 1

    def _take(self):
        if keras.backend.backend() == "jax":  # its steps leave the variables behind until they are asked for
            self.model.jax_state_sync()
        # The first steps' weights are the farthest from good: the average forgets them sooner.
        taken = self.steps // self.every
        share = 1 - min(self.keep, (1 + taken) / (10 + taken))
        for name, now in seen_weights(self.model).items():
            if name not in self.average:
                self.average[name] = np.array(now, order="C")  # what is written to below is a view of it
            cv2.accumulateWeighted(now.reshape(1, -1), self.average[name].reshape(1, -1), share)
