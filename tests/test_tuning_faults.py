"""Kills of the real search, its workers, and its memory over many trials."""

import functools
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import tiny
from trust import sized

ROOT = Path(__file__).parents[1]
SMALL = ["--backbone=alexnet", "--data=synthetic:60", *tiny.COMMAND, "--epochs=2", "--confirm=0"]
EQUAL = "--only=learning_rate,batch_size,rotation"  # one network serves all trials


def start(folder, *options):
    call = [sys.executable, "-m", "tuning.search", *SMALL, *options, "--run", str(folder)]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "KEYPOINT_CACHE": str(folder.parent / "cache")}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    heard = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell may have had it ignored
    return subprocess.Popen(call, **pipes, env=environment, cwd=folder.parent, preexec_fn=heard)


def finish(folder, *options, seconds=900):
    process = start(folder, *options)
    out, err = process.communicate(timeout=seconds)
    assert process.returncode == 0, err
    return out, err


def tried(folder):
    """What a search is about: number, values and scores of every trial; not how long they took."""
    rows = json.loads((folder / "tuning" / "alexnet" / "search.json").read_text())["trials"]
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def kill_somewhere(process, moments, kill):
    """Kill a search at a random moment: every third time while it starts, else within the next trials."""
    if kill % 3 == 2:
        time.sleep(moments.uniform(0.1, 5))
    else:
        begun = next(line for line in process.stderr if line.startswith("trial "))
        assert begun
        lines = moments.randrange(0, 5)  # progress: a trial has three or four
        for _ in range(lines):
            process.stderr.readline()
        time.sleep(moments.uniform(0, 0.3))
    process.kill()
    process.communicate()


@pytest.mark.parametrize("options", [["--tuner=random", "--trials=12"], ["--tuner=bayesian", "--trials=14", EQUAL]])
@sized("kills", None, 5)
def test_a_search_killed_many_times_ends_with_the_same_trials(tmp_path, figures, options, kills):
    finish(tmp_path / "whole", *options)
    moments, finished = random.Random(4), []
    for kill in range(kills):
        kill_somewhere(start(tmp_path / "killed", *options), moments, kill)
        finished.append(len(list((tmp_path / "killed").glob("tuning/alexnet/trials/*/outcome.json"))))
    print(f"trials finished at each kill: {finished}")
    assert finished[-1] < len(tried(tmp_path / "whole"))  # every kill met a search at work
    finish(tmp_path / "killed", *options)
    same = tried(tmp_path / "killed") == tried(tmp_path / "whole")
    figures("searches killed at random moments", kills * same, kills)
    assert same


@pytest.mark.slow
def test_a_chief_and_two_workers_share_a_search_and_one_may_be_killed(tmp_path):
    process = start(tmp_path / "run", "--tuner=random", "--trials=6", EQUAL, "--workers=2")
    trials = tmp_path / "run" / "tuning" / "alexnet" / "trials"
    while len(list(trials.glob("*/base/settings.json"))) < 2:  # both are at work
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    workers = [p for p in psutil.Process(process.pid).children() if p.environ()["KERASTUNER_TUNER_ID"] == "worker1"]
    workers[0].kill()
    out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    assert "worker1: ended by signal 9; it is started again" in err
    assert "alexnet: 6 trials, 0 failed" in out
    rows = json.loads((trials.parent / "search.json").read_text())["trials"]
    assert [(row["trial"], row["status"]) for row in rows] == [(i, "COMPLETED") for i in range(6)]
    assert len({json.dumps(row["values"]) for row in rows}) == 6


@pytest.mark.slow
def test_workers_end_with_the_command(tmp_path):
    process = start(tmp_path / "run", "--tuner=random", "--trials=60", EQUAL, "--workers=2")
    while len(psutil.Process(process.pid).children()) < 3:
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    children = psutil.Process(process.pid).children()
    process.kill()
    process.communicate()
    _, left = psutil.wait_procs(children, timeout=60)
    assert left == []


@sized("count", 1, 6, pytest.mark.slow)
def test_a_signal_ends_a_search_within_seconds_and_the_same_command_goes_on(tmp_path, figures, count):
    options, moments, slowest, good = ["--tuner=random", "--trials=4", EQUAL], random.Random(5), 0, 0
    finish(tmp_path / "whole", *options)
    for i in range(count):
        number, status = [(signal.SIGTERM, 143), (signal.SIGINT, 130)][i % 2]
        folder = tmp_path / str(i)
        process = start(folder, *options)
        while not list(folder.glob("tuning/alexnet/trials/*/base/checkpoint.npz")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
        time.sleep(moments.uniform(0, 0.5))
        asked = time.monotonic()
        process.send_signal(number)
        _, err = process.communicate(timeout=120)
        slowest = max(slowest, time.monotonic() - asked)
        told = (process.returncode, err.splitlines()[-1])
        assert told == (status, "stopped; the same command goes on where this one was")
        finish(folder, *options)
        good += tried(folder) == tried(tmp_path / "whole")
    figures("searches stopped by a signal, went on to the same trials", good, count)
    figures("seconds from a signal to the end of a search, slowest", round(slowest, 1))
    assert good == count
    assert slowest < 5


BAD = [
    ({"KERASTUNER_TUNER_ID": "chief"}, "KERASTUNER_ORACLE_IP: expected a value where KERASTUNER_TUNER_ID has one"),
    (
        {"KERASTUNER_TUNER_ID": "a", "KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": "many"},
        "KERASTUNER_ORACLE_PORT: expected 1 to 65535; received 'many'",
    ),
]


@pytest.mark.parametrize(("variables", "words"), BAD)
def test_half_a_cluster_is_told_in_words(monkeypatch, variables, words):
    from data.errors import UsageError
    from tuning import search

    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=re.escape(words)):
        search.main(["--backbone=resnet"])


@pytest.mark.long
@pytest.mark.parametrize("options", [[EQUAL], []], ids=["one network", "networks that differ"])
def test_memory_stays_flat_over_many_trials(tmp_path, options):
    """One process, 200 trials of one epoch; docs/tuning.md has the figures."""
    process, held = start(tmp_path / "run", "--tuner=random", "--trials=200", "--epochs=1", *options), {}
    for line in process.stderr:
        told = re.match(r"alexnet: trial (\d+) of", line)
        if told:
            held[int(told[1])] = psutil.Process(process.pid).memory_info().rss / 2**20
    assert process.wait() == 0
    print({number: round(mb) for number, mb in held.items() if number in (0, 19, 50, 100, 150, 199)})
    assert 0.8 < held[199] / held[19] < 1.2
    assert max(held.values()) < 1.2 * held[19]
