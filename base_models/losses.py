"""Losses over partly labelled points, in px.

A label that is missing is NaN. It is replaced before the subtraction: 0 * NaN is NaN in the gradient too. Which
convention a row follows needs no term here: labels stand in the slots that the row's convention draws.
"""

import keras
from keras import ops

from data.errors import UsageError


def huber(error, delta):
    """Huber 1964: squared within `delta` px, linear beyond, so that a wrong label does not outvote ten right ones."""
    size = ops.abs(error)
    return ops.where(size < delta, 0.5 * ops.square(error), delta * (size - 0.5 * delta))


def mse(error, delta):
    return ops.square(error)


def mae(error, delta):
    return ops.abs(error)


LOSSES = {"huber": huber, "mse": mse, "mae": mae}


@keras.saving.register_keras_serializable("keypoints")
class MaskedLoss(keras.losses.Loss):
    """Mean of a loss over the coordinates that are labelled.

    Args:
        kind: a name in LOSSES.
        delta: px, for the Huber loss.

    Call arguments: y_true, y_pred [b, slots, 2] in px; y_true NaN where not labelled.
    """

    def __init__(self, kind="huber", delta=2.0, name="loss"):
        if kind not in LOSSES:
            raise UsageError(f"train.loss: expected one of {', '.join(LOSSES)}; received {kind!r}")
        super().__init__(name=name, reduction=None)
        self.kind, self.delta = kind, delta

    def call(self, y_true, y_pred):
        labelled = ops.isfinite(y_true)
        error = ops.where(labelled, y_true, ops.zeros_like(y_true)) - y_pred
        error = ops.where(labelled, error, ops.zeros_like(error))
        total = ops.sum(LOSSES[self.kind](error, self.delta))
        # A batch of faces without labels has the loss 0, not 0/0.
        return total / ops.maximum(ops.sum(ops.cast(labelled, total.dtype)), 1.0)

    def get_config(self):
        return {"kind": self.kind, "delta": self.delta, "name": self.name}
