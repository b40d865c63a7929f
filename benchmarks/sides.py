"""A side of a pair in a process of its own, which stands still while the other one is measured.

Two libraries in one process would share its threads and its memory, and whichever was imported first would choose them.
Standing still is SIGSTOP: a library's threads may go on spinning long after their work.
"""

import json
import os
import signal
import subprocess
import sys

from measure import once


class Side:
    """A process that runs its side once whenever it is told to.

    Args:
        arguments: of Python; the program there calls `serve`.

    Attributes:
        about: JSON object, what the side says of itself.
    """

    def __init__(self, *arguments):
        command = [sys.executable, *map(str, arguments)]
        # In a group of its own, so that its workers stand still too; in this session, so that the system ends it where
        # this process is lost.
        own = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "process_group": 0}
        self.process = subprocess.Popen(command, **own)
        self.about = self._said()
        self._tell(signal.SIGSTOP)

    def once(self):
        """(seconds, CPU seconds) of one run there."""
        self._tell(signal.SIGCONT)
        self.process.stdin.write("once\n")
        self.process.stdin.flush()
        taken = tuple(self._said())
        self._tell(signal.SIGSTOP)
        return taken

    def end(self):
        self._tell(signal.SIGCONT)
        with self.process:  # closes its streams, then waits
            pass

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
        make: function to (what to run, JSON object about it). What it and the other prints goes to stderr.
    """
    answers, sys.stdout = sys.stdout, sys.stderr
    function, about = make()
    print(json.dumps(about), file=answers, flush=True)
    for _ in sys.stdin:
        print(json.dumps(once(function)), file=answers, flush=True)
