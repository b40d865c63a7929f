"""Weights as named arrays: exact saving and loading, and transfer by name and shape.

A name is the variable's path inside the network, such as `conv1/kernel`. Nothing is matched by order.
"""

import contextlib
from dataclasses import dataclass

import numpy as np

from data.errors import RunError

SKIPPED = ("seed_generator_state", "rate")  # written anew for every epoch; no part of the result


def _variables(model):
    """dict of name to variable, in the model's order."""
    named = {v.path.removeprefix(f"{model.name}/"): v for v in model.variables}
    return {name: v for name, v in named.items() if name.rpartition("/")[2] not in SKIPPED}


def get_weights(model):
    """dict of name to NumPy array."""
    return {name: np.asarray(v) for name, v in _variables(model).items()}


def seen_weights(model):
    """As `get_weights`, but not copied where the backend need not: read-only, and true until the next step only."""
    values = {name: v.value for name, v in _variables(model).items()}
    return {name: np.asarray(v.value() if hasattr(v, "read_value") else v) for name, v in values.items()}


def set_weights(model, arrays, where):
    """Load weights that must fit exactly; nothing is loaded where anything differs.

    Raises:
        RunError: naming `where` and the first names or shapes that differ.
    """
    variables = check_weights(model, arrays, where)
    _assign(variables, arrays)


def check_weights(model, arrays, where):
    """What `set_weights` does before it loads anything. Returns the model's variables by name."""
    variables = _variables(model)
    missing, extra = variables.keys() - arrays.keys(), arrays.keys() - variables.keys()
    if missing or extra:
        names = ", ".join(sorted(missing | extra)[:4])
        raise RunError(f"{where}: expected the weights of this network; missing or unknown: {names}")
    for name, v in variables.items():
        check_array(arrays[name], v, f"{where}: {name}")
    return variables


def check_array(array, variable, where):
    """Raise RunError, naming `where`, unless an array has a variable's shape and type, and only finite numbers."""
    shape, kind = tuple(variable.shape), np.asarray(variable).dtype
    if array.shape != shape:
        raise RunError(f"{where}: expected shape {shape}; received {array.shape}")
    if array.dtype != kind:
        raise RunError(f"{where}: expected {kind}; received {array.dtype}")
    if not np.isfinite(array).all():
        raise RunError(f"{where}: expected finite weights; received NaN or infinity")


def _assign(variables, arrays):
    for name, v in variables.items():
        v.assign(arrays[name])


@contextlib.contextmanager
def lent(model, arrays):
    """Context: the network has other weights of its own shapes, whatever their values; then its own again."""
    variables = _variables(model)
    own = {name: np.asarray(v).copy() for name, v in variables.items()}
    _assign(variables, arrays)
    try:
        yield
    finally:
        _assign(variables, own)


@dataclass(frozen=True)
class Transfer:
    """What a transfer copied.

    Args:
        copied: names copied.
        fresh: names of the network that the source has not, or has in another shape: "name (why)".
        values: how many numbers were copied.
        total: how many numbers the network has.
    """

    copied: tuple
    fresh: tuple
    values: int
    total: int

    def __str__(self):
        return f"{len(self.copied)} arrays copied ({self.values:,} of {self.total:,} numbers), {len(self.fresh)} fresh"


def transfer(model, arrays):
    """Copy every array that the network has under the same name and in the same shape; leave the others fresh.

    Args:
        model: the network to fill.
        arrays: dict of name to array, of another network.

    Returns:
        `Transfer`.
    """
    copied, fresh, values = [], [], 0
    for name, v in _variables(model).items():
        if name not in arrays:
            fresh.append(f"{name} (not in the source)")
        elif arrays[name].shape != tuple(v.shape):
            fresh.append(f"{name} ({arrays[name].shape} there, {tuple(v.shape)} here)")
        else:
            v.assign(arrays[name])
            copied.append(name)
            values += arrays[name].size
    return Transfer(tuple(copied), tuple(fresh), values, sum(int(np.prod(v.shape)) for v in _variables(model).values()))
