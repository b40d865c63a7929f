"""Hostile archives: nothing in them runs, leaves its folder or fills the memory, whatever they are given as."""

import base64
import io
import json
import marshal
import os
import struct
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
from damage import measured
from test_storage import HEADER, Canary, npy
from trust import sized

from data.runs import Part

MB = 1 << 20
FIRST = np.arange(6, dtype=np.float32)


def archive(path, members, method=zipfile.ZIP_STORED):
    """A zip of (name or ZipInfo, bytes)."""
    with zipfile.ZipFile(path, "w", method) as out:
        for name, content in members:
            out.writestr(name, content)


def array(value=FIRST):
    out = io.BytesIO()
    np.save(out, value)
    return out.getvalue()


def objects(path, canary):
    np.savez(path, a=np.array([Canary(canary), None], dtype=object))


def structured(path, canary):
    np.savez(path, a=np.array([(1, Canary(canary))], dtype=[("n", "i8"), ("o", object)]))


def climbing(path, canary):
    archive(path, [(f"../../{canary.name}.npy", array()), ("/tmp/x.npy", array())])


def link(path, canary):
    info = zipfile.ZipInfo("a.npy")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    archive(path, [(info, str(canary).encode())])


def deflated(path, canary):
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out,
        out.open("a.npy", "w", force_zip64=True) as member,
    ):
        member.write(npy(HEADER.format("<f4", (150 * MB,))))
        for _ in range(600):
            member.write(bytes(MB))


def many_zeros(path, canary):
    """A stored member of 1.5 GB that takes no place on the disk, with the right shape."""
    head = npy(HEADER.format("|u1", (1536 * MB,)))
    info = zipfile.ZipInfo("a.npy")
    with zipfile.ZipFile(path, "w") as out:
        out.writestr(info, head)
        info.file_size = info.compress_size = len(head) + (1536 * MB)
        start = info.header_offset + len(info.FileHeader()) + len(head)
        out.fp.seek(start + (1536 * MB))
        out.start_dir = start + (1536 * MB)


def many_members(path, canary):
    """A million entries in a directory of 60 MB, without the members."""
    entry = struct.pack("<4s4B4H3L5H2L", b"PK\1\2", 20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 14, 0, 0, 0, 0, 0, 0)
    directory = b"".join(entry + f"{i:010d}.npy".encode() for i in range(1_000_000))
    path.write_bytes(directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65535, 65535, len(directory), 0, 0))


def shapes(*shape):
    return lambda path, canary: archive(path, [("a.npy", npy(HEADER.format("<f8", shape), bytes(64)))])


def with_lambda(canary):
    """Configuration of a Keras model whose Lambda layer, a program in itself, makes the canary."""
    source = f"def make(x):\n    open({str(canary)!r}, 'w').close()\n    return x\n"
    [program] = [part for part in compile(source, "lambda", "exec").co_consts if hasattr(part, "co_code")]
    code = {"code": base64.encodebytes(marshal.dumps(program)).decode(), "defaults": None, "closure": None}
    function = {"class_name": "__lambda__", "config": code}
    layers = [
        {"module": "keras.layers", "class_name": "InputLayer", "config": {"batch_shape": [None, 2], "name": "i"}},
        {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "l", "function": function}},
    ]
    return {"module": "keras", "class_name": "Sequential", "config": {"name": "s", "layers": layers}}


def keras_lambda(path, canary):
    """A Keras archive with it."""
    config = json.dumps(with_lambda(canary))
    archive(path, [("config.json", config), ("metadata.json", "{}"), ("model.weights.h5", b"\x89HDF")])


@pytest.mark.faults
def test_the_lambda_would_make_the_canary_where_keras_is_told_to_trust_it(tmp_path):
    import keras

    keras.saving.deserialize_keras_object(with_lambda(tmp_path / "canary"), safe_mode=False)
    assert (tmp_path / "canary").exists()


def external_links(path, canary):
    with h5py.File(path, "w") as file:
        file["layers"] = h5py.ExternalLink("/etc/passwd", "/")
        file["more"] = h5py.ExternalLink("/dev/zero", "/")


