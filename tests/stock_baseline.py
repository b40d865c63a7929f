"""What a stock Keras training does under the same faults: the figures beside ours in docs/reliability.md.

    python tests/stock_baseline.py [KILLS]     # tries it; appends figures to the file that TRUST_FIGURES names
    python tests/stock_baseline.py train DIR   # the training itself, as a Keras tutorial has it

The training reads Kaggle's CSV file with pandas, and has BackupAndRestore, ModelCheckpoint and EarlyStopping.
"""

import math
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
import zlib
from pathlib import Path

from trust import tell

EPOCHS = 8
SEED = 0
FULL = 40_000  # bytes that a file may have where the disk is to be full: less than any save takes


def read(path):
    """Images [n, 96, 96, 1] and points [n, 30] of training.csv."""
    import numpy as np
    import pandas as pd

    table = pd.read_csv(path).dropna()
    images = np.stack([np.array(text.split(), "float32").reshape(96, 96, 1) for text in table.pop("Image")])
    return images / 255, table.to_numpy("float32") / 96


def train(folder):
    """The training of a tutorial. NAN=1 in the environment makes the loss of the first epoch no number."""
    import keras

    class Spoil(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if epoch == 0 and os.environ.get("NAN"):
                logs["val_loss"] = float("nan")

    keras.utils.set_random_seed(SEED)
    x, y = read(folder / "training.csv")
    layers = [keras.layers.Conv2D(8, 3, activation="relu"), keras.layers.MaxPooling2D(4), keras.layers.Flatten()]
    model = keras.Sequential([keras.Input((96, 96, 1)), *layers, keras.layers.Dropout(0.2), keras.layers.Dense(30)])
    model.compile("adam", "mse")
    callbacks = [
        Spoil(),
        keras.callbacks.BackupAndRestore(folder / "backup"),
        keras.callbacks.ModelCheckpoint(folder / "best.keras", save_best_only=True),
        keras.callbacks.EarlyStopping(patience=3, restore_best_weights=True),
    ]
    model.fit(x, y, batch_size=16, epochs=EPOCHS, validation_split=0.2, callbacks=callbacks, verbose=0)
    model.save_weights(folder / "last.weights.h5")
    (folder / "best.txt").write_text(str(float(callbacks[2].best)))


def weights(path):
    """CRC of the numbers in a weights file; None where it cannot be read."""
    import h5py

    sums = []
    try:
        with h5py.File(path) as file:
            file.visititems(lambda name, item: sums.append(item[()].tobytes()) if hasattr(item, "shape") else None)
    except (OSError, KeyError, ValueError):
        return None
    return zlib.crc32(b"".join(sums))


def start(folder, limit=None, **more):
    def prepare():
        if limit:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"} | more
    call = [sys.executable, __file__, "train", str(folder)]
    return subprocess.Popen(call, env=environment, stderr=subprocess.PIPE, text=True, preexec_fn=prepare)


def fresh(place, name, data):
    folder = place / name
    folder.mkdir()
    shutil.copy(data / "training.csv", folder)
    return folder


def readable(path):
    import keras

    try:
        keras.saving.load_model(path)
    except Exception:
        return False
    return True


def kills(place, data, count):
    """Kill at random moments of the training, do it again, compare; and look at the file of the best epoch."""
    whole, began = fresh(place, "whole", data), time.monotonic()
    assert start(whole).wait() == 0
    seconds, wanted = time.monotonic() - began, weights(whole / "last.weights.h5")
    again = fresh(place, "again", data)
    assert start(again).wait() == 0
    tell("two trainings that nothing stopped: the same bytes", int(weights(again / "last.weights.h5") == wanted), 1)
    moments = random.Random(1)
    for i in range(count):
        folder = fresh(place, str(i), data)
        process, kind = start(folder), i % 2
        if kind:  # while the best epoch is saved: as soon as its file changes
            wait_for_save(folder / "best.keras", process, moments)
        else:
            while not (folder / "backup").exists() and process.poll() is None:
                time.sleep(0.002)
            time.sleep(moments.uniform(0, max(0.2, seconds / 6)))
        process.kill()
        process.wait()
        if (folder / "best.keras").exists():
            tell("best file still readable after a kill", int(readable(folder / "best.keras")), 1)
        again = start(folder)
        tell("killed at a random moment: the same command goes on", int(again.wait() == 0), 1)
        same = weights(folder / "last.weights.h5") == wanted
        tell("killed at a random moment: the same bytes after the resume", int(same), 1)
        shutil.rmtree(folder)


def wait_for_save(path, process, moments):
    """Return in the middle of the second save or a later one."""
    while not path.exists() and process.poll() is None:
        time.sleep(0.0005)
    time.sleep(0.05)
    before = path.stat().st_mtime_ns if path.exists() else 0
    while process.poll() is None and path.stat().st_mtime_ns == before:
        time.sleep(0.0002)
    time.sleep(moments.uniform(0, 0.004))


def starved(place, data):
    """A disk that is full when a training that was stopped goes on."""
    folder = fresh(place, "full", data)
    process = start(folder)
    wait_for_save(folder / "best.keras", process, random.Random(2))
    time.sleep(0.5)  # the save has ended
    process.kill()
    process.wait()
    assert readable(folder / "best.keras")
    process = start(folder, FULL)
    _, err = process.communicate()
    lines = [line for line in err.splitlines() if line]
    tell("disk full at a save: said in one line", int(process.returncode != 0 and len(lines) == 1), 1)
    tell("disk full at a save: the best of before is still readable", int(readable(folder / "best.keras")), 1)
    again = start(folder)
    again.communicate()
    tell("disk full at a save: the same command goes on", int(again.returncode == 0), 1)


def spoiled(place, data):
    """The first epoch's validation is NaN: is a later, finite one kept as the best?"""
    folder = fresh(place, "nan", data)
    start(folder, NAN="1").wait()
    kept = math.isfinite(float((folder / "best.txt").read_text()))
    tell("first epoch NaN: a finite one becomes the best", int(kept), 1)


def crowd(place, data, count):
    """So many starts on one folder: does any of them refuse?"""
    folder = fresh(place, "crowd", data)
    children = [start(folder) for _ in range(count)]
    refused = sum(child.wait() != 0 and "in use" in child.stderr.read() for child in children)
    tell("second starts refused, naming the holder", refused, count - 1)


def main(count):
    import tempfile

    from data.synthetic import make_files

    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        make_files(place / "data", 200, 2, seed=4)
        kills(place, place / "data", count)
        starved(place, place / "data")
        spoiled(place, place / "data")
        crowd(place, place / "data", 3)


if __name__ == "__main__":
    if sys.argv[1:2] == ["train"]:
        train(Path(sys.argv[2]))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 20)
