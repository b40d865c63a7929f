"""Batches on their way into `fit`, made ahead by threads while the network trains."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor

import keras

WORKERS = 2  # threads that make batches
NAME = "batches"  # of these threads
AHEAD = 8  # batches that are made, or in the making, before they are wanted
READY = 2  # beside these, those that are tensors already


def fed(batches):
    """What `fit` shall take for one epoch of batches: under TensorFlow a `tf.data.Dataset`, elsewhere the batches.

    Keras feeds TensorFlow from a `PyDataset` too, but turns each batch into tensors only when the step before it is
    done, makes the first two batches twice, and waits a tenth of a second at the end. With one worker it leaves
    prefetching to `tf.data`, whose tuning thread looks up after 5, 10, 20, 41 or 82 s: no epoch ends before. So there
    is no tuning here.

    Args:
        batches: `keras.utils.PyDataset` of tuples of arrays [b, ...].
    """
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    first = batches[0]
    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = 1
    signature = tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in first)
    data = tf.data.Dataset.from_generator(lambda: _made(first, batches), output_signature=signature)
    return data.prefetch(READY).apply(tf.data.experimental.assert_cardinality(len(batches))).with_options(options)


def _made(first, batches):
    """Every batch in turn. The first is known."""
    yield first
    pool, waiting = ThreadPoolExecutor(WORKERS, NAME), deque()
    try:
        for i in range(1, len(batches)):
            waiting.append(pool.submit(batches.__getitem__, i))
            if len(waiting) == AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
