"""An ensemble from one exported file: answers as `Ensemble.predict` does, without Keras and, but for SavedModel,
without TensorFlow."""

import importlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.errors import RunError, UsageError
from data.keypoints import schema_of
from specialists.model_files import EXPECTED, format_of, read_model
from specialists.photos import Training

FORMAT = 1  # of what a file says of itself
LEVELS = 2  # error radii of each point
TOGETHER = 8  # faces at a time: their maps stay in the processor's cache (of 64, each takes up to 1.5 times as long)


@dataclass(frozen=True)
class Exported:
    """What a file holds.

    Args:
        path: of the file.
        convention: index of the schema's convention that the points follow.
        training: `Training`.
        doubt: the most doubt of a face, as of `predictor.doubt_limit`.
        run: function of images uint8 [n, H, W, C] to (points float32 [n, k, 2], radii float32 [n, levels, k]).
    """

    path: Path
    convention: int
    training: object
    doubt: float
    run: object

    def predict(self, images, convention):
        """({"ensemble": points float32 [n, k, 2] px}, radii float32 [levels, n, k] px) of faces, as of `Ensemble`.

        Args:
            images: uint8 [n, H, W, C].
            convention: int [n]; all must be the one that the file was made for.

        Raises:
            UsageError: another convention. RunError: the network answers otherwise than its file says.
        """
        if np.any(np.asarray(convention) != self.convention):
            raise UsageError(f"{self.path}: answers by the convention {self.convention_name} only")
        k, n = len(self.training.schema), len(images)
        points, radii = np.zeros((n, k, 2), np.float32), np.zeros((n, LEVELS, k), np.float32)
        for start in range(0, n, TOGETHER):
            some = slice(start, start + TOGETHER)
            points[some], radii[some] = self._answer(np.ascontiguousarray(images[some]), k)
        return {"ensemble": points}, radii.swapaxes(0, 1)

    def _answer(self, images, k):
        points, radii = self.run(images)
        wanted = (len(images), k, 2), (len(images), LEVELS, k)
        if (points.shape, radii.shape) != wanted:
            raise RunError(f"{self.path}: expected answers {wanted}; received {points.shape}, {radii.shape}")
        return points, radii

    @property
    def convention_name(self):
        return self.training.schema.conventions[self.convention].name


def load_exported(path, threads=0):
    """Load a file that `specialists.export` wrote.

    Args:
        path: the file, or the folder of a SavedModel.
        threads: that the runtime may use; 0 = as many as there are cores.

    Returns:
        `Exported`.

    Raises:
        RunError: missing, damaged, or something else. UsageError: its runtime is not installed.
    """
    path = Path(path)
    kind = format_of(path)
    payload, about = read_model(path, kind)
    try:
        training, convention, doubt = _described(about)
    except (KeyError, TypeError, ValueError, AttributeError, StopIteration, OverflowError) as error:
        raise RunError(f"{path}: expected {EXPECTED}; received other metadata ({error!r})") from error
    try:
        run = RUNTIMES[kind](path, payload, threads)
    except (UsageError, KeyboardInterrupt, MemoryError):
        raise
    except Exception as error:  # each runtime has errors of its own for a graph that it cannot use
        raise RunError(f"{path}: expected a network for {kind}; received one it refuses ({error})") from error
    return Exported(path, convention, training, doubt, run)


def described(training, convention, doubt):
    """What a file says of itself: the JSON object that `load_exported` reads back.

    Args:
        training: `Training`.
        convention: index of the schema's conventions.
        doubt: as of `Exported`.
    """
    return {
        "format": FORMAT,
        "schema": training.schema.stored,
        "convention": training.schema.conventions[convention].name,
        "input": {"name": "images", "shape": [*training.size, training.channels], "type": "uint8", "values": [0, 255]},
        "outputs": {"points": "px of the input, x and y", "radii": "px, of 50 % and of 90 % of the errors"},
        "typical": training.typical.tolist(),
        "steady": training.steady.tolist(),
        "doubt": float(doubt) if np.isfinite(doubt) else None,
    }


def _described(about):
    """(`Training`, convention, doubt). Raises one of many where `about` is not as `described` makes it."""
    if about["format"] != FORMAT:
        raise ValueError(f"format {about['format']!r}")
    schema, shape = schema_of(about["schema"]), about["input"]["shape"]
    if len(shape) != 3 or not all(type(s) is int and 0 < s < 1 << 14 for s in shape) or shape[2] not in (1, 3):
        raise ValueError(f"shape {shape!r}")
    typical, steady = np.array(about["typical"], float), np.array(about["steady"])
    if typical.shape != (len(schema), 2) or not np.isfinite(typical).all():
        raise ValueError("typical points")
    if steady.shape != (len(schema),) or steady.dtype != bool:
        raise ValueError("steady points")
    convention = [c.name for c in schema.conventions].index(about["convention"])
    doubt = np.inf if about["doubt"] is None else float(about["doubt"])
    if not doubt >= 0:
        raise ValueError(f"doubt {doubt}")
    training = Training(schema, tuple(shape[:2]), shape[2], typical, steady)
    if not training.from_boxes([[0, 0, 9, 9]])[0, 0, 0] > 0:
        raise ValueError("typical points that all fall together")
    return training, convention, doubt


# -- one function per format: (path, payload, threads) -> `Exported.run`


def needed(module, extra, path):
    """Import a package that an extra brings. Raises UsageError naming it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        name = module.partition(".")[0]
        raise UsageError(f"{path}: needs {name}: pip install 'keypoint-specialists[{extra}]' ({error})") from error


def _onnx(path, payload, threads):
    runtime = needed("onnxruntime", "onnx", path)
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = threads, 3
    session = runtime.InferenceSession(payload["model.onnx"], options, providers=["CPUExecutionProvider"])
    return lambda images: session.run(["points", "radii"], {"images": images})


def _litert(path, payload, threads):
    make = needed("ai_edge_litert.interpreter", "litert", path).Interpreter
    interpreter = make(model_content=payload["model.tflite"], num_threads=threads or None)
    signature = interpreter.get_signature_runner()

    def run(images):
        found = signature(images=images)
        return found["points"], found["radii"]

    return run


def _openvino(path, payload, threads):
    openvino = needed("openvino", "openvino", path)
    core = openvino.Core()
    weights = openvino.Tensor(np.frombuffer(payload["model.bin"], np.uint8))
    model = core.read_model(payload["model.xml"], weights)
    # Half precision, its own choice where the machine has it, is too coarse for where pixels lie.
    options = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    compiled = core.compile_model(model, "CPU", options)

    def run(images):
        found = compiled(images)
        return np.array(found["points"]), np.array(found["radii"])

    return run


def _saved_model(path, payload, threads):
    tensorflow = needed("tensorflow", "export", path)  # whose threads are those of the process, whatever `threads` is
    loaded = tensorflow.saved_model.load(path)
    function = loaded.signatures["serving_default"]

    def run(images):
        found = function(images=tensorflow.constant(images))
        return found["points"].numpy(), found["radii"].numpy()

    return run


RUNTIMES = {"onnx": _onnx, "litert": _litert, "openvino": _openvino, "saved_model": _saved_model}
