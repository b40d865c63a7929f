"""Kills and signals anywhere: the same command again reaches the same bytes."""

import contextlib
import functools
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import killing
import pytest
from killing import Disk, Killed, contents, differing, picked
from stages import OPTIONS, SETTINGS, STAGES, base_command, left_over
from trust import sized

from base_models.base import train_base
from data.storage import TEMPORARY

STOPPED = "stopped; the same command goes on where this one was"


class Sweep:
    """Runs of one stage: undisturbed, and killed at a file operation and done again."""

    def __init__(self, stage, world, folder, patch):
        (self.before, self.call), self.world, self.folder = STAGES[stage], world, folder
        killing.quick_pages(patch.setattr)
        self.wanted, self.operations = self.outcome("undisturbed")

    def outcome(self, name, at=0):
        """(what a run has at the end and the last checkpoints it had, its number of file operations)."""
        run, kept = self.folder / name / "run", self.folder / name / "kept"
        run.mkdir(parents=True)
        for part in self.before:
            shutil.copytree(self.world.run / part, run / part)
        with pytest.MonkeyPatch.context() as patch:
            killing.keep_checkpoints(patch.setattr, kept)
            with Disk(run, at) as disk:
                if at:
                    with pytest.raises(Killed):
                        self.call(self.world, run)
                    Disk.watching = None
                self.call(self.world, run)
        return contents(self.folder / name), disk.count


@pytest.mark.parametrize("stage", STAGES)
@sized("most", 3, 10**6)
def test_killed_at_a_file_operation_and_done_again_it_gives_the_same_bytes(
    stage, most, world, tmp_path, monkeypatch, figures
):
    sweep, bad = Sweep(stage, world, tmp_path, monkeypatch), {}
    moments = picked(sweep.operations, most)
    for at in moments:
        differs = differing(sweep.outcome(str(at), at)[0], sweep.wanted)
        if differs:
            bad[at] = differs
        shutil.rmtree(tmp_path / str(at))
    figures(f"killed at a file operation, {stage}", len(moments) - len(bad), len(moments))
    assert bad == {}
    assert not [name for name in sweep.wanted if TEMPORARY in name]
    assert any(name.endswith("weights.npz") for name in sweep.wanted) or stage == "submission"


@sized("most", 1, 12)
def test_what_a_real_kill_leaves_is_what_one_in_the_process_leaves(
    world, starter, tmp_path, monkeypatch, figures, most
):
    """By which the sweep above, which kills no process, counts; and a new process gives the same bytes."""
    killing.quick_pages(monkeypatch.setattr)
    with Disk(tmp_path / "wanted" / "run") as disk:
        train_base(world.faces, SETTINGS, tmp_path / "wanted" / "run", 0, shared=True)
    wanted, moments, good = contents(tmp_path / "wanted"), picked(disk.count, most), 0
    for at in moments:
        here, there = (tmp_path / f"{kind}{at}" for kind in ("simulated", "real"))
        with Disk(here / "run", at), pytest.raises(Killed):
            train_base(world.faces, SETTINGS, here / "run", 0, shared=True)
        child = starter.start(*base_command(world, there / "run"), kill_at=at, folder=str(there / "run"))
        assert child.wait() == -signal.SIGKILL, child.err
        left, same = left_by(there), left_by(here)
        starter.finish(*base_command(world, there / "run"))
        good += left == same and set(differing(contents(there), wanted)) == {"run/index.html"}
    figures("killed at a file operation, real processes", good, len(moments))
    assert good == len(moments)


def to_train(world, run):
    return ["specialists.train", *OPTIONS, "--keypoint", "nose_tip", "--data", world.data, "--run", run]


def to_submit(world, run):
    return ["specialists.submission", "--data", world.data, "--run", run, "--out", run / "out.csv"]


def to_search(world, run):
    own = ["--backbone=nose_tiny", "--tuner=random", "--trials=2", "--epochs=1", "--confirm=0"]
    return ["tuning.search", *OPTIONS, *own, "--data", world.data, "--run", run]


KILLED = {  # parts that the run already has, and the command
    "specialist and ensemble": (("base",), to_train),
    "submission": (("base", "specialists", "ensemble"), to_submit),
    "search": ((), to_search),
}


@pytest.mark.parametrize("what", KILLED)
@sized("most", None, 6)
def test_a_command_that_is_killed_at_a_file_operation_goes_on_to_the_same_bytes(
    world, starter, tmp_path, figures, what, most
):
    before, command = KILLED[what]

    def run_in(folder):
        (folder / "run").mkdir(parents=True)
        for part in before:
            shutil.copytree(world.run / part, folder / "run" / part)
        return folder / "run"

    run = run_in(tmp_path / "wanted")
    starter.finish(*command(world, run), folder=str(run), counted=str(tmp_path / "count"))
    wanted, good = contents(run), 0
    moments = picked(int((tmp_path / "count").read_text()), most)
    for at in moments:
        run = run_in(tmp_path / str(at))
        child = starter.start(*command(world, run), kill_at=at, folder=str(run))
        assert child.wait() == -signal.SIGKILL, child.err
        starter.finish(*command(world, run))
        good += differing(contents(run), wanted) == []
        shutil.rmtree(tmp_path / str(at))
    figures("killed at a file operation, real processes", good, len(moments))
    assert good == len(moments)


