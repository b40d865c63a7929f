"""Trainings of a sweep that are done in other processes, several at once."""

from dataclasses import fields, replace
from pathlib import Path

from base_models.apart import BASE

TRAININGS = "sweeps/trainings"  # folder in the run


def train_apart(plan, run, where, done):
    """Do what is not done yet of a sweep's trainings.

    Args:
        plan: as `tuning.sweep.Sweep.trainings`.
        run: folder of the run.
        where: `base_models.jobs.Where`.
        done: called without arguments after every training.

    Raises:
        OSError, MemoryError, RunError: as `tuning.goals.reached`. WorkerLost: of the trainings whose workers were
            lost again and again, once all others are done. UsageError, ProjectError: a cluster that cannot be had.
    """
    from base_models.jobs import Task, Work, WorkerLost, raise_lost, run_all
    from data.shipped import crate

    run, tasks, lost = Path(run), {}, {}
    faces = plan[0][0].faces
    for goal, factor, label, values, seed in plan:
        digest = digest_of(goal, values, seed)
        if not (run / TRAININGS / digest / "outcome.json").exists():
            name = f"{goal.name}, {factor or ''} {label}, seed {seed}"
            tasks.setdefault(digest, (name, (bare(goal), values, seed)))

    def ended(name, _, error):
        if isinstance(error, WorkerLost):
            lost[name] = error
        elif error is not None:
            raise error
        done()

    with crate(run, faces) as folder:
        needs = BASE if any(hasattr(goal, "point") for goal, *_ in plan) else ()  # specialists start from it
        named = {name: Task(f"{TRAININGS}/{digest}", own) for digest, (name, own) in tasks.items()}
        run_all(Work(train_there, run, folder.name, needs), named, where, ended)
    raise_lost(lost)


def bare(goal):
    """A goal without faces and run, which are another's where it is sent."""
    own = {"faces": None} | ({"run": None} if any(field.name == "run" for field in fields(goal)) else {})
    return replace(goal, **own)


_GOALS = {}  # of this worker, so that the base looks at the faces once


def train_there(root, crate, goal, values, seed):
    """In a worker: do one training of the run at `root`, or go on with it."""
    from base_models.options import load_keras

    load_keras()
    from data.shipped import load_faces
    from tuning.sweep import trained

    own = {"faces": load_faces(Path(root) / crate)} | ({"run": Path(root)} if hasattr(goal, "run") else {})
    goal = _GOALS.setdefault((root, crate, repr(goal)), replace(goal, **own))
    trained(goal, values, seed, Path(root) / TRAININGS)


def digest_of(goal, values, seed):
    """Name of a training's folder: of all that determines it."""
    import hashlib
    import json

    from tuning.goals import determining

    identity = {"goal": goal.about(), "settings": determining(goal.changed(values)), "seed": seed}
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def known(plan, run):
    """dict of (goal, factor, label, seed) to outcome, of the trainings that are done."""
    from tuning.trials import outcome_in

    known = {}
    for goal, factor, label, values, seed in plan:
        path = Path(run) / TRAININGS / digest_of(goal, values, seed) / "outcome.json"
        if path.exists():
            known[goal.name, factor, label, seed - goal.seed] = outcome_in(path)
    return known
