"""Losses over partly labelled points.

A label that is missing is NaN. It is replaced before the subtraction: 0 * NaN is NaN in the gradient too. Which
convention a row follows needs no term here: labels stand in the slots that the row's convention draws.
"""

import math

import keras
from keras import ops

from data.errors import UsageError


def huber(error, spread, own):
    """Huber 1964: squared within `huber_delta` px, linear beyond, so that a wrong label does not outvote ten right
    ones."""
    size, delta = ops.abs(error), own.huber_delta
    return ops.where(size < delta, 0.5 * ops.square(error), delta * (size - 0.5 * delta))


def mse(error, spread, own):
    """Squared error (least squares, Legendre 1805): the competition's score."""
    return ops.square(error)


def mae(error, spread, own):
    """L1: absolute error (least absolute deviations, Laplace 1793), for which a wrong label counts as any other."""
    return ops.abs(error)


def wing(error, spread, own):
    """Feng et al. 2018 (arXiv:1711.06753): a logarithm within `wing_width` px, which keeps small errors worth
    mending, then linear. `wing_curve` px is where the logarithm bends."""
    size, width, curve = ops.abs(error), own.wing_width, own.wing_curve
    gap = width - width * math.log1p(width / curve)  # makes both parts meet
    return ops.where(size < width, width * ops.log1p(size / curve), size - gap)


def gaussian_nll(error, spread, own):
    """Negative log-likelihood of a Gaussian whose spread the network also says: Nix and Weigend 1994 ("Estimating
    the mean and variance of the target probability distribution"). `base_models.predict.predict_spread` gives it as a
    radius, in Python only: the radii of pages and predictions come from how much opinions differ, of any loss."""
    spread = ops.clip(spread, -3.0, 6.0)  # 0.05 to 400 px
    return 0.5 * ops.square(error * ops.exp(-spread)) + spread


def map_mse(maps, target):
    """Squared error over all cells of a heat map whose target is 1 at the point, as Tompson et al. 2014
    (arXiv:1406.2984)."""
    return ops.sum(ops.square(maps - target), axis=(-2, -1))


def map_cross_entropy(maps, target):
    """Cross-entropy between the softmax over the map and the target as a distribution, as the spatial softmax of He
    et al. 2017 (Mask R-CNN, arXiv:1703.06870, keypoint branch)."""
    flat = (-1, maps.shape[1], maps.shape[2] * maps.shape[3])
    maps, target = ops.reshape(maps, flat), ops.reshape(target, flat)
    return -ops.sum(target / ops.sum(target, -1, keepdims=True) * ops.log_softmax(maps, axis=-1), axis=-1)


LOSSES = {"huber": huber, "mse": mse, "mae": mae, "wing": wing, "gaussian_nll": gaussian_nll}
MAP_LOSSES = {"map_mse": map_mse, "map_cross_entropy": map_cross_entropy}
# What a network must give beside its positions; the heads know these names.
GIVES = {"gaussian_nll": "spread", "map_mse": "heat", "map_cross_entropy": "logits"}


def gaussian(squared, px):
    """1 at the point, with a standard deviation of `px`, as Tompson et al. 2014 (arXiv:1406.2984). Relative to the
    nearest cell: between cells, or outside the image, the map still has its peak."""
    nearest = ops.min(squared, axis=(-2, -1), keepdims=True)
    return ops.exp((nearest - squared) / (2 * px**2))


def disc(squared, px):
    """1 within `px` of the point, and in the nearest cell; 0 elsewhere: Papandreou et al. 2017 (arXiv:1701.01779)."""
    nearest = ops.min(squared, axis=(-2, -1), keepdims=True)
    return ops.cast(squared <= ops.maximum(nearest, px**2), "float32")


TARGETS = {"gaussian": gaussian, "disc": disc}


