"""Ours and the alternative in alternating pairs, and one JSON file of what came out.

A pair is run back to back, so that whatever else the machine does slows both; a ratio is the median of the pairs' own
ratios. CPU seconds are given beside those of the clock: they leave out what other programs took.
"""

import importlib.metadata
import multiprocessing
import os
import platform
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from data.storage import read_json, write_json

RESULTS = Path(__file__).parent / "results.json"
LIBRARIES = ("tensorflow", "keras", "jax", "torch", "onnxruntime", "ai-edge-litert", "openvino")
LIBRARIES += ("numpy", "pandas", "opencv-python-headless", "bokeh")


def once(function):
    """(seconds, CPU seconds) of one call; those of processes that it starts, or has at work, count."""
    clock, cpu, others = time.perf_counter(), time.process_time(), _others()
    function()
    return time.perf_counter() - clock, time.process_time() - cpu + (_others() - others)


def _others():
    """CPU seconds of this process's children: those that have ended, and those of `multiprocessing` that have not."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime + sum(map(_spent, multiprocessing.active_children()))


def _spent(process):
    """CPU seconds of a process that is still there."""
    numbers = Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(numbers[11]) + int(numbers[12])) / os.sysconf("SC_CLK_TCK")


def pairs(ours, alternative, repeats, timed=once, warm=True):
    """Time two sides in turns, after one call of each to warm up.

    Args:
        ours, alternative: what `timed` takes; functions.
        repeats: how many pairs.
        timed: function of a side to (seconds, CPU seconds).
        warm: False = both sides have been at work just before: no call to warm up.

    Returns:
        dict: for "ours" and "alternative" the medians and quartiles of seconds and CPU seconds; "ratio" and
        "cpu_ratio", how many times longer the alternative takes.
    """
    if warm:
        timed(ours)
        timed(alternative)
    taken = [(timed(ours), timed(alternative)) for _ in range(repeats)]
    mine, theirs = zip(*taken, strict=True)
    return {
        "pairs": repeats,
        "ours": _summary(mine),
        "alternative": _summary(theirs),
        "ratio": statistics.median(b[0] / a[0] for a, b in taken),
        "cpu_ratio": statistics.median(b[1] / max(a[1], 1e-9) for a, b in taken),
    }


def single(ours, alternative):
    """The same of what was run once: seconds of two sides; None = it never came to that."""
    sides = {"ours": ours, "alternative": alternative}
    told = {name: {"seconds": s, "quartiles": [s, s], "least": s, "cpu_seconds": None} for name, s in sides.items()}
    known = ours is not None and alternative is not None
    return {"pairs": 1, **told, "ratio": alternative / ours if known else None, "cpu_ratio": None}


def _summary(taken):
    clock, cpu = (sorted(values) for values in zip(*taken, strict=True))
    quarter = len(clock) // 4
    return {
        "seconds": statistics.median(clock),
        "quartiles": [clock[quarter], clock[-1 - quarter]],
        "least": clock[0],
        "cpu_seconds": statistics.median(cpu),
    }


def machine():
    """What it was measured on, as a JSON object."""
    model = [line for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if "model name" in line]
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    wide = [name for name in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8", "amx_bf16") if name in flags]
    return {
        "cpu": model[0].partition(":")[2].strip() if model else platform.processor(),
        "cores": os.cpu_count(),
        "instructions": wide,
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9),
        "system": platform.platform(),
        "python": platform.python_version(),
        "libraries": {name: version for name in LIBRARIES if (version := _version(name))},
        "load": os.getloadavg()[0],
    }


def commit(folder=Path(__file__).parent):
    """The commit that the code is of, with "and changes" where code differs from it; None without git."""
    git = ["git", "-C", str(folder)]
    try:
        found = subprocess.run([*git, "rev-parse", "--short=7", "HEAD"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    code = [*git, "diff", "--quiet", "HEAD", "--", ":/*.py"]
    return found.stdout.strip() + " and changes" * bool(subprocess.run(code).returncode)


COMMIT = commit()  # at the start: whoever goes on working meanwhile does not change what is measured


def _version(library):
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return None


def record(name, command, rows, **about):
    """Put a benchmark's rows into results.json, in place of its last ones on such processors, and print them.

    Args:
        name: of the benchmark.
        command: that makes them again.
        rows: list of dicts: "what"; where there is one, "target", the least ratio that is wanted, or "target_seconds",
            the most seconds, or "wanted", what else is, with what was reached and whether that is enough; and as of
            `pairs`.
        about: what else is to be known.
    """
    known, here = read_json(RESULTS) if RESULTS.exists() else {}, machine()
    elsewhere = [found for found in known.get(name, []) if _kind(found) != _kind({"machine": here, **about})]
    known[name] = [*elsewhere, {"command": command, "commit": COMMIT, "machine": here, "rows": rows, **about}]
    write_json(RESULTS, known)
    for row in rows:
        print(told(row))


def _kind(found):
    """What a result replaces another on: the same processor, and the same GPU where there is one."""
    return found["machine"]["cpu"], found["machine"]["instructions"], found.get("gpu")


def told(row):
    """A row in words."""
    ratio = "" if row["ratio"] is None else f": {row['ratio']:.1f} times"
    cpu = "" if row["cpu_ratio"] is None else f" (CPU {row['cpu_ratio']:.1f})"
    return f"{row['what']}: {_side(row['ours'])} against {_side(row['alternative'])}{ratio}{cpu}, {row['pairs']} pairs"


def _side(side):
    if side["seconds"] is None:
        return "never"
    cpu = "" if side["cpu_seconds"] is None else f" (CPU {1000 * side['cpu_seconds']:.1f})"
    return f"{1000 * side['seconds']:.1f} ms{cpu}"
