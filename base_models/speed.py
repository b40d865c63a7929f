"""What trains faster on this machine, found out by measuring, once: the precision, and how many faces a batch has.

A run keeps what it began with.
"""

import hashlib
import json
import math
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from base_models.options import AUTO, LARGEST
from base_models.precision import MIXED, machine
from base_models.progress import say
from base_models.seats import cores
from data.cache import cache_folder
from data.errors import RunError, no_memory
from data.storage import read_json, understood, write_json

NAMES = {"float32": "float32", "bfloat16": MIXED, MIXED: MIXED, AUTO: AUTO}  # what --precision takes
WORTH = 1.15  # times faster; for less, neither rounding to 8 bits nor fewer steps are worth it
TIMES = 8  # as many faces as the settings say, in the largest batch that is tried
FEWEST = 16  # batches of an epoch of the base, where their size was chosen here
TURNS, STEPS = 3, 4  # of each candidate, in alternation; training steps of a turn
NOTES = "speed.json"


def with_precision(settings, asked, faces, run, measure=None):
    """`Settings` in the precision that was asked for; specialists' and students' too.

    Args:
        settings: `Settings`.
        asked: a key of NAMES; None = as the settings say.
        faces: `Faces` to train on.
        run: folder of the run. "auto" takes the precision that the run has begun with, whatever was faster now.
        measure: function to measure by; None = `images_per_second`.

    Raises:
        RunError: the run's settings are damaged.
    """
    if asked is None:
        return settings
    precision = NAMES[asked]
    if precision == AUTO:
        begun = _begun(run, "precision", ("float32", MIXED).__contains__)
        precision = begun or _faster_precision(settings, faces, measure or images_per_second)
    return _trained(settings, lambda train: replace(train, precision=precision))


def with_batch_size(settings, asked, faces, run, measure=None):
    """`Settings` with batches of another size, and learning rates to match; specialists' and students' grow like the
    base's.

    k times as many faces in a batch make its gradient less noisy. The learning rate may be root k times as high for
    Adam and its like (Malladi et al. 2022), k times for SGD (Goyal et al. 2017).

    Args:
        settings, faces, run, measure: as in `with_precision`.
        asked: how many faces, or "auto": as many as train faster here; None = as the settings say.

    Raises:
        RunError: the run's settings are damaged.
    """
    if asked is None:
        return settings
    size = asked
    if asked == AUTO:
        size = _begun(run, "batch_size", _is_size) or _faster_batch(settings, faces, measure or images_per_second)
    times = size / settings.train.batch_size
    return _trained(settings, lambda train: grown(train, times))


def _trained(settings, change):
    """`Settings` whose every `TrainSettings` a function has changed."""
    parts = {name: getattr(settings, name) for name in ("specialist", "student")}
    changed = {name: replace(part, train=change(part.train)) for name, part in parts.items()}
    return replace(settings, train=change(settings.train), **changed)


def _is_size(value):
    return type(value) is int and 1 <= value <= LARGEST


def grown(train, times):
    """`TrainSettings` with batches so many times as large, and the learning rate to match."""
    rate = times if train.optimizer == "sgd" else math.sqrt(times)
    return replace(train, batch_size=max(1, round(times * train.batch_size)), learning_rate=rate * train.learning_rate)


def _begun(run, name, right):
    """A setting of the training of the run that is there, of which `right` holds; None where there is none."""
    for path in (Path(run) / part / "settings.json" for part in ("base", "teacher1")):
        if path.exists():
            with understood(path, "the settings of a network"):
                found = read_json(path)["train"][name]
                if not right(found):
                    raise ValueError(f"{name} {found!r}")
            say(f"{name}: {found}, as this run was begun")
            return found
    return None


def _faster_precision(settings, faces, measure):
    trains = {name: replace(settings.train, precision=name) for name in ("float32", MIXED)}
    rates, when = _rates("precision", settings, faces, trains, measure)
    times = rates[MIXED] / rates["float32"]
    chosen = MIXED if times >= WORTH else "float32"
    told = f"bfloat16 trains {times:.2f} times as fast here ({rates[MIXED]:.0f} against {rates['float32']:.0f} images/s"
    say(f"precision: {chosen}: {told}, {when}; {WORTH} times are wanted)")
    return chosen


