"""The project's own errors. Each has a documented exit status; `command` turns it into one line on stderr."""

import argparse
import errno
import os
import signal
import sys
import threading
import time

from data.watched import watch, watched

STOPPED = (130, 143)  # exit statuses of Ctrl-C and SIGTERM, as shells have them
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# How the backend's libraries say that there is no memory, besides MemoryError: as ImportError, or types of their own.
NO_MEMORY = ("failed to map segment", "annot allocate memory", "OOM when allocating", "bad_alloc", "t start new thread")
NO_MEMORY += ("RESOURCE_EXHAUSTED",)
# What oneDNN says then, and of other things too: only where there is a limit.
MAYBE_NO_MEMORY = ("could not execute a primitive", "could not create a primitive")
MEMORY = "out of memory: choose a smaller set, batch or network"
REPEATED = 1.0  # seconds within which a second signal asks for nothing more
AGAIN = 0.05  # seconds until a stop that was swallowed is asked for again


class ProjectError(Exception):
    """Something the user can put right. The message says what, where, expected and received, on one line."""

    exit_status = 1


class UsageError(ProjectError):
    """A bad option or setting."""

    exit_status = 2


class DataError(ProjectError):
    """A face set that cannot be read or used."""

    exit_status = 3


class RunError(ProjectError):
    """A run folder that is locked, damaged, or was made with other settings."""

    exit_status = 4


class TrainingError(ProjectError):
    """A training that cannot go on: the loss is no longer finite. The last good state is kept."""

    exit_status = 5


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line like every other error."""

    def error(self, message):
        raise UsageError(f"{message}; see --help")


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived: stop as after Ctrl-C, with an exit status of its own."""


def one_line(text, limit=600):
    """`text` with control characters and line breaks made visible, so that an error is always one line."""
    shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))
    return shown if len(shown) <= limit else shown[: limit - 3] + "..."


def command(main):
    """Run `main()` as a process: project errors become one line on stderr and their exit status.

    Ctrl-C ends with 130 and SIGTERM with 143; every part of a run that was finished stays finished.
    """
    _asked.clear()
    watch(MEMORY)
    signal.signal(signal.SIGTERM, _stop)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # a shell may have it ignored
        signal.signal(signal.SIGINT, _stop)
    before, sys.unraisablehook = sys.unraisablehook, _not_swallowed
    try:
        status = main()
        print(end="", flush=True)  # a full disk behind the output is an error like another, not one after the end
    except ProjectError as error:
        status = _say(one_line(error), error.exit_status)
    except KeyboardInterrupt as stop:
        status = _stopped(type(stop))
    except BrokenPipeError:  # the reader of our output went away, as in `... | head`
        status = 0
    except Exception as error:
        told = _of_the_machine(error)
        if told:
            status = _say(one_line(told), 1)
        elif _asked:  # whoever was interrupted made another error of it
            status = _stopped(_asked[0][1])
        else:
            raise  # a defect of ours is not hidden
        if told == MEMORY:  # the backend's threads may never come to their end, for want of memory
            _drop_unwanted_output()
            os._exit(status)
    sys.unraisablehook = before
    _drop_unwanted_output()
    sys.exit(status or 0)


def no_memory(error):
    """Whether an error says that there is no memory, in the words of whichever library."""
    words = NO_MEMORY + (MAYBE_NO_MEMORY if watched() else ())
    return isinstance(error, MemoryError) or any(each in str(error) for each in words)


def _of_the_machine(error):
    """What to say of an error that is the machine's: no memory, no space, no such file. None of another."""
    if no_memory(error):
        return MEMORY
    if isinstance(error, OSError):
        why = error.strerror or str(error)
        why = f"no space: {why}; what was saved before is kept" if error.errno in FULL else why
        return f"{error.filename}: {why}" if error.filename else why
    return None


def _drop_unwanted_output():
    """Forget what was printed and nobody takes, else Python complains when it flushes at its end."""
    try:
        print(end="", flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_asked = []  # (when, what it raised) of the signals that came since `command` began


def _stop(number, _):
    now, kind = time.monotonic(), Terminated if number == signal.SIGTERM else KeyboardInterrupt
    if _asked and now - _asked[-1][0] < REPEATED:  # `timeout` and the like send it to a process and to its whole group
        return
    _asked.append((now, kind))
    raise kind


def _stopped(kind):
    return _say("stopped; the same command goes on where this one was", 143 if kind is Terminated else 130)


def _not_swallowed(told):
    """Where a signal arrives in a weak reference's callback or in `__del__`, Python drops what its handler raises:
    raise it once more a moment later. Only the main thread handles signals."""
    if not issubclass(told.exc_type, KeyboardInterrupt) or threading.current_thread() is not threading.main_thread():
        sys.__unraisablehook__(told)
        return

    def stop(*_):
        raise told.exc_type

    signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, AGAIN)


def _say(text, status):
    print(text if status in STOPPED else f"error: {text}", file=sys.stderr, flush=True)
    return status