def make_loss(settings, model):
    """The loss of a training.

    Args:
        settings: `TrainSettings`.
        model: the network, built for `settings.loss`.

    Raises:
        UsageError: unknown loss or target.
    """
    if settings.loss not in MAP_LOSSES:
        return MaskedLoss(settings.loss, settings.huber_delta, settings.wing_width, settings.wing_curve)
    axes = model.get_layer("positions").axes()
    return MapLoss(settings.loss, *axes, settings.map_target, settings.map_radius)


def gives(loss):
    """What a network must give for a loss: "positions", "spread", "heat" or "logits"."""
    return GIVES.get(loss, "positions")


@keras.saving.register_keras_serializable("keypoints")
class MaskedLoss(keras.losses.Loss):
    """Mean of a loss over the coordinates that are labelled.

    Args:
        kind: a name in LOSSES.
        huber_delta, wing_width, wing_curve: px, of the losses that have them.

    Call arguments: y_true [b, slots, 2] in px, NaN where not labelled; y_pred [b, slots, 2 or 3], the logarithm of
    the spread last.
    """

    def __init__(self, kind="huber", huber_delta=2.0, wing_width=10.0, wing_curve=2.0, name="loss"):
        super().__init__(name=name, reduction=None)
        self.kind, self.function = kind, _named(LOSSES, kind, "train.loss")
        self.huber_delta, self.wing_width, self.wing_curve = huber_delta, wing_width, wing_curve

    def call(self, y_true, y_pred):
        labelled = ops.isfinite(y_true)
        error = ops.where(labelled, y_true, ops.zeros_like(y_true)) - y_pred[..., :2]
        error = ops.where(labelled, error, ops.zeros_like(error))
        each = self.function(error, y_pred[..., 2:], self)
        total = ops.sum(ops.where(labelled, each, ops.zeros_like(each)))
        # A batch of faces without labels has the loss 0, not 0/0.
        return total / ops.maximum(ops.sum(ops.cast(labelled, total.dtype)), 1.0)

    def get_config(self):
        numbers = {name: getattr(self, name) for name in ("huber_delta", "wing_width", "wing_curve")}
        return {"kind": self.kind, **numbers, "name": self.name}


@keras.saving.register_keras_serializable("keypoints")
class MapLoss(keras.losses.Loss):
    """Mean of a loss over the heat maps of the points that are labelled. The targets are drawn here, from the labels.

    Args:
        kind: a name in MAP_LOSSES.
        x, y: middles of the maps' columns and rows, px.
        target: a name in TARGETS.
        px: the Gaussian's standard deviation, or the disc's radius.

    Call arguments: y_true [b, slots, 2] in px, NaN where not labelled; y_pred [b, slots, 2 + cells], the positions,
    which are not looked at, and the maps row by row.
    """

    def __init__(self, kind, x, y, target="gaussian", px=4.0, name="loss"):
        super().__init__(name=name, reduction=None)
        self.function, self.draw = _named(MAP_LOSSES, kind, "train.loss"), _named(TARGETS, target, "train.map_target")
        self.kind, self.target, self.px = kind, target, px
        self.x, self.y = [float(v) for v in x], [float(v) for v in y]

    def call(self, y_true, y_pred):
        labelled = ops.all(ops.isfinite(y_true), axis=-1)
        points = ops.where(labelled[..., None], y_true, ops.zeros_like(y_true))
        maps = ops.reshape(y_pred[..., 2:], (-1, y_pred.shape[1], len(self.y), len(self.x)))
        across, down = points[..., :1] - ops.array(self.x), points[..., 1:] - ops.array(self.y)
        squared = ops.square(across)[..., None, :] + ops.square(down)[..., :, None]
        each = self.function(maps, self.draw(squared, self.px))
        total = ops.sum(ops.where(labelled, each, ops.zeros_like(each)))
        return total / ops.maximum(ops.sum(ops.cast(labelled, total.dtype)), 1.0)

    def get_config(self):
        numbers = {name: getattr(self, name) for name in ("kind", "x", "y", "target", "px")}
        return {**numbers, "name": self.name}


def _named(table, name, setting):
    if name not in table:
        raise UsageError(f"{setting}: expected one of {', '.join(table)}; received {name!r}")
    return table[name]
