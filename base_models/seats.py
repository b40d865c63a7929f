"""One process of this machine that does one task after another, and what happens inside it."""

import contextlib
import copy
import ctypes
import io
import os
import signal
import subprocess
import sys
import threading
import traceback
from pathlib import Path

from data.errors import ProjectError, RunError, one_line
from data.storage import locked

RENEWED = 20  # tasks that a process does: some 10 to 20 MB stay of every network
LONGEST = 1000  # characters of a progress line; such a line is written whole or not at all, whenever its worker dies
NEEDED = 2 << 30  # bytes of memory for each worker; the default networks' held 1.25 GB at most (docs/clusters.md)
NEEDED_OF_GPU = 2 << 30  # bytes; not measured
CONTAINER = Path("/sys/fs/cgroup/memory.max")  # bytes that it may have
RELEASED = 10.0  # seconds until a folder is free whose worker was lost
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OPENCV_FOR_THREADS_NUM")
THREADS += ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "NPROC")  # the last is XLA's, so JAX's
DONE, FAILED, LOST = "done", "failed", "lost"  # how a task ends


class Seat:
    """One process of this machine that does one task after another, and is replaced when it is lost.

    Args:
        threads: most that it computes with, where the environment says nothing of it.
        environment: dict of more variables.
        idle: seconds without a task after which the process ends; None = never.
    """

    def __init__(self, threads, environment=None, idle=None):
        chosen = {name: os.environ[name] for name in THREADS if name in os.environ}
        self.environment = dict.fromkeys(THREADS, str(threads)) | chosen | (environment or {})
        self.idle, self.executor, self.future = idle, None, None
        self.name, self.count = "", 0

    @property
    def free(self):
        """Whether it may have another task: what it said of its last one was heard."""
        return self.future is None

    def leave(self):
        """The outcome of its task was taken."""
        self.future = None

    def submit(self, name, *call):
        """Begin `attempt(*call)`: a Future, for `ended`."""
        broken = loky().BrokenProcessPool
        if self.count == RENEWED:
            self.close()
        self.name, self.count = name, self.count + 1
        with _quiet():
            try:
                self.future = self._running().submit(attempt, *call)
            except broken:  # it was lost, with its task or between two
                self.close()
                self.name, self.count = name, 1
                self.future = self._running().submit(attempt, *call)
        return self.future

    def _running(self):
        if self.executor is None:
            context = loky().backend.get_context("loky")
            self.queue = context.SimpleQueue()
            begin = {"initializer": _begin, "initargs": (self.queue, os.getpid())}
            self.executor = loky().ProcessPoolExecutor(
                1, timeout=self.idle, context=context, env=self.environment, **begin
            )
        return self.executor

    def lines(self):
        """The lines of progress since the last call."""
        while self.executor is not None and not self.queue.empty():
            yield self.queue.get()

    def close(self):
        """End the process at once; what it trained goes on from its files."""
        if self.executor is not None:
            self.executor.shutdown(kill_workers=True)
            self.queue.close()
        self.executor = self.future = None
        self.count = 0


def loky():
    """joblib's module of processes. Its package comes first and whole: else a thread that waits for the package while
    it holds this module, and one that imports the package and waits for this module, stand still, which Python ends by
    handing out half of it."""
    import joblib

    return joblib.externals.loky


_QUIET = threading.Lock()  # the threads of a Dask worker have a seat each, and one environment


@contextlib.contextmanager
def _quiet():
    """Context: Python's helper that removes the semaphores of killed workers begins here, and says nothing of them."""
    with _QUIET:
        before = os.environ.get("PYTHONWARNINGS")
        os.environ["PYTHONWARNINGS"] = ",".join(filter(None, (before, "ignore:resource_tracker:UserWarning")))
        try:
            yield
        finally:
            os.environ.pop("PYTHONWARNINGS")
            os.environ |= {} if before is None else {"PYTHONWARNINGS": before}


def cores():
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fitting():
    """How many workers this machine, or this container, has cores and memory for beside the command itself, and the
    first of NVIDIA's GPUs where there is one."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):  # no container, or "max"
        memory = min(memory, int(CONTAINER.read_text(encoding="utf-8")))
    limits = [cores(), memory // NEEDED - 1]
    with contextlib.suppress(OSError, ValueError, IndexError, subprocess.SubprocessError):  # no such program, no GPU
        asked = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
        told = subprocess.run(asked, capture_output=True, text=True, timeout=30, check=True).stdout
        limits.append((int(told.split()[0]) << 20) // NEEDED_OF_GPU)
    return max(1, min(limits))


def ended(future):
    """(DONE, result), (FAILED, error) or (LOST, why) of a future of `Seat.submit` that has ended."""
    try:
        return future.result()
    except loky().BrokenProcessPool as error:
        return LOST, _exit_codes(error)
    except Exception as error:  # a result that cannot travel
        return FAILED, error


def _exit_codes(error):
    """How a process ended, in the words of loky: SIGKILL(-9)."""
    _, _, rest = str(error).partition("{")
    return one_line(rest.partition("}")[0] or type(error).__name__, 80)


def _begin(queue, parent):
    """In a new worker: it ends with its parent, leaves Ctrl-C to it, and says its lines there."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError, AttributeError):  # Linux has that; elsewhere it ends after its task
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it is gone already
    sys.stderr = Lines(queue.put)


class Lines(io.TextIOBase):
    """A text stream that hands on whole lines.

    Args:
        put: called with each.
    """

    def __init__(self, put):
        self.put, self.rest = put, ""

    def writable(self):
        return True

    def fileno(self):
        return 2  # for what the process itself says when it crashes

    def write(self, text):
        """As of every stream."""
        *lines, self.rest = (self.rest + text).split("\n")
        for line in lines:
            self.put(line[:LONGEST])
        return len(text)


def attempt(function, root, crate, task):
    """In a worker: (DONE, result) or (FAILED, error) of a task."""
    try:
        _wait_until_free(Path(root) / task.folder)
        return DONE, function(root, crate, *task.arguments)
    except Exception as error:
        return FAILED, _portable(error)


def _portable(error):
    """An error as it reaches another process: what nobody expected says where it arose, as a traceback does here."""
    if not isinstance(error, ProjectError):
        error.add_note("".join(traceback.format_exception(error)).rstrip())
    try:
        copy.deepcopy(error)  # as it is taken apart and made again on its way
    except Exception:
        whole = RuntimeError(f"{type(error).__name__}: {error}")
        for note in getattr(error, "__notes__", ()):
            whole.add_note(note)
        return whole
    return error


def _wait_until_free(folder):
    """Wait for the locks of a worker that was lost a moment ago; one that is held longer is held by another command."""
    for lock in sorted(folder.rglob(".lock")):
        with contextlib.suppress(RunError), locked(lock.parent, RELEASED):
            pass
