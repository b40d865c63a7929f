"""Every network by name: its backbone, and what it has differently from the defaults of `NetworkSettings`.

A new network is one file and one row.
"""

from dataclasses import dataclass, field

from base_models.alexnet import alexnet, alexnet_strided
from base_models.inception import googlenet, inception
from base_models.mobilenet import mobilenet, mobilenet_v2
from base_models.plain import large, medium, nose_deep, nose_small, nose_tiny, points68, wide256
from base_models.pretrained import keras_mobilenet, keras_resnet50, keras_vgg16
from base_models.resnet import resnet, resnet18, resnet18_strided
from base_models.simple_cnn import simple_cnn
from base_models.unet import unet
from base_models.vgg import vgg


@dataclass(frozen=True)
class Backbone:
    """A row of BACKBONES.

    Args:
        build: function of a Keras tensor [b, H, W, C], and of `filters`, `depth`, `padding` where it has them, and
            `rate`, the function of the block to its dropout; returns the blocks' outputs from fine to coarse.
        head: a name in base_models.heads.HEADS.
        arguments: of that head.
        dropout: fields of `NetworkSettings`.
    """

    build: object
    head: str = "dense"
    arguments: dict = field(default_factory=dict)
    dropout: dict = field(default_factory=dict)


def _one_layer(units, dropout=0.0):
    """One hidden layer without batch norm, and dropout only there."""
    arguments = {"dense_layers": 1, "dense_units": units, "dense_norm": False}
    return {"arguments": arguments, "dropout": {"dropout_ceiling": 0.0, "dropout_head": dropout}}


BACKBONES = {
    "alexnet": Backbone(alexnet),
    "alexnet_strided": Backbone(alexnet_strided),
    "simple_cnn": Backbone(simple_cnn, "dense", {"dense_layers": 0}, {"dropout_ceiling": 0.0}),
    "vgg": Backbone(vgg, "dense", {"dense_units": 512}),
    "inception": Backbone(inception, "pooled"),
    "googlenet": Backbone(googlenet, "pooled", dropout={"dropout_ceiling": 0.0, "dropout_head": 0.4}),
    "resnet": Backbone(resnet, "heatmap", {"dense_units": 64}, {"dropout_ceiling": 0.0}),
    "resnet18": Backbone(resnet18, "pooled"),
    "resnet18_strided": Backbone(resnet18_strided, "pooled"),
    "mobilenet": Backbone(mobilenet, "pooled"),
    "mobilenet_v2": Backbone(mobilenet_v2, "pooled"),
    "nose_small": Backbone(nose_small, **_one_layer(64)),
    "nose_tiny": Backbone(nose_tiny, **_one_layer(58)),
    "nose_deep": Backbone(nose_deep, **_one_layer(64)),
    "medium": Backbone(medium, **_one_layer(512, 0.2)),
    "large": Backbone(large, **_one_layer(512, 0.2)),
    "wide256": Backbone(wide256, **_one_layer(128, 0.35)),
    "points68": Backbone(points68, **_one_layer(1024, 0.6)),
    "unet": Backbone(unet, "heatmap", {"dense_units": 32}),
    "keras_mobilenet": Backbone(keras_mobilenet, "pooled"),
    "keras_resnet50": Backbone(keras_resnet50, "pooled"),
    "keras_vgg16": Backbone(keras_vgg16, "pooled"),
}
