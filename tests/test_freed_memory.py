"""Freed memory stays with the process, where glibc has a say in it."""

import ctypes
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CODE = """
import resource
import numpy as np
from base_models.freed_memory import KeepFreedMemory
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(100):
        np.ones(1 << 16)  # 512 kB, too small for a huge page, which glibc would give back each time
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
first, keep = faults(), KeepFreedMemory()
keep.on_train_batch_begin(1)
between = faults()
keep.on_train_batch_begin(0)
faults()
print(first, between, faults())
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc")
def test_from_the_first_batch_on_what_is_freed_is_there_for_the_next(monkeypatch):
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    for name in ("TRIM", "MMAP"):  # as TensorFlow's input pipeline sets it
        monkeypatch.setenv(f"MALLOC_{name}_THRESHOLD_", str(128 << 10))
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, cwd=ROOT, check=True)
    first, between, kept = map(int, done.stdout.split())
    assert min(first, between) > 5000
    assert kept < 100
