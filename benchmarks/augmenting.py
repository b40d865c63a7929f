"""Augmentation of a face against the same geometry, light and noise as Keras's own layers have them.

    python benchmarks/augmenting.py --data FOLDER

Ours turns, zooms, shifts, stretches and mirrors by one warp, carries points along, and changes light, blur, noise and
patches. The alternative is `RandomRotation`, `RandomZoom`, `RandomTranslation`, `RandomBrightness`, `RandomContrast`, a
warp each, under a `tf.function`; it moves no points, since Keras has no such layer, and does not mirror, blur or paint.
"""

import argparse
from pathlib import Path

from measure import pairs, record

BATCH = 32
PAIRS = 9
BATCHES = 8


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, metavar="FOLDER")
    a = parser.parse_args()
    from base_models.options import load_keras

    load_keras()
    import keras
    import numpy as np
    import tensorflow as tf

    from base_models.batches import Batches
    from data.augment import AugmentSettings
    from data.sources import read_training

    faces = read_training(str(Path(a.data)))[: BATCH * BATCHES]
    layers = [
        keras.layers.RandomRotation(20 / 360, fill_mode="nearest"),
        keras.layers.RandomZoom(0.15, fill_mode="nearest"),
        keras.layers.RandomTranslation(0.06, 0.06, fill_mode="nearest"),
        keras.layers.RandomBrightness(0.15),
        keras.layers.RandomContrast(0.3, value_range=(0, 255)),
    ]

    @tf.function
    def changed(images):
        for layer in layers:
            images = layer(images, training=True)
        return images

    def ours():
        batches = Batches(faces, faces.slots, AugmentSettings(), BATCH, 0, 0)
        return [batches[i] for i in range(len(batches))]

    def alternative():
        images = np.asarray(faces.images)
        return [changed(tf.constant(images[i : i + BATCH], tf.float32)) for i in range(0, len(images), BATCH)]

    what = f"{BATCH * BATCHES} faces of 96 px in batches of {BATCH}"
    row = {"what": what, "images": BATCH * BATCHES, "each": True, **pairs(ours, alternative, PAIRS)}
    record("augmentation", "python benchmarks/augmenting.py --data REPLICA", [row], faces=BATCH * BATCHES)


if __name__ == "__main__":
    main()
