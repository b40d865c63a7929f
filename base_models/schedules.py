"""What changes from epoch to epoch: learning rate and dropout, each a pure function of the epoch and the history."""

import math

import keras

from base_models.adamw import adamw
from data.errors import UsageError

WARM_UP = 0.3  # share of a one-cycle that rises, as in Smith 2018 (arXiv:1803.09820)
FLOOR = 0.01  # lowest rate of cosine and one-cycle, as a share of the highest
STEP_AT = (0.5, 0.75)  # shares of the training after which `step` divides by ten
PLATEAU_PATIENCE = 8  # epochs without a better validation score before `plateau` halves the rate


def constant(epoch, epochs, scores):
    return 1.0


def step(epoch, epochs, scores):
    return 0.1 ** sum(epoch >= share * epochs for share in STEP_AT)


def cosine(epoch, epochs, scores):
    return FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * epoch / max(epochs - 1, 1))) / 2


def one_cycle(epoch, epochs, scores):
    """Rise linearly from a tenth over the first `WARM_UP` of the epochs, then fall as `cosine` does."""
    rise = max(1, round(WARM_UP * epochs))
    if epoch < rise:
        return 0.1 + 0.9 * epoch / rise
    return cosine(epoch - rise, epochs - rise, scores)


def plateau(epoch, epochs, scores):
    """Halve the rate after every run of epochs without a better validation score, as far as `scores` tells."""
    factor, best, waited = 1.0, float("inf"), 0
    for score in scores:
        best, waited = (score, 0) if score < best else (best, waited + 1)
        if waited == PLATEAU_PATIENCE:
            factor, waited = factor / 2, 0
    return factor


SCHEDULES = {"constant": constant, "step": step, "cosine": cosine, "one_cycle": one_cycle, "plateau": plateau}


def learning_rate(settings, epoch, scores):
    """Learning rate of an epoch.

    Args:
        settings: `TrainSettings`.
        epoch: counted from 0.
        scores: validation RMSE of the epochs before.

    Raises:
        UsageError: unknown schedule.
    """
    if settings.schedule not in SCHEDULES:
        raise UsageError(f"train.schedule: expected one of {', '.join(SCHEDULES)}; received {settings.schedule!r}")
    if settings.schedule == "step" and settings.step_every:
        return settings.learning_rate * 0.1 ** (epoch // settings.step_every)
    return settings.learning_rate * SCHEDULES[settings.schedule](epoch, settings.epochs, scores)


def dropout_factor(settings, epoch):
    """Share of the full dropout rate in an epoch: rises evenly over the first `dropout_ramp` of the training."""
    ramp = settings.dropout_ramp * settings.epochs
    return 1.0 if ramp <= 0 else min(1.0, epoch / ramp)


def optimizer(settings):
    """A fresh optimiser. Raises UsageError for an unknown name."""
    rest = {"learning_rate": settings.learning_rate, "global_clipnorm": settings.clip_norm or None}
    made = {
        "adam": lambda: keras.optimizers.Adam(**rest),
        "adamw": lambda: adamw(weight_decay=settings.weight_decay, **rest),
        "sgd": lambda: keras.optimizers.SGD(momentum=settings.momentum, nesterov=True, **rest),
        "nadam": lambda: keras.optimizers.Nadam(**rest),
        "rmsprop": lambda: keras.optimizers.RMSprop(**rest),
    }
    if settings.optimizer not in made:
        raise UsageError(f"train.optimizer: expected one of {', '.join(made)}; received {settings.optimizer!r}")
    return made[settings.optimizer]()
