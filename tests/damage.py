"""Damage for the trust tests: flipped bits, cut files, content of others; what a reader makes of it, at what cost."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np

from data.errors import ProjectError, command

ROOT = Path(__file__).parents[1]
STATUSES = (1, 2, 3, 4, 5)
REFUSED = "refused"


def damaged(raw, count, rng):
    """`count` copies of some bytes, each with one bit flipped or, every fifth, cut short; seeded by `rng`."""
    for i in range(count):
        at = int(rng.integers(len(raw)))
        if i % 5 == 4:
            yield f"cut at {at}", raw[:at]
        else:
            spoilt = bytearray(raw)
            spoilt[at] ^= 1 << int(rng.integers(8))
            yield f"bit in byte {at}", bytes(spoilt)


def token(value):
    """Something hashable that two values share only where they are the same to the last bit."""
    if hasattr(value, "__dataclass_fields__"):
        value = {name: getattr(value, name) for name in value.__dataclass_fields__}
    if isinstance(value, dict):
        return tuple(sorted(((str(k), token(v)) for k, v in value.items()), key=lambda pair: pair[0]))
    if isinstance(value, list | tuple):
        return tuple(map(token, value))
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, value.tobytes()
    return repr(value)


def outcome(load):
    """What a reader gives: a token of it, or REFUSED for an error of the project's own."""
    try:
        return token(load())
    except ProjectError:
        return REFUSED


SPOILT = (None, "x", -1, 1e300, 10**30, True, [], {}, [[[]]], [1, "a", None], "x" * 300, 2**40, 0)


def mutants(tree, rng, count):
    """`count` copies of a JSON object in which one value, at any depth, is gone or of another kind."""
    places = list(_places(tree))
    for _ in range(count):
        where = places[rng.integers(len(places))]
        made = copy.deepcopy(tree)
        at = made
        for key in where[:-1]:
            at = at[key]
        what = int(rng.integers(len(SPOILT) + 1))
        if what == len(SPOILT):
            del at[where[-1]]
        else:
            at[where[-1]] = SPOILT[what]
        yield f"{where}: {'gone' if what == len(SPOILT) else repr(SPOILT[what])[:20]}", made


def _places(tree, path=()):
    if path:
        yield path
    inside = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in inside:
        yield from _places(value, (*path, key))


def ended(main, argv, capsys):
    """(exit status, lines on stderr) of a command of ours, run here as a process would run it."""
    capsys.readouterr()
    try:
        command(lambda: main(list(map(str, argv))))
    except SystemExit as end:
        status = end.code
    return status, capsys.readouterr().err.splitlines()


MEASURED = """
import json, resource, sys, time
sys.path[:0] = [{root!r}, {root!r} + "/tests"]
{setup}
from data.errors import ProjectError
def peak():  # MB; the resource module's would count what the process was before it became this program
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
before, start, told = peak(), time.monotonic(), None
try:
    {call}
except ProjectError as error:
    told = [error.exit_status, str(error)]
now = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps([told, peak() - before, now.ru_utime + now.ru_stime, peak()]))
"""


def measured(setup, call, *arguments):
    """Call something of the project's in a process of its own.

    Args:
        setup: lines of Python that import what it needs. call: one that may raise a `ProjectError`; arguments are
            sys.argv[1:].

    Returns:
        ([exit status, message] of that error or None, MB by which the call made memory grow, seconds of processor
        time, MB at most).
    """
    code = MEASURED.format(root=str(ROOT), setup=setup, call=call)
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, cwd=ROOT, env=os.environ
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])
