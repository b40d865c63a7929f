"""Progress of an epoch: a bar on a terminal, nothing in a log."""

import sys

import keras
from tqdm import tqdm

tqdm.monitor_interval = 0  # it needs no thread of its own, which complains where there is no memory for one


class BatchBar(keras.callbacks.Callback):
    """A bar over the batches of one epoch, on a terminal only, gone when the epoch ends."""

    def __init__(self, title):
        super().__init__()
        self.title, self.bar = title, None

    def on_train_begin(self, logs=None):
        self.bar = tqdm(
            total=self.params.get("steps"), desc=self.title, leave=False, disable=not sys.stderr.isatty(), unit="batch"
        )

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update()

    def on_train_end(self, logs=None):
        self.bar.close()
