"""Kills and signals at any moment of the real command: the same command again reaches the same bytes."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tiny

pytestmark = pytest.mark.faults
ROOT = Path(__file__).parents[1]
SAME = ("weights.npz", "merge.json", "predictions.npz")  # the others tell seconds
OPTIONS = ["--keypoint", "nose_tip", "--data", "synthetic:60", *tiny.COMMAND, "--set=train.epochs=6"]

# Kills the process at its N-th file operation that matters, as a power cut would: nothing after it happens.
WRAPPER = """
import os, runpy, sys
left = int(sys.argv.pop(1))
def counting(name):
    real = getattr(os, name)
    def operation(*args, **kwargs):
        global left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), 9)
        return real(*args, **kwargs)
    setattr(os, name, operation)
for name in ("replace", "fsync"):
    counting(name)
sys.argv[0] = "specialists.train"
runpy.run_module("specialists.train", run_name="__main__", alter_sys=True)
"""


def start(folder, *prefix):
    call = [sys.executable, *(prefix or ["-m", "specialists.train"]), *OPTIONS, "--run", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "KEYPOINT_CACHE": str(folder.parent / "cache")}
    return subprocess.Popen(
        call, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, cwd=folder.parent
    )


def finish(folder):
    process = start(folder)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def results(folder):
    return {name: data for name, data in tiny.files(folder).items() if name.endswith(SAME)}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """(results, names of all files, seconds) of a run that nothing stopped."""
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    began = time.monotonic()
    finish(folder)
    return results(folder), set(tiny.files(folder)), time.monotonic() - began


def same(folder, undisturbed):
    wanted, names, _ = undisturbed
    found = results(folder)
    assert found.keys() == wanted.keys()
    assert [name for name in wanted if found[name] != wanted[name]] == []
    assert set(tiny.files(folder)) == names  # no temporary file, no checkpoint


def test_kill_9_at_random_moments_and_the_same_command_again_give_the_same_bytes(tmp_path, undisturbed):
    moments, kills, folder = random.Random(20), 0, tmp_path / "run"
    while kills < 10:
        process = start(folder)
        try:
            process.communicate(timeout=moments.uniform(0.3, 1.0) * undisturbed[2])
        except subprocess.TimeoutExpired:
            process.kill()
            kills += 1
        process.communicate()
        if process.returncode == 0:  # it finished between two kills: what it left must be right; begin again
            same(folder, undisturbed)
            folder = tmp_path / f"run{kills}"
    finish(folder)
    same(folder, undisturbed)


def file_operations():
    """settings and six checkpoints, weights, history, manifest of the base; then specialist, labels, ensemble,
    features, and the first page."""
    base, specialist, labels, ensemble, features, page = 1 + 6 + 3, 1 + 3 + 3, 1, 4, 1, 1
    return 3 * (base + specialist + labels + ensemble + features + page)


@pytest.mark.parametrize("share", [0.3, 0.5, 0.9, 1.0])
def test_a_kill_at_a_file_operation_leaves_a_run_that_goes_on(tmp_path, undisturbed, share):
    at = max(1, round(share * file_operations()))
    process = start(tmp_path / "run", "-c", WRAPPER, str(at))
    process.communicate(timeout=300)
    assert process.returncode == -signal.SIGKILL, f"there is no file operation {at}"
    finish(tmp_path / "run")
    same(tmp_path / "run", undisturbed)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_training_within_seconds_in_one_line(tmp_path, undisturbed, number, status):
    folder = tmp_path / "run"
    process = start(folder)
    while not (folder / "base" / "checkpoint.npz").exists():  # in the middle of the base's epochs
        assert process.poll() is None, process.communicate()
        time.sleep(0.02)
    asked = time.monotonic()
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    # 5 s; more only on a machine that is so busy that a whole run of some 8 s takes longer, too.
    assert time.monotonic() - asked < max(5, 0.5 * undisturbed[2])
    lines = [line for line in err.splitlines() if not line.startswith(("base ", "base:", "nose_tip ", "ensemble: "))]
    assert (process.returncode, lines) == (status, ["stopped; the same command goes on where this one was"])
    assert not [name for name in tiny.files(folder) if ".part-" in name]
    finish(folder)
    same(folder, undisturbed)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_keras_is_imported_is_one_line_too(tmp_path, number, status):
    process = start(tmp_path / "run")
    time.sleep(1.5)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert [line for line in err.splitlines() if not line.startswith("base")] == [
        "stopped; the same command goes on where this one was"
    ]
