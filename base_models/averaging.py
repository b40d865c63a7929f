"""A running average of a network's weights over its training steps (Polyak and Juditsky 1992).

The average lies in the middle of what the last steps wander about in, so it scores better than any of them, and long
before the learning rate has fallen. Its batch-norm statistics are averaged alike.
"""

import math

import keras
import numpy as np

from base_models.weights import get_weights


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
        self.keep, self.steps = math.exp(-1 / horizon), steps

    def on_train_batch_end(self, batch, logs=None):
        if keras.backend.backend() == "jax":  # its steps leave the variables behind until they are asked for
            self.model.jax_state_sync()
        # The first steps' weights are the farthest from good: the average forgets them sooner.
        keep = min(self.keep, (1 + self.steps) / (10 + self.steps))
        share = np.float32(1 - keep)
        with np.errstate(invalid="ignore", over="ignore"):  # a diverged network shows in its scores
            for name, now in get_weights(self.model).items():
                if name not in self.average:
                    self.average[name] = np.array(now)
                average = self.average[name]
                change = now - average
                change *= share
                average += change
        self.steps += 1
