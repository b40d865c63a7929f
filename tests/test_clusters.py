"""Real clusters on this machine: two Ray nodes, and a Dask scheduler with two workers, as processes of their own."""

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
import pytest
from deeds import do
from killing import ROOT, differing
from test_jobs import LONG, POINTS, finish, same_by_others, start, trained

from base_models.clusters import ray_address
from base_models.jobs import RESTARTS, Where, WorkerLost
from data.errors import ProjectError
from tuning.workers import free_port

SCRIPTS = Path(sys.executable).parent
# Ray may ask who comes, by a token: these clusters have one of their own, the same in all since a process keeps it.
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
ENVIRONMENT = os.environ | TOKEN | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}", "RAY_USAGE_STATS_ENABLED": "0"}


class Nodes:
    """Processes of a cluster, each with what it started, ended together."""

    def __init__(self, folder):
        self.folder, self.started = folder / "nodes", []
        self.folder.mkdir()

    def start(self, *call):
        with open(self.folder / f"{len(self.started)}.log", "wb") as said:
            own = {"stdout": said, "stderr": said, "env": ENVIRONMENT, "cwd": self.folder}
            self.started.append(subprocess.Popen(call, **own, start_new_session=True))
        return self.started[-1]

    def said(self):
        """What the last one has said."""
        return (self.folder / f"{len(self.started) - 1}.log").read_text(errors="replace")

    def end(self, process):
        """As a machine that loses its power."""
        family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        for member in family:
            if member.is_running():
                member.kill()
        process.wait()

    def end_all(self):
        for process in self.started:
            if process.poll() is None:
                self.end(process)


@pytest.fixture(autouse=True)
def token(monkeypatch):
    """The commands' processes, and this one, belong to those who may."""
    for name, value in TOKEN.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def ray_nodes(tmp_path):
    """(--cluster, `Nodes`): a head without CPUs, and two nodes of one CPU each."""
    pytest.importorskip("ray")
    nodes, address = Nodes(tmp_path), f"127.0.0.1:{free_port()}"
    head = ["--head", f"--port={address.partition(':')[2]}", "--num-cpus=0", "--include-dashboard=false"]
    common = ["--block", "--disable-usage-stats", "--object-store-memory=100000000"]
    nodes.start(SCRIPTS / "ray", "start", *head, *common)
    until(lambda: answers(address), 60)
    for _ in range(2):  # one after the other: at once they choose one name for their sockets, and only one lives
        nodes.start(SCRIPTS / "ray", "start", f"--address={address}", "--num-cpus=1", *common)
        until(lambda: "Ray runtime started" in nodes.said(), 60)
    yield f"ray://{address}", nodes
    nodes.end_all()


@pytest.fixture
def dask_nodes(tmp_path):
    """(--cluster, `Nodes`): a scheduler and two workers, with nannies, of one thread each."""
    pytest.importorskip("distributed")
    nodes, address = Nodes(tmp_path), f"127.0.0.1:{free_port()}"
    host, _, number = address.partition(":")
    nodes.start(SCRIPTS / "dask", "scheduler", f"--host={host}", f"--port={number}", "--no-dashboard")
    until(lambda: answers(address), 60)
    for _ in range(2):
        nodes.start(SCRIPTS / "dask", "worker", address, "--nthreads=1", "--no-dashboard")
    yield f"dask://{address}", nodes
    nodes.end_all()


def until(true, seconds):
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.2)


def answers(address):
    try:
        socket.create_connection(address.split(":"), 1).close()
    except OSError:
        return False
    return True


@pytest.fixture(params=["ray", "dask"])
def cluster(request):
    """(--cluster, `Nodes`) of each kind."""
    return request.getfixturevalue(f"{request.param}_nodes")


@pytest.mark.cluster
def test_tasks_are_done_lost_and_done_again_on_a_cluster(cluster, tmp_path, capsys):
    whats = {"a": "", "b": "worker ends", "c": "fails", "d": "always ends", "e": ""}
    found = do(tmp_path / "run", whats, Where(2, cluster[0]))
    assert {name: found[name][0] for name in "abe"} == {"a": "a", "b": "b", "e": "e"}
    assert isinstance(found["c"], ValueError)
    assert isinstance(found["d"], WorkerLost)
    err = capsys.readouterr().err.splitlines()
    assert err.count("b begins") == 2
    assert err.count("d begins") == RESTARTS + 1
    assert err.count("a begins") == 1


@pytest.mark.cluster
@pytest.mark.parametrize("kind", ["ray", "dask"])
def test_a_cluster_without_an_address_is_started_by_the_command(kind, tmp_path, monkeypatch):
    pytest.importorskip({"ray": "ray", "dask": "distributed"}[kind])
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    before = set(psutil.pids())
    with tempfile.TemporaryDirectory(prefix="r-") as folder:  # Ray's sockets are in it: their paths must be short
        monkeypatch.setenv("RAY_TMPDIR", folder)
        left_behind(Path(folder))
        found = do(tmp_path / "run", {"a": "", "b": "worker ends"}, Where(2, kind))
        until(lambda: not [p for p in new_since(before) if "resource_tracker" not in _called(p)], 60)
    assert not [error for error in found.values() if isinstance(error, Exception)]
    assert {name: found[name][0] for name in "ab"} == {"a": "a", "b": "b"}


