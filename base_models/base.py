"""The base network of a run: trains on all points of all rows."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from base_models.batches import Batches, part_seed
from base_models.fit import compile_network, train_part
from base_models.network import build_network, set_anchor
from base_models.predict import predict, predict_mirrored, validation_scores
from base_models.pretrained import start_pretrained
from base_models.settings import NetworkSettings, with_overrides
from base_models.weights import set_weights
from data.errors import DataError, RunError
from data.faces import Faces
from data.keypoints import SCHEMAS
from data.runs import Part
from data.splits import split_by_group


@dataclass(frozen=True)
class Split:
    """The faces of a run: what it trains on and what is held out."""

    train: Faces
    validation: Faces


def split_faces(faces, settings, seed):
    """Split by group.

    Args:
        faces: all training `Faces`.
        settings: `SplitSettings`.
        seed: of the run.

    Raises:
        DataError: one side has no labels.
    """
    rows = split_by_group(faces, settings.share, seed, settings.fold)
    for name, picked in zip(("training", "validation"), rows, strict=True):
        if not faces.labelled[picked].any():
            raise DataError(f"{name} part: expected labelled points; received {len(picked)} rows without any")
    return Split(faces[rows[0]], faces[rows[1]])


@dataclass(frozen=True)
class Base:
    """A trained base network.

    Args:
        model: keras.Model from images 0..255 to positions of all slots, px.
        schema: the table of points.
        part: where it is kept.
    """

    model: object
    schema: object
    part: Part

    def look(self, images, flip):
        """(float32 [n, slots, 2], the same): positions in px on uint8 images [n, H, W, C], from the face and from
        its mirror image; without `flip` both are the first."""
        plain = predict(self.model, images)
        return plain, predict_mirrored(self.model, images, self.schema.slot_mirror) if flip else plain


def identity(faces, settings, seed):
    """Everything that determines a base's weights."""
    picked = {name: dataclasses.asdict(getattr(settings, name)) for name in ("split", "augment", "network", "train")}
    shape = [*faces.size, faces.images.shape[-1]]
    about = {"part": "base", "schema": faces.schema.name, "shape": shape, "source": faces.source}
    return {**picked, **about, "seed": seed, "data": faces.digest()}


def train_base(faces, settings, run, seed):
    """Train the base of a run, go on with it where it was stopped, or load it where it is finished.

    Args:
        faces: all training `Faces`; split here.
        settings: `Settings`.
        run: folder of the run.
        seed: int.

    Returns:
        `Base` with the weights of the best epoch.

    Raises:
        RunError: the folder is in use, damaged, or was made with other settings or data.
        TrainingError: the loss is no longer finite.
    """
    part = Part(Path(run) / "base", identity(faces, settings, seed))
    if part.finished:
        part.drop_checkpoint()
        return load_base(run)
    split, here = split_faces(faces, settings.split, seed), part_seed(seed, "base")
    slots, truth = split.train.slots, split.validation.slots
    with part.opened():
        model = _network(part.identity, settings.network, here)
        if not part.checkpoint.exists():
            start_pretrained(model, settings.network)
        set_anchor(model, mean_positions(slots, faces.size))
        compile_network(model, settings.train)
        train_part(
            part,
            model,
            settings.train,
            lambda epoch: Batches(split.train, slots, settings.augment, settings.train.batch_size, here, epoch),
            lambda model: validation_scores(predict(model, split.validation.images), truth),
            "base",
            {"rows": len(split.train), "validation_rows": len(split.validation)},
        )
    return Base(model, faces.schema, part)


def load_base(run):
    """The finished base of a run. Raises RunError where there is none or it is damaged."""
    part = Part(Path(run) / "base")
    if not part.finished:
        raise RunError(f"{part.folder}: expected a trained base; received none: run python -m base_models.train first")
    made = part.settings()
    network = with_overrides(NetworkSettings(), made["network"], str(part.folder))
    model = _network(made, network, 0)
    set_weights(model, part.weights(), part.folder)
    return Base(model, SCHEMAS[made["schema"]], part)


def _network(made, settings, seed):
    slots, train = len(SCHEMAS[made["schema"]].slot_names), made["train"]
    return build_network(settings, slots, tuple(made["shape"]), train["precision"], seed, train["loss"])


def mean_positions(slots, size):
    """Mean position of every slot [slots, 2] px; the image's centre where none is labelled."""
    centre = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    labelled = np.isfinite(slots)
    total, count = np.where(labelled, slots, 0).sum(0), labelled.sum(0)
    return np.where(count > 0, total / np.maximum(count, 1), centre)