ARCHIVES = {
    "objects that would run": objects,
    "objects in a record": structured,
    "names that climb": climbing,
    "a symbolic link": link,
    "600 MB of zeros, deflated": deflated,
    "1.5 GB of zeros, sparse": many_zeros,
    "a million members": many_members,
    "a shape of a terabyte": shapes(1 << 37),
    "a shape beyond a machine word": shapes(1 << 62, 1 << 62),
    "a shape of many zeros": shapes(1 << 40, 0, 1 << 40),
    "a Keras archive with a Lambda": keras_lambda,
    "HDF5 with external links": external_links,
}
AS = {  # given as what: (file in the run, setup, call)
    "weights": ("base/weights.npz", "from data.runs import Part", "Part(sys.argv[1] + '/base').weights()"),
    "predictions": (
        "ensemble/predictions.npz",
        "from reports.predictions import Predictions",
        "Predictions.load(sys.argv[1] + '/ensemble/predictions.npz')",
    ),
    "labels": (
        "labels.npz",
        "from reports.label_store import Labels",
        "Labels.load(sys.argv[1] + '/labels.npz')",
    ),
    "features": (
        "features.npz",
        "from reports.features import Features",
        "Features.load(sys.argv[1] + '/features.npz')",
    ),
}
HARMLESS = {("weights", name) for name in ("names that climb", "a shape of many zeros")}  # the network refuses them


@sized("given", ["weights"], list(AS))
@pytest.mark.parametrize("kind", ARCHIVES)
def test_a_hostile_archive_is_refused_before_anything_of_it_is_used(tmp_path, figures, kind, given):
    canary = tmp_path / "canary"
    for name in given:
        file, setup, call = AS[name]
        path = tmp_path / "run" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        ARCHIVES[kind](path, canary)
        if name == "weights":
            Part(path.parent).seal([path.name])
        told, grown, seconds, peak = measured(setup, call, tmp_path / "run")
        path.unlink()
        left = {p.name for p in tmp_path.rglob("*") if p.is_file()}
        good = (told is not None and told[0] == 4) or (name, kind) in HARMLESS
        figures("hostile inputs refused in one sentence", good, 1)
        figures("largest growth of memory on a hostile file, MB", round(grown))
        assert good, (name, told)
        assert (grown < 200, seconds < 10, peak < 2000) == (True, True, True), (grown, seconds, peak)
        assert not canary.exists()
        assert left <= {"manifest.json"}


# Zips as Kaggle's files.


def _deflated(path, name, head, size):
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as out,
        out.open(name, "w", force_zip64=True) as member,
    ):
        member.write(head)
        for _ in range(size // MB):
            member.write(b"7" * MB)


BOMBS = {
    "a line of 600 MB": lambda path: _deflated(path, "training.csv", b"", 600 * MB),
    "an inner zip of 600 MB": lambda path: _deflated(path, "training.zip", b"PK\3\4", 600 * MB),
    "an inner zip of 500 MB": lambda path: _deflated(path, "training.zip", b"PK\3\4", 500 * MB),
    "an inner zip that is none": lambda path: _deflated(path, "training.zip", b"", 500 * MB),
    "a million members": lambda path: many_members(path, None),
    "a link": lambda path: link(path, Path("/etc/passwd")),
}


@sized("kinds", ["an inner zip of 600 MB", "a million members"], list(BOMBS))
def test_a_zip_bomb_as_kaggles_files_is_refused(tmp_path, figures, kinds):
    for kind in kinds:
        path = tmp_path / "facial-keypoints-detection.zip"
        BOMBS[kind](path)
        setup = "from data.sources import read_training\nfrom data import kaggle, readers"
        told, grown, seconds, peak = measured(setup, "read_training(sys.argv[1])", path)
        good = told is not None and told[0] == 3 and str(path) in told[1]
        figures("hostile inputs refused in one sentence", good, 1)
        figures("largest growth of memory on a hostile file, MB", round(grown))
        assert good, (kind, told)
        assert (grown < 200, seconds < 10, peak < 2000) == (True, True, True), (kind, grown, seconds, peak)
        assert os.listdir(tmp_path) == [path.name]
