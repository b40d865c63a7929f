"""Several trainings at once: in processes of this machine (--jobs) or on a cluster (--cluster).

A task is a call that trains one part of a run in a folder of its own, and goes on there where it was stopped. So a
worker may be lost at any moment: its task, and only that, is given to another one. Every worker of this machine is an
executor of its own (joblib's loky, one process), since a pool is lost as a whole with any of its processes.
"""

import concurrent.futures
import os
from collections import Counter, deque
from dataclasses import dataclass, replace
from pathlib import Path

from base_models.progress import say
from base_models.seats import DONE, LOST, Seat, cores, ended
from data.errors import ProjectError

RESTARTS = 3  # of a task whose worker was lost
POLL = 0.1  # seconds between two looks at the workers' progress


@dataclass(frozen=True)
class Where:
    """Where tasks are done.

    Args:
        jobs: how many at once; None = as many as this machine, or the cluster, has cores.
        cluster: None for this machine; "ray" or "dask", "ray://HOST:PORT" or "dask://HOST:PORT".
    """

    jobs: int | None = None
    cluster: str | None = None


@dataclass(frozen=True)
class Work:
    """What the tasks of one call share.

    Args:
        function: called as function(root, crate, *arguments) where a task is done; found by its module and name there.
        root: folder of the run. Where a worker does not see it, it gets the files that it needs in one of its own.
        crate: name of the folder in it with the faces, of `data.shipped`.
        needs: other files that the function reads, paths in `root`.
    """

    function: object
    root: Path
    crate: str
    needs: tuple = ()


@dataclass(frozen=True)
class Task:
    """One training.

    Args:
        folder: in the root; the task writes nothing elsewhere.
        arguments: of the function.
    """

    folder: str
    arguments: tuple


class WorkerLost(ProjectError):
    """A task whose workers were lost again and again: the machine's fault, most likely its memory's."""


def run_all(work, tasks, where, done):
    """Do tasks, as many at once as `where` says. Lines of progress are printed here.

    Args:
        work: `Work`.
        tasks: dict of name to `Task`.
        where: `Where`.
        done: called as done(name, result, error) whenever a task has ended, one of the two None; error is what the
            task raised, or a WorkerLost. What it raises itself ends all that is under way.

    Raises:
        UsageError, ProjectError: a cluster that cannot be had.
    """
    if not tasks:
        return
    work = replace(work, root=Path(os.path.abspath(work.root)))  # a worker may stand in another folder
    place = _place(work, where, len(tasks))
    try:
        _tend(place, tasks, done)
    finally:
        place.close()


def _place(work, where, count):
    if where.cluster is None:
        return Here(work, where.jobs or cores(), count)
    from base_models.clusters import cluster_of

    return cluster_of(work, where, count)


def _tend(place, tasks, done):
    waiting, running, lost = deque(tasks), {}, Counter()
    while waiting or running:
        while waiting and len(running) < place.count:
            name = waiting.popleft()
            running[place.submit(name, tasks[name])] = name
        concurrent.futures.wait(running, POLL, concurrent.futures.FIRST_COMPLETED)
        ended = [future for future in running if future.done()]
        place.tell()  # what a worker said before it ended
        for future in ended:
            name = running.pop(future)
            sort, value = place.outcome(name, future)
            if sort == LOST and lost[name] < RESTARTS:
                lost[name] += 1
                say(f"{name}: its worker was lost ({value}); it is started again, {lost[name]} of {RESTARTS}")
                waiting.append(name)
            elif sort == DONE:
                done(name, value, None)
            else:
                done(name, None, too_often(name, RESTARTS + 1, value) if sort == LOST else value)


def too_often(name, count, why):
    """`WorkerLost` of a task that `count` workers did not end."""
    return WorkerLost(
        f"{name}: expected a worker to end it; received {count} that were lost ({why}): where memory is short, "
        f"choose fewer --jobs; the same command goes on"
    )


def raise_lost(lost):
    """Raise one error for a dict of name to `WorkerLost`, which names them all; nothing where it is empty."""
    if lost:
        first, *others = lost
        raise WorkerLost(f"{lost[first]}{'; lost like it: ' if others else ''}{', '.join(others)}")


def told(name, line):
    """A worker's line of progress under the name of its task."""
    return line if line.startswith(name) else f"{name}: {line}"


def threads_each(cores, jobs):
    """Threads of each of `jobs` workers that share cores."""
    return max(1, cores // jobs)


class Here:
    """Workers of this machine.

    Args:
        work: `Work`.
        jobs: workers that share the cores. A command that goes on with less to do has the same threads for each, since
            their number counts in the sums.
        count: tasks there will be.
    """

    def __init__(self, work, jobs, count):
        self.work, self.count = work, min(jobs, count)
        self.seats = [Seat(threads_each(cores(), jobs)) for _ in range(self.count)]

    def submit(self, name, task):
        """Begin a task on a free worker: a Future."""
        seat = next(seat for seat in self.seats if seat.free)
        return seat.submit(name, self.work.function, str(self.work.root), self.work.crate, task)

    def tell(self):
        """Print what workers said."""
        for seat in self.seats:
            for line in seat.lines():
                say(told(seat.name, line))

    def outcome(self, name, future):
        """(DONE, result), (FAILED, error) or (LOST, why) of a future that has ended. Its worker is free then."""
        next(seat for seat in self.seats if seat.future is future).leave()
        return ended(future)

    def close(self):
        """End the workers, whatever they do."""
        for seat in self.seats:
            seat.close()
