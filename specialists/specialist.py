"""One specialist: a network for one point that starts from the base's weights and looks closer."""

import dataclasses
import functools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from base_models.base import BLOCK, mean_positions
from base_models.batches import Batches
from base_models.fit import compile_network, traced, train_part
from base_models.network import build_network, freeze, set_anchor
from base_models.precision import in_float32, same_weights
from base_models.predict import mirrored, predict, validation_scores
from base_models.progress import say
from base_models.settings import SpecialistSettings, flatten, with_overrides
from base_models.weights import get_weights, set_weights, transfer
from data.augment import move
from data.errors import DataError, RunError, UsageError
from data.faces import Faces
from data.keypoints import schema_of
from data.runs import Part
from data.storage import NUMBERS, check_kind, understood
from specialists.view import View

MARGIN = 0.15  # of the face image's width, around the points of a group
GROWTH = 2.5  # a group's view has at most so many times the pixels of a point's, on a side
REFERENCE = "view/reference"  # kept with the weights: the mean face that faces are aligned to


@dataclass(frozen=True)
class Looked:
    """Faces with the base's answer on them: what a specialist works from.

    Args:
        faces: `Faces`.
        shapes: float32 [n, slots, 2], px.
    """

    faces: Faces
    shapes: np.ndarray

    def __getitem__(self, rows):
        return Looked(self.faces[rows], self.shapes[rows])


def looked_at(base, faces):
    """`Looked` of `Faces`. With flips whatever the ensemble does: a specialist's weights depend on it."""
    say(f"base: looks at {len(faces)} faces")
    return Looked(faces, np.mean(base.look(faces.images, flip=True), 0))


@dataclass(frozen=True)
class Specialist:
    """A trained specialist.

    Args:
        point: name of its keypoint.
        view: what it sees.
        network: arguments of its network, for `_compiled`.
        weights: dict of name to array. Specialists of one shape share one Keras network and load these in turn.
        part: where it is kept.
    """

    point: str
    view: View
    network: tuple
    weights: dict
    part: Part

    def predict(self, images, shapes, mirror=False):
        """Positions of the point's slots.

        Args:
            images: uint8 [n, H, W, C].
            shapes: float32 [n, slots, 2] px, the base's answer on them.
            mirror: look at the mirrored images, as which `shapes` and the answer are then meant.

        Returns:
            float32 [n, s, 2] px of the image.
        """
        model = _compiled(*self.network)
        set_weights(model, self.weights, self.part.folder)
        return _locate(model, self.view, images, shapes, mirror)


def _locate(model, view, images, shapes, mirror=False):
    """Positions [n, s, 2] px of the images, or of their mirror images; views are cut out block by block."""
    found = [np.zeros((0, len(view.slots), 2), np.float32)]
    for start in range(0, len(images), BLOCK):
        some = slice(start, start + BLOCK)
        block = np.ascontiguousarray(images[some][:, :, ::-1]) if mirror else images[some]
        seen, matrices = view.look(block, shapes[some])
        found.append(view.back(predict(model, seen), matrices))
    return np.concatenate(found)


class ViewBatches(Batches):
    """One epoch of batches of views around one point, under random views and jitter of the centre."""

    def __init__(self, looked, slots, view, settings, seed, epoch):
        super().__init__(looked.faces, slots, settings.augment, settings.train.batch_size, seed, epoch)
        self.view, self.size, mirror = view, view.size, looked.faces.schema.slot_mirror
        itself, partner = labelled_slots(slots, view.slots), labelled_slots(slots, mirror[view.slots])
        # A row that labels only the partner trains as its mirror image; one that labels only the point, never does.
        self.draws = dataclasses.replace(self.draws, flipped=np.where(itself & partner, self.draws.flipped, partner))
        jitter = np.random.default_rng([seed, epoch, 3]).normal(0, settings.jitter, (len(slots), 2))
        self.matrices = view.training_matrices(looked.shapes, self.draws, mirror, looked.faces.size, jitter)

    def __getitem__(self, index):
        images, points = super().__getitem__(index)
        return images, points[:, self.view.slots]


def labelled_slots(slots, picked):
    """bool [n]: rows that label any of the picked slots."""
    return np.isfinite(slots[:, picked]).all(-1).any(-1)


def rows_for(slots, picked, mirror, flip):
    """Indices of the rows that can train a point: those that label it or, mirrored, its partner."""
    useful = labelled_slots(slots, picked)
    if flip > 0:
        useful = useful | labelled_slots(slots, mirror[picked])
    return np.flatnonzero(useful)


def identity(point, settings, base, seed=None):
    """Everything that determines a specialist's weights."""
    picked = {"specialist": dataclasses.asdict(settings), "point": point, "part": "specialist"}
    made = base.part.settings()
    about = {name: made[name] for name in ("schema", "shape", "data", "seed")}
    own = {} if seed is None else {"seed": seed}
    return {**picked, "base": base.part.fingerprint(), **about, **own}


