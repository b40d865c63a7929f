"""Ours and the alternative in alternating pairs, and one JSON file of what came out.

A pair is run back to back, so that whatever else the machine does slows both; a ratio is the median of the pairs' own
ratios. CPU seconds are given beside those of the clock: they leave out what other programs took.
"""

import os
import platform
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from data.storage import read_json, write_json

RESULTS = Path(__file__).parent / "results.json"


def once(function):
    """(seconds, CPU seconds) of one call."""
    clock, cpu = time.perf_counter(), time.process_time()
    function()
    return time.perf_counter() - clock, time.process_time() - cpu


def pairs(ours, alternative, repeats):
    """Time two functions in turns, after one call of each to warm up.

    Returns:
        dict: for "ours" and "alternative" the medians and quartiles of seconds and CPU seconds; "ratio" and
        "cpu_ratio", how many times longer the alternative takes.
    """
    ours()
    alternative()
    taken = [(once(ours), once(alternative)) for _ in range(repeats)]
    mine, theirs = zip(*taken, strict=True)
    return {
        "pairs": repeats,
        "ours": _summary(mine),
        "alternative": _summary(theirs),
        "ratio": statistics.median(b[0] / a[0] for a, b in taken),
        "cpu_ratio": statistics.median(b[1] / max(a[1], 1e-9) for a, b in taken),
    }


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
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def record(name, command, rows, **about):
    """Put a benchmark's rows into results.json, in place of its last ones, and print them.

    Args:
        name: of the benchmark.
        command: that makes them again.
        rows: list of dicts: "what", "target" where there is one, and as of `pairs`.
        about: what else is to be known.
    """
    known = read_json(RESULTS) if RESULTS.exists() else {}
    known[name] = {"command": command, "machine": machine(), "rows": rows, **about}
    write_json(RESULTS, known)
    for row in rows:
        print(told(row))


def told(row):
    """A row in words."""
    ours, theirs = row["ours"], row["alternative"]
    return (
        f"{row['what']}: {1000 * ours['seconds']:.1f} ms (CPU {1000 * ours['cpu_seconds']:.1f}) against "
        f"{1000 * theirs['seconds']:.1f} ms (CPU {1000 * theirs['cpu_seconds']:.1f}): "
        f"{row['ratio']:.1f} times (CPU {row['cpu_ratio']:.1f}), {row['pairs']} pairs"
    )
