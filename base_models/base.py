"""The base network of a run, which trains on all points of all rows, and its teachers."""

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from base_models.batches import Batches, part_seed
from base_models.fit import compile_network, traced, train_part
from base_models.network import build_network, set_anchor
from base_models.precision import in_float32, same_weights
from base_models.predict import BATCH, predict, predict_mirrored, shifts_of, validation_scores
from base_models.pretrained import start_pretrained
from base_models.progress import say
from base_models.settings import NetworkSettings, with_overrides
from base_models.weights import get_weights, set_weights
from data.crops import FaceSettings
from data.errors import DataError, RunError
from data.faces import Faces
from data.keypoints import schema_of
from data.runs import Part
from data.splits import split_by_group
from data.storage import understood

BLOCK = 64 * BATCH  # faces that teachers look at before their answers are averaged; bounds memory


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
    rows = split_rows(faces, settings, seed)
    for name, picked in zip(("training", "validation"), rows, strict=True):
        if not faces.labelled[picked].any():
            raise DataError(f"{name} part: expected labelled points; received {len(picked)} rows without any")
    return Split(faces[rows[0]], faces[rows[1]])


def split_rows(faces, settings, seed):
    """The rows that `split_faces` picks: (training, validation), sorted int64."""
    return split_by_group(faces, settings.share, seed if settings.seed is None else settings.seed, settings.fold)


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

    def look(self, images, flip, shifted=False):
        """(float32 [n, slots, 2], the same): positions in px on uint8 images [n, H, W, C], from the face and from
        its mirror image; without `flip` both are the first. Where `shifted`, each is the mean over shifted views."""
        shifts = shifts_of(images.shape[1:3])[: None if shifted else 1]
        plain = np.mean([predict(self.model, images, shift) for shift in shifts], 0)
        if not flip:
            return plain, plain
        return plain, np.mean([predict_mirrored(self.model, images, self.schema.slot_mirror, s) for s in shifts], 0)


def identity(faces, settings, seed, name="base"):
    """Everything that determines the weights of a base, of one of its teachers or, `settings` being those of its own
    network and training, of a student."""
    own = ("split", "augment", "network", "train", "teachers")
    picked = {key: dataclasses.asdict(getattr(settings, key)) for key in own}
    shape = [*faces.size, faces.images.shape[-1]]
    about = {"part": name, "schema": faces.schema.stored, "shape": shape, "source": faces.source}
    cut = {} if faces.matrices is None else {"faces": dataclasses.asdict(settings.faces)}  # to cut others out alike
    return {**picked, **about, **cut, "seed": seed, "data": faces.digest()}


def train_base(faces, settings, run, seed, shared=False):
    """Train the base of a run, its teachers before it, go on where it was stopped, or load it where it is finished.

    A teacher is a network like the base. Its answers (of the face and its mirror image) stand in for the labels that
    the training rows lack, as in Lee 2013 (Pseudo-label, ICML workshop) and Xie et al. 2020 (arXiv:1911.04252): labels
    that are there stay as they are, and held-out faces are never taught with.

    Args:
        faces: all training `Faces`; split here.
        settings: `Settings`.
        run: folder of the run.
        seed: int.
        shared: train on a network that other such trainings use too, where theirs is equal: it is traced once, and
            takes its memory once. The `Base` then answers only until the next one is trained. Not for teachers.

    Returns:
        `Base` with the weights of the best epoch.

    Raises:
        RunError: the folder is in use, damaged, or was made with other settings or data.
        TrainingError: the loss is no longer finite.
    """
    if _part(faces, settings, run, seed, "base").finished:
        return _train(faces, settings, run, seed, "base", None, ())
    split, teachers = split_faces(faces, settings.split, seed), []
    short = dataclasses.replace(settings, train=dataclasses.replace(settings.train, epochs=settings.teachers.epochs))
    for name in teacher_names(split.train, settings.teachers):
        teachers.append(_train(faces, short, run, seed, name, split, teachers))
    return _train(faces, settings, run, seed, "base", split, teachers, shared)


def teacher_names(train, settings):
    """Names of the teachers' parts: none where every label is there, so that there is nothing to teach."""
    needed = len(train) >= settings.rows and not np.isfinite(train.slots).all()
    return [f"teacher{i + 1}" for i in range(settings.count)] if needed else []


def _part(faces, settings, run, seed, name):
    return Part(Path(run) / name, identity(faces, settings, seed, name))


