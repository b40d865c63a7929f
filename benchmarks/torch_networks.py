"""Two of the project's networks in PyTorch, as its own examples write them: the AlexNet-style one and the default.

Same layers, channels, dropout and batch norm; images [b, C, H, W] with values 0..255 go in, positions [b, slots, 2] px
come out. The one difference is at strides of 2, where Keras pads on one side only and PyTorch on both.
"""

import torch
from torch import nn
from torch.nn import functional

PIXELS = 96  # side of the faces
SCALE = 10.0  # px per unit of the head's output
RATES = (0.0, 0.02, 0.04, 0.06, 0.1)  # dropout after the four blocks, and in the head
BORDER = 0.1  # share of the image that the grid of soft-argmax reaches beyond it


class Standardize(nn.Module):
    """Each image to mean 0 and standard deviation 1."""

    def forward(self, x):
        mean = x.mean((1, 2, 3), keepdim=True)
        return (x - mean) / (x.std((1, 2, 3), keepdim=True, unbiased=False) + 4.0)


class Positions(nn.Module):
    """Numbers of a dense layer to positions in px."""

    def __init__(self, anchor):
        super().__init__()
        self.register_buffer("anchor", torch.as_tensor(anchor, dtype=torch.float32))

    def forward(self, x):
        return self.anchor + SCALE * x.float().view(-1, *self.anchor.shape)


def norm(channels, kind=nn.BatchNorm2d):
    return kind(channels, eps=1e-3, momentum=0.1)


def alexnet(anchor, filters=20, units=720):
    """Blocks of convolution, pooling, batch norm, ReLU and dropout, then two hidden layers.

    Args:
        anchor: [slots, 2] px, where an untrained network finds every point.
    """
    layers, before = [Standardize()], 1
    for multiple, rate in zip((1, 2, 4, 5), RATES, strict=False):
        channels = filters * multiple
        layers += [nn.Conv2d(before, channels, 3, padding="same", bias=False), nn.MaxPool2d(2), norm(channels)]
        layers += [nn.ReLU(inplace=True), nn.Dropout(rate)]
        before = channels
    layers, before = [*layers, nn.Flatten()], before * (PIXELS // 16) ** 2
    for _ in range(2):
        layers += [nn.Linear(before, units, bias=False), norm(units, nn.BatchNorm1d), nn.ReLU(inplace=True)]
        layers, before = [*layers, nn.Dropout(RATES[-1])], units
    return nn.Sequential(*layers, zeroed(nn.Linear(units, anchor.size)), Positions(anchor))


def zeroed(layer):
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def conv(before, after, kernel=3, stride=1):
    return nn.Sequential(nn.Conv2d(before, after, kernel, stride, kernel // 2, bias=False), norm(after))


class Block(nn.Module):
    """Two convolutions and a way around them (He et al. 2015)."""

    def __init__(self, before, after, stride):
        super().__init__()
        self.stride = stride
        self.short = nn.Identity() if before == after and stride == 1 else conv(before, after, 1)
        self.first, self.second = conv(before, after, 3, stride), conv(after, after)

    def forward(self, x):
        short = self.short(x[:, :, :: self.stride, :: self.stride] if self.stride > 1 else x)
        return functional.relu(self.second(functional.relu(self.first(x))) + short)


class Residual(nn.Module):
    """Four stages of basic blocks, a feature pyramid, one heat map per slot, and its soft-argmax.

    Args:
        anchor: [slots, 2]; only its shape counts, as a heat map has its own middle.
    """

    def __init__(self, anchor, filters=16, width=64):
        super().__init__()
        channels = [filters * multiple for multiple in (1, 2, 3, 4)]
        self.stem = nn.Sequential(
            Standardize(), nn.Conv2d(1, filters, 3, padding=1, bias=False), nn.MaxPool2d(2), norm(filters), nn.ReLU()
        )
        befores = [filters, *channels]
        self.stages = nn.ModuleList(
            nn.Sequential(Block(before, after, 1 + (i > 0)), Block(after, after, 1))
            for i, (before, after) in enumerate(zip(befores, channels, strict=False))
        )
        self.laterals = nn.ModuleList(nn.Conv2d(c, width, 1) for c in channels[1:])
        self.refine = nn.Sequential(norm(width), nn.ReLU(), conv(width, width), nn.ReLU())
        self.maps = nn.Conv2d(width, len(anchor), 1)
        middles = (torch.arange(PIXELS // 4) + 0.5) / (PIXELS // 4) - 0.5
        self.register_buffer("middles", (middles * (1 + 2 * BORDER) + 0.5) * PIXELS - 0.5)

    def forward(self, x):
        x, stages = self.stem(x), []
        for stage in self.stages:
            x = stage(x)
            stages.append(x)
        merged = None
        for lateral, stage in zip(reversed(self.laterals), reversed(stages), strict=False):
            side = lateral(stage)
            merged = side if merged is None else side + functional.interpolate(merged, scale_factor=2)
        maps = self.maps(self.refine(merged)).float()
        weights = functional.softmax(maps.flatten(2), -1).view(maps.shape)
        # Summed up rather than multiplied as matrices, which autocast would do in bf16.
        return torch.stack([(weights.sum(axis) * self.middles).sum(-1) for axis in (2, 3)], -1)


NETWORKS = {"alexnet": alexnet, "resnet": Residual}


def parameters(network):
    """How many numbers are trained."""
    return sum(p.numel() for p in network.parameters())
