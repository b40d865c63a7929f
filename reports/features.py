"""The features file: kernels and answers of a network's layers on some faces. Written by base_models.features."""

import json
from dataclasses import dataclass

import numpy as np

from data.storage import NAMES, NUMBERS, check_kind, read_arrays, understood, write_arrays

FEATURES = "features.npz"  # within a run folder


@dataclass(frozen=True)
class Layer:
    """One layer with weights, or one that joins others, and what it answers after norm, ReLU and pooling.

    Args:
        name: of the layer. kind: of it, in words. answer: name of the layer whose output is its answer.
        shape: [h, w, channels] of the answer, or [units].
        weights: how many numbers it has in its kernel. kernel_shape: of it, as the network has it; [] without one.
        kernel: int8 [filters, inputs, h, w], a part of it; 127 stands for `largest`. None without one.
        largest: the largest size of a number in the whole kernel.
        maps: uint8 [f, c, h, w], the answer's first channels on the stored faces, scaled by `ranges`. The units of
            a layer without places are [f, units, 1, 1].
        ranges: float32 [c, 2], what 0 and 255 stand for in each channel.
        dead: indices of channels that answered the same everywhere on all faces that were looked at.
    """

    name: str
    kind: str
    answer: str
    shape: list
    weights: int
    kernel_shape: list
    largest: float
    dead: list
    kernel: np.ndarray
    maps: np.ndarray
    ranges: np.ndarray

    @property
    def channels(self):
        return self.shape[-1]


@dataclass(frozen=True)
class Heat:
    """Where a heat-map head looks for each slot.

    Args:
        slots: names. maps: uint8 [f, s, h, w] on the stored faces. mean: uint8 [s, h, w] over all looked at.
        peaks: float32 [f + 1, s], the share of the whole that 255 stands for; the last row is that of `mean`.
        box: [left, top, right, bottom] of the maps on the image, px.
    """

    slots: list
    maps: np.ndarray
    mean: np.ndarray
    peaks: np.ndarray
    box: list


@dataclass(frozen=True)
class Features:
    """What a network's layers answer.

    Args:
        faces: uint8 [f, H, W, C], those that are stored. ids: [f] int64 or str. words: [f] of what each stands for.
        layers: list of `Layer`, in the order in which they answer. heat: `Heat`, None for another head.
        about: dict: network, base (fingerprint), looked (number of faces), source.
    """

    faces: np.ndarray
    ids: np.ndarray
    words: list
    layers: list
    heat: Heat
    about: dict

    def save(self, path):
        """Write the features file; the same features always give the same bytes."""
        arrays = {"faces": self.faces, "ids": self.ids}
        for i, layer in enumerate(self.layers):
            arrays |= {f"maps/{i}": layer.maps, f"ranges/{i}": layer.ranges}
            arrays |= {} if layer.kernel is None else {f"kernel/{i}": layer.kernel}
        heat = self.heat
        if heat:
            arrays |= {"heat/maps": heat.maps, "heat/mean": heat.mean, "heat/peaks": heat.peaks}
        plain = ("name", "kind", "answer", "shape", "weights", "kernel_shape", "largest", "dead")
        told = {
            "about": self.about,
            "words": self.words,
            "heat": {"slots": heat.slots, "box": heat.box} if heat else {},
        }
        told |= {"layers": [{name: getattr(layer, name) for name in plain} for layer in self.layers]}
        meta = np.frombuffer(json.dumps(told, sort_keys=True, allow_nan=False).encode(), np.uint8)
        write_arrays(path, arrays | {"meta": meta})

    @classmethod
    def load(cls, path):
        """Read a features file. Raises RunError naming the file where it is damaged or not one."""
        arrays = read_arrays(path)
        with understood(path, "a features file"):
            told = json.loads(arrays["meta"].tobytes())
            heat = {name: arrays[f"heat/{name}"] for name in ("maps", "mean", "peaks")} if told["heat"] else {}
            layers = [
                Layer(**one, kernel=arrays.get(f"kernel/{i}"), maps=arrays[f"maps/{i}"], ranges=arrays[f"ranges/{i}"])
                for i, one in enumerate(told["layers"])
            ]
            made = cls(
                arrays["faces"],
                arrays["ids"],
                told["words"],
                layers,
                Heat(**told["heat"], **heat) if heat else None,
                told["about"],
            )
            return made._checked()

    def _checked(self):
        check_kind("faces", self.faces, "u", (None, None, None, None))
        f = len(self.faces)
        check_kind("ids", self.ids, NAMES, (f,))
        if f != len(self.words):
            raise ValueError(f"words: expected {f} of them; received {len(self.words)}")
        for layer in self.layers:
            check_kind(f"maps of {layer.name}", layer.maps, "u", (f, None, None, None))
            check_kind(f"ranges of {layer.name}", layer.ranges, NUMBERS, (layer.maps.shape[1], 2))
            if layer.kernel is not None:
                check_kind(f"kernel of {layer.name}", layer.kernel, "i", (None, None, None, None))
        heat = self.heat
        if heat:
            check_kind("mean heat map", heat.mean, "u", (len(heat.slots), None, None))
            check_kind("heat maps", heat.maps, "u", (f, *heat.mean.shape))
            check_kind("peaks", heat.peaks, NUMBERS, (f + 1, len(heat.slots)))
        return self
