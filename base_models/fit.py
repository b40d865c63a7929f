"""The one training loop, for base, specialists and searches.

After every epoch all that the training needs to go on is in one file that is replaced whole: weights, their average,
optimiser, best weights, history. An epoch itself depends on nothing but (seed, epoch) and that state. So a training
that was killed anywhere reaches the same bytes as one that was not.
"""

import contextlib
import dataclasses
import json
import math
import resource
import sys
import time
from dataclasses import dataclass, field

import numpy as np

from base_models.averaging import Averaging
from base_models.batch_bar import BatchBar
from base_models.batches import part_seed
from base_models.feed import fed
from base_models.freed_memory import KeepFreedMemory
from base_models.losses import make_loss
from base_models.network import dropouts
from base_models.precision import bound_to
from base_models.progress import say
from base_models.schedules import dropout_factor, learning_rate, optimizer
from base_models.settings import TrainSettings
from base_models.weights import check_array, check_weights, get_weights, lent, set_weights
from data.errors import RunError, TrainingError
from data.storage import read_arrays, understood, write_arrays

LARGEST = 4 << 30  # bytes of a checkpoint: it holds a network up to five times
RECORDED = ("loss", "val_rmse", "val_trimmed", "learning_rate", "dropout", "seconds")  # of every epoch


@dataclass
class State:
    """What a training knows after some epochs.

    Args:
        history: one record per epoch: loss, validation RMSE and trimmed RMSE, learning rate, dropout factor, seconds,
            peak memory in MB.
        best: weights of the epoch with the lowest trimmed validation RMSE.
        best_epoch: counted from 0; -1 before the first.
        average: the running average of the weights, where one is kept.
    """

    history: list = field(default_factory=list)
    best: dict = field(default_factory=dict)
    best_epoch: int = -1
    average: dict = field(default_factory=dict)

    @property
    def epoch(self):
        return len(self.history)

    @property
    def scores(self):
        return [record["val_trimmed"] for record in self.history]

    def finished(self, settings):
        """Whether all epochs are done, or `patience` of them brought nothing better."""
        waited = self.epoch - 1 - self.best_epoch
        return self.epoch >= settings.epochs or (0 < settings.patience <= waited)


# Fields of `TrainSettings` that no compiled network depends on.
UNTRACED = ("epochs", "patience", "batch_size", "learning_rate", "schedule", "dropout_ramp")


def traced(settings):
    """`TrainSettings` with what a compiled network does not depend on at its default: networks whose settings are then
    equal may be one, which takes less memory and is traced once."""
    return dataclasses.replace(settings, **{name: getattr(TrainSettings(), name) for name in UNTRACED})


def compile_network(model, settings):
    """Set loss and optimiser. A compiled network can train several parts in turn without being traced again."""
    model.compile(optimizer=optimizer(settings), loss=make_loss(settings, model), jit_compile="auto")
    model.optimizer.build(model.trainable_variables)
    model.pristine_optimizer = [np.asarray(v) for v in model.optimizer.variables]


def train_part(part, model, settings, make_batches, validate, name, about, constants=None):
    """Train a compiled network as one part of a run, from its checkpoint if there is one, and finish the part.

    Args:
        part: `Part`, held open by the caller.
        model: compiled network with its initial weights.
        settings: `TrainSettings`.
        make_batches: function of the epoch: its batches.
        validate: function of the network: `validation_scores` on the held-out faces.
        name: of the part, for progress lines.
        about: dict of what else the part's summary shall say.
        constants: dict of arrays to keep with the weights.

    Returns:
        The summary: `about`, best epoch, epochs, validation RMSE, seconds. The model holds the best weights.

    Raises:
        TrainingError: the loss or the validation RMSE is no longer finite. The last good state is kept.
    """
    where = bound_to(settings)
    state = _restore(part, model, where)
    seed = part_seed(json.dumps(part.identity, sort_keys=True), "dropout")
    while not state.finished(settings):
        _run_epoch(model, settings, make_batches, validate, state, seed, name)
        _save(part, model, state, where)
    set_weights(model, state.best, part.folder)
    summary = {
        **about,
        "best_epoch": state.best_epoch + 1,
        "epochs": state.epoch,
        "val_rmse": state.history[state.best_epoch]["val_rmse"],
        "seconds": round(sum(record["seconds"] for record in state.history), 1),
    }
    part.finish(state.best | (constants or {}), state.history, summary)
    return summary


def _run_epoch(model, settings, make_batches, validate, state, seed, name):
    """One epoch: the state after it is a function of the state before it and of (seed, epoch)."""
    epoch, started = state.epoch, time.perf_counter()
    rate, factor = learning_rate(settings, epoch, state.scores), dropout_factor(settings, epoch)
    model.optimizer.learning_rate.assign(rate)
    set_dropouts(model, seed, epoch, factor)
    batches = make_batches(epoch)
    bar = BatchBar(f"{name} {epoch + 1}/{settings.epochs}")
    averaging = _averaging(settings, state, len(batches))
    callbacks = [bar, KeepFreedMemory(), *([averaging] if averaging else [])]
    loss = model.fit(fed(batches), epochs=1, verbose=0, shuffle=False, callbacks=callbacks).history["loss"][0]
    state.average = averaging.average if averaging else {}
    scores = {"val_rmse": math.nan}
    if math.isfinite(loss) and _sound(model, state.average):
        with lent(model, state.average) if averaging else contextlib.nullcontext():
            scores = validate(model)
    if not all(map(math.isfinite, scores.values())):
        raise TrainingError(
            f"{name}: epoch {epoch + 1}: expected a finite loss, finite weights and RMSE; received loss {loss:g}, RMSE "
            f"{scores['val_rmse']:g}; the state after epoch {epoch} is kept; try a lower learning_rate"
        )
    record = {"loss": loss, **scores, "learning_rate": rate, "dropout": factor}
    costs = {"seconds": round(time.perf_counter() - started, 3), "peak_mb": peak_memory()}
    state.history.append(record | costs)
    if scores["val_trimmed"] < min(state.scores[:-1], default=math.inf):
        state.best, state.best_epoch = state.average or get_weights(model), epoch
    _tell(name, settings.epochs, state)


