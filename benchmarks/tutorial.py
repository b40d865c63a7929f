"""The original recipe as a Keras tutorial would write it: complete rows only, flips, fifteen separate fits.

    python benchmarks/tutorial.py --data FOLDER --out FOLDER [--minutes 600]

Each point has a small convolutional network of its own (three convolutions, dropout, two dense layers, as in D. Nouri's
tutorial of 2014), fresh weights, Adam, squared error and early stopping; `model.fit` on arrays, nothing else. After
every epoch that is better by its own validation loss, the network's answer on all held-out faces is kept, with the
seconds that training took until then; those of asking are left out, and so are imports and reading. OUT/POINT.npz
holds them. The same command goes on after the last finished point.
"""

import argparse
import math
import sys
import time
from pathlib import Path

import measure  # noqa: F401 it makes the packages known
import numpy as np

from data.storage import read_arrays, write_arrays

EPOCHS, PATIENCE = 300, 10
HALF = 48.0  # px; labels are learned as (x - 48) / 48
LARGEST = 1 << 30  # bytes of a point's file


def tutorial_network(shape=(96, 96, 1)):
    """A compiled network from images 0..1 to (x, y) in -1..1."""
    import keras
    from keras import layers

    blocks = []
    for filters, kernel, rate in ((32, 3, 0.1), (64, 2, 0.2), (128, 2, 0.3)):
        blocks += [layers.Conv2D(filters, kernel, activation="relu"), layers.MaxPooling2D(), layers.Dropout(rate)]
    dense = [layers.Dense(500, activation="relu"), layers.Dropout(0.5), layers.Dense(500, activation="relu")]
    model = keras.Sequential([keras.Input(shape), *blocks, layers.Flatten(), *dense, layers.Dense(2)])
    model.compile(optimizer="adam", loss="mse")
    return model


def complete(faces):
    """The faces that have every point, and their mirror images: (images float32 0..1, points float32 [n, k, 2] px)."""
    whole = faces[faces.labelled.all(1)]
    images, points = np.asarray(whole.images, np.float32) / 255, np.asarray(whole.points)
    turned = points[:, faces.schema.mirror].copy()
    turned[..., 0] = faces.size[1] - 1 - turned[..., 0]
    return np.concatenate([images, images[:, :, ::-1]]), np.concatenate([points, turned])


def fit_point(k, train, held, limit):
    """Train the network of point `k`.

    Args:
        train: as from `complete`.
        held: `Faces` to stop early by, and to answer.
        limit: seconds after which it stops anyway.

    Returns:
        dict of arrays: seconds [e] and positions float32 [e, n, 2] px of every better epoch; total, seconds of all;
        cut, whether the limit stopped it.
    """
    import keras

    started, images = time.perf_counter(), np.asarray(held.images, np.float32) / 255
    model, kept = tutorial_network(images.shape[1:]), {"seconds": [], "positions": [], "asked": 0.0, "cut": False}

    class Keep(keras.callbacks.Callback):
        best = math.inf

        def on_epoch_end(self, epoch, logs=None):
            now = time.perf_counter()
            if logs["val_loss"] < self.best:
                self.best = logs["val_loss"]
                kept["seconds"].append(now - started - kept["asked"])
                kept["positions"].append(self.model.predict(images, verbose=0) * HALF + HALF)
                kept["asked"] += time.perf_counter() - now
            if now - started - kept["asked"] > limit:
                kept["cut"] = self.model.stop_training = True

    whole = held.labelled.all(1)
    model.fit(
        train[0],
        (train[1][:, k] - HALF) / HALF,
        validation_data=(images[whole], (held.points[whole][:, k] - HALF) / HALF),
        epochs=EPOCHS,
        callbacks=[Keep(), keras.callbacks.EarlyStopping(patience=PATIENCE, restore_best_weights=True)],
        verbose=0,
    )
    total = time.perf_counter() - started - kept.pop("asked")
    return {name: np.array(value) for name, value in kept.items()} | {"total": np.array(total)}


def fit_all(train, held, out, minutes, points=None):
    """Train every point that `out` does not have yet, as long as there is time.

    Args:
        train, held: `Faces`.
        minutes: of training, all sessions together.
        points: names of those to train; None = all.
    """
    spent, arrays = 0.0, complete(train)
    for name in points or held.schema.points:
        path = Path(out) / f"{name}.npz"
        found = read_arrays(path, LARGEST) if path.exists() else None
        if found is None or (found["cut"] and spent + found["total"] < 60 * minutes):
            found = fit_point(held.schema.index(name), arrays, held, 60 * minutes - spent)
            write_arrays(path, found)
        spent += float(found["total"])
        print(f"tutorial: {name}: {len(found['seconds'])} better epochs, {spent / 60:.1f} min of all", file=sys.stderr)
        if spent >= 60 * minutes:
            break


def curve(train, held, out):
    """What the points trained so far make together, the mean of the labels standing in for the others.

    Returns:
        list of (seconds, RMSE px, trimmed RMSE px), over all labels of the held-out faces, as ours are scored.
    """
    from base_models.predict import validation_scores

    answer = np.broadcast_to(complete(train)[1].mean(0), held.points.shape).copy()
    spent, found = 0.0, [(0.0, *validation_scores(answer, held.points).values())]
    for k, name in enumerate(held.schema.points):
        path = Path(out) / f"{name}.npz"
        kept = read_arrays(path, LARGEST) if path.exists() else {"seconds": [], "positions": [], "total": 0.0}
        for seconds, positions in zip(kept["seconds"], kept["positions"], strict=True):
            answer[:, k] = positions
            found.append((spent + float(seconds), *validation_scores(answer, held.points).values()))
        spent += float(kept["total"])
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--data", required=True, metavar="FOLDER")
    add("--out", required=True, metavar="FOLDER")
    add("--minutes", type=float, default=600, help="of training (default: %(default)s)")
    add("--seed", type=int, default=0, help="of the split (default: %(default)s)")
    add("--point", action="append", metavar="NAME", help="only this one; may be repeated")
    a = parser.parse_args()
    from base_models.options import load_keras

    load_keras()
    from base_models.base import split_faces
    from base_models.settings import SplitSettings
    from data.sources import read_training

    split = split_faces(read_training(a.data), SplitSettings(), a.seed)
    Path(a.out).mkdir(parents=True, exist_ok=True)
    fit_all(split.train, split.validation, a.out, a.minutes, a.point)


if __name__ == "__main__":
    main()
