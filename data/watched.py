"""A command under a limit of its address space (`ulimit -v`): where that ends its libraries, somebody says so.

The backend's libraries call `abort` where they get no memory for a thread or a tensor, which Python cannot catch. So
the command goes on in a child process, and its parent tells of such an end.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys

NO_THREAD = 127  # exit status where glibc has no memory for what belongs to a thread
CRASHES = (signal.SIGSEGV, signal.SIGBUS)
WATCHED = {signal.SIGCHLD, signal.SIGINT, signal.SIGTERM}
CHILD = "KEYPOINT_WATCHED"  # environment variable: the process that is watched already, whatever it has become
DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux's prctl(2)


def watched():
    """Whether this is such a child."""
    return os.environ.get(CHILD) == str(os.getpid())


def watch(memory):
    """Go on in a child process, where the address space is limited; in the parent this does not return.

    Args:
        memory: what to say where the child's libraries ended it.
    """
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit == resource.RLIM_INFINITY or watched():
        return
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # where it is ignored, nobody hears of a child's end
    before = signal.pthread_sigmask(signal.SIG_BLOCK, WATCHED)
    try:
        child = os.fork()
    except OSError:  # no memory for it, either: nobody watches
        child = 0
    else:
        if child == 0:
            with contextlib.suppress(AttributeError, OSError):
                ctypes.CDLL(None).prctl(DIES_WITH_PARENT, signal.SIGKILL)
    if child == 0:
        os.environ[CHILD] = str(os.getpid())
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return
    status = _end_of(child)
    if status in (-signal.SIGABRT, NO_THREAD):
        _say(f"{memory}, or a larger limit than {limit >> 20} MB (ulimit -v)")
    if -status in CRASHES:
        _say(f"out of memory, it seems: ended by signal {-status} under a limit of {limit >> 20} MB (ulimit -v)")
    if -status in (signal.SIGINT, signal.SIGTERM):  # a second one, after Python had put its own handlers back
        os._exit(128 - status)
    if status < 0:  # whoever ended it sees the same of us
        with contextlib.suppress(OSError):  # SIGKILL has no other
            signal.signal(-status, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        os.kill(os.getpid(), -status)
    os._exit(status)


def _say(text):
    print(f"error: {text}", file=sys.stderr, flush=True)
    os._exit(1)


def _end_of(child):
    """Exit status of a child, negative for a signal. What is sent to this process alone is handed on to it."""
    while True:
        found = signal.sigwaitinfo(WATCHED)
        if found.si_signo != signal.SIGCHLD:
            if found.si_code <= 0:  # by `kill`; what a terminal sends reaches the child by itself
                os.kill(child, found.si_signo)
            continue
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
