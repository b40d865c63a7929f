"""Named studies, one literal table: the hyper-parameter studies of the seed systems, each one command.

A study has factors; a factor has arms, each of which changes one setting, or a few that belong together, of what all of
the study is trained with. Sizes are such that all of them fit two cores; --set, --faces and --seeds make them larger.
"""

from dataclasses import dataclass, field, fields

from data.augment import AugmentSettings

QUICK = {  # what makes a training of a study take seconds: a small network, few epochs, and many faces held out
    **{"network.backbone": "nose_deep", "network.dense_units": 128, "split.share": 0.25},
    **{"train.epochs": 12, "train.patience": 0},
}
NARROW = QUICK | {"network.backbone": "resnet", "network.filters": 8, "network.dense_units": 32, "train.epochs": 10}
PLAIN_ADAM = {"train.optimizer": "adam", "train.schedule": "constant"}  # as the seed systems trained
WORST = ("nose_tip", "mouth_center_bottom_lip")  # in the original design


@dataclass(frozen=True)
class Study:
    """A row of STUDIES.

    Args:
        words: what it asks.
        factors: dict of name to dict of label to dict of dotted setting to value.
        fixed: dict of dotted setting of `Settings` to value, for all of its trainings.
        points: train specialists of these instead of the base; the factors then name their settings.
        epochs: of a specialist.
    """

    words: str
    factors: dict
    fixed: dict = field(default_factory=lambda: QUICK)
    points: tuple = ()
    epochs: int = 6


def one(key, *values):
    """A factor: one setting with some values."""
    return {key: {f"{value:g}" if isinstance(value, float) else str(value): {key: value} for value in values}}


def _peak(rate):
    """Dropout that rises from block to block up to `rate`, and over the first half of the epochs."""
    steps = {"network.dropout_start": rate / 4, "network.dropout_step": rate / 4, "network.dropout_ceiling": rate}
    return steps | {"network.dropout_head": rate, "train.dropout_ramp": 0.5}


def _map(sort, radius):
    return {"train.map_target": sort, "train.map_radius": radius}


def _off(*kinds):
    return {f"augment.{kind}": 0 for kind in kinds}


KINDS = tuple(field.name for field in fields(AugmentSettings) if field.default)

STUDIES = {
    "learning_rates": Study(
        "Which learning rate? By decades, and around the best; plain Adam at a constant rate.",
        one("train.learning_rate", 1e-3, 1e-4, 1e-5)
        | {"train.learning_rate, closer": one("train.learning_rate", 3e-3, 1e-3, 5e-4)["train.learning_rate"]},
        QUICK | PLAIN_ADAM | {"train.learning_rate": 1e-3},
    ),
    "batch_sizes": Study(
        "How many faces per step? Plain Adam at a constant rate.",
        one("train.batch_size", 2, 4, 8, 16),
        QUICK | PLAIN_ADAM | {"train.learning_rate": 1e-3, "train.epochs": 8},
    ),
    "epochs": Study(
        "How long? One cycle of the learning rate over 10 to 25 epochs.", one("train.epochs", 10, 15, 20, 25)
    ),
    "channels": Study(
        "How many channels, the same in each of five layers?",
        one("network.filters", 4, 8, 16, 32),
        QUICK | {"network.backbone": "wide256", "network.filters": 16, "network.padding": "same"},
    ),
    "layers": Study("Three convolutions or five?", one("network.depth", 3, 5)),
    "heat_maps": Study(
        "What shall a heat map look like: a Gaussian of 7, 9 or 11 px, or a disc of 3 px? Squared error over the map.",
        {
            "target": {
                **{f"Gaussian of {px} px": _map("gaussian", px) for px in (7, 9, 11)},
                "disc of 3 px": _map("disc", 3),
            }
        },
        NARROW | {"train.loss": "map_mse", "network.decoding": "centre_of_mass"},
    ),
    "filters": Study(
        "How many filters does the first layer begin with? AlexNet-style, doubling from there.",
        one("network.filters", 8, 12, 16, 24),
        QUICK | {"network.backbone": "alexnet", "network.filters": 16, "train.epochs": 8},
    ),
    "optimisers": Study(
        "Which optimiser? Each at the default rate.", one("train.optimizer", "adam", "adamw", "nadam", "rmsprop", "sgd")
    ),
    "activations": Study(
        "Which activation?", one("network.activation", "relu", "elu", "gelu", "silu", "tanh", "leaky_relu")
    ),
    "dropout": Study(
        "How much dropout at its peak, and how many filters, for the two points that the original design found worst?",
        {
            "peak rate": {f"{rate:g}": _peak(rate) for rate in (0.1, 0.3, 0.5)},
            "filters": {str(n): {"network.filters": n, "frozen": 0} for n in (8, 24)},
        },
        {"train.epochs": 12, "teachers.count": 0},  # of the base, where the run has none yet
        WORST,
    ),
    "augmentation": Study(
        "What is each kind of augmentation worth? One is switched off at a time; then all.",
        {"without": {kind: _off(kind) for kind in KINDS} | {"all of them": _off(*KINDS)}},
    ),
}