def _faster_batch(settings, faces, measure):
    """The settings' own batch, doubled for as long as that is worth it and leaves an epoch of the base enough steps."""
    own = chosen = settings.train.batch_size
    rows, told = (1 - settings.split.share) * len(faces), ["nothing larger was tried"]
    while 2 * chosen <= TIMES * own and FEWEST * 2 * chosen <= rows:
        pair = [chosen, 2 * chosen]
        trains = {str(size): replace(settings.train, batch_size=size) for size in pair}
        try:
            rates, when = _rates("batch_size", settings, faces, trains, measure)
        except Exception as error:
            if not no_memory(error):
                raise
            told = [*told, f"{pair[1]} faces find no memory"]
            break
        smaller, larger = rates.values()
        told = [f"{pair[1]} faces train {larger:.0f} images/s against {smaller:.0f} of {pair[0]}, {when}"]
        if larger < WORTH * smaller:
            break
        chosen = pair[1]
    say(f"batch_size: {chosen}: {'; '.join(told)} ({WORTH} times as many are wanted)")
    return chosen


def _rates(what, settings, faces, trains, measure):
    """(dict of name to images/s, when that was measured) of a run's base: once, and noted in the cache's folder.

    Args:
        what: the setting in question.
        settings, faces: of the run.
        trains: dict of name to `TrainSettings`, the candidates.
        measure: function of (settings, shape of an image, slots, trains) to the rates.
    """
    shape = (*map(int, faces.size), faces.images.shape[-1])
    about = {"what": what, "machine": {**machine(), "cores": cores()}, "network": str(settings.network)}
    about |= {"shape": list(shape), "slots": len(faces.schema.slot_names)}
    about["trains"] = {name: _cost(train) for name, train in trains.items()}
    path, key = cache_folder() / NOTES, hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]
    known = _known(path)
    rates = known.get(key, {}).get("images_per_second")
    if _are_rates(rates, trains):
        return {name: rates[name] for name in trains}, "measured here before"
    rates = measure(settings, shape, about["slots"], trains)
    _note(path, known | {key: {**about, "images_per_second": rates}})
    return rates, "measured now"


def _cost(train):
    """What of `TrainSettings` the time of a step depends on, fit for JSON."""
    return [train.batch_size, train.precision, train.optimizer, train.loss]


def _known(path):
    try:
        return {key: one for key, one in read_json(path).items() if isinstance(one, dict)}
    except RunError:  # not there, or damaged: it is measured again
        return {}


def _are_rates(rates, names):
    wanted = isinstance(rates, dict) and rates.keys() == names.keys()
    return wanted and all(isinstance(rate, int | float) and rate > 0 for rate in rates.values())


def _note(path, known):
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, known)
    except OSError:  # it is measured again next time
        pass


def images_per_second(settings, shape, slots, trains):
    """Training speed of a run's base, in turns.

    Args:
        settings: `Settings`.
        shape: (h, w, channels) of an image.
        slots: how many points the network answers.
        trains: dict of name to `TrainSettings`.

    Returns:
        dict of name to images/s.
    """
    from base_models.fit import compile_network
    from base_models.network import build_network

    rng, steps = np.random.default_rng(0), {}
    for name, train in trains.items():
        images = rng.uniform(0, 255, (train.batch_size, *shape)).astype(np.float32)
        points = rng.uniform(0, shape[1], (train.batch_size, slots, 2)).astype(np.float32)
        model = build_network(settings.network, slots, shape, train.precision, 0, train.loss)
        compile_network(model, train)
        model.train_on_batch(images, points)  # the first step is traced
        steps[name] = (model, images, points)
    seconds = {name: [] for name in trains}
    for _ in range(TURNS):
        for name, (model, images, points) in steps.items():
            started = time.perf_counter()
            for _ in range(STEPS):
                model.train_on_batch(images, points)  # its answer is a number: the step is done
            seconds[name].append(time.perf_counter() - started)
    return {name: STEPS * trains[name].batch_size / statistics.median(taken) for name, taken in seconds.items()}
