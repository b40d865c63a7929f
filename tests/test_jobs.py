"""Several trainings at once: who gets what when a worker is lost, and that the result is what one alone gives."""

import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import psutil
import pytest
import tiny
from deeds import FACES, do
from killing import ROOT, contents, differing

from base_models import jobs
from base_models.base import split_faces
from base_models.jobs import RESTARTS, Task, WorkerLost
from base_models.options import add_jobs_options, jobs_of, parser
from base_models.parcels import files_in, store_files
from base_models.seats import DONE, FAILED, LOST, Lines
from base_models.settings import NetworkSettings, SplitSettings
from data.errors import RunError, UsageError
from data.images import Images
from data.mapped import copy_images, write_mapped
from data.shipped import PREFIX, crate, crated_arrays, load_faces
from data.storage import locked


class Place:
    """Workers that do as they are told at once: dict of name to how its attempts end, the last one again and again."""

    count = 2

    def __init__(self, ends):
        self.ends, self.began, self.most, self.lines = ends, [], 0, []

    def submit(self, name, task):
        future = concurrent.futures.Future()
        future.set_result(self.ends[name][min(self.began.count(name), len(self.ends[name]) - 1)])
        self.began.append(name)
        self.lines.append(f"{name}: told")
        return future

    def tell(self):
        for line in self.lines:
            jobs.say(line)
        self.lines.clear()

    def outcome(self, name, future):
        return future.result()


def tended(place):
    found = []
    jobs._tend(place, {name: Task(name, ()) for name in place.ends}, lambda *told: found.append(told))
    return found


def test_a_lost_worker_costs_its_own_task_only_which_is_started_again(capsys):
    place = Place({"a": [(DONE, 1)], "b": [(LOST, "SIGKILL(-9)"), (DONE, 2)], "c": [(DONE, 3)]})
    assert sorted(tended(place)) == [("a", 1, None), ("b", 2, None), ("c", 3, None)]
    assert sorted(place.began) == ["a", "b", "b", "c"]
    assert "b: its worker was lost (SIGKILL(-9)); it is started again, 1 of 3\n" in capsys.readouterr().err


def test_a_task_whose_workers_are_lost_again_and_again_is_named_in_one_line_and_the_others_are_done():
    place = Place({"a": [(LOST, "SIGKILL(-9)")], "b": [(DONE, 2)], "c": [(DONE, 3)]})
    found = tended(place)
    assert place.began.count("a") == RESTARTS + 1
    assert [name for name, _, error in found if error is None] == ["b", "c"]
    (error,) = (error for name, _, error in found if name == "a")
    assert isinstance(error, WorkerLost)
    assert str(error).startswith("a: expected a worker to end it; received 4 that were lost (SIGKILL(-9))")
    assert "\n" not in str(error)


def test_a_tasks_error_is_handed_on_and_is_not_tried_again():
    error = ValueError("b cannot be done")
    place = Place({"a": [(DONE, 1)], "b": [(FAILED, error)]})
    assert ("b", None, error) in tended(place)
    assert place.began.count("b") == 1


def test_progress_is_told_before_the_end_of_its_task(capsys):
    place, order = Place({"a": [(DONE, 1)], "b": [(DONE, 2)]}), []
    jobs._tend(place, dict.fromkeys(place.ends), lambda name, *_: order.append((name, capsys.readouterr().err)))
    assert [name for name, _ in order] == ["a", "b"]
    assert order[0][1] == "a: told\nb: told\n"


def test_lines_of_a_worker_are_whole_short_and_under_its_tasks_name():
    told = []
    stream = Lines(told.append)
    for text in ("nose_tip 1", "/3\nbase", " 2/3\n", "x" * 5000 + "\n", "rest"):
        stream.write(text)
    assert told == ["nose_tip 1/3", "base 2/3", "x" * 1000]
    assert [jobs.told("vgg", line) for line in ("vgg 1/3", "base 1/3")] == ["vgg 1/3", "vgg: base 1/3"]
    assert not stream.isatty()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["--jobs=0"], "--jobs: expected 1 or more; received 0"),
        (
            ["--cluster=slurm"],
            "--cluster: expected ray or dask, or ray://HOST:PORT or dask://HOST:PORT; received 'slurm'",
        ),
        (["--cluster=dask://"], "received 'dask://'"),
    ],
)
def test_options_that_cannot_be_are_told_in_words(given, words):
    with pytest.raises(UsageError, match=re.escape(words)):
        jobs_of(with_options(given))


