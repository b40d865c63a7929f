"""Training throughput against the same network in PyTorch, and what augmentation adds to an epoch.

    pip install torch==2.14.1
    python benchmarks/training.py --data FOLDER [--network alexnet --network resnet]

Both sides train whole epochs: augmented batches of 32 faces, AdamW, Huber loss over the points that are labelled, the
gradient clipped, the weights averaged. Each runs at the setting that its own probe finds best on this machine: ours in
float32 or mixed_bfloat16; PyTorch as `torch_training.py` says. Layers are the same and the numbers of parameters are
compared. PyTorch has "its usual augmentation": the geometry of ours in one `grid_sample`, brightness and contrast, but
not the blur, noise and patches of ours. Nothing is validated or stored.
"""

import argparse
import contextlib
import functools
import importlib.util
import sys
import time
from pathlib import Path

import numpy as np
from measure import pairs, record
from sides import Side, serve

BATCH = 32
TARGETS = {"alexnet": 1.2}  # times PyTorch's images/s
EPOCH_TARGET = 0.9  # of an epoch, on batches made beforehand: augmentation takes at most a tenth
PRECISIONS = ("float32", "mixed_bfloat16")
PROBED = 8  # batches; of two probes the faster counts


def read(data, count):
    """(the first `count` faces, the default settings)."""
    from base_models.settings import read_settings
    from data.sources import read_training

    return read_training(str(Path(data)))[:count], read_settings()[0]


class Trainer:
    """Ours: the project's own batches, network and optimiser, trained as its training loop does.

    Args:
        faces: `Faces`, a multiple of BATCH of them.
        settings: `Settings`.
        network: a name in BACKBONES.
        precision: a Keras dtype policy.
    """

    def __init__(self, faces, settings, network, precision):
        from base_models.base import mean_positions
        from base_models.fit import compile_network
        from base_models.network import build_network, set_anchor
        from base_models.settings import with_overrides

        self.settings = with_overrides(settings, {"network.backbone": network, "train.precision": precision})
        shape = (*faces.size, faces.images.shape[-1])
        self.faces, self.slots, self.epochs = faces, faces.slots, 0
        self.model = build_network(self.settings.network, self.slots.shape[1], shape, precision)
        compile_network(self.model, self.settings.train)
        set_anchor(self.model, mean_positions(self.slots, faces.size))
        self.average = {}

    def batches(self):
        """The augmented batches of the next epoch."""
        from base_models.batches import Batches

        self.epochs += 1
        return Batches(self.faces, self.slots, self.settings.augment, BATCH, 0, self.epochs)

    def fit(self, batches):
        """Train on batches, keeping the average of the weights."""
        from base_models.averaging import Averaging
        from base_models.feed import fed
        from base_models.freed_memory import KeepFreedMemory

        train = self.settings.train
        horizon = train.averaging * train.epochs * len(batches)
        averaging = Averaging(self.average, horizon, self.epochs * len(batches))
        self.model.fit(fed(batches), epochs=1, verbose=0, shuffle=False, callbacks=[KeepFreedMemory(), averaging])
        self.average = averaging.average

    def epoch(self):
        self.fit(self.batches())


def made(trainer):
    """Batches of one epoch, made beforehand."""
    import keras

    class Made(keras.utils.PyDataset):
        def __init__(self, batches):
            super().__init__()
            self.kept = [batches[i] for i in range(len(batches))]

        def __len__(self):
            return len(self.kept)

        def __getitem__(self, index):
            return self.kept[index]

    return Made(trainer.batches())


def best_trainer(faces, settings, network):
    """(`Trainer` in the faster precision, images/s of each)."""
    rates = {}
    for precision in PRECISIONS:
        trainer = Trainer(faces[: BATCH * PROBED], settings, network, precision)
        trainer.epoch()
        taken = []
        for _ in range(2):
            started = time.perf_counter()
            trainer.epoch()
            taken.append(time.perf_counter() - started)
        rates[precision] = PROBED * BATCH / min(taken)
        print(f"ours, {network}: {precision}: {rates[precision]:.0f} images/s")
    return Trainer(faces, settings, network, max(rates, key=rates.get)), rates