def new_since(before):
    """Processes under this one that are not among `before`."""
    return [process for process in psutil.Process().children(recursive=True) if process.pid not in before]


def left_behind(folder):
    """A file by which Ray finds its cluster, of a head that is gone. Returns its path."""
    (folder / "ray").mkdir()
    (folder / "ray" / "ray_current_cluster").write_text(f"127.0.0.1:{free_port()}")
    return folder / "ray" / "ray_current_cluster"


def test_ray_is_not_told_to_wait_for_a_head_that_is_gone(tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    assert ray_address(None) is None
    left = left_behind(tmp_path)
    assert ray_address(None) == "local"
    assert f"the head that {left} names does not answer (ConnectionRefusedError: " in capsys.readouterr().err
    left.write_text("no address")
    assert ray_address(None) == "local"
    with socket.create_server(("127.0.0.1", 0)) as head:
        left.write_text(f"127.0.0.1:{head.getsockname()[1]}\n")
        assert ray_address(None) is None
    with pytest.raises(ConnectionRefusedError):
        ray_address(f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.5:6379")
    assert ray_address(None) is None


@pytest.mark.cluster
def test_machines_that_do_not_see_the_run_get_its_files_and_send_theirs(cluster, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    run = tmp_path / "here" / "run"
    (run / "parts" / "a").mkdir(parents=True)
    (run / "parts" / "a" / "ended").write_text("by an earlier command")
    found = do("/proc/self/cwd/run", {"a": "worker ends", "b": "worker ends", "c": ""}, Where(2, cluster[0]))
    assert [found[name][0] for name in "abc"] == ["a", "b", "c"]
    assert (run / "parts" / "a" / "ended").read_text() == "by an earlier command"
    assert (run / "parts" / "c" / "whole").read_text() == "c, 2 files of faces"  # no lock


@pytest.mark.cluster
def test_what_was_sent_to_a_machine_that_is_gone_is_sent_again(dask_nodes, tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    where, nodes = dask_nodes
    found = {}

    def done(name, result, error):
        found[name] = error or result[0]
        if name == "a":  # both workers, so also the one that has the faces
            nodes.start(SCRIPTS / "dask", "worker", where.partition("//")[2], "--nthreads=1", "--no-dashboard")
            for worker in nodes.started[1:3]:
                nodes.end(worker)

    do("/proc/self/cwd/run", {"a": "", "b": "", "c": ""}, Where(1, where), done)
    assert found == {"a": "a", "b": "b", "c": "c"}


@pytest.mark.cluster
def test_a_worker_that_is_killed_in_mid_run_changes_no_byte(cluster, tmp_path):
    where, nodes = cluster
    finish("specialists.train", tmp_path / "plain", *POINTS, LONG)
    process = start("specialists.train", tmp_path / "cluster", *POINTS, LONG, f"--cluster={where}")
    for line in process.stderr:
        if re.match("(nose_tip|left_eye_center) 2/", line):
            break
    nodes.end(nodes.started[-1])  # a whole machine, with all that it does
    _, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    assert len(re.findall("its worker was lost", err)) == 1
    assert differing(trained(tmp_path / "cluster"), trained(tmp_path / "plain")) == []


@pytest.mark.cluster
def test_a_comparison_and_a_sweep_are_the_same_on_a_cluster(cluster, tmp_path):
    same_by_others(tmp_path, f"--cluster={cluster[0]}")


@pytest.mark.cluster
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)])
def test_a_signal_ends_what_the_cluster_does_and_the_same_command_goes_on(cluster, tmp_path, number, status):
    where, nodes = cluster
    process = start("specialists.train", tmp_path / "run", *POINTS, LONG, f"--cluster={where}")
    for line in process.stderr:
        if re.match("(nose_tip|left_eye_center) 2/", line):
            break
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status
    if number == signal.SIGINT:
        assert err.splitlines()[-1] == "stopped; the same command goes on where this one was"
    until(lambda: not at_work(nodes), 60)
    _, err = finish("specialists.train", tmp_path / "run", *POINTS, LONG, f"--cluster={where}")
    assert ": goes on after epoch" in err


def at_work(nodes):
    """Processes that train."""
    every = [p for node in nodes.started for p in psutil.Process(node.pid).children(recursive=True)]
    return [p for p in every if "LokyProcess" in _called(p)]


def _called(process):
    """A process's command line; nothing of one that has ended meanwhile."""
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # zombies are of this kind
        return ""


@pytest.mark.cluster
@pytest.mark.parametrize("kind", ["ray", "dask"])
def test_a_cluster_that_does_not_answer_is_one_line(tmp_path, kind):
    pytest.importorskip({"ray": "ray", "dask": "distributed"}[kind])
    with pytest.raises(ProjectError, match=f"--cluster {kind}://.*: expected a cluster that answers; received"):
        do(tmp_path, {"a": ""}, Where(1, f"{kind}://127.0.0.1:{free_port()}"))
