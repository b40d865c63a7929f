"""Several networks of one build as one TensorFlow graph: their maps lie side by side, as groups of channels.

Fifteen small convolutions cost more in calls than in sums; one convolution with fifteen groups does not. What is equal
in all of them, such as frozen early layers, is computed without groups.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from keras import layers

from base_models.heatmaps import MapPositions
from base_models.layers import BatchNorm, Positions, Range, ScheduledDropout, Standardize
from base_models.network import build_network
from base_models.weights import set_weights

COMMON, ROWS, CHANNELS = "common", "rows", "channels"


@dataclass(frozen=True)
class Maps:
    """What a layer gives in all networks.

    Args:
        value: tensor. COMMON: [n, ..., c], the same in all networks; ROWS: [n * networks, ..., c], each face's
            networks one after the other; CHANNELS: [n, ..., networks * c].
        kind: one of these.
    """

    value: object
    kind: str


class Stack:
    """Networks of one build.

    Args:
        model: one of them, or another of their build, a `keras.Model`.
        weights: list of dict of name to array, one per network.
    """

    def __init__(self, model, weights):
        self.model, self.count = model, len(weights)
        self.weights, self.folded = folded(model, weights)

    def __call__(self, images, common):
        """Positions float32 [n, networks, slots, 2], px.

        Args:
            images: float32 tensor, 0..255: [n, H, W, C] that all networks see where `common`, else [n * networks, H,
                W, C], each face's one after the other.
            common: bool.
        """
        seen = {id(self.model.input): Maps(images, COMMON if common else ROWS)}
        for layer in self.model.layers[1:]:
            given = (seen[id(tensor)] for tensor in _inputs(layer))
            seen[id(layer.output)] = LAYERS[type(layer)](self, layer, *given)
        return self._apart(seen[id(self.model.output)])

    def _apart(self, found):
        """[n, networks, slots, 2] of the last layer's answer, [n, slots, numbers] where it is COMMON."""
        value, slots = found.value[..., :2], self.model.output_shape[1]
        value = tf.tile(value, [1, self.count, 1]) if found.kind == COMMON else value
        return tf.reshape(value, [-1, self.count, slots, 2])

    def arrays(self, layer, name):
        """list of an array of a layer in each network."""
        return [weights[f"{layer.name}/{name}"] for weights in self.weights]

    def side_by_side(self, maps):
        """CHANNELS of `Maps` of any kind."""
        value, kind = maps.value, maps.kind
        if kind == CHANNELS:
            return value
        if kind == COMMON:
            return tf.tile(value, [1] * (len(value.shape) - 1) + [self.count])
        *size, c = value.shape[1:]
        if not size:
            return tf.reshape(value, [-1, self.count * c])
        value = tf.transpose(tf.reshape(value, [-1, self.count, *size, c]), [0, 2, 3, 1, 4])
        return tf.reshape(value, [-1, *size, self.count * c])

    def split(self, value):
        """CHANNELS [n, ..., networks * c] as [n, ..., networks, c]."""
        *size, c = value.shape[1:]
        return tf.reshape(value, [-1, *size, self.count, c // self.count])


def stackable(model):
    """Whether a network consists of nothing but layers that `Stack` knows, each in one place."""
    plain = len(model.operations) == len(model.layers)
    return plain and all(type(layer) in LAYERS for layer in model.layers[1:])


class Alone:
    """One network of any build, called as a `Stack` is.

    Args:
        model: `keras.Model` of its own.
        weights: dict of name to array.
    """

    def __init__(self, model, weights):
        set_weights(model, weights, model.name)
        self.model = model

    def __call__(self, images, common):
        """Positions float32 [n, 1, slots, 2], px."""
        return self.model(images, training=False)[:, None, :, :2]


# -- batch norms that convolutions can do


def folded(model, weights):
    """Networks whose batch norms are folded into the convolutions before them, also through sums and enlargements.

    Args:
        model: of the networks' build.
        weights: list of dict of name to array, one per network.

    Returns:
        (weights with changed kernels and a bias for every changed convolution, names of the batch norms in them).
    """
    weights, done = [dict(own) for own in weights], set()
    for layer in model.layers:
        sources = _linear(model, layer.input) if isinstance(layer, BatchNorm) else None
        if sources:
            done.add(layer.name)
            for own in weights:
                _fold(own, sources, *_scale(own, layer))
    return weights, done


def _linear(model, tensor):
    """Convolutions whose sum, perhaps enlarged, a tensor is, if nothing else reads any of it; else an empty list."""
    (layer,) = (made for made in model.layers if made.output is tensor)
    readers = [made for made in model.layers if any(given is tensor for given in _inputs(made))]
    if len(readers) > 1:
        return []
    if isinstance(layer, layers.Conv2D) and not isinstance(layer, layers.DepthwiseConv2D):
        return [layer]
    if not isinstance(layer, layers.Add | layers.UpSampling2D | layers.Resizing):
        return []
    parts = [_linear(model, given) for given in _inputs(layer)]
    return [conv for part in parts for conv in part] if all(parts) else []


def _inputs(layer):
    return layer.input if isinstance(layer.input, list) else [layer.input]


def _fold(weights, convolutions, scale, offset):
    """Scale what convolutions give, and add an offset to what the first one gives."""
    for i, layer in enumerate(convolutions):
        bias = weights.get(f"{layer.name}/bias", np.zeros_like(offset))
        weights[f"{layer.name}/kernel"] = weights[f"{layer.name}/kernel"] * scale
        weights[f"{layer.name}/bias"] = bias * scale + (offset if i == 0 else 0)


def _scale(weights, layer):
    """(scale, offset) of a batch norm of one network."""
    gamma, beta, mean, variance = (
        weights[f"{layer.name}/{name}"] for name in ("gamma", "beta", "moving_mean", "moving_variance")
    )
    scale = gamma / np.sqrt(variance + layer.epsilon)
    return scale, beta - mean * scale


# -- one function per kind of layer: (stack, layer, Maps...) -> Maps


def _same(arrays):
    return all(np.array_equal(array, arrays[0]) for array in arrays[1:])


def _of_each(stack, layer, x):
    """Without weights, and blind to whose channels it sees."""
    return Maps(layer(x.value), x.kind)


def _of_images(stack, layer, x):
    """Without weights, of whole images: before anything differs."""
    if x.kind == CHANNELS:
        raise NotImplementedError(f"{layer.name}: expected images, not maps")
    return Maps(layer(x.value), x.kind)


def _nothing(stack, layer, x):
    return x


def _conv(stack, layer, x):
    kernels = stack.arrays(layer, "kernel")
    bias = stack.arrays(layer, "bias") if f"{layer.name}/bias" in stack.weights[0] else []
    value, kind = x.value, x.kind
    if kind == CHANNELS or not _same(kernels) or not _same(bias):
        value = stack.side_by_side(x) if kind == ROWS else value
        kernels, bias, kind = [np.concatenate(kernels, -1)], bias and [np.concatenate(bias)], CHANNELS
    value = tf.nn.conv2d(value, kernels[0], layer.strides, layer.padding.upper(), dilations=layer.dilation_rate)
    return Maps(value + bias[0] if bias else value, kind)


def _depthwise(stack, layer, x):
    kernels = stack.arrays(layer, "kernel")
    value, kind = x.value, x.kind
    if kind == CHANNELS or not _same(kernels):
        value, kernels, kind = stack.side_by_side(x), [np.concatenate(kernels, 2)], CHANNELS
    strides = [1, *layer.strides, 1]
    return Maps(tf.nn.depthwise_conv2d(value, kernels[0], strides, layer.padding.upper()), kind)


def _norm(stack, layer, x):
    if layer.name in stack.folded:
        return x
    scale, offset = zip(*(_scale(weights, layer) for weights in stack.weights), strict=True)
    if x.kind != CHANNELS and _same(scale) and _same(offset):
        return Maps(x.value * scale[0] + offset[0], x.kind)
    return Maps(stack.side_by_side(x) * np.concatenate(scale) + np.concatenate(offset), CHANNELS)


def _dense(stack, layer, x):
    kernels, bias = stack.arrays(layer, "kernel"), stack.arrays(layer, "bias") if layer.use_bias else None
    if x.kind == COMMON:
        value, kernel = x.value, np.concatenate(kernels, -1)
        value = value @ kernel
    else:
        value = x.value if x.kind == ROWS else stack.side_by_side(x)
        each = tf.transpose(tf.reshape(value, [-1, stack.count, kernels[0].shape[0]]), [1, 0, 2])
        value = tf.transpose(each @ np.stack(kernels), [1, 0, 2])
        value = tf.reshape(value, [-1, stack.count * kernels[0].shape[1]])
    return Maps(value if bias is None else value + np.concatenate(bias), CHANNELS)


def _flatten(stack, layer, x):
    value = x.value
    if x.kind == CHANNELS:
        value = tf.transpose(stack.split(value), [0, 3, 1, 2, 4])
    size = np.prod(layer.output.shape[1:])
    return Maps(tf.reshape(value, [-1, int(size) * (stack.count if x.kind == CHANNELS else 1)]), x.kind)


def _alike(stack, several):
    """Values of several `Maps` brought to one kind, and that kind."""
    kinds = {x.kind for x in several}
    kind = kinds.pop() if len(kinds) == 1 else CHANNELS
    return [x.value if x.kind == kind else stack.side_by_side(x) for x in several], kind


def _add(stack, layer, *several):
    values, kind = _alike(stack, several)
    return Maps(tf.add_n(values), kind)


def _joined(stack, layer, *several):
    values, kind = _alike(stack, several)
    if kind != CHANNELS:
        return Maps(tf.concat(values, -1), kind)
    value = tf.concat([stack.split(v) for v in values], -1)
    return Maps(tf.reshape(value, [-1, *value.shape[1:-2], value.shape[-2] * value.shape[-1]]), CHANNELS)


def _positions(stack, layer, x):
    anchor = np.concatenate(stack.arrays(layer, "anchor"))
    value = tf.reshape(stack.side_by_side(x), [-1, len(anchor), layer.numbers])[..., :2]
    return Maps(anchor + layer.scale * value, CHANNELS)


def _map_positions(stack, layer, x):
    return Maps(layer(x.value), x.kind)


LAYERS = {
    **dict.fromkeys((layers.ReLU, layers.Activation, layers.MaxPooling2D, layers.UpSampling2D), _of_each),
    **dict.fromkeys((layers.Resizing, layers.GlobalAveragePooling2D, layers.ZeroPadding2D), _of_each),
    **dict.fromkeys((Standardize, Range), _of_images),
    ScheduledDropout: _nothing,
    layers.Conv2D: _conv,
    layers.DepthwiseConv2D: _depthwise,
    BatchNorm: _norm,
    layers.Dense: _dense,
    layers.Flatten: _flatten,
    layers.Add: _add,
    layers.Concatenate: _joined,
    Positions: _positions,
    MapPositions: _map_positions,
}


def stacks(members, together=True):
    """Networks sorted into those that can go side by side.

    Args:
        members: list of (arguments of `build_network`, weights).
        together: False = each on its own.

    Returns:
        list of (indices of the members, `Stack` or `Alone`).
    """
    alike = {}
    for index, (build, _) in enumerate(members):
        alike.setdefault((build, 0 if together else index), []).append(index)
    made = []
    for (build, _), indices in alike.items():
        model = build_network(*build)
        if stackable(model):
            made.append((indices, Stack(model, [members[i][1] for i in indices])))
        else:
            made += [([i], Alone(build_network(*build), members[i][1])) for i in indices]
    return made
