"""Memory that stays flat: some 10 to 20 MB remain of every network that was built, whatever is cleared.

Trainings whose networks are equal share one. Where that does not help, a process that has grown begins anew: its files
are all it needs to go on.
"""

import os
import sys
from pathlib import Path

GROWTH = 1.15  # times the memory after the first training


class Grown(Exception):
    """This process holds so much memory that it should begin anew; the work goes on where it was."""


class Watch:
    """Looks at the memory between trainings.

    Args:
        bounded: raise `Grown` where it has grown by more than GROWTH; otherwise only look.
    """

    def __init__(self, bounded):
        self.bounded, self.first = bounded, None

    def look(self):
        """Call after every training."""
        self.first = self.first or memory()
        if self.bounded and memory() > GROWTH * self.first:
            raise Grown


def memory():
    """Bytes that this process holds; 0 where the system does not tell."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def begin_anew(module):
    """Become a fresh process of the same command: python -m `module` with the arguments of this one."""
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, "-m", module, *sys.argv[1:]])
