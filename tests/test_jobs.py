"""Several trainings at once: who gets what when a worker is lost, and that the result is what one alone gives."""

import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
import tiny
from deeds import FACES, do
from killing import ROOT, contents, differing

from base_models import clusters, hosts, jobs, seats
from base_models.base import split_faces
from base_models.jobs import RESTARTS, Task, WorkerLost
from base_models.options import add_jobs_options, jobs_of, parser
from base_models.parcels import files_in, store_files
from base_models.seats import DONE, FAILED, LOST, THREADS, Lines, Seat, attempt, ended
from base_models.settings import NetworkSettings, SplitSettings
from data.errors import DataError, RunError, UsageError
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
        (["--jobs=0"], "--jobs: expected 1 or more, or auto; received 0"),
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


@pytest.mark.parametrize(
    ("cores", "memory", "container", "gpu", "wanted"),
    [
        (8, 64, "max\n", "", 8),
        (8, 8, None, "", 3),
        (8, 64, f"{8 << 30}\n", "", 3),
        (16, 128, None, "81559\n", 16),
        (16, 128, None, "8192\n8192\n", 4),
        (2, 1, None, "", 1),
        (4, 64, None, "?", 4),
        (4, 64, None, "\n", 4),
    ],
)
def test_auto_is_what_cores_and_memory_allow(cores, memory, container, gpu, wanted, tmp_path, monkeypatch):
    monkeypatch.setattr(seats, "cores", lambda: cores)
    monkeypatch.setattr(os, "sysconf", {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": memory << 18}.get)
    monkeypatch.setattr(seats, "CONTAINER", tmp_path / "memory.max")
    monkeypatch.setenv("PATH", str(tmp_path))
    if container:
        (tmp_path / "memory.max").write_text(container)
    if gpu:
        program = tmp_path / "nvidia-smi"
        program.write_text(f"#!/bin/sh\necho '{gpu.strip()}'\n")
        program.chmod(0o755)
    assert jobs_of(with_options(["--jobs=auto"])) == jobs.Where(wanted, None)
    assert jobs_of(with_options(["--jobs=auto", "--cluster=dask"])) == jobs.Where(None, "dask")


def test_no_task_starts_nothing(tmp_path):
    jobs.run_all(None, {}, jobs.Where(2), None)


@pytest.fixture
def eight_cores(monkeypatch):
    for name in THREADS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(jobs, "cores", lambda: 8)


@pytest.mark.parametrize(("asked", "seats", "threads"), [(4, 1, "2"), (None, 1, "1"), (16, 1, "1")])
def test_a_worker_has_its_share_of_the_cores_however_few_tasks_are_left(eight_cores, asked, seats, threads):
    place = jobs._place(None, jobs.Where(asked), 1)
    for name in ("TF_NUM_INTRAOP_THREADS", "NPROC"):
        assert [seat.environment[name] for seat in place.seats] == [threads] * seats


def test_so_has_a_worker_of_a_cluster():
    assert [clusters.Cluster(None, 8, 8, asked, 1).threads for asked in (4, None, 1)] == [2, 1, 8]
    assert clusters.Cluster(None, 8, 4, 1, 1).threads == 4  # no machine has more


def test_a_worker_is_free_once_its_outcome_is_taken(eight_cores, monkeypatch):
    over = concurrent.futures.Future()
    over.set_result((DONE, 1))
    begun = iter([over, concurrent.futures.Future(), concurrent.futures.Future()])
    monkeypatch.setattr(Seat, "_running", lambda self: SimpleNamespace(submit=lambda *call: next(begun)))
    place = jobs.Here(SimpleNamespace(function=None, root=Path("run"), crate=""), 2, 9)
    place.submit("a", None)
    second = place.submit("b", None)
    second.set_result((DONE, 2))
    assert place.outcome("b", second) == (DONE, 2)
    place.submit("c", None)
    assert [seat.name for seat in place.seats] == ["a", "c"]  # what a said last is not yet told


def test_all_tasks_whose_workers_were_lost_are_named():
    lost = {name: jobs.too_often(name, 4, "SIGKILL(-9)") for name in ("a", "b", "c")}
    with pytest.raises(WorkerLost, match=r"^a: expected .*; the same command goes on; lost like it: b, c$"):
        jobs.raise_lost(lost)
    with pytest.raises(WorkerLost, match=r"goes on$"):
        jobs.raise_lost({"a": lost["a"]})
    jobs.raise_lost({})


class Stubborn(Exception):
    """Cannot be made of its arguments, so not be received either."""

    def __init__(self, point, why):
        super().__init__(f"{point}: {why}")


def fails(root, crate, what):
    error = {"unreadable": Stubborn("nose_tip", "no"), "plain": ValueError("no"), "told": DataError("no faces")}
    unwritable = ValueError("held")
    unwritable.lock = threading.Lock()
    raise (error | {"unwritable": unwritable})[what]


@pytest.mark.parametrize(
    ("what", "kind", "text"),
    [
        ("plain", ValueError, "no"),
        ("unreadable", RuntimeError, "Stubborn: nose_tip: no"),
        ("unwritable", RuntimeError, "ValueError: held"),
    ],
)
def test_an_error_reaches_the_command_with_the_place_where_it_arose(tmp_path, what, kind, text):
    sort, error = attempt(fails, tmp_path, "", Task("part", (what,)))
    assert (sort, type(error), str(error)) == (FAILED, kind, text)
    assert "in fails" in "".join(error.__notes__)


def test_an_error_that_the_user_can_mend_needs_no_place(tmp_path):
    sort, error = attempt(fails, tmp_path, "", Task("part", ("told",)))
    assert (sort, str(error), hasattr(error, "__notes__")) == (FAILED, "no faces", False)


def test_what_cannot_travel_is_a_tasks_error():
    future = concurrent.futures.Future()
    future.set_exception(TypeError("cannot pickle"))
    assert ended(future) == (FAILED, future.exception())


def test_threads_that_begin_processes_leave_the_environment_as_it_was(monkeypatch):
    monkeypatch.delenv("PYTHONWARNINGS", raising=False)
    both = threading.Barrier(2, timeout=10)

    def begin(_):
        both.wait()
        with seats._quiet():
            time.sleep(0.05)
            return os.environ["PYTHONWARNINGS"]

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        assert list(pool.map(begin, range(2))) == ["ignore:resource_tracker:UserWarning"] * 2
    assert "PYTHONWARNINGS" not in os.environ


def test_a_hosts_folder_goes_when_nothing_uses_it_and_another_command_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(hosts.tempfile, "tempdir", str(tmp_path))
    brought = []

    def fetch():
        brought.append(1)
        return {"base/weights.npz": b"first"}

    for _ in range(2):
        with hosts._unpacked("first", fetch) as first, hosts._unpacked("second", fetch) as second:
            assert (first / "base" / "weights.npz").read_bytes() == b"first"  # a task of it is still under way
    assert len(brought) == 3  # once for each as long as it is there
    hosts._remove_unused("second")
    assert [path.name for path in tmp_path.iterdir()] == [second.name]
    hosts._remove_unused()  # at the end of the process
    assert list(tmp_path.iterdir()) == []


def test_a_host_that_cannot_tell_ends_its_training(tmp_path, monkeypatch):
    closed = []
    seat = SimpleNamespace(submit=lambda *call: concurrent.futures.Future(), close=lambda: closed.append(1))
    monkeypatch.setattr(hosts, "_seat", lambda order: seat)
    monkeypatch.setattr(hosts, "sees", lambda root, crate: True)
    order = hosts.Order("a", Task("parts/a", ()), None, str(tmp_path), "crate", 1, {})

    def tell(said):
        if said[1] is not None:
            raise ConnectionError("nobody listens")

    with pytest.raises(ConnectionError):
        hosts.host(order, tell, None, lambda: False)
    assert closed == [1]


def test_a_cargo_that_does_not_come_is_a_lost_worker(tmp_path):
    def fetch():
        raise hosts.CargoLost("gone")

    order = hosts.Order("a", Task("parts/a", ()), None, str(tmp_path), "another crate", 1, {})
    assert hosts.host(order, lambda said: None, fetch, lambda: False) == (LOST, "gone", {})


class Quiet(clusters.Cluster):
    """A cluster whose machines come and go: whether any is up, look by look."""

    lost, given_up, shared = (), KeyboardInterrupt, True

    def said(self):
        return []

    def up(self):
        return self.looks.pop(0)


def test_a_cluster_without_machines_is_told_once(monkeypatch, capsys):
    monkeypatch.setattr(clusters, "LOOK", 0)
    place = Quiet(None, 2, 1, None, 2)
    place.running, place.looks = {"a": None, "b": None}, [True, False, False, True, False]
    for _ in range(5):
        place.tell()
    said = "a, b: no machine of the cluster is up; this waits until one is, and Ctrl-C ends it"
    assert capsys.readouterr().err.splitlines() == [said, said]


def test_what_the_cluster_has_tried_often_enough_is_not_tried_again():
    class Killed(Exception):
        allowed_failures = 3

    place = Quiet(None, 2, 1, None, 2)
    place.given_up, place.running = Killed, {"a": None}
    future = concurrent.futures.Future()
    future.set_exception(Killed())
    sort, error = place.outcome("a", future)
    assert (sort, type(error)) == (FAILED, WorkerLost)
    assert str(error).startswith("a: expected a worker to end it; received 4 that were lost (Killed)")


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


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_killed_worker_costs_its_own_specialist_and_the_result_is_the_same_bytes(tmp_path):
    finish("specialists.train", tmp_path / "plain", *POINTS, LONG)
    process = start("specialists.train", tmp_path / "jobs", *POINTS, LONG, "--jobs=2")
    for line in process.stderr:
        if far := re.match("(nose_tip|left_eye_center) 2/", line):
            break
    killed = far[1]  # the other one may not have begun
    holder = (tmp_path / "jobs" / "specialists" / killed / ".lock").read_text()
    psutil.Process(int(holder)).kill()
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    assert f"{killed}: its worker was lost (SIGKILL(-9)); it is started again, 1 of 3" in err
    assert err.count("its worker was lost") == 1
    assert differing(trained(tmp_path / "jobs"), trained(tmp_path / "plain")) == []


@pytest.mark.parametrize(
    ("number", "status"),
    [
        pytest.param(signal.SIGINT, 130, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.long),
        pytest.param(signal.SIGKILL, -9, marks=pytest.mark.long),
    ],
)
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


@pytest.mark.slow
def test_a_comparison_and_a_sweep_are_the_same_with_jobs(tmp_path):
    same_by_others(tmp_path, "--jobs=2")


def same_by_others(tmp_path, where):
    """A comparison and a sweep leave the same weights, to the byte, as without an option to train apart."""
    plain, several = tmp_path / "plain", tmp_path / "several"
    networks = ["--networks=nose_tiny,nose_small", f"--set=network.backbone={NetworkSettings().backbone}"]
    for folder, more in ((plain, []), (several, [where])):
        finish("base_models.compare", folder, *networks, "--epochs=1", *more)
        finish("tuning.sweep", folder, "--vary=train.learning_rate=1e-3,1e-4", "--seeds=1", "--epochs=1", *more)
    weights = {p.relative_to(plain) for p in plain.rglob("weights.npz")}
    assert len(weights) == 2 + 3
    assert {p.relative_to(several) for p in several.rglob("weights.npz")} == weights
    assert [p for p in weights if (plain / p).read_bytes() != (several / p).read_bytes()] == []
    assert len(list(several.glob("sweeps/*/sweep.json"))) == len(list(several.glob("comparison.json"))) == 1


AT_ONCE = """
import sys, threading, time
from base_models.seats import loky

begun, failed = threading.Event(), []

def slowly(event, arguments):  # the thread that came first is inside joblib when the other one comes
    if event == "import" and arguments[0].startswith("joblib.") and not begun.is_set():
        begun.set()
        time.sleep(0.5)

def tried(call):
    try:
        call()
    except BaseException as error:
        failed.append(repr(error))

sys.addaudithook(slowly)
first = threading.Thread(target=tried, args=[lambda: __import__("joblib")], daemon=True)
second = threading.Thread(target=tried, args=[lambda: begun.wait(20) and loky().BrokenProcessPool], daemon=True)
for thread in (first, second):
    thread.start()
for thread in (first, second):
    thread.join(30)
print(failed, begun.is_set())
"""


def test_two_threads_may_import_what_starts_processes_at_once():
    """As those of a Dask worker do; `from joblib.externals.loky import ...` gave one of them half a module."""
    done = subprocess.run([sys.executable, "-c", AT_ONCE], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[] True", done.stderr
