"""Which precision a network trains in: float32, or bfloat16 where it is faster, found out by measuring.

In mixed_bfloat16 (Keras's dtype policy) layers compute in bfloat16; weights, batch-norm statistics, the numbers that a
head gives, the loss, validation, predictions and exports are float32. A run keeps the precision that it began with.
"""

import hashlib
import json
import platform
import statistics
import time
from dataclasses import replace
from pathlib import Path

import numpy as np

from base_models.progress import say
from data.cache import cache_folder
from data.errors import RunError
from data.storage import read_json, understood, write_json

MIXED = "mixed_bfloat16"
NAMES = {"float32": "float32", "bfloat16": MIXED, MIXED: MIXED, "auto": "auto"}  # what --precision takes
WORTH = 1.15  # times faster; for less, rounding to 8 bits is not worth it
TURNS, STEPS = 3, 4  # of each precision, in alternation; training steps of a turn
WIDE = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")  # instructions of a CPU that results depend on


def with_precision(settings, asked, faces, run, measure=None):
    """`Settings` in the precision that was asked for; specialists' too.

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
    precision = NAMES[asked] if asked != "auto" else _begun(run) or _faster(settings, faces, measure)
    own = replace(settings.specialist, train=replace(settings.specialist.train, precision=precision))
    return replace(settings, train=replace(settings.train, precision=precision), specialist=own)


def _begun(run):
    """The precision of the run that is there; None where there is none."""
    for path in (Path(run) / name / "settings.json" for name in ("base", "teacher1")):
        if path.exists():
            with understood(path, "the settings of a network"):
                found = read_json(path)["train"]["precision"]
                if found not in NAMES.values():
                    raise ValueError(f"precision {found!r}")
            say(f"precision: {found}, as this run was begun")
            return found
    return None


def _faster(settings, faces, measure):
    """The precision that trains this network faster here: measured once, and noted in the cache's folder."""
    shape = (*map(int, faces.size), faces.images.shape[-1])
    about = {"machine": machine(), "network": str(settings.network), "loss": settings.train.loss}
    about |= {"batch": settings.train.batch_size, "shape": list(shape), "slots": len(faces.schema.slot_names)}
    path, key = cache_folder() / "precision.json", hashlib.sha256(json.dumps(about).encode()).hexdigest()[:16]
    known = _known(path)
    rates = known.get(key, {}).get("images_per_second")
    when = "measured here before"
    if not _are_rates(rates):
        rates, when = (measure or images_per_second)(settings, shape, about["slots"]), "measured now"
        _note(path, known | {key: {**about, "images_per_second": rates}})
    times = rates[MIXED] / rates["float32"]
    chosen = MIXED if times >= WORTH else "float32"
    told = f"bfloat16 trains {times:.2f} times as fast here ({rates[MIXED]:.0f} against {rates['float32']:.0f} images/s"
    say(f"precision: {chosen}: {told}, {when}; {WORTH} times are wanted)")
    return chosen


def _known(path):
    try:
        return {key: one for key, one in read_json(path).items() if isinstance(one, dict)}
    except RunError:  # not there, or damaged: it is measured again
        return {}


def _are_rates(rates):
    wanted = isinstance(rates, dict) and rates.keys() == {"float32", MIXED}
    return wanted and all(isinstance(rate, int | float) and rate > 0 for rate in rates.values())


def _note(path, known):
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, known)
    except OSError:  # it is measured again next time
        pass


def images_per_second(settings, shape, slots):
    """Training speed of a run's base in both precisions, in turns: dict of precision to images/s."""
    from base_models.fit import compile_network
    from base_models.network import build_network

    train, rng = settings.train, np.random.default_rng(0)
    images = rng.uniform(0, 255, (train.batch_size, *shape)).astype(np.float32)
    points = rng.uniform(0, shape[1], (train.batch_size, slots, 2)).astype(np.float32)
    models = {}
    for precision in ("float32", MIXED):
        models[precision] = build_network(settings.network, slots, shape, precision, 0, train.loss)
        compile_network(models[precision], train)
        models[precision].train_on_batch(images, points)  # the first step is traced
    seconds = {precision: [] for precision in models}
    for _ in range(TURNS):
        for precision, model in models.items():
            started = time.perf_counter()
            for _ in range(STEPS):
                model.train_on_batch(images, points)  # its answer is a number: the step is done
            seconds[precision].append(time.perf_counter() - started)
    return {precision: STEPS * train.batch_size / statistics.median(taken) for precision, taken in seconds.items()}


def machine():
    """What a result in bfloat16, and how fast it comes, depend on: a JSON object."""
    import keras

    return {
        "cpu": _cpu("model name") or platform.machine(),
        "instructions": [name for name in WIDE if name in (_cpu("flags") or _cpu("Features")).split()],
        "devices": _devices(keras.backend.backend()),
        "backend": keras.backend.backend(),
        "versions": _versions("keras", keras.backend.backend()),
    }


def _cpu(wanted):
    """A line of Linux's description of the first core; "" elsewhere."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == wanted), "")


def _devices(backend):
    """Names of the accelerators; none on a CPU alone."""
    if backend == "tensorflow":
        import tensorflow as tf

        found = tf.config.list_physical_devices("GPU")
        return [tf.config.experimental.get_device_details(one).get("device_name", "GPU") for one in found]
    if backend == "jax":
        import jax

        return [one.device_kind for one in jax.devices() if one.platform != "cpu"]
    return []


def _versions(*names):
    from importlib.metadata import version

    return [f"{name} {version(name)}" for name in names]


def bound_to(train):
    """The machine that a training may go on on, as one line: None in float32, which goes on anywhere.

    bfloat16 is computed in other ways where there are other instructions, so that the same weights are not reached.

    Args:
        train: `TrainSettings`.
    """
    return None if train.precision == "float32" else json.dumps(machine(), sort_keys=True)


def in_float32(train):
    """`TrainSettings` of the network that validates and predicts."""
    return replace(train, precision="float32")


def same_weights(judge, model):
    """`judge`, a network in float32, with the weights of `model`; they may be the same network."""
    from base_models.weights import get_weights, set_weights

    if judge is not model:
        set_weights(judge, get_weights(model), "the network in training")
    return judge
