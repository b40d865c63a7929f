"""Progress: a bar on a terminal, plain lines in a log."""

import sys

import keras
from tqdm import tqdm


def say(text):
    """One line of progress on stderr; what a command results in goes to stdout."""
    print(text, file=sys.stderr, flush=True)


def aligned(rows):
    """Lines of a table of texts: the first column to the left, the others to the right."""
    widths = [max(len(str(row[i])) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(
            str(v).ljust(w) if i == 0 else str(v).rjust(w) for i, (v, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]


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