def with_options(given):
    made = parser("base_models.compare", "")
    add_jobs_options(made)
    return made.parse_args(given)


def test_options_say_where_tasks_are_done():
    assert jobs_of(with_options([])) is None
    assert jobs_of(with_options(["--jobs=3"])) == jobs.Where(3, None)
    assert jobs_of(with_options(["--cluster=ray://10.0.0.5:6379"])) == jobs.Where(None, "ray://10.0.0.5:6379")


def test_no_task_starts_nothing(tmp_path):
    jobs.run_all(None, {}, jobs.Where(2), None)


@pytest.mark.parametrize("mapped", [False, True])
def test_faces_come_out_of_a_crate_as_they_went_in(tmp_path, mapped):
    faces = FACES
    if mapped:
        (tmp_path / "set").mkdir()
        faces = write_mapped(tmp_path / "set", faces.images.shape, copy_images(faces))
    with crate(tmp_path / "run", faces, {"train": np.arange(3.0)}) as folder:
        found = load_faces(folder)
        assert found.digest() == FACES.digest()
        assert (found.ids == FACES.ids).all()
        assert (found.source, found.schema.name) == (FACES.source, FACES.schema.name)
        assert crated_arrays(folder)["train"].tolist() == [0, 1, 2]
        assert isinstance(found.images, Images)  # no process holds them all
        assert isinstance(split_faces(found, SplitSettings(share=0.5), 0).train.images, Images)
        assert (folder / "images.npy").is_symlink() == mapped  # a large set is not copied
        assert load_faces(folder).digest() == replace(found, source="another").digest()  # noted, and rightly
    assert list((tmp_path / "run").iterdir()) == []


def test_a_crate_that_a_kill_left_goes_with_the_next_one_and_one_in_use_stays(tmp_path):
    for name in ("left", "used"):
        (tmp_path / f"{PREFIX}{name}").mkdir()
    with locked(tmp_path / f"{PREFIX}used"), crate(tmp_path, FACES):
        assert not (tmp_path / f"{PREFIX}left").exists()
        assert (tmp_path / f"{PREFIX}used").exists()


def test_files_of_another_machine_are_stored_and_what_is_no_longer_needed_goes(tmp_path):
    there, here = tmp_path / "there", tmp_path / "here"
    for folder, name in (
        (there, "weights.npz"),
        (there, "manifest.json"),
        (here, "checkpoint.npz"),
        (here, "own.html"),
    ):
        folder.mkdir(exist_ok=True)
        (folder / name).write_text(name)
    (there / ".part-x").write_text("half")
    store_files(here, files_in(there))
    assert sorted(tiny.files(here)) == ["manifest.json", "own.html", "weights.npz"]
    with pytest.raises(RunError, match="expected files of it"):
        store_files(here, {"../outside": b""})
    assert not (tmp_path / "outside").exists()


