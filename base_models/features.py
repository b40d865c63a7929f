"""Store what a run's base network sees, for the network page: python -m base_models.features --run DIR [--face ID].

Writes RUN/features.npz: a part of every kernel, feature maps of a few faces, which filters are dead, and where a
heat-map head looks. The faces are those of RUN/ensemble/predictions.npz.
"""

from pathlib import Path

import numpy as np

from data.errors import Parser, RunError, UsageError, command

LOOKED = 64  # faces, before a filter counts as dead
AT_ONCE = 8  # faces; bounds memory
CONSTANT = 1e-6  # of a layer's largest answer: a channel that varies less is dead
KERNEL_VALUES = 20_000  # stored per layer, and
KERNELS = 600_000  # of all layers
MAPS = 2_400_000  # bytes of feature maps in all
PATCH = 16  # px, longest side of a stored kernel
# Sides in px and channels of stored maps, from the finest to the smallest; the first that fits into MAPS is taken.
FINENESS = ((48, 32), (48, 16), (32, 16), (24, 16), (24, 8), (16, 8), (12, 4), (8, 2), (4, 1))
UNITS = 256  # stored of a layer without places


def visit(model, images, look):
    """Run a network and call `look(layer, inputs, output)` after each of its layers, those of nested networks too.

    Args:
        model: keras.Model built from layers, each used once.
        images: [b, H, W, C], or what else it takes.
        look: function of a layer, the list of its input tensors, and its output tensor.

    Returns:
        The network's output.
    """
    import keras

    def watched(layer):
        def answer(*inputs, **others):
            if isinstance(layer, keras.Model):
                return visit(layer, inputs[0], look)
            output = layer(*inputs, **others)
            look(layer, keras.tree.flatten(inputs), output)
            return output

        return answer

    return model._run_through_graph(images, operation_fn=watched)


class Stage:
    """A layer with a kernel, or one that joins others, and the layer whose output is its answer."""

    def __init__(self, layer, answer, output, flattened):
        self.layer, self.answer, self.flattened = layer, answer, flattened
        self.shape = [int(side) for side in output.shape[1:]]
        self.low = self.high = None

    def look(self, output):
        """Keep the lowest and highest value of each channel."""
        flat = output.reshape(-1, output.shape[-1])
        low, high = flat.min(0), flat.max(0)
        self.low = low if self.low is None else np.minimum(self.low, low)
        self.high = high if self.high is None else np.maximum(self.high, high)

    @property
    def dead(self):
        """Indices of channels that were the same everywhere."""
        largest = max(np.abs(self.low).max(), np.abs(self.high).max())
        return np.flatnonzero(self.high - self.low <= CONSTANT * largest).tolist()

    def kernel(self):
        """float32 [filters, inputs, h, w], None without one. A dense layer on a flattened map has one of its size."""
        if not hasattr(self.layer, "kernel"):
            return None
        kernel = np.asarray(self.layer.kernel, np.float32)
        if kernel.ndim == 2:
            kernel = kernel.reshape(*(self.flattened or (1, 1, len(kernel))), -1)
        if type(self.layer).__name__ == "DepthwiseConv2D":
            kernel = kernel.reshape(*kernel.shape[:2], 1, -1)
        return kernel.transpose(3, 2, 0, 1)


def stages(model, image):
    """List of `Stage` of a network, in the order in which they answer.

    Args:
        image: float32 [1, H, W, C].
    """
    from keras import layers

    follow = (layers.BatchNormalization, layers.ReLU, layers.Activation, layers.MaxPooling2D)
    calls, readers = [], {}  # tensors are kept by `calls`: else another could come to have their id
    visit(model, image, lambda *call: calls.append(call))
    for call in calls:
        for tensor in call[1]:
            readers.setdefault(id(tensor), []).append(call)
    flat = {id(out): tuple(inputs[0].shape[1:]) for one, inputs, out in calls if isinstance(one, layers.Flatten)}
    found = []
    for layer, inputs, output in calls:
        if not (hasattr(layer, "kernel") or isinstance(layer, layers.Add | layers.Concatenate)):
            continue
        answer = layer
        while len(after := readers.get(id(output), [])) == 1 and isinstance(after[0][0], follow):
            answer, _, output = after[0]
        found.append(Stage(layer, answer, output, flat.get(id(inputs[0]))))
    return found


