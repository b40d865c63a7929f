"""One epoch of training in PyTorch, at the setting that a short probe finds best on this machine.

Probed one after the other, each with what was best before: layout (channels_last) and bf16 autocast together,
torch.compile, worker processes of the DataLoader and threads beside them. The optimiser is PyTorch's fused AdamW;
gradients are clipped and the weights averaged as in ours, by PyTorch's own functions.
"""

import os
import time
from dataclasses import dataclass, replace

import torch
from torch import nn
from torch.nn import functional
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import BatchSampler, DataLoader, Dataset, RandomSampler
from torch_networks import NETWORKS, PIXELS, parameters

WORKERS = (0, 1, 2)
PROBED = 8  # batches; of two probes the faster counts
AVERAGED = 7  # every so many batches the weights are averaged, as ours are with the default epochs


@dataclass(frozen=True)
class Setting:
    """How PyTorch trains; threads are those of the process that trains."""

    threads: int
    channels_last: bool = False
    bf16: bool = False
    compiled: bool = False
    workers: int = 0


class Views(Dataset):
    """Whole batches of augmented faces; an item is a batch, so that a worker makes it by a few large operations.

    Args:
        images: uint8 [n, 1, H, W]. labels: float32 [n, slots, 2] px, NaN = not labelled.
        settings: `AugmentSettings`. mirror: [slots], the slot that a mirror turns each slot into.
        channels_last: layout of the images.
    """

    def __init__(self, images, labels, settings, mirror, channels_last):
        self.images, self.labels, self.settings = images, labels, settings
        self.mirror, self.channels_last = torch.as_tensor(mirror), channels_last

    def __len__(self):
        return len(self.images)

    def __getitem__(self, rows):
        images, labels = augment(self.images[rows].float(), self.labels[rows], self.settings, self.mirror)
        return images.contiguous(memory_format=torch.channels_last) if self.channels_last else images, labels


def augment(images, labels, settings, mirror):
    """The usual augmentation of a batch: flip, rotation, zoom, stretch and shift in one `grid_sample`, brightness and
    contrast. Points move along.

    Args:
        images: float32 [b, 1, PIXELS, PIXELS] in 0..255. labels: float32 [b, slots, 2] px.
    """
    n = len(images)

    def spread(limit, *shape):
        return (2 * torch.rand(n, *shape) - 1) * limit

    flipped = torch.rand(n) < settings.flip
    angle, zoom = torch.deg2rad(spread(settings.rotation)), 1 + spread(settings.scale)
    wide = torch.sqrt(1 + spread(settings.stretch))
    cos, sin, side = zoom * torch.cos(angle), zoom * torch.sin(angle), torch.where(flipped, -1.0, 1.0)
    turn = torch.stack([cos * side * wide, -sin / wide, sin * side * wide, cos / wide], -1).view(n, 2, 2)
    shift = 2 * spread(settings.shift, 2)  # in units of half the image, as affine_grid has it
    back = torch.linalg.inv(turn)
    grid = functional.affine_grid(
        torch.cat([back, -back @ shift[:, :, None]], -1), list(images.shape), align_corners=False
    )
    images = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    middle = (PIXELS - 1) / 2
    labels = (labels - middle) @ turn.mT + PIXELS / 2 * shift[:, None] + middle
    labels = torch.where(flipped[:, None, None], labels[:, mirror], labels)
    mean = images.mean((1, 2, 3), keepdim=True)
    gain, offset = 1 + spread(settings.contrast, 1, 1, 1), 255 * spread(settings.brightness, 1, 1, 1)
    return ((images - mean) * gain + mean + offset).clamp_(0, 255), labels


def masked_huber(found, labels, delta):
    """Mean of the Huber loss over the coordinates that are labelled."""
    labelled = torch.isfinite(labels)
    truth = torch.where(labelled, labels, found.detach())
    return functional.huber_loss(found, truth, reduction="sum", delta=delta) / labelled.sum().clamp(min=1)