def left_by(folder):
    """Names of the files that a kill left, whole ones with what is comparable in them."""
    whole = {p.relative_to(folder): p for p in sorted(folder.rglob("*")) if p.is_file() and p.name != ".lock"}
    return {name: TEMPORARY in str(name) or killing.comparable(path) for name, path in whole.items()}


def train_command(world, folder):
    more = ["--keypoint", "nose_tip", "--set=train.epochs=8", "--set=specialist.train.epochs=5"]
    return ["specialists.train", *OPTIONS, *more, "--data", world.data, "--run", folder / "run"]


def long_base_command(world, folder):
    return base_command(world, folder / "run", "--set=train.epochs=20")


@dataclass
class Undisturbed:
    """A command's run that nothing stopped."""

    wanted: dict
    begun: float  # seconds until it holds the run
    seconds: float  # until it ended


@pytest.fixture(scope="module")
def undisturbed(world, starter, tmp_path_factory):
    """Function of a command and a number of runs: the quickest `Undisturbed`, each in a process of its own."""

    def once(command):
        folder, began = tmp_path_factory.mktemp("undisturbed"), time.monotonic()
        child = starter.start(*command(world, folder), kept=str(folder / "kept"))
        while not (folder / "run" / "base" / ".lock").exists():
            assert child.poll() is None, child.err
            time.sleep(0.01)
        begun = time.monotonic() - began
        assert child.wait() == 0, child.err
        return Undisturbed(contents(folder), begun, time.monotonic() - began)

    @functools.cache
    def run(command, runs):
        return min((once(command) for _ in range(runs)), key=lambda whole: whole.seconds)

    return run


def killed(child, moments, whole, done):
    """Seconds of training that a kill at a random moment lets it do; None where it ended before.

    Args:
        done: seconds of training that kills before this one let it do.
    """
    latest = whole.begun + 0.8 * max(whole.seconds - whole.begun - done, 0)
    moment = moments.uniform(0.5 * whole.begun, latest)
    try:
        child.wait(moment)
    except subprocess.TimeoutExpired:
        child.kill()
    return max(moment - whole.begun, 0) if child.wait() == -signal.SIGKILL else None


@pytest.mark.parametrize("make", [train_command, long_base_command], ids=["specialist", "base"])
@sized("share", None, 1)
def test_killed_at_a_random_moment_and_again_in_the_resume_it_gives_the_same_bytes(
    world, starter, tmp_path, undisturbed, figures, share, make
):
    count = max(1, round(share * {train_command: 10, long_base_command: 40}[make]))
    # Of two, since the first also fills the system's caches: later ones would end before their kill.
    moments, good, whole = random.Random(20), 0, undisturbed(make, 2)
    for i in range(count):
        folder, done = tmp_path / str(i), []
        command = make(world, folder)
        while len(done) < 2:  # where it ended before it was killed, what it left must be right; begin again
            let = killed(starter.start(*command, kept=str(folder / "kept")), moments, whole, sum(done))
            if let is not None:
                done.append(let)
            else:
                assert differing(contents(folder), whole.wanted) == []
                shutil.rmtree(folder)
                done = []
        starter.finish(*command, kept=str(folder / "kept"))
        good += differing(contents(folder), whole.wanted) == []
        shutil.rmtree(folder)
    figures("killed at a random moment and again in the resume", good, count)
    assert good == count


SIGNALS = [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
PROGRESS = ("base", "nose_tip", "ensemble: ")


@sized("count", 2, 20, pytest.mark.slow)
def test_a_signal_ends_a_training_within_seconds_in_one_line(world, starter, tmp_path, undisturbed, figures, count):
    moments, done, good, slowest, whole = random.Random(2), 0, 0, 0, undisturbed(train_command, 1)
    while done < count:
        number, status = SIGNALS[done % 2]
        folder = tmp_path / str(done)
        child = starter.start(*train_command(world, folder), kept=str(folder / "kept"))
        while child.poll() is None and not any(folder.rglob(".lock")):  # on a busy machine it begins late
            time.sleep(0.02)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(moments.uniform(0, 0.6 * (whole.seconds - whole.begun)))
        asked = time.monotonic()
        child.kill(number)
        ended, taken = child.wait(), time.monotonic() - asked
        if "report: " in child.out and taken < 1:  # it was quicker than the signal: all is done, and Python is ending
            shutil.rmtree(folder)
            continue
        slowest, done = max(slowest, taken), done + 1
        lines = [line for line in child.err.splitlines() if not line.startswith(PROGRESS)]
        told = (ended, lines, left_over(folder)) == (status, [STOPPED], [])
        again = starter.start(*train_command(world, folder), kept=str(folder / "kept")).wait()
        good += told and again == 0 and differing(contents(folder), whole.wanted) == []
    figures("stopped by a signal, went on to the same bytes", good, count)
    figures("seconds from a signal to the end, slowest", round(slowest, 1))
    assert good == count
    assert slowest < 5


@pytest.mark.faults
@pytest.mark.parametrize(("number", "status"), SIGNALS)
def test_a_signal_while_keras_is_imported_is_one_line_too(tmp_path, number, status):
    call = [sys.executable, "-m", "base_models.train", *OPTIONS, "--data=synthetic:60", f"--run={tmp_path / 'run'}"]
    environment = os.environ | {"PYTHONPATH": str(killing.ROOT)}
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell may have had it ignored
    said = {"stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(call, **said, env=environment, cwd=tmp_path, preexec_fn=heard) as process:
        time.sleep(1.5)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert [line for line in err.splitlines() if not line.startswith("base")] == [STOPPED]
