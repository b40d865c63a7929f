"""Training on a set larger than memory against a small one: images/s and resident memory.

    python benchmarks/larger.py --folder FOLDER [--faces 1000000]

FOLDER takes the set, 9.2 GB for 1,000,000 faces: DRAWN drawn faces, repeated under noise, written image by image; it is
kept and used again. Each side is a process of its own that splits its set, builds the default network and trains it on
batches out of an epoch of all its training rows, in turns with the other side; the large one's rows come from all over
its file, of which the system's cache is asked to forget everything before each turn. The small set lies in memory. At
the end each looks at its held-out faces, as after every epoch.

Memory is what Linux says of a process: the peak of all its resident pages (VmHWM), and those that are no file's at the
end (RssAnon). Images are read by position, so pages of the set's file belong to the system's cache, and to no process.
"""

import argparse
import contextlib
import json
import os
import shutil
import sys
import time
from pathlib import Path

from measure import pairs, record
from sides import Side, serve

DRAWN = 500
SMALL = 3000
BATCH, BATCHES = 32, 40  # faces of a batch, batches of a turn
PAIRS = 7
MOST_MB = 2000  # resident, of the large side
SHARE = 0.01  # held out: 10,000 of 1,000,000


def write_set(folder, count):
    """`count` faces on disk, a hundred of each person."""
    import numpy as np

    from data.faces import Faces
    from data.mapped import write_mapped
    from data.synthetic import make_faces

    drawn = make_faces(DRAWN, seed=1)
    free, needed = shutil.disk_usage(folder.parent).free, int(1.1 * count * drawn.images[0].nbytes)
    if free < needed:
        sys.exit(f"error: {folder.parent}: expected {needed / 1e9:.1f} GB free; received {free / 1e9:.1f} GB")
    folder.mkdir()
    rows, noise = np.arange(count), np.random.default_rng(2)
    shade = noise.integers(0, 16, (64, *drawn.images.shape[1:]), np.uint8)

    def fill(images):
        for row in rows:
            images[row] = drawn.images[row % DRAWN] ^ shade[row % 64]  # other low bits: grey levels up to 15 off
        labels = drawn.points[rows % DRAWN], drawn.convention[rows % DRAWN]
        return Faces(images, *labels, rows % max(count // 100, 100), rows, drawn.schema, "synthetic")

    write_mapped(folder, (count, *drawn.images.shape[1:]), fill)


class Some:
    """Trains a network on the next BATCHES batches of an epoch, each time it is called."""

    def __init__(self, model, batches):
        import keras

        self.model, self.batches, self.done = model, batches, 0
        outer = self

        class Part(keras.utils.PyDataset):
            def __len__(self):
                return BATCHES

            def __getitem__(self, i):
                return outer.batches[(outer.done + i) % (len(outer.batches) - 1)]  # the last batch is short

        self.part = Part()

    def __call__(self):
        from base_models.feed import fed

        self.model.fit(fed(self.part), epochs=1, verbose=0, shuffle=False)
        self.done += BATCHES


def side(data):
    """The process of a set, as `sides.serve` takes it."""
    from base_models.options import load_keras

    load_keras()
    from base_models.base import split_faces
    from base_models.batches import Batches
    from base_models.fit import compile_network
    from base_models.network import build_network
    from base_models.predict import predict, validation_scores
    from base_models.settings import NetworkSettings, SplitSettings, TrainSettings
    from data.augment import AugmentSettings
    from data.sources import read_training

    started = time.perf_counter()
    faces = read_training(data)
    faces.digest()
    told = {"read": round(time.perf_counter() - started, 2)}
    split = split_faces(faces, SplitSettings(share=SHARE), 0)
    told["split"] = round(time.perf_counter() - started - told["read"], 2)
    settings = TrainSettings(batch_size=BATCH)
    model = build_network(NetworkSettings(), len(faces.schema.slot_names), (*faces.size, faces.images.shape[-1]))
    compile_network(model, settings)
    train = Some(model, Batches(split.train, split.train.slots, AugmentSettings(), settings.batch_size, 0, 0))

    def last():
        validation_scores(predict(model, split.validation.images), split.validation.slots)
        return memory()

    return train, told, last


def memory():
    """MB of this process, as Linux counts them."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    numbers = {name: rest.split() for name, _, rest in (line.partition(":") for line in lines)}
    return {name: round(int(numbers[name][0]) * 1024 / 1e6) for name in ("VmHWM", "VmRSS", "RssAnon", "RssFile")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("large"), help="default: %(default)s")
    parser.add_argument("--faces", type=int, default=1_000_000, help="of the large set (default: %(default)s)")
    parser.add_argument("--small", type=int, default=SMALL, help="faces of the small one (default: %(default)s)")
    parser.add_argument("--side", help=argparse.SUPPRESS)
    a = parser.parse_args()
    if a.side:
        serve(lambda: side(a.side))
    else:
        compare(a.folder, a.faces, a.small)


def turn(side, images):
    """(seconds, CPU seconds) of a side's turn, with nothing of the set's images in the system's cache."""
    with open(images, "rb") as file:
        os.fsync(file.fileno())  # what is not on the disk yet cannot be forgotten
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return side.once()


def compare(folder, count, small_count):
    """Both sides in turns, and into results.json."""
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"faces{count}"
    if not place.exists():
        started = time.perf_counter()
        write_set(place, count)
        print(f"{place}: written in {time.perf_counter() - started:.0f} s")
    sources = {"large": place, "small": f"synthetic:{small_count}"}
    with contextlib.ExitStack() as stack:
        sides = {name: stack.enter_context(Side(__file__, "--side", data)) for name, data in sources.items()}
        row = {
            "what": f"{BATCHES} batches of {count:,} faces on disk, against {small_count:,} in memory",
            "images": BATCHES * BATCH,
            "target": 0.9,
            **pairs(sides["large"], sides["small"], PAIRS, timed=lambda one: turn(one, place / "images.npy")),
        }
        kept = {name: {**one.about, **one.last()} for name, one in sides.items()}
    peak = kept["large"]["VmHWM"]
    row["wanted"] = f"{MOST_MB:,} MB or less resident", f"{peak:,} MB", peak <= MOST_MB
    record("larger", f"python benchmarks/larger.py --folder FOLDER --faces {count}", [row], memory_mb=kept)
    print(json.dumps(kept))


if __name__ == "__main__":
    main()
