"""Networks of a comparison that are trained in other processes, several at once."""

from pathlib import Path

BASE = tuple(f"base/{name}" for name in ("settings.json", "weights.npz", "history.json", "manifest.json"))  # of a run


def train_apart(faces, settings, run, seed, where):
    """Train what is not finished of a comparison's networks, each as the base of RUN/NAME.

    Args:
        faces: all training `Faces`.
        settings: dict of network to `Settings`.
        run: folder of the comparison.
        seed: of all.
        where: `base_models.jobs.Where`.

    Returns:
        dict of network to error, of those that could not be trained.

    Raises:
        OSError: such as a full disk, which the next network would find full too. UsageError, ProjectError: a cluster
            that cannot be had.
    """
    from base_models.jobs import Task, Work, run_all
    from data.shipped import crate

    run, failed = Path(run), {}
    left = [name for name in settings if not (run / name / "base" / "manifest.json").exists()]
    tasks = {name: Task(f"{name}/base", (name, settings[name], seed)) for name in left}

    def done(name, _, error):
        if isinstance(error, OSError):
            raise error
        if error is not None:
            failed[name] = error

    with crate(run, faces) as folder:
        run_all(Work(train_there, run, folder.name), tasks, where, done)
    return failed


def train_there(root, crate, name, settings, seed):
    """In a worker: train one network of the comparison at `root`, or go on with it."""
    from base_models.options import load_keras

    load_keras()
    from base_models.base import train_base
    from data.shipped import load_faces

    train_base(load_faces(Path(root) / crate), settings, Path(root) / name, seed)
