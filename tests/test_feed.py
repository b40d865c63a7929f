"""Batches on their way into `fit`: all of them, once, in order, and what goes wrong in one of them is told."""

import gc
import time
import weakref

import keras
import numpy as np
import pytest

from base_models.feed import AHEAD, fed


class Counted(keras.utils.PyDataset):
    """Batches of one number each; keeps which were asked for."""

    def __init__(self, count, damaged=None):
        super().__init__()
        self.count, self.damaged, self.asked = count, damaged, []

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        self.asked.append(i)
        if i == self.damaged:
            raise OSError(f"batch {i} is damaged")
        time.sleep(0.002 * (i % 3))  # later ones may be done sooner
        size = 2 if i < self.count - 1 else 1  # the last batch is short
        return np.full((size, 3), i, np.float32), np.full((size, 1), i, np.float32)


@pytest.mark.parametrize("count", [1, 2, AHEAD, AHEAD + 1, 40])
def test_every_batch_comes_once_and_in_order(count):
    batches = Counted(count)
    data = fed(batches)
    assert len(data) == count
    got = [(x.numpy(), y.numpy()) for x, y in data]
    assert [(len(x), int(x[0, 0]), int(y[0, 0])) for x, y in got] == [
        (2 if i < count - 1 else 1, i, i) for i in range(count)
    ]
    assert sorted(batches.asked) == list(range(count))


def test_few_are_made_ahead_and_none_when_an_epoch_was_left():
    batches = Counted(200)
    iterator = iter(fed(batches))
    next(iterator)
    deadline = time.monotonic() + 10
    while len(batches.asked) < AHEAD and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    assert AHEAD <= len(batches.asked) <= 2 * AHEAD
    next(iterator)
    del iterator
    time.sleep(0.5)
    asked = len(batches.asked)
    time.sleep(0.5)
    assert len(batches.asked) == asked <= 3 * AHEAD


def test_an_epoch_that_is_over_is_forgotten():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    batches = Counted(3)
    gone = weakref.ref(batches)
    model.fit(fed(batches), verbose=0, shuffle=False)
    del batches
    gc.collect()
    assert gone() is None


def test_what_goes_wrong_in_a_batch_is_told():
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    with pytest.raises(Exception, match="batch 5 is damaged"):
        model.fit(fed(Counted(9, damaged=5)), verbose=0, shuffle=False)
    assert len(model.fit(fed(Counted(9)), verbose=0, shuffle=False).history["loss"]) == 1
