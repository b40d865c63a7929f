"""One small network that answers as a run's whole ensemble does: python -m specialists.distill --data PATH --run RUN.

Knowledge distillation (Hinton, Vinyals and Dean 2015, arXiv:1503.02531) of positions: the student is taught the
ensemble's answers, for which base and specialists look at each training face and its mirror image, the base at shifted
views too. `specialists.export --student` writes it as a file.
"""

import dataclasses
import hashlib
import json
from pathlib import Path

import numpy as np

from base_models.options import parser, read_options
from base_models.progress import say, trained
from data.errors import RunError, UsageError, command
from data.runs import Part
from data.storage import check_free, read_arrays, write_arrays

STUDENT = "student"  # folder in the run
BLOCK = 2048  # training faces whose answers are kept at once: what a kill costs, and what memory holds


def train_student(faces, settings, run, seed):
    """Train a run's student, go on where it was stopped, or load it where it is finished.

    Args:
        faces: all training `Faces` of the run. What is held out is what the run holds out.
        settings: `Settings`, of which `student` and `augment` count.
        run: folder of a run with a merged ensemble.
        seed: of the student.

    Returns:
        `Base`.

    Raises:
        RunError: no ensemble, one that was trained on other faces, or a student of another one. UsageError: members of
            the ensemble do not all hold out the same faces. TrainingError: the loss is no longer finite.
    """
    from base_models.base import Split, load_base, train_network
    from specialists.ensemble import load_ensemble

    ensemble = load_ensemble(run)
    held, own = held_out(ensemble, faces), _own(ensemble, settings)
    part = Part(Path(run) / STUDENT, _identity(ensemble, faces, own, seed))
    if part.finished:
        _drop_answers(part)
        part.drop_checkpoint()
        return load_base(run, STUDENT)
    split = Split(*(faces[np.flatnonzero(side)] for side in (~held, held)))
    student = train_network(
        part,
        split,
        lambda: taught(split.train, answered(part, ensemble, split.train), own.student.trust),
        own,
        seed,
        {},
    )
    _drop_answers(part)
    return student


def held_out(ensemble, faces):
    """bool [n]: the faces that all members of an ensemble hold out; errors as of `train_student`.

    A student must learn nothing of them, nor be judged by faces that it was trained on.
    """
    sides = [team.unseen(faces) for team in ensemble.teams]
    for team, side in zip(ensemble.teams, sides, strict=True):
        if not np.array_equal(side, sides[0]):
            raise UsageError(
                f"{team.run}: expected members that hold out the same faces as {ensemble.teams[0].run}; received one "
                "that holds out others: merge them without it"
            )
    return sides[0]


def _own(ensemble, settings):
    """`Settings` with the student's network and training in the base's place, and the split of the run."""
    from base_models.settings import SplitSettings, with_overrides

    made = ensemble.base.part.settings()
    split = with_overrides(SplitSettings(), made["split"], "split")
    return dataclasses.replace(settings, split=split, network=settings.student.network, train=settings.student.train)


def _identity(ensemble, faces, own, seed):
    """Everything that determines a student's weights."""
    from base_models.base import identity

    made = identity(faces, own, seed, STUDENT)
    del made["teachers"]
    return made | {"trust": own.student.trust, "ensemble": digest_of(ensemble)}


def digest_of(ensemble):
    """SHA-256 of what an ensemble's answers are made by: neither its calibration nor its radii teach."""
    rule = ensemble.merge.weight.tolist(), ensemble.merge.reach, ensemble.flip, ensemble.shifts
    return hashlib.sha256(json.dumps([rule, [team.prints for team in ensemble.teams]]).encode()).hexdigest()


def answered(part, ensemble, faces):
    """An ensemble's answers, float32 [n, slots, 2] px, without its calibration, as exported files give them.

    Each block is kept in the part's folder until the part is finished.
    """
    found = np.empty((len(faces), len(faces.schema.slot_names), 2), np.float32)
    for i, start in enumerate(range(0, len(faces), BLOCK)):
        some, path = slice(start, start + BLOCK), part.folder / f"answers{i:05d}.npz"
        found[some] = _answers(path, part.digest, ensemble, faces.images[some])
        say(f"{STUDENT}: its ensemble has answered for {min(start + BLOCK, len(faces))} of {len(faces)} faces")
    return found


def _answers(path, digest, ensemble, images):
    from specialists.members import ask

    images, slots = np.asarray(images), len(ensemble.base.schema.slot_names)
    kept = kept_answers(path, digest, (len(images), slots, 2))
    if kept is not None:
        return kept
    answers = ask(ensemble.teams, images, ensemble.flip, ensemble.merge.reach, ensemble.shifts)
    positions = ensemble.merge(answers.base, answers.specialist).astype(np.float32)
    write_arrays(path, {"positions": positions, "of": np.frombuffer(digest.encode(), np.uint8)})
    return positions


def kept_answers(path, digest, shape):
    """float32 of a shape, px, that a stopped training of the part with a digest has left; None where there is none, or
    what is there is damaged (which is told) or something else."""
    if not path.exists():
        return None
    try:
        kept = read_arrays(path)
    except RunError as error:
        say(f"{error}; the ensemble is asked again")
        return None
    positions, of = kept.get("positions", np.zeros(0)), kept.get("of", np.zeros(0))
    known = (positions.shape, positions.dtype, of.tobytes()) == (shape, np.float32, digest.encode())
    return positions if known and np.isfinite(positions).all() else None


def _drop_answers(part):
    for path in part.folder.glob("answers*.npz"):
        path.unlink(missing_ok=True)


def taught(faces, answers, trust):
    """What a student is taught, float32 [n, slots, 2] px.

    Args:
        faces: `Faces` to train on.
        answers: float [n, slots, 2] px, of the ensemble.
        trust: their share where there is a label, whose share is the rest; elsewhere they alone count.
    """
    labels = faces.slots
    return np.where(np.isfinite(labels), trust * answers + (1 - trust) * np.nan_to_num(labels), answers)


def load_student(run, ensemble):
    """The finished student of a run. Raises RunError where there is none, or `ensemble` is not the one that taught
    it."""
    from base_models.base import load_base

    part = Part(Path(run) / STUDENT)
    if not part.finished:
        raise RunError(f"{part.folder}: expected a trained student; received none: run python -m specialists.distill")
    if part.settings().get("ensemble") != digest_of(ensemble):
        raise RunError(
            f"{part.folder}: was taught by another ensemble than {Path(run) / 'ensemble'}: delete {part.folder}, run "
            "python -m specialists.distill again"
        )
    return load_base(run, STUDENT)


def main(argv=None):
    a = parser("specialists.distill", __doc__).parse_args(argv)
    if a.weights:
        raise UsageError("--weights: is the base's; expected --set student.network.weights=... for a student")
    check_free(Path(a.run) / STUDENT)
    from specialists.ensemble import merged_part

    merged_part(a.run)  # before the faces are read
    settings, _, faces = read_options(a)
    from reports.run_pages import build_all

    _, summary = train_student(faces, settings, a.run, a.seed).part.history()
    print(trained(STUDENT, summary))
    print(f"pages: {build_all(a.run)[0]}")


if __name__ == "__main__":
    command(main)
