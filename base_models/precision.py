"""What training in bfloat16 means, and the machine that it is bound to.

In mixed_bfloat16 (Keras's dtype policy) layers compute in bfloat16; weights, batch-norm statistics, the numbers that a
head gives, the loss, validation, predictions and exports are float32. A run keeps the precision that it began with.
"""

import json
import platform
from dataclasses import replace
from pathlib import Path

MIXED = "mixed_bfloat16"
WIDE = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")  # instructions of a CPU that results depend on


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