def _train(faces, settings, run, seed, name, split, teachers, shared=False):
    """One network of a run, the base or a teacher."""
    part = _part(faces, settings, run, seed, name)
    if part.finished:
        part.drop_checkpoint()
        return load_base(run, name)
    about = {"teachers": len(teachers)}
    return train_network(part, split, lambda: taught(split.train, teachers), settings, seed, about, shared)


def train_network(part, split, labels, settings, seed, about, shared=False):
    """Train a network on whole faces as one part of a run, from its checkpoint if there is one.

    Args:
        part: `Part` that is not finished, with an identity as of `identity`.
        split: `Split`.
        labels: function that gives what it is taught, float32 [n, slots, 2] px of the training faces; NaN = nothing.
        settings: `Settings`, of which `network`, `train` and `augment` count.
        seed: of the run.
        about: dict of what the part's summary shall say beside rows, epochs and scores.
        shared: as of `train_base`.

    Returns:
        `Base` with the weights of the best epoch.
    """
    name, faces, truth = part.folder.name, split.train, split.validation.slots
    here = part_seed(seed, name)
    with part.opened():
        count, shape = len(faces.schema.slot_names), tuple(part.identity["shape"])
        make = _compiled if shared else _compiled.__wrapped__
        train = traced(settings.train)
        model = make(settings.network, train, count, shape, here)
        judge = model if train == in_float32(train) else make(settings.network, in_float32(train), count, shape, here)
        set_weights(model, model.pristine_weights, "fresh weights")
        if not part.checkpoint.exists():
            start_pretrained(model, settings.network)
        set_anchor(model, mean_positions(faces.slots, faces.size))
        slots = labels()
        train_part(
            part,
            model,
            settings.train,
            lambda epoch: Batches(faces, slots, settings.augment, settings.train.batch_size, here, epoch),
            lambda model: validation_scores(predict(same_weights(judge, model), split.validation.images), truth),
            name,
            {"rows": len(faces), "validation_rows": len(split.validation), **about},
        )
    return Base(same_weights(judge, model), faces.schema, part)


@functools.lru_cache(maxsize=2)
def _compiled(network, train, slots, shape, seed):
    """A compiled network with its fresh weights kept on it."""
    model = build_network(network, slots, shape, train.precision, seed, train.loss)
    compile_network(model, train)
    model.pristine_weights = get_weights(model)
    return model


def taught(faces, teachers):
    """Labels of faces, float32 [n, slots, 2] px, with the teachers' mean answer where there is none."""
    if not teachers:
        return faces.slots
    say(f"{len(teachers)} teacher{'s look' if len(teachers) > 1 else ' looks'} at {len(faces)} faces")
    slots = faces.slots
    for start in range(0, len(faces), BLOCK):
        some, known = faces.images[start : start + BLOCK], slots[start : start + BLOCK]
        answers = np.mean([teacher.look(some, flip=True) for teacher in teachers], (0, 1))
        known[:] = np.where(np.isfinite(known), known, answers)
    return slots


def load_base(run, name="base"):
    """The finished base of a run, a teacher or a student. Raises RunError where there is none or it is damaged."""
    part = Part(Path(run) / name)
    if not part.finished:
        raise RunError(f"{part.folder}: expected a trained base; received none: run python -m base_models.train first")
    made = part.settings()
    with understood(part.folder / "settings.json", "the settings of a network"):
        network = with_overrides(NetworkSettings(), made["network"], "network")
        schema, model = schema_of(made["schema"]), _network(made, network, 0)
    set_weights(model, part.weights(), part.folder)
    return Base(model, schema, part)


def load_teachers(run):
    """The finished teachers of a run's base, in order."""
    names = sorted(folder.name for folder in Path(run).glob("teacher[0-9]"))
    return [load_base(run, name) for name in names if Part(Path(run) / name).finished]


def _network(made, settings, seed):
    height, width, channels = made["shape"]
    with_overrides(FaceSettings(), {"height": height, "width": width})  # raises where these are no sizes
    if channels not in (1, 3):
        raise ValueError(f"{channels!r} channels")
    slots = len(schema_of(made["schema"]).slot_names)
    return build_network(settings, slots, tuple(made["shape"]), "float32", seed, made["train"]["loss"])


def mean_positions(slots, size):
    """Mean position of every slot [slots, 2] px; the image's centre where none is labelled."""
    centre = np.array([(size[1] - 1) / 2, (size[0] - 1) / 2])
    labelled = np.isfinite(slots)
    total, count = np.where(labelled, slots, 0).sum(0), labelled.sum(0)
    return np.where(count > 0, total / np.maximum(count, 1), centre)