@pytest.mark.faults
def test_real_workers_are_lost_and_replaced(tmp_path, capsys):
    whats = {"a": "", "b": "worker ends", "c": "fails", "d": "always ends", "e": ""}
    found = do(tmp_path, whats)
    assert {name: found[name][0] for name in "abe"} == {"a": "a", "b": "b", "e": "e"}
    assert found["a"][2] == str(max(1, len(os.sched_getaffinity(0)) // 2))
    assert isinstance(found["c"], ValueError)
    assert isinstance(found["d"], WorkerLost)
    err = capsys.readouterr().err.splitlines()
    assert err.count("a begins") == err.count("e begins") == 1
    assert err.count("b begins") == 2
    assert err.count("d begins") == RESTARTS + 1
    assert [line for line in err if "begins" not in line and "lost" not in line] == []


@pytest.mark.faults
def test_what_is_raised_when_a_task_ends_ends_the_others_at_once(tmp_path):
    def done(name, result, error):
        raise error

    begun = time.monotonic()
    with pytest.raises(ValueError, match="b cannot be done"):
        do(tmp_path, {"a": "waits", "b": "fails"}, done=done)
    assert time.monotonic() - begun < 60
    assert not [p for p in psutil.Process().children(recursive=True) if "popen_loky" in " ".join(p.cmdline())]


OWN = {"network.backbone": "nose_tiny", "network.padding": "same", "network.dropout_head": 0.2}
OWN |= {f"specialist.{key}": value for key, value in OWN.items()}
SMALL = [*tiny.COMMAND, *(f"--set={key}={value}" for key, value in OWN.items()), "--data=synthetic:60"]
POINTS = ["--keypoint=nose_tip", "--keypoint=left_eye_center"]
LONG = "--set=specialist.train.epochs=12"


def start(module, folder, *options):
    environment = os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "TF_NUM_INTRAOP_THREADS": "1"}
    call = [sys.executable, "-m", module, *SMALL, *options, "--run", str(folder)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(call, **pipes, env=environment, cwd=folder.parent, preexec_fn=heard)


def heard():
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell may have had it ignored


def finish(module, folder, *options):
    process = start(module, folder, *options)
    out, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    return out, err


def trained(folder):
    """What a run's parts have in common with those of an equal one."""
    return {k: v for k, v in contents(folder).items() if not k.endswith(".html")}


def workers_of(process):
    return [p for p in psutil.Process(process.pid).children(True) if "LokyProcess" in " ".join(p.cmdline())]


@pytest.mark.faults
def test_a_killed_worker_costs_its_own_specialist_and_the_result_is_the_same_bytes(tmp_path):
    finish("specialists.train", tmp_path / "plain", *POINTS, LONG)
    process = start("specialists.train", tmp_path / "jobs", *POINTS, LONG, "--jobs=2")
    for line in process.stderr:
        if re.match("(nose_tip|left_eye_center) 2/", line):
            break
    holder = (tmp_path / "jobs" / "specialists" / "nose_tip" / ".lock").read_text()
    psutil.Process(int(holder)).kill()
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert "nose_tip: its worker was lost (SIGKILL(-9)); it is started again, 1 of 3" in err
    assert "left_eye_center: its worker" not in err
    assert differing(trained(tmp_path / "jobs"), trained(tmp_path / "plain")) == []


@pytest.mark.faults
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)])
def test_a_signal_ends_all_workers_and_the_same_command_goes_on(tmp_path, number, status):
    process = start("specialists.train", tmp_path / "run", *POINTS, LONG, "--jobs=2")
    for line in process.stderr:
        if re.match("(nose_tip|left_eye_center) 2/", line):
            break
    workers = workers_of(process)
    assert len(workers) == 2
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert psutil.wait_procs(workers, timeout=20)[1] == []
    if number != signal.SIGKILL:
        assert err.splitlines()[-1] == "stopped; the same command goes on where this one was"
        assert not list((tmp_path / "run").glob(PREFIX + "*"))
    _, err = finish("specialists.train", tmp_path / "run", *POINTS, LONG, "--jobs=2")
    assert ": goes on after epoch" in err
    assert not list((tmp_path / "run").glob(PREFIX + "*"))


@pytest.mark.faults
def test_a_comparison_and_a_sweep_are_the_same_with_jobs(tmp_path):
    plain, several = tmp_path / "plain", tmp_path / "several"
    networks = ["--networks=alexnet,vgg", f"--set=network.backbone={NetworkSettings().backbone}"]
    for folder, more in ((plain, []), (several, ["--jobs=2"])):
        finish("base_models.compare", folder, *networks, "--epochs=1", *more)
        finish("tuning.sweep", folder, "--vary=train.learning_rate=1e-3,1e-4", "--seeds=1", "--epochs=1", *more)
    weights = {p.relative_to(plain) for p in plain.rglob("weights.npz")}
    assert len(weights) == 2 + 3
    assert {p.relative_to(several) for p in several.rglob("weights.npz")} == weights
    assert [p for p in weights if (plain / p).read_bytes() != (several / p).read_bytes()] == []
    assert len(list(several.glob("sweeps/*/sweep.json"))) == len(list(several.glob("comparison.json"))) == 1