def train_specialist(point, base, train, validation, settings, run, seed=None):
    """Train one specialist, go on with it where it was stopped, or leave it where it is finished.

    Args:
        point: name of the keypoint, or of a group of them.
        base: trained `Base`.
        train, validation: `Looked`, the two parts of the run's split.
        settings: `SpecialistSettings`.
        run: folder of the run.
        seed: of this training; None = that of the base.

    Returns:
        The summary: rows, epochs, seconds, validation RMSE, what was copied from the base; `start`, the scores with
        the copied weights before the first epoch; `base`, those of the base's answer on the same faces.

    Raises:
        DataError: too few labels for the point. RunError and TrainingError as in `train_base`.
    """
    schema, folder = base.schema, Path(run) / "specialists" / point
    part = Part(folder, identity(point, settings, base, seed))
    if part.finished:
        part.drop_checkpoint()
        return part.history()[1]
    picked = schema.slots_of(point)
    slots = train.faces.slots
    rows = rows_for(slots, picked, schema.slot_mirror, settings.augment.flip)
    held = np.flatnonzero(labelled_slots(validation.faces.slots, picked))
    if len(rows) < 2 or len(held) < 1:
        raise DataError(
            f"{point}: expected at least 2 training faces and 1 validation face that label it; "
            f"received {len(rows)} and {len(held)}"
        )
    reference = mean_face(train.shapes, schema.slot_mirror, train.faces.size[1])
    settings = wide_enough(settings, schema, point, reference, train.faces.size[1])
    view = View(picked, reference, settings.width, settings.size)
    train, validation, slots = train[rows], validation[held], slots[rows]
    with part.opened():
        arguments = network_arguments(settings, len(picked), part.identity)
        model = _compiled(*arguments)
        judge = _compiled(*network_arguments(settings, len(picked), part.identity, in_float32(settings.train)))
        copied = _start(model, base, view, train.shapes, slots, train.faces.size)
        say(f"{point}: from the base: {copied}")
        truth = validation.faces.slots[:, picked]

        def validate(model):
            found = _locate(same_weights(judge, model), view, validation.faces.images, validation.shapes)
            return validation_scores(found, truth)

        before = {"start": validate(model), "base": validation_scores(validation.shapes[:, picked], truth)}
        return train_part(
            part,
            model,
            settings.train,
            lambda epoch: ViewBatches(train, slots, view, settings, part.identity["seed"], epoch),
            validate,
            point,
            {"rows": len(rows), "validation_rows": len(held), "transfer": str(copied), "fresh": list(copied.fresh)}
            | {name: _known(scores) for name, scores in before.items()},
            {REFERENCE: reference},
        )


def _known(scores):
    """Scores as JSON has them: None for what is not finite, such as those of weights that fit nothing yet."""
    return {name: float(value) if np.isfinite(value) else None for name, value in scores.items()}


def _start(model, base, view, shapes, slots, size):
    """Fresh weights, then the base's where name and shape agree, then the mean position in the view."""
    set_weights(model, model.pristine_weights, "fresh weights")
    copied = transfer(model, {k: v for k, v in get_weights(base.model).items() if k != "positions/anchor"})
    seen = move(slots[:, view.slots], view.matrices(shapes, size))
    set_anchor(model, mean_positions(seen, view.size))
    return copied


def mean_face(shapes, mirror, width):
    """The mean of shapes [n, slots, 2] and of their mirror images, so that both sides are aligned alike."""
    mean = np.mean(shapes, 0, dtype=float)
    return (mean + mirrored(mean[mirror], width)) / 2


def wide_enough(settings, schema, point, reference, width):
    """Settings whose view holds all points of a group, as finely as it would one; those of a single point as they are.

    Args:
        settings: `SpecialistSettings`.
        schema: `Schema`.
        point: name of the point or group.
        reference: float [all slots, 2] px, the mean face.
        width: of the face image, px.
    """
    if len(schema.named(point)) == 1:
        return settings
    own = reference[schema.slots_of(point)]
    side = max(settings.width, 2 * np.abs(own - own.mean(0)).max() / width + MARGIN)
    size = round(settings.size * min(side / settings.width, GROWTH))
    return dataclasses.replace(settings, width=float(side), size=size)


def network_arguments(settings, slots, made, train=None):
    """Arguments of `_compiled` for a specialist; `train` in place of its own `TrainSettings`."""
    shape = (settings.size, settings.size, made["shape"][2])
    return settings.network, traced(train or settings.train), slots, shape, settings.frozen, made["seed"]


@functools.lru_cache(maxsize=4)  # about 22 MB stay per network built, and tracing it takes seconds: share it
def _compiled(network, train, slots, shape, frozen, seed):
    """A compiled network for specialists of one shape, with its fresh weights kept on it."""
    model = build_network(network, slots, shape, train.precision, seed, train.loss)
    freeze(model, frozen)
    compile_network(model, train)
    model.pristine_weights = get_weights(model)
    return model


def check_network(point, settings, schema, channels):
    """Raises UsageError naming the point where its network cannot be built: before hours of training its base."""
    slots = len(schema.slots_of(point))
    try:
        _buildable(settings.network, settings.train, slots, (settings.size, settings.size, channels), settings.frozen)
    except UsageError as error:
        raise UsageError(f"specialist of {point}: {error}") from error


@functools.lru_cache(maxsize=16)
def _buildable(network, train, slots, shape, frozen):
    freeze(build_network(network, slots, shape, train.precision, 0, train.loss), frozen)


def load_specialist(run, point):
    """A finished specialist of a run, or None where it was not trained. Raises RunError where it is damaged."""
    part = Part(Path(run) / "specialists" / point)
    if not part.finished:
        return None
    made, weights = part.settings(), part.weights()
    if made.get("point") != point:
        raise RunError(f"{part.folder}: expected the specialist of {point}; received that of {made.get('point')}")
    with understood(part.folder, "a specialist"):
        schema = schema_of(made["schema"])
        picked, reference = schema.slots_of(point), weights.pop(REFERENCE)
        check_kind(REFERENCE, reference, NUMBERS, (len(schema.slot_names), 2))
        settings = with_overrides(SpecialistSettings(), flatten(made["specialist"]), "specialist")
        settings = wide_enough(settings, schema, point, reference, made["shape"][1])
        view = View(picked, reference, settings.width, settings.size)
        arguments = network_arguments(settings, len(picked), made, in_float32(settings.train))
        return Specialist(point, view, arguments, weights, part)
