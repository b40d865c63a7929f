"""Batches on their way into `fit`, made ahead by threads while the network trains."""

import itertools
import weakref

import keras

WORKERS = 2  # threads that make batches
AHEAD = 8  # batches that are tensors before they are wanted


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

    epoch, number = _Epoch(batches), next(_NUMBERS)
    shapes, types = [(None, *array.shape[1:]) for array in epoch.first], [array.dtype for array in epoch.first]

    def tensors(i):
        return tuple(map(tf.ensure_shape, tf.numpy_function(_made, [number, i], types), shapes))

    _EPOCHS[number] = epoch
    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = WORKERS
    data = tf.data.Dataset.range(len(batches)).map(tensors, num_parallel_calls=WORKERS, deterministic=True)
    data = data.prefetch(AHEAD).with_options(options)
    data.epoch = epoch
    return data


class _Epoch:
    """Batches, and the first of them, which is made to know what they are like."""

    def __init__(self, batches):
        self.batches, self.first = batches, batches[0]


# TensorFlow never forgets what it was given as a `numpy_function`, so that must hold nothing: a dataset has its epoch.
_EPOCHS = weakref.WeakValueDictionary()
_NUMBERS = itertools.count()  # an object's id may come again while a call for the one before is under way


def _made(number, i):
    epoch = _EPOCHS[int(number)]
    return epoch.first if i == 0 else epoch.batches[int(i)]
