"""Specialists that are trained in other processes, several at once."""

import functools
from pathlib import Path

from base_models.apart import BASE


def train_apart(chosen, base, faces, shapes, split, run, seed, where):
    """Train what is not finished of a run's specialists.

    Points with too few labels are left as they are, for the caller to find. Errors end all that is under way.

    Args:
        chosen: dict of point to `SpecialistSettings`.
        base: trained `Base`.
        faces: all training `Faces`.
        shapes: the base's answers on the two sides of the split, float32 [n, slots, 2] px.
        split: `SplitSettings`.
        run: folder of the run.
        seed: of the run.
        where: `base_models.jobs.Where`.

    Raises:
        As `specialists.pipeline.train_specialists`.
    """
    from base_models.jobs import Task, Work, WorkerLost, raise_lost, run_all
    from data.errors import DataError
    from data.runs import Part
    from data.shipped import crate
    from specialists.specialist import identity

    run, lost = Path(run), {}
    left = [p for p in chosen if not Part(run / "specialists" / p, identity(p, chosen[p], base)).finished]
    tasks = {p: Task(f"specialists/{p}", (p, chosen[p], split, seed)) for p in left}

    def done(point, summary, error):
        if isinstance(error, WorkerLost):
            lost[point] = error
        elif error is not None and not isinstance(error, DataError):
            raise error

    with crate(run, faces, {"train": shapes[0], "held": shapes[1]}) as folder:
        run_all(Work(train_there, run, folder.name, BASE), tasks, where, done)
    raise_lost(lost)


def train_there(root, crate, point, settings, split, seed):
    """In a worker: train one specialist of the run at `root`, or go on with it. Returns its summary."""
    from base_models.options import load_keras

    load_keras()
    from specialists.specialist import train_specialist

    return train_specialist(point, *_looked(root, crate, split, seed), settings, root)


@functools.lru_cache(maxsize=1)
def _looked(root, crate, split, seed):
    """(base, training, held-out `Looked`): once in a worker."""
    from base_models.base import load_base, split_faces
    from data.shipped import crated_arrays, load_faces
    from specialists.specialist import Looked

    sides, shapes = split_faces(load_faces(Path(root) / crate), split, seed), crated_arrays(Path(root) / crate)
    return load_base(root), Looked(sides.train, shapes["train"]), Looked(sides.validation, shapes["held"])
