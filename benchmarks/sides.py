"""A side of a pair in a process of its own, which stands still while the other one is measured.

Two libraries in one process would share its threads and its memory, and whichever was imported first would choose them.
Standing still is SIGSTOP: a library's threads may go on spinning long after their work.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys

from measure import once


class Side:
    """A process that runs its side once whenever it is told to. A context: it does not outlive it.

    Args:
        arguments: of Python; the program there calls `serve`.

    Attributes:
        about: JSON object, what the side says of itself.
    """

    def __init__(self, *arguments):
        command = [sys.executable, *map(str, arguments)]
        # In a group of its own, so that its workers stand still too; in this session, so that the system ends it where
        # this process is killed while it stands still.
        own = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "process_group": 0}
        self.process = subprocess.Popen(command, **own)
        try:
            self.about = self._said()
        except BaseException:  # Ctrl-C goes to this process's group only
            self.__exit__()
            raise
        self._tell(signal.SIGSTOP)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        with contextlib.suppress(ProcessLookupError):
            self._tell(signal.SIGKILL)
        with self.process:
            pass

    def once(self):
        """(seconds, CPU seconds) of one run there."""
        return tuple(self._asked("once"))

    def last(self):
        """A JSON object: what the side tells in the end."""
        return self._asked("last")

    def _asked(self, line):
        self._tell(signal.SIGCONT)
        print(line, file=self.process.stdin, flush=True)
        said = self._said()
        self._tell(signal.SIGSTOP)
        return said

    def _tell(self, number):
        os.killpg(self.process.pid, number)

    def _said(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"a side has ended with status {self.process.wait()}")
        return json.loads(line)


def serve(make):
    """Be a side until the other end closes.

    Args:
        make: function to (what to run, JSON object about it, function to the JSON object that it tells in the end).
            What these and others print goes to stderr.
    """
    answers, sys.stdout = sys.stdout, sys.stderr
    function, about, last = make()
    print(json.dumps(about), file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(last() if line.strip() == "last" else once(function)), file=answers, flush=True)
