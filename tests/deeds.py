"""Tasks for the tests of jobs and clusters: what a worker may do, in no time and without Keras."""

import os
import signal
import sys
import time
from pathlib import Path

from base_models.jobs import Task, Where, Work, run_all
from data.shipped import crate
from data.synthetic import make_faces

FACES = make_faces(6, seed=3, size=32)


def deed(root, crated, name, what):
    """In a worker: one of `worker ends`, `always ends`, `fails`, `waits`, anything else; (name, process, threads)."""
    folder = Path(root) / "parts" / name
    folder.mkdir(parents=True, exist_ok=True)
    print(f"{name} begins", file=sys.stderr, flush=True)
    (folder / "half").write_text("done")
    if what == "always ends" or (what == "worker ends" and not (folder / "ended").exists()):
        (folder / "ended").write_text("once")
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "fails":
        raise ValueError(f"{name} cannot be done")
    if what == "waits":
        time.sleep(600)
    (folder / "whole").write_text(f"{name}, {len(os.listdir(Path(root) / crated))} files of faces")
    return name, os.getpid(), os.environ["OMP_NUM_THREADS"]


def do(run, whats, where=None, done=None):
    """Do tasks: dict of name to result or error, in the order in which they ended."""
    found = {}
    with crate(run, FACES) as folder:
        work = Work(deed, run, folder.name)
        tasks = {name: Task(f"parts/{name}", (name, what)) for name, what in whats.items()}
        run_all(work, tasks, where or Where(2), done or (lambda n, result, error: found.update({n: error or result})))
    return found
