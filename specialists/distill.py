"""One small network that answers as a run's whole ensemble does: python -m specialists.distill --data PATH --run RUN.

Knowledge distillation (Hinton, Vinyals and Dean 2015, arXiv:1503.02531) of positions: the student is taught the
ensemble's answers, for which base and specialists look at each training face and its mirror image, the base at shifted
views too. `specialists.export --student` writes it as a file.
"""

import dataclasses
from pathlib import Path

import numpy as np

from base_models.options import parser, read_options
from base_models.progress import say
from data.errors import RunError, UsageError, command
from data.runs import Part
from data.storage import check_free

STUDENT = "student"  # folder in the run
BLOCK = 4096  # training faces that the ensemble looks at before their answers are merged; bounds memory


def train_student(faces, settings, run, seed):
    """Train a run's student, go on where it was stopped, or load it where it is finished.

    Args:
        faces: all training `Faces` of the run; split here as in its training.
        settings: `Settings`, of which `student` says what it is like and how it is taught.
        run: folder of a run with a merged ensemble.
        seed: of the run.

    Returns:
        `Base`.

    Raises:
        RunError: no ensemble, or a student of another one. UsageError: members of the ensemble trained on faces that
            the run holds out. DataError: other faces. TrainingError: the loss is no longer finite.
    """
    from base_models.base import identity, load_base, split_faces, train_network
    from specialists.ensemble import load_ensemble

    ensemble = load_ensemble(run)
    ensemble.check(faces)
    own = dataclasses.replace(settings, network=settings.student.network, train=settings.student.train)
    made = identity(faces, own, seed, STUDENT)
    part = Part(Path(run) / STUDENT, made | {"trust": settings.student.trust, "ensemble": fingerprint(run)})
    if part.finished:
        part.drop_checkpoint()
        return load_base(run, STUDENT)
    split = split_faces(faces, settings.split, seed)
    _check_honest(ensemble, faces, split)
    about = {"taught": len(split.train)}
    return train_network(
        part, split, lambda: taught_by(ensemble, split.train, settings.student.trust), own, seed, about
    )


def fingerprint(run):
    """SHA-256 of a run's merge, which names all of its members by theirs."""
    from data.storage import sha256_of

    return sha256_of(Part(Path(run) / "ensemble").checked("merge.json"))


def _check_honest(ensemble, faces, split):
    """Raise UsageError where a member was trained on faces that are held out here: its student would know them."""
    for team in ensemble.teams:
        if not np.isin(split.validation.ids, faces.ids[team.unseen(faces)]).all():
            raise UsageError(
                f"{team.run}: expected members that hold out the same faces as this run; received one that was trained "
                "on some of them"
            )


def taught_by(ensemble, faces, trust):
    """What a student is taught, float32 [n, slots, 2] px.

    Args:
        ensemble: `Ensemble`. It answers without its calibration, as exported files do.
        faces: `Faces` to train on.
        trust: share of its answer, where there is a label; where there is none its answer alone counts.
    """
    from specialists.members import ask

    say(f"{STUDENT}: its ensemble looks at {len(faces)} faces")
    slots, merge = faces.slots, ensemble.merge
    for start in range(0, len(faces), BLOCK):
        some = slice(start, start + BLOCK)
        answers = ask(ensemble.teams, np.asarray(faces.images[some]), ensemble.flip, merge.reach, ensemble.shifts)
        answer = merge(answers.base, answers.specialist)
        known = np.isfinite(slots[some])
        slots[some] = np.where(known, trust * answer + (1 - trust) * np.nan_to_num(slots[some]), answer)
    return slots


def load_student(run):
    """The finished student of a run. Raises RunError where there is none, or it was taught by another ensemble."""
    from base_models.base import load_base

    part = Part(Path(run) / STUDENT)
    if not part.finished:
        raise RunError(f"{part.folder}: expected a trained student; received none: run python -m specialists.distill")
    if part.settings().get("ensemble") != fingerprint(run):
        raise RunError(
            f"{part.folder}: was taught by another ensemble than {Path(run) / 'ensemble'}: delete {part.folder}, run "
            "python -m specialists.distill again"
        )
    return load_base(run, STUDENT)


def main(argv=None):
    a = parser("specialists.distill", __doc__).parse_args(argv)
    check_free(Path(a.run) / STUDENT)
    settings, _, faces = read_options(a)
    from reports.run_pages import build_all

    _, summary = train_student(faces, settings, a.run, a.seed).part.history()
    print(
        f"student: validation RMSE {summary['val_rmse']:.3f} px after epoch {summary['best_epoch']} of "
        f"{summary['epochs']}, {summary['rows']} rows, {summary['seconds']:.0f} s"
    )
    print(f"pages: {build_all(a.run)[0]}")


if __name__ == "__main__":
    command(main)
