"""Several processes that share one search: Keras Tuner's chief, which has the oracle, and its workers.

A process is told by three environment variables what it is; --workers sets them for processes of this machine:

    KERASTUNER_TUNER_ID     chief, or any other name of a worker
    KERASTUNER_ORACLE_IP    address of the chief
    KERASTUNER_ORACLE_PORT  its port
"""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time

from data.errors import RunError, UsageError

TUNER, ADDRESS, PORT = "KERASTUNER_TUNER_ID", "KERASTUNER_ORACLE_IP", "KERASTUNER_ORACLE_PORT"
CHIEF = "chief"
RESTARTS = 3  # of a worker that was killed; its trial goes on where it was
WAIT = 3600  # seconds for the chief, which may train the base first
THREADS = ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS")


def role():
    """ "chief", "worker" or None, by the environment.

    Raises:
        UsageError: some of the three variables are set, but not all.
    """
    given = [name for name in (TUNER, ADDRESS, PORT) if os.environ.get(name)]
    if not given:
        return None
    for name in (TUNER, ADDRESS, PORT):
        if name not in given:
            raise UsageError(f"{name}: expected a value where {given[0]} has one; received none")
    if not os.environ[PORT].isdecimal() or not 0 < int(os.environ[PORT]) < 65536:
        raise UsageError(f"{PORT}: expected 1 to 65535; received {os.environ[PORT]!r}")
    return "chief" if CHIEF in os.environ[TUNER] else "worker"  # as Keras Tuner sees it


def wait_for_chief(seconds=WAIT, alive=lambda: True):
    """Return when the chief answers. Raises RunError where it does not within some seconds, or is no longer alive."""
    at, end = (os.environ[ADDRESS], int(os.environ[PORT])), time.monotonic() + seconds
    while time.monotonic() < end and alive():
        with contextlib.suppress(OSError), socket.create_connection(at, timeout=5):
            return
        time.sleep(0.2)
    raise RunError(f"chief: expected it to answer at {at[0]}:{at[1]}; received nothing")


def free_port():
    """A port of this machine that nothing uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run_workers(arguments, count):
    """Run a search as a chief and `count` workers on this machine.

    Args:
        arguments: of the command, texts.
        count: workers.

    Returns:
        Exit status: that of the chief, or of a worker that cannot go on.
    """
    os.environ |= {ADDRESS: "127.0.0.1", PORT: str(free_port())}
    call = [sys.executable, "-m", "tuning.search", *arguments]
    started = []

    def start(name):
        threads = {variable: str(max(1, (os.cpu_count() or 1) // count)) for variable in THREADS}
        environment = threads | os.environ | {TUNER: name}
        started.append(subprocess.Popen(call, env=environment, preexec_fn=_die_with_parent))
        return started[-1]

    try:
        chief = start(CHIEF)
        try:
            wait_for_chief(alive=lambda: chief.poll() is None)
        except RunError:
            if chief.poll() is None:
                raise
            return chief.returncode
        return _watch(chief, {f"worker{i + 1}": start(f"worker{i + 1}") for i in range(count)}, start)
    finally:
        for process in started:
            _end(process)


def _watch(chief, workers, start):
    """Wait for all; start workers again that were killed."""
    left = dict.fromkeys(workers, RESTARTS)
    while True:
        for name, process in list(workers.items()):
            status = process.poll()
            if status is not None and status < 0 and left[name] and chief.poll() is None:
                print(f"{name}: ended by signal {-status}; it is started again", file=sys.stderr, flush=True)
                left[name] -= 1
                workers[name] = start(name)
            elif status:
                return status if status > 0 else 1
        if chief.poll() is not None:
            return chief.returncode
        time.sleep(0.2)


def _end(process):
    """End a process that still runs: kindly, then not."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _die_with_parent():
    """In a child: a SIGTERM when the parent ends, however it ends. Linux has that; elsewhere nothing happens."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)
