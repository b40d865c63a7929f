"""One file that holds a network and what it means: schema, size and values of its input, and a checksum.

ONNX: the text is an entry of the file's own `metadata_props`, the last one in the file. LiteRT: a zip archive is
appended, as TensorFlow Lite's metadata are. OpenVINO: a zip archive of the .xml, the .bin and the text. SavedModel: a
folder, as TensorFlow has it, with the text beside.
"""

import hashlib
import io
import json
import zipfile
import zlib
from pathlib import Path

from data.errors import RunError
from data.storage import write_atomically, write_text

NAME = "keypoints.json"
KEY = b"keypoint_specialists"
LIMIT = 4 << 30  # bytes of a file
TEXT_LIMIT = 1 << 20  # bytes of the text in it
EXPECTED = "a model that python -m specialists.export wrote"
DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, IndexError, NotImplementedError, ValueError, RuntimeError)
ENDINGS = {".onnx": "onnx", ".tflite": "litert", ".zip": "openvino"}


def format_of(path):
    """Name of the format of a file, or of a folder. Raises RunError where it is none, or missing."""
    path = Path(path)
    if path.is_dir():
        return "saved_model"
    if not path.is_file():
        raise RunError(f"{path}: expected {EXPECTED}; received no such file")
    if path.suffix not in ENDINGS:
        raise RunError(f"{path}: expected {EXPECTED}, which ends in {', '.join(ENDINGS)}; received {path.suffix!r}")
    return ENDINGS[path.suffix]


def write_model(path, kind, payload, about):
    """Write a network and what it means to one file; replaced whole.

    Args:
        path: Path.
        kind: name of the format.
        payload: dict of name to bytes: one entry, but for OpenVINO's "model.xml" and "model.bin". For SavedModel the
            folder is there already, and this writes the text into it.
        about: a JSON object.
    """
    text = json.dumps({**about, "sha256": _sum(payload)}, allow_nan=False, sort_keys=True).encode()
    if kind == "saved_model":
        write_text(Path(path) / NAME, text.decode())
    else:
        write_atomically(path, lambda file: file.write(PACK[kind](payload, text)))


def read_model(path, kind):
    """(payload, about) as `write_model` got them. Raises RunError where the file is damaged or something else."""
    try:
        payload, text = _folder(Path(path)) if kind == "saved_model" else UNPACK[kind](_bytes(Path(path)))
        if len(text) > TEXT_LIMIT:
            raise ValueError(f"{len(text)} bytes of metadata")
        about = json.loads(text)
        if not isinstance(about, dict):
            raise ValueError("metadata that are no JSON object")
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror or error}") from error
    except (*DAMAGE, RecursionError) as error:
        raise RunError(f"{path}: expected {EXPECTED}; received another or a damaged file ({error})") from error
    if about.get("sha256") != _sum(payload):
        raise RunError(f"{path}: damaged: its SHA-256 differs from the one it was written with; export it again")
    return payload, about


def _bytes(path):
    if path.stat().st_size > LIMIT:
        raise ValueError(f"{path.stat().st_size} bytes")
    return path.read_bytes()


def _sum(payload):
    total = hashlib.sha256()
    for name in sorted(payload):
        total.update(payload[name])
    return total.hexdigest()


def _folder(path):
    return {"saved_model.pb": _bytes(path / "saved_model.pb")}, _bytes(path / NAME)


# -- ONNX: in protocol buffers, what is appended to a message is part of it


def _number(value):
    """A number as protocol buffers write it, seven bits at a time."""
    out = bytearray()
    while value >= 128:
        out.append(value % 128 + 128)
        value //= 128
    return bytes([*out, value])


def _field(number, content):
    return _number(number << 3 | 2) + _number(len(content)) + content


def _entry(text):
    """The entry KEY: text of a ModelProto's metadata_props, its field 14."""
    return _field(14, _field(1, KEY) + _field(2, text))


def _pack_onnx(payload, text):
    return payload["model.onnx"] + _entry(text)


def _unpack_onnx(content):
    start = content.rfind(_field(1, KEY))
    text = content[content.find(b"{", start) :] if start >= 0 else b""
    if not text or not content.endswith(_entry(text)):
        raise ValueError("no metadata of ours at its end")
    return {"model.onnx": content[: -len(_entry(text))]}, text


# -- zip archives


def _pack_litert(payload, text):
    out = io.BytesIO(payload["model.tflite"])
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr(zipfile.ZipInfo(NAME), text)
    return out.getvalue()


def _unpack_litert(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {"model.tflite": content[: archive.getinfo(NAME).header_offset]}, _member(archive, NAME)


def _pack_openvino(payload, text):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in {**payload, NAME: text}.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def _unpack_openvino(content):
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = ("model.xml", "model.bin")
        return {name: _member(archive, name) for name in names}, _member(archive, NAME)


def _member(archive, name):
    """A member that takes no more room than in the file. Its CRC is checked."""
    if archive.getinfo(name).compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{name} is compressed")
    return archive.read(name)


PACK = {"onnx": _pack_onnx, "litert": _pack_litert, "openvino": _pack_openvino}
UNPACK = {"onnx": _unpack_onnx, "litert": _unpack_litert, "openvino": _unpack_openvino}
