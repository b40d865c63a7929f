"""Memory that a training step frees and the next one wants again: kept in the process."""

import ctypes

import keras

TRIM_THRESHOLD, MMAP_MAX = -1, -4  # of glibc's mallopt(3)
NEVER = 2**31 - 1  # the largest value that it takes


def keep_freed_memory():
    """Let glibc's allocator give nothing back to the system, where that is the allocator.

    Every 4 kB that are given back cost a page fault when they are wanted again (docs/performance.md has figures).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):  # another C library, another system
        return
    mallopt(TRIM_THRESHOLD, NEVER)
    mallopt(MMAP_MAX, 0)


class KeepFreedMemory(keras.callbacks.Callback):
    """Keeps it from the first batch on: not before, since TensorFlow's input pipeline begins by setting a threshold of
    its own."""

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 0:
            keep_freed_memory()