def _sound(model, average):
    """Whether every weight is a finite number: a ReLU may turn NaN into 0, and the loss tells nothing."""
    arrays = (*average.values(), *map(np.asarray, (*model.variables, *model.optimizer.variables)))
    return all(np.isfinite(array).all() for array in arrays)


def _averaging(settings, state, batches):
    """The callback that goes on with the average of the weights; None where the settings want none."""
    horizon = settings.averaging * settings.epochs * batches
    return Averaging(state.average, horizon, state.epoch * batches) if horizon > 0 else None


def peak_memory():
    """The most memory, in MB, that this process has held so far."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kB elsewhere
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6, 1)


def set_dropouts(model, seed, epoch, factor):
    """Give every dropout layer `factor` of its rate and noise of its own in this epoch.

    A layer counts the second seed word up with every batch, so only the first may tell layers and epochs apart:
    else one layer's noise of a batch would be another's of the next.
    """
    for i, layer in enumerate(dropouts(model)):
        layer.set_epoch((part_seed(seed, f"{epoch}/{i}"), 0), factor)


def _tell(name, epochs, state):
    last, mark = state.history[-1], " *" if state.best_epoch == state.epoch - 1 else ""
    say(
        f"{name} {state.epoch}/{epochs}  loss {last['loss']:.3f}  validation {last['val_rmse']:.3f} px, "
        f"trimmed {last['val_trimmed']:.3f}{mark}  {last['seconds']:.1f} s"
    )


def _save(part, model, state, where=None):
    """Replace the checkpoint; `where` is the machine that it is bound to, None = any."""
    arrays = {f"model/{name}": array for name, array in get_weights(model).items()}
    arrays |= {f"best/{name}": array for name, array in state.best.items()}
    arrays |= {f"average/{name}": array for name, array in state.average.items()}
    arrays |= {f"optimizer/{i}": np.asarray(v) for i, v in enumerate(model.optimizer.variables)}
    told = {"history": state.history, "best_epoch": state.best_epoch, "of": part.digest}
    told |= {} if where is None else {"machine": where}
    meta = json.dumps(told, allow_nan=False)
    write_arrays(part.checkpoint, arrays | {"state": np.frombuffer(meta.encode(), np.uint8)})


def _restore(part, model, where=None):
    """State from the checkpoint, with model and optimiser set; a fresh state and optimiser where there is none.

    Raises:
        RunError: damaged, or bound to another machine than `where`.
    """
    if not part.checkpoint.exists():
        for variable, value in zip(model.optimizer.variables, model.pristine_optimizer, strict=True):
            variable.assign(value)
        return State()
    arrays = read_arrays(part.checkpoint, LARGEST)
    with understood(part.checkpoint, "a checkpoint of this network"):
        meta = json.loads(arrays.pop("state").tobytes())
        state = State(meta["history"], _under("best/", arrays), meta["best_epoch"], _under("average/", arrays))
        stored = [arrays[f"optimizer/{i}"] for i in range(len(model.optimizer.variables))]
        _check_history(state)
        if meta.get("of", part.digest) != part.digest:  # those of earlier versions do not say
            raise ValueError("that of another training")
        _check_machine(part, meta.get("machine"), where)
    for i, (variable, value) in enumerate(zip(model.optimizer.variables, stored, strict=True)):
        check_array(value, variable, f"{part.checkpoint}: optimizer/{i}")
    for kept in filter(None, (state.best, state.average)):
        check_weights(model, kept, part.checkpoint)
    set_weights(model, _under("model/", arrays), part.checkpoint)  # nothing was loaded before all was looked at
    for variable, value in zip(model.optimizer.variables, stored, strict=True):
        variable.assign(value)
    say(f"{part.folder.name}: goes on after epoch {state.epoch}")
    return state


def _check_machine(part, begun, where):
    if begun != where:
        raise RunError(
            f"{part.checkpoint}: a training in bfloat16 goes on only on a machine like that which began it: {begun}; "
            f"received {where}: go on there, or delete {part.folder} to train it again"
        )


def _check_history(state):
    """Raise ValueError where a state is none that `_run_epoch` makes."""
    for record in state.history:
        if not all(math.isfinite(record[name]) for name in RECORDED):
            raise ValueError(f"an epoch of {record}")
    if state.epoch and not (0 <= state.best_epoch < state.epoch and state.best):
        raise ValueError(f"best epoch {state.best_epoch} of {state.epoch}")


def _under(prefix, arrays):
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
