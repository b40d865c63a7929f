"""Tasks on a machine of a cluster.

Each task is hosted: its host, a thread or process of Ray's or Dask's, has a `Seat` there, brings what the run's folder
holds where that is not seen, and hands on what it says. So neither Ray's nor Dask's own processes ever hold Keras, each
training has the threads that it is due, and it can be ended at any moment.
"""

import atexit
import concurrent.futures
import contextlib
import multiprocessing
import os
import socket
import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path

from base_models.jobs import POLL, Task
from base_models.parcels import files_in, store_files
from base_models.seats import LOST, Seat, ended
from data.shipped import IMAGES, passing_folder
from data.storage import write_atomically

PREFIX = "keypoint-jobs-"  # of folders on machines that do not see the run's
IDLE = 60  # seconds until the process of a machine that has nothing to do ends


@dataclass(frozen=True)
class Order:
    """A task on its way to a machine.

    Args:
        name, task: what to do.
        function, root, crate: of its `Work`.
        threads: most that it computes with.
        environment: dict of variables.
        files: dict of path to bytes, what its folder holds, where not every machine sees that.
    """

    name: str
    task: Task
    function: object
    root: str
    crate: str
    threads: int
    environment: dict
    files: dict = field(default_factory=dict)


def sees(root, crate):
    """Whether this machine sees a run's folder: the crate's name is one that nobody guesses."""
    return (Path(root) / crate / IMAGES).exists()


_OWN = threading.local()  # seat: that of a thread, since Dask's workers do several tasks at once in threads
_UNPACKED, _LOCK = {}, threading.Lock()  # crate to `Unpacked`


class CargoLost(Exception):
    """What a task needs did not come to this machine. It may come with the next attempt."""


@dataclass
class Unpacked:
    """A folder with the cargo of a crate.

    Args:
        folder: context that removes it at its end.
        root: its path.
        users: tasks that are done in it now.
    """

    folder: contextlib.ExitStack
    root: Path
    users: int = 0


def host(order, tell, fetch, stopped):
    """Do a task on this machine.

    Args:
        order: `Order`.
        tell: called with (name, line of progress), None for the line at its beginning.
        fetch: called without arguments for the `cargo`, where this machine has not got it yet.
        stopped: called without arguments: whether nobody waits for the task any longer.

    Returns:
        (DONE, FAILED or LOST; result, error or why; dict of the files of the task's folder where the run's folder is
        not seen here).
    """
    tell((order.name, None))
    if sees(order.root, order.crate):
        return *_hosted(order, Path(order.root), tell, stopped), {}
    try:
        with _unpacked(order.crate, fetch) as root:
            folder = root / order.task.folder
            if order.files:
                store_files(folder, order.files)
            sort, value = _hosted(order, root, tell, stopped)
            return sort, value, files_in(folder) if folder.exists() else {}
    except CargoLost as error:
        return LOST, str(error), {}


def _hosted(order, root, tell, stopped):
    """(DONE, FAILED or LOST; result, error or why) of a task that is done in a folder."""
    seat = _seat(order)
    try:
        future = seat.submit(order.name, order.function, str(root), order.crate, order.task)
        tell((order.name, f"on {socket.gethostname()}, process {os.getpid()}"))
        while not future.done():
            concurrent.futures.wait([future], POLL)
            for line in seat.lines():
                tell((order.name, line))
            if stopped():
                seat.close()
                return LOST, "stopped"
        for line in seat.lines():
            tell((order.name, line))
    except BaseException:  # such as nobody who listens any longer: the training is not left to itself
        seat.close()
        raise
    return ended(future)


def _seat(order):
    # Dask's nanny starts its workers as daemons, which Python forbids children. Ours end with them all the same.
    multiprocessing.current_process().daemon = False
    wanted = order.crate, order.threads, order.environment
    if getattr(_OWN, "wanted", wanted) != wanted:
        _OWN.seat.close()
        del _OWN.seat
    if not hasattr(_OWN, "seat"):
        _OWN.wanted, _OWN.seat = wanted, Seat(order.threads, order.environment, IDLE)
    return _OWN.seat


@contextlib.contextmanager
def _unpacked(crate, fetch):
    """Context: folder with the cargo, which comes once to every process that hosts. It stays for the next task."""
    with _LOCK:
        _remove_unused(crate)  # those of earlier commands
        if crate not in _UNPACKED:
            _UNPACKED[crate] = _unpack(fetch())
        mine = _UNPACKED[crate]
        mine.users += 1
    try:
        yield mine.root
    finally:
        with _LOCK:
            mine.users -= 1


def _unpack(cargo):
    with contextlib.ExitStack() as folder:
        root = folder.enter_context(passing_folder(tempfile.gettempdir(), PREFIX))
        for name, content in cargo.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, lambda file, content=content: file.write(content))
        return Unpacked(folder.pop_all(), root)


def _remove_unused(but=None):
    for crate in [crate for crate, one in _UNPACKED.items() if crate != but and not one.users]:
        _UNPACKED.pop(crate).folder.close()


atexit.register(_remove_unused)
