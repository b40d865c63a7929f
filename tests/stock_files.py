"""The stock baseline for files: damaged Keras weights and models, and hostile tables read as tutorials read them.

    TRUST_FIGURES=stock.jsonl python tests/stock_files.py 200      # damaged copies of each of the two kinds of file

The same damage and the same tables as in tests/test_trust_corruption.py and tests/test_trust_data.py. A damaged file
counts as taken for whole where it loads without an error and any weight differs from what was saved.
"""

import os
import sys
import tempfile
import warnings
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import numpy as np  # noqa: E402
from damage import damaged  # noqa: E402
from trust import tell  # noqa: E402


def network():
    """Of about the size of the network that our own files are damaged with."""
    import keras

    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input((32, 32, 1)),
            *(layer for n in (4, 8, 16) for layer in (layers.Conv2D(n, 3, activation="relu"), layers.MaxPooling2D())),
            *(layers.Flatten(), layers.Dense(24, activation="relu"), layers.Dense(30)),
        ]
    )


def taken(path, load, wanted, count):
    """How many of `count` damaged copies of a file load without an error, with other weights."""
    raw, silent = path.read_bytes(), 0
    for _, content in damaged(raw, count, np.random.default_rng(9)):
        path.write_bytes(content)
        try:
            found = load()
        except Exception:  # whatever it raises, it was noticed
            continue
        silent += any(not np.array_equal(a, b) for a, b in zip(found, wanted, strict=True))
    return silent


def keras_files(folder, count):
    """Tell how many damaged .weights.h5 and .keras files are taken for whole."""
    import keras

    model = network()
    wanted = model.get_weights()
    weights, whole = folder / "model.weights.h5", folder / "model.keras"
    model.save_weights(weights)
    model.save(whole)

    def load_weights():
        fresh = network()
        fresh.load_weights(weights)
        return fresh.get_weights()

    loads = {weights: load_weights, whole: lambda: keras.saving.load_model(whole, compile=False).get_weights()}
    for path, load in loads.items():
        silent = taken(path, load, wanted, count)
        print(f"{path.name}: {silent} of {count} damaged copies taken for whole", flush=True)
        tell("damaged files taken for whole", silent, count)


def tutorial(path):
    """Images and labels as tutorials for the competition read them."""
    import pandas as pd

    table = pd.read_csv(path)
    table["Image"] = table["Image"].apply(lambda text: np.fromstring(text, sep=" "))
    images = np.vstack(table["Image"].values) / 255.0
    return images.astype(np.float32).reshape(-1, 96, 96, 1), table[table.columns[:-1]].values.astype(np.float32)


def tables(folder):
    """Tell how many hostile tables raise any error at all."""
    from test_kaggle import HOSTILE, table

    refused, path = 0, folder / "training.csv"
    for name, (content, _, _) in HOSTILE.items():
        path.write_bytes(content if isinstance(content, bytes) else table(*content))
        try:
            tutorial(path)
            print(f"taken for right: {name}")
        except Exception:  # whatever it raises, it was noticed
            refused += 1
    print(f"{refused} of {len(HOSTILE)} hostile tables refused")
    tell("hostile tables refused at line and column", refused, len(HOSTILE))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as place:
        tables(Path(place))
        keras_files(Path(place), int(sys.argv[1]))