def ours(data, count, network):
    """Ours as a side: (an epoch, about it)."""
    from base_models.cost import parameters
    from base_models.options import load_keras

    load_keras()
    trainer, rates = best_trainer(*read(data, count), network)
    about = {"setting": trainer.settings.train.precision, "probed": {name: round(r, 1) for name, r in rates.items()}}
    return trainer.epoch, about | {"parameters": parameters(trainer.model)}, dict


def theirs(data, count, network):
    """PyTorch as a side. Imports nothing of Keras."""
    from torch_training import best_trainer

    faces, settings = read(data, count)
    anchor = np.ma.masked_invalid(faces.slots).mean(0).filled(47.5)
    labels = np.ascontiguousarray(faces.slots)
    arrays = {"images": np.array(faces.images), "labels": labels, "mirror": faces.schema.slot_mirror, "anchor": anchor}
    trainer, about = best_trainer(arrays, settings, network)
    return trainer.epoch, about, dict


SIDES = {"ours": ours, "torch": theirs}


def against_torch(a, network):
    """The row of a network: ours against PyTorch."""
    arguments = (__file__, "--data", a.data, "--faces", a.faces, "--network", network, "--side")
    with contextlib.ExitStack() as stack:
        sides = {name: stack.enter_context(Side(*arguments, name)) for name in SIDES}
        about = {name: side.about for name, side in sides.items()}
        for name, said in about.items():
            print(f"{network}, {name}: {said['setting']}, {said['parameters']:,} parameters")
        if about["ours"]["parameters"] != about["torch"]["parameters"]:
            sys.exit(f"{network}: expected as many parameters on both sides; received {about}")
        row = pairs(sides["ours"], sides["torch"], a.pairs, Side.once)
    target = {"target": TARGETS[network]} if network in TARGETS else {}
    what = f"{network}: {about['ours']['setting']} against PyTorch: {about['torch']['setting']}"
    return {"what": what, "images": a.faces, **target, **row, "about": about}


def augmented(a, network):
    """The row of an epoch against one of batches made beforehand."""
    from base_models.options import load_keras

    load_keras()
    trainer, _ = best_trainer(*read(a.data, a.faces), network)
    ready = made(trainer)
    row = pairs(trainer.epoch, lambda: trainer.fit(ready), a.pairs)
    print(f"augmentation: {1 - row['ratio']:.1%} of an epoch")
    what = f"{network}: augmented against made beforehand, {trainer.settings.train.precision}"
    return {"what": what, "images": a.faces, "target": EPOCH_TARGET, **row}


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--data", required=True, metavar="FOLDER")
    add("--network", action="append", metavar="NAME", help="alexnet or resnet; may be repeated (default: alexnet)")
    add("--faces", type=int, default=2048, metavar="N", help="of an epoch, a multiple of 32 (default: %(default)s)")
    add("--pairs", type=int, default=7, metavar="N")
    add("--side", choices=SIDES, help=argparse.SUPPRESS)
    a = parser.parse_args()
    networks = a.network or ["alexnet"]
    if importlib.util.find_spec("torch") is None:
        sys.exit("PyTorch is missing: pip install torch==2.14.1")
    if a.side:
        serve(functools.partial(SIDES[a.side], a.data, a.faces, networks[0]))
        return
    rows = [against_torch(a, network) for network in networks]
    rows += [augmented(a, network) for network in networks]
    told = " ".join(f"--network {network}" for network in networks)
    told += f" --faces {a.faces} --pairs {a.pairs}"
    record("training", f"python benchmarks/training.py --data REPLICA {told}", rows, faces=a.faces)


if __name__ == "__main__":
    main()