class Trainer:
    """A network with its optimiser, the average of its weights and its loader.

    Args:
        data: dict of arrays: images, labels, mirror, anchor.
        settings: `Settings` of ours.
        network: a name in NETWORKS.
        setting: `Setting`.
    """

    def __init__(self, data, settings, network, setting):
        torch.manual_seed(0)
        torch.set_num_threads(setting.threads)
        self.train, self.setting = settings.train, setting
        self.network = NETWORKS[network](data["anchor"])
        if setting.channels_last:
            self.network = self.network.to(memory_format=torch.channels_last)
        rates = {"lr": self.train.learning_rate, "weight_decay": self.train.weight_decay}
        self.optimizer = torch.optim.AdamW(self.network.parameters(), fused=True, **rates)
        self.average = AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(0.99), use_buffers=True)
        self.forward = torch.compile(self.network) if setting.compiled else self.network
        images = torch.from_numpy(data["images"]).permute(0, 3, 1, 2).contiguous()
        views = Views(images, torch.from_numpy(data["labels"]), settings.augment, data["mirror"], setting.channels_last)
        rows = BatchSampler(RandomSampler(views), self.train.batch_size, drop_last=True)
        kept = {"persistent_workers": True, "prefetch_factor": 4} if setting.workers else {}
        self.loader = DataLoader(views, sampler=rows, batch_size=None, num_workers=setting.workers, **kept)

    def epoch(self):
        """Train on every batch once."""
        self.network.train()
        for step, (images, labels) in enumerate(self.loader):
            with torch.autocast("cpu", torch.bfloat16, enabled=self.setting.bf16):
                found = self.forward(images)
            loss = masked_huber(found, labels, self.train.huber_delta)
            self.optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(self.network.parameters(), self.train.clip_norm)
            self.optimizer.step()
            if step % AVERAGED == 0:
                self.average.update_parameters(self.network)
        return float(loss.detach())


def best_trainer(data, settings, network, compiling=True):
    """(`Trainer` at the best setting, JSON object of what was probed)."""
    cores, probed = len(os.sched_getaffinity(0)), {}

    def best(candidates):
        for setting in (s for s in candidates if s not in probed):
            probed[setting] = _rate(data, settings, network, setting)
            print(f"PyTorch, {network}: {_told(setting)}: {probed[setting]:.0f} images/s")
        return max(probed, key=probed.get)

    chosen = best([Setting(cores, layout, bf16) for layout in (False, True) for bf16 in (False, True)])
    if compiling:
        both = [(layout, bf16) for layout in (False, True) for bf16 in (False, True)]
        chosen = best([replace(chosen, compiled=True, channels_last=one, bf16=other) for one, other in both])
    chosen = best([replace(chosen, workers=w, threads=t) for w in WORKERS for t in {1, cores}])
    trainer = Trainer(data, settings, network, chosen)
    rates = {_told(setting): round(rate, 1) for setting, rate in probed.items()}
    about = {"torch": torch.__version__, "setting": _told(chosen), "probed": rates}
    return trainer, {**about, "parameters": parameters(trainer.network)}


def _told(setting):
    named = [name for name in ("channels_last", "bf16", "compiled") if getattr(setting, name)]
    return ", ".join([*named, f"{setting.threads} threads, {setting.workers} workers"])


def _rate(data, settings, network, setting):
    """Images/s of short epochs; 0 where it does not run, such as torch.compile without a C++ compiler."""
    size = settings.train.batch_size
    some = {name: data[name][: PROBED * size] if name in ("images", "labels") else data[name] for name in data}
    try:
        trainer = Trainer(some, settings, network, setting)
        trainer.epoch()
        taken = []
        for _ in range(2):
            started = time.perf_counter()
            trainer.epoch()  # whole: what workers made ahead for an epoch that is cut short would be waited for
            taken.append(time.perf_counter() - started)
    except Exception as error:
        print(f"PyTorch, {network}: {_told(setting)}: {type(error).__name__}: {str(error).splitlines()[0]}")
        return 0.0
    return len(some["images"]) // size * size / min(taken)
