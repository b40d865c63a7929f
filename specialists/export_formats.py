"""Converters: a merged graph to the bytes of each format."""

import contextlib
import importlib.util
import io
import logging
import tempfile
import warnings
from pathlib import Path

import numpy as np

from data.errors import UsageError

OPSET = 17  # of ONNX: the newest that tf2onnx is tried with; any runtime since 2022 reads it
CALIBRATION = 32  # faces by which the ranges of 8-bit values are chosen
ENDINGS = {"onnx": ".onnx", "litert": ".tflite", "openvino": ".zip", "saved_model": ""}
EIGHT_BITS = ("onnx", "litert")
NEEDS = {  # modules, to convert and to run
    "onnx": ("tf2onnx", "onnx", "onnxruntime"),
    "litert": ("ai_edge_litert",),
    "openvino": ("openvino",),
    "saved_model": (),
}


def check_format(kind, int8):
    """Raises UsageError where a format's converter is not installed, or knows no 8-bit weights."""
    if int8 and kind not in EIGHT_BITS:
        raise UsageError(f"--int8: expected one of the formats {', '.join(EIGHT_BITS)}; received {kind}")
    for module in NEEDS[kind]:
        if importlib.util.find_spec(module) is None:  # an import would also import TensorFlow, greetings and all
            raise UsageError(f"--format {kind}: needs {module}: pip install 'keypoint-specialists[export]'")


def converted(kind, function, faces, int8, folder):
    """A graph in one of the formats.

    Args:
        kind: a name in CONVERTERS.
        function: tf.function of images uint8 [n, H, W, C], as of `Merged.function`.
        faces: uint8 [n, H, W, C], real ones, by which the ranges of 8-bit values are chosen.
        int8: store weights in 8 bits.
        folder: where a SavedModel goes.

    Returns:
        dict of name to bytes, as of `model_files.write_model`.
    """
    with _quiet():
        return CONVERTERS[kind](function, faces[:CALIBRATION], int8, folder)


@contextlib.contextmanager
def _quiet():
    """Context: converters say nothing on their own, neither by logging nor by printing."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _to_onnx(function, faces, int8, folder):
    import tf2onnx

    made, _ = tf2onnx.convert.from_function(function, input_signature=function.input_signature, opset=OPSET)
    content = made.SerializeToString()
    return {"model.onnx": _eight_bit_onnx(content, faces) if int8 else content}


def _eight_bit_onnx(content, faces):
    """Convolutions in 8 bits; where the views' pixels lie and how maps become positions stays in 32. So do the first
    convolutions: 8 bits over the brightest and darkest pixels of all faces leave a pale face too few grey levels (0.7
    px of the default network's RMSE on the replica, where all others together cost 0.002)."""
    import onnx
    from onnxruntime import quantization

    class Faces(quantization.CalibrationDataReader):
        def __init__(self):
            self.left = iter(np.array_split(faces, max(1, len(faces) // 8)))

        def get_next(self):
            some = next(self.left, None)
            return None if some is None else {"images": some}

    with tempfile.TemporaryDirectory() as name:
        whole, ready, small = (str(Path(name) / f"{part}.onnx") for part in ("whole", "ready", "small"))
        Path(whole).write_bytes(content)
        quantization.shape_inference.quant_pre_process(whole, ready, skip_symbolic_shape=True)
        first = _first_convolutions(onnx.load(ready).graph, faces.shape[-1])
        own = {"op_types_to_quantize": ["Conv"], "nodes_to_exclude": first, "per_channel": True}
        types = {"activation_type": quantization.QuantType.QUInt8, "weight_type": quantization.QuantType.QInt8}
        quantization.quantize_static(ready, small, Faces(), **own, **types)
        return Path(small).read_bytes()


def _first_convolutions(graph, channels):
    """Names of the convolutions of an ONNX graph that see pixels: as many channels as an image, per network. Those of
    one channel with itself (depthwise) do not."""
    kernels, found = {kernel.name: kernel.dims for kernel in graph.initializer}, []
    for node in graph.node:
        if node.op_type == "Conv":
            out, seen = kernels[node.input[1]][:2]
            groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
            found += [node.name] if seen == channels and out > groups else []
    return found


def _saved(function, folder):
    """A SavedModel in a folder."""
    import tensorflow as tf

    module = tf.Module()
    module.merged = function
    tf.saved_model.save(module, str(folder), signatures=function.get_concrete_function())
    return folder


def _to_litert(function, faces, int8, folder):
    import tensorflow as tf

    with tempfile.TemporaryDirectory() as name:
        converter = tf.lite.TFLiteConverter.from_saved_model(str(_saved(function, name)))
        if int8:  # weights only: it would also round where pixels lie
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
        return {"model.tflite": converter.convert()}


def _to_openvino(function, faces, int8, folder):
    import openvino

    with tempfile.TemporaryDirectory() as name:
        model = openvino.convert_model(str(_saved(function, Path(name) / "saved")))
        for output in model.outputs:
            _named(output)
        openvino.save_model(model, Path(name) / "model.xml", compress_to_fp16=False)
        return {part: (Path(name) / part).read_bytes() for part in ("model.xml", "model.bin")}


def _named(output):
    """The name that an output has in all formats, among those that OpenVINO gives it."""
    own = next(n for n in ("points", "radii") if any(name.partition(":")[0] == n for name in output.names))
    output.set_names({own})


def _to_saved_model(function, faces, int8, folder):
    return {"saved_model.pb": (Path(_saved(function, folder)) / "saved_model.pb").read_bytes()}


CONVERTERS = {"onnx": _to_onnx, "litert": _to_litert, "openvino": _to_openvino, "saved_model": _to_saved_model}