def collect(model, schema, images, picked):
    """What the layers answer.

    Args:
        model: a network.
        schema: the table of points, whose slots it finds.
        images: uint8 [n, H, W, C], n > 0: faces to look at.
        picked: indices of those to store.

    Returns:
        (list of `reports.features.Layer`, `reports.features.Heat` or None).
    """
    from base_models.heatmaps import MapPositions

    found = stages(model, images[:1].astype(np.float32))
    answers = {id(stage.answer): stage for stage in found}
    kept = {id(stage.answer): [] for stage in found}
    heat = []

    def look(layer, inputs, output):
        if id(layer) in answers:
            output = np.asarray(output, np.float32)[:count]
            answers[id(layer)].look(output)
            kept[id(layer)].append(output[wanted])
        if isinstance(layer, MapPositions):
            heat.append((layer, _shares(layer, inputs[0])[:count]))

    for start in range(0, len(images), AT_ONCE):
        batch = images[start : start + AT_ONCE].astype(np.float32)
        count, wanted = len(batch), [i - start for i in picked if start <= i < start + AT_ONCE]
        visit(model, np.pad(batch, ((0, AT_ONCE - count), *[(0, 0)] * 3)), look)
    side, most = _fineness(found, len(picked))
    order = np.argsort(np.argsort(picked))  # faces came in the order of the images
    each = min(KERNEL_VALUES, KERNELS // max(1, len(found)))
    made = [_layer(stage, np.concatenate(kept[id(stage.answer)])[order], side, most, each) for stage in found]
    return made, _heat(heat, schema, picked)


def _fineness(found, faces):
    """(px, channels) of the maps to store, so that all layers of all faces stay within MAPS bytes."""
    for side, most in FINENESS:
        sizes = (_stored(stage.shape, side, most) for stage in found)
        if faces * sum(sizes) <= MAPS:
            break
    return side, most


def _stored(shape, side, most):
    """Bytes of one face's maps of a layer."""
    if len(shape) == 1:
        return min(shape[0], UNITS)
    return min(shape[0], side) * min(shape[1], side) * min(shape[2], most)


def _layer(stage, output, side, most, values):
    from reports.features import Layer

    layer, whole = stage.layer, stage.kernel()
    if len(stage.shape) == 1:
        maps = output[:, :UNITS, None, None]
    else:
        maps = _smaller(output[..., :most].transpose(0, 3, 1, 2), side)
    maps, ranges = _quantised(maps)
    largest = float(np.abs(whole).max()) if whole is not None else 0.0
    return Layer(
        name=layer.name,
        kind=_kind(layer),
        answer=stage.answer.name,
        shape=stage.shape,
        weights=int(whole.size) if whole is not None else 0,
        kernel_shape=[int(n) for n in layer.kernel.shape] if whole is not None else [],
        largest=largest,
        dead=stage.dead,
        kernel=None if whole is None else _coded(_part(whole, values), largest),
        maps=maps,
        ranges=ranges,
    )


def _kind(layer):
    """A layer in words, such as "convolution 3x3, steps of 2 px"."""
    name = type(layer).__name__
    words = {"Conv2D": "convolution", "DepthwiseConv2D": "depthwise convolution", "Dense": "dense", "Add": "sum"}
    word = words.get(name, "joined" if name == "Concatenate" else name)
    if "Conv" not in name:
        return word
    step = max(layer.strides)
    sides = "x".join(str(side) for side in layer.kernel_size)
    return f"{word} {sides}" + (f", steps of {step} px" if step > 1 else "")


def _part(kernel, values):
    """The first filters and inputs of a kernel, of at most about `values` numbers, no patch larger than PATCH px."""
    kernel = _smaller(kernel[:64, :64], PATCH)
    filters, _, h, w = kernel.shape
    return kernel[:, : max(1, values // (filters * h * w))]


def _smaller(maps, side):
    """Maps [a, b, h, w] with no side longer than `side`, by means over areas."""
    import cv2

    a, b, h, w = maps.shape
    size = min(w, side), min(h, side)
    if size == (w, h):
        return maps
    flat = maps.reshape(-1, h, w)
    return np.stack([cv2.resize(one, size, interpolation=cv2.INTER_AREA) for one in flat]).reshape(a, b, *size[::-1])


def _coded(kernel, largest):
    return np.round(127 * kernel / (largest or 1.0)).astype(np.int8)


def _quantised(maps):
    """(uint8 maps, float32 [c, 2]): each channel from its lowest to its highest value over the stored faces."""
    low, high = maps.min((0, 2, 3)), maps.max((0, 2, 3))
    width = np.where(high > low, high - low, 1)[None, :, None, None]
    coded = np.round(255 * (maps - low[None, :, None, None]) / width).astype(np.uint8)
    return coded, np.stack([low, high], -1).astype(np.float32)


def _shares(layer, maps):
    """float32 [b, h, w, slots]: how the weight of each position is spread over the cells."""
    from base_models.heatmaps import soft_argmax

    flat = np.asarray(maps, np.float32).reshape(len(maps), -1, maps.shape[-1])
    return np.asarray(soft_argmax(flat, layer.gives == "heat"), np.float32).reshape(maps.shape)


def _heat(seen, schema, picked):
    from reports.features import Heat

    if not seen:
        return None
    maps = np.concatenate([shares for _, shares in seen]).transpose(0, 3, 1, 2)
    shown = np.concatenate([maps[picked], maps.mean(0, keepdims=True)])
    peaks = shown.max((2, 3))
    coded = np.round(255 * shown / np.maximum(peaks, 1e-12)[..., None, None]).astype(np.uint8)
    x, y = (np.asarray(axis, float) for axis in seen[0][0].axes())
    box = [float(round(end, 3)) for end in (*_ends(x, -1), *_ends(y, -1), *_ends(x, 1), *_ends(y, 1))]
    return Heat(list(schema.slot_names), coded[:-1], coded[-1], peaks.astype(np.float32), box)


def _ends(middles, way):
    """The outer edge of the first (-1) or last (1) of some cells, given their middles."""
    half = (middles[-1] - middles[0]) / max(1, len(middles) - 1) / 2
    return [middles[0] - half if way < 0 else middles[-1] + half]


def write_features(run, base, predictions, ids=None):
    """Write RUN/features.npz.

    Args:
        run: folder of the run.
        base: `Base`.
        predictions: `Predictions` on faces of its size.
        ids: of the faces to store, as text; None = the base's best, its median and its worst one.

    Returns:
        Path of the file, None where there are no faces.

    Raises:
        UsageError: no face has such an id.
    """
    from reports.features import FEATURES, Features

    if not len(predictions):
        return None
    chosen, words = typical_faces(predictions) if not ids else named_faces(predictions, ids)
    rest = np.linspace(0, len(predictions) - 1, min(LOOKED, len(predictions))).round().astype(int)
    rows = np.unique(np.concatenate([chosen, rest]))
    picked = np.searchsorted(rows, chosen)
    layers, heat = collect(base.model, base.schema, np.asarray(predictions.images)[rows], picked)
    about = {"network": base.model.name, "base": base.part.fingerprint(), "looked": len(rows)}
    about |= {"source": str(predictions.info.get("source", ""))}
    kept = np.asarray(predictions.images)[chosen], np.asarray(predictions.ids)[chosen]
    Features(*kept, words, layers, heat, about).save(Path(run) / FEATURES)
    return Path(run) / FEATURES


def typical_faces(predictions):
    """(indices, words) of the faces with the lowest, the median and the highest error of the base; of the first
    three where nothing is labelled."""
    squared = np.square(predictions.errors("base").astype(float))
    known = np.isfinite(squared)
    count = known.sum(1)
    if not count.any():
        rows = np.arange(min(3, len(predictions)))
        return rows, [f"face {i + 1} of {len(predictions)}" for i in rows]
    error = np.sqrt(np.where(known, squared, 0).sum(1) / np.maximum(count, 1) / 2)
    order = np.argsort(np.where(count > 0, error, np.inf), kind="stable")[: (count > 0).sum()]
    places = {0: "lowest", len(order) - 1: "highest"} | ({len(order) // 2: "median"} if len(order) > 2 else {})
    rows = [order[place] for place in sorted(places)]
    return np.array(rows), [f"{places[p]} error, {error[order[p]]:.2f} px" for p in sorted(places)]


def named_faces(predictions, ids):
    """(indices, words) of the faces with these ids, given as text. Raises UsageError where there is no such face."""
    known = {str(name): row for row, name in enumerate(predictions.ids)}
    for name in ids:
        if name not in known:
            some = ", ".join(list(known)[:5])
            raise UsageError(f"--face: expected the id of one of {len(known)} faces, such as {some}; received {name!r}")
    ids = list(dict.fromkeys(ids))
    return np.array([known[name] for name in ids]), ["chosen by --face"] * len(ids)


def main(argv=None):
    parser = Parser(prog="python -m base_models.features", description=__doc__)
    parser.add_argument("--run", default="runs/default", metavar="DIR", help="folder of the run (default: %(default)s)")
    parser.add_argument(
        "--face", action="append", metavar="ID", help="a validation face to store; may be repeated (default: three)"
    )
    a = parser.parse_args(argv)
    from base_models.options import load_keras
    from reports.build import PREDICTIONS
    from reports.predictions import Predictions

    source = Path(a.run) / PREDICTIONS
    if not source.is_file():
        raise RunError(f"{source}: expected the predictions of an ensemble; received none: run specialists.ensemble")
    predictions = Predictions.load(source)
    if a.face:
        named_faces(predictions, a.face)  # before Keras is imported
    load_keras()
    from base_models.base import load_base

    path = write_features(a.run, load_base(a.run), predictions, a.face)
    print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)" if path else f"{source}: no faces, nothing to look at")


if __name__ == "__main__":
    command(main)
