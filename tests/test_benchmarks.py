"""Benchmarks: pairs alternate and ratios are medians of the pairs' own; the tables come from the JSON file alone; both
sides of a comparison do the same work."""

import dataclasses
import importlib.util
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
import tiny

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import gpu  # noqa: E402
import measure  # noqa: E402
import merged  # noqa: E402
import pages  # noqa: E402
import reading  # noqa: E402
import sides  # noqa: E402
import specialists_cost  # noqa: E402
import table  # noqa: E402
import time_to_score  # noqa: E402
import tutorial  # noqa: E402

from data.storage import read_json, write_arrays, write_json  # noqa: E402
from data.synthetic import make_faces  # noqa: E402

with_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="needs PyTorch: pip install torch")


@pytest.fixture
def clock(monkeypatch):
    """A clock that only moves when it is told to: function of seconds."""
    now = [0.0]
    monkeypatch.setattr(measure.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(measure.time, "process_time", lambda: now[0] / 2)

    def move(seconds):
        now[0] += seconds

    return move


def test_both_sides_are_run_in_turns_and_compared_pair_by_pair(clock):
    order, slow = [], iter([9, 9, 1, 8, 100, 200, 2, 6])  # a warm-up of each, then three pairs

    def side(name):
        return lambda: (order.append(name), clock(next(slow)))

    found = measure.pairs(side("ours"), side("other"), 3)
    assert order == ["ours", "other"] * 4
    assert found["ratio"] == 3  # of 8, 2 and 3
    assert found["ours"] == {"seconds": 2, "quartiles": [1, 100], "least": 1, "cpu_seconds": 1}
    assert found["alternative"]["seconds"] == 8
    assert found["cpu_ratio"] == 3


def test_what_has_been_at_work_just_before_is_not_warmed_up(clock):
    found = measure.pairs(lambda: clock(2), lambda: clock(6), 1, warm=False)
    assert (found["ours"]["quartiles"], found["ratio"], measure.time.perf_counter()) == ([2, 2], 3, 8)


SPINNING = """
import subprocess, sys, threading, time
sys.path.insert(0, sys.argv[1])
from sides import serve
def spin():
    while True:
        pass
threading.Thread(target=spin, daemon=True).start()
worker = subprocess.Popen([sys.executable, "-c", "while True: pass"])
serve(lambda: (lambda: time.sleep(0.02), {"worker": worker.pid}, lambda: {"done": True}))
"""


def test_a_side_and_its_workers_stand_still_while_it_is_not_its_turn_and_end_with_it():
    with sides.Side("-c", SPINNING, BENCHMARKS) as side:
        family = [psutil.Process(pid) for pid in (side.process.pid, side.about["worker"])]
        for _ in range(2):
            assert side.once()[0] >= 0.02
            time.sleep(0.2)  # until all threads have heard of it
            assert {process.status() for process in family} == {psutil.STATUS_STOPPED}
        assert side.last() == {"done": True}
    assert side.process.returncode == -signal.SIGKILL
    assert not [p for p in psutil.wait_procs(family[1:], 5)[1] if p.status() != psutil.STATUS_ZOMBIE]


def test_a_side_that_ends_by_itself_ends_the_benchmark():
    with pytest.raises(SystemExit, match="a side has ended with status 3"):
        sides.Side("-c", "raise SystemExit(3)")


def test_results_become_a_table_and_nothing_else_changes(clock, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(measure, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(table, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(table, "DOCUMENT", tmp_path / "a.md")
    row = {"what": "one", "target": 100, **measure.pairs(lambda: clock(0.002), lambda: clock(0.5), 2)}
    monkeypatch.setattr(measure, "COMMIT", "1234567 and changes")
    measure.record("first", "python a.py", [row])
    measure.record("second", "python b.py", [])
    assert "one: 2.0 ms (CPU 1.0) against 500.0 ms (CPU 250.0): 250.0 times" in capsys.readouterr().out
    assert set(read_json(tmp_path / "results.json")) == {"first", "second"}
    text = "<!-- targets -->\n<!-- /targets -->\n<!-- machines -->\n<!-- /machines -->\n"
    text += "before\n<!-- first -->\nold\n<!-- /first -->\nafter\n"
    (tmp_path / "a.md").write_text(text, encoding="utf-8")
    with pytest.raises(SystemExit, match=re.escape("expected <!-- second --> and <!-- /second -->")):
        table.main()
    assert (tmp_path / "a.md").read_text(encoding="utf-8") == text
    measure.write_json(tmp_path / "results.json", {"first": read_json(tmp_path / "results.json")["first"]})
    table.main()
    lines = (tmp_path / "a.md").read_text(encoding="utf-8").splitlines()
    assert re.fullmatch(r"\| first \| one \| [^|]+, \w+ \| 100 times as fast \| 250.0 \| met \|", lines[3])
    lines = lines[lines.index("before") :]
    assert (lines[0], lines[1], lines[-2], lines[-1]) == ("before", "<!-- first -->", "<!-- /first -->", "after")
    assert lines[-3].startswith("| one | 2.0 ms | 500.0 ms | 250.0 |")  # no spread where there is none
    assert "old" not in lines
    assert lines[2].startswith("`python a.py` on ")
    assert ", code of 1234567 and changes: " in " ".join(lines)  # which may be wrapped


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_the_commit_of_what_was_measured_is_known(tmp_path, monkeypatch):
    def git(*words):
        own = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
        return subprocess.run(["git", *own, *words], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    monkeypatch.delenv("GIT_DIR", raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert measure.commit(tmp_path) is None
    git("init")
    folder = tmp_path / "benchmarks"
    folder.mkdir()
    for name in ("a.py", "b.json"):
        (tmp_path / name).write_text("1", encoding="utf-8")
    git("add", "-A")
    git("commit", "-m", "a")
    head = git("rev-parse", "HEAD")
    (tmp_path / "b.json").write_text("2", encoding="utf-8")  # what was measured is no code
    assert len(measure.commit(folder)) >= 7
    assert head.startswith(measure.commit(folder))
    before = measure.commit(folder)
    (tmp_path / "a.py").write_text("2", encoding="utf-8")
    assert measure.commit(folder) == f"{before} and changes"


def test_every_target_of_the_benchmarks_is_met_or_missed():
    rows = [
        {"what": "a", "target": 2, **measure.single(3.0, 6.0)},
        {"what": "b", "target": 2, **measure.single(3.0, 5.9)},
        {"what": "c", "target": 2, **measure.single(None, 5.9)},
        {"what": "d", **measure.single(3.0, 5.9)},
        {"what": "e", "target": 2, "target_seconds": 0.005, **measure.single(0.005, 0.001)},
        {"what": "f", "target_seconds": 0.005, **measure.single(0.0051, 0.001)},
        {"what": "g", "target_seconds": 60, **measure.single(None, 1.0)},
        {"what": "h", "target_seconds": 0.005, **measure.single(0.00504, 1.0)},
    ]
    found = {"rows": rows, "machine": {"cpu": "Xe(on) 2", "instructions": ["avx2", "amx"]}}
    assert table.summary({"x": [found]})[2:] == [
        "| x | a | Xe, amx | 2 times as fast | 2.0 | met |",
        "| x | b | Xe, amx | 2 times as fast | 1.97 | **missed** |",
        "| x | c | Xe, amx | 2 times as fast | never | **missed** |",
        "| x | e | Xe, amx | 2 times as fast | 0.20 | **missed** |",
        "| x | e | Xe, amx | 5.0 ms or less | 5.0 ms | met |",
        "| x | f | Xe, amx | 5.0 ms or less | 5.1 ms | **missed** |",
        "| x | g | Xe, amx | 60.00 s or less | never | **missed** |",
        "| x | h | Xe, amx | 5.0 ms or less | 5.040 ms | **missed** |",
    ]


def test_of_several_ways_to_a_target_the_first_and_the_first_that_reaches_it_are_told():
    rows = [
        {"what": f"file {i}", "goal": "1 face", "target": 2, **measure.single(1.0, ratio)}
        for i, ratio in enumerate((1.0, 1.5, 2.5, 3.0))
    ]
    rows += [{"what": "other", "goal": "2 faces", "target": 1, **measure.single(1.0, 1.0)}]
    told = table.summary({"x": [{"rows": rows, "machine": {"cpu": "Xe", "instructions": []}}]})[2:]
    assert told == [
        "| x | file 0 | Xe, scalar | 2 times as fast | 1.00 | **missed** |",
        "| x | file 2 | Xe, scalar | 2 times as fast | 2.5 | met |",
        "| x | other | Xe, scalar | as fast | 1.00 | met |",
    ]


def test_results_of_another_processor_stay_beside_folded_away(tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "RESULTS", tmp_path / "results.json")
    machine = measure.machine()
    for cpu, seconds in (("A", 1.0), ("B", 2.0), ("A", 3.0)):
        monkeypatch.setattr(measure, "machine", lambda cpu=cpu: machine | {"cpu": cpu})
        measure.record("x", "python x.py", [{"what": "one", "target": 2, **measure.single(seconds, 4.0)}])
    every = read_json(tmp_path / "results.json")["x"]
    assert [(found["machine"]["cpu"], found["rows"][0]["ratio"]) for found in every] == [("B", 2.0), ("A", 4 / 3)]
    lines = table.tables(every)
    assert [line.split("|")[2].strip() for line in lines if line.startswith("| one")] == ["3.00 s", "2.00 s"]
    (fold,) = (line for line in lines if line.startswith("<details>"))
    assert lines.index(fold) < [i for i, line in enumerate(lines) if line.startswith("| one")][1]
    assert fold.startswith("<details><summary>The same on B, ")
    assert lines[-1] == "</details>"
    told = [line.rpartition("fast | ")[2] for line in table.summary({"x": every})[2:]]
    assert told == ["1.33 | **missed** |", "2.0 | met |"]
    told = table.machines({"x": every, "y": every})
    assert [line[:6] for line in told if line.startswith("* ")] == ["* **A,", "* **B,"]


def test_a_row_of_images_tells_how_many_a_second_and_how_long_each_takes():
    row = {"what": "a", "images": 4, "each": True, **measure.single(0.002, 0.004)}
    assert (
        table._row(row) == "| a | 2000 images/s, 500 µs an image, 2.0 ms | 1000 images/s, 1000 µs an image, 4.0 ms "
        "| 2.0 |  | 1 |"
    )


def test_what_is_wanted_of_the_merged_file():
    wanted = {
        asked: merged.target(*asked) for asked in [(1, 1, "fifteen calls"), (1, 2, "fifteen calls"), (1, 1, "whole")]
    }
    assert list(wanted.values()) == [{"target": 100, "target_seconds": 0.005}, {"target": 100}, {}]
    assert merged.target(64, 1, "fifteen calls") == {}
    assert merged.target(1783, 2, "fifteen calls") == {"target": 20}


def test_a_gpu_is_held_against_one_specialist_after_another():
    found = {"specialists": [{"at_once": 1, "with_base": 90.0}, {"at_once": 15, "with_base": 45.0}]}
    found["auto"] = {"specialists": [{"at_once": "auto", "with_base": 60.0}]}
    about = {"gpu": ["NVIDIA X"], "backend": "jax", "faces": 7049, "epochs": 50, "points": []}
    one, many, chosen = gpu.rows_of(found, about)
    assert "everything auto against 1 at once" in chosen["what"]
    what = "base and all specialists, 7,049 faces, 50 epochs each, NVIDIA X (jax): 15 at once against 1 at once"
    assert many["what"] == what
    assert (one["ratio"], many["ratio"], many["target_seconds"]) == (1, 2, 60)
    for less in ({"faces": 300}, {"epochs": 1}, {"points": ["nose_tip"]}):  # the target is of the whole
        assert "target_seconds" not in gpu.rows_of(found, about | less)[0]
    lines = table.summary({"gpu": [{"rows": [one, many], "machine": measure.machine()}]})[2:]
    assert [line.rpartition("less | ")[2] for line in lines] == ["90.00 s | **missed** |", "45.00 s | met |"]


def test_specialists_are_compared_label_by_label_without_what_is_wrong():
    full = np.full((40, 3), 2.0)
    full[0, 0], full[1, 1] = 50, np.nan  # a wrong label: both are far off; and none
    frozen = full + np.repeat(np.arange(8) < 4, 5)[:, None] * 0.2  # worse on half of the persons
    row = specialists_cost.together(frozen, full, np.repeat(np.arange(8), 5), (10.0, 20.0))
    assert row["ratio"] == 2
    assert "trimmed 1.414)" in row["what"]
    _, told, met = row["wanted"]
    gain, low, high = map(float, re.findall(r"(\d\.\d+) px better", told))
    assert 0.07 <= gain < 0.08
    assert 0 <= low < 0.04  # of faces drawn one by one 0.05 to 0.09
    assert 0.1 < high <= 0.142
    assert met == (low <= 0)
    same = specialists_cost.together(full, full, np.repeat(np.arange(8), 5), (10.0, 20.0))
    assert same["wanted"] == (
        "trimmed RMSE no worse than in full, beyond chance",
        "in full is 0.000 px better (95 % over persons: 0.000 px better to 0.000 px better)",
        True,
    )
    worse = specialists_cost.together(full + 0.2, full, np.repeat(np.arange(8), 5), (10.0, 20.0))
    assert not worse["wanted"][2]
    lines = table.summary({"specialists": [{"rows": [same, worse], "machine": measure.machine()}]})[2:]
    assert [line.rpartition(" | ")[2] for line in lines] == ["met |", "**missed** |"]


def test_cpu_seconds_count_what_a_child_process_took():
    busy = "import time\nwhile time.process_time() < 0.3: pass"
    seconds, cpu = measure.once(lambda: subprocess.run([sys.executable, "-c", busy], check=True))
    assert 0.3 <= cpu <= seconds + 0.1


def test_what_was_run_once_has_no_cpu_and_may_never_end(clock, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(measure, "RESULTS", tmp_path / "results.json")
    rows = [{"what": "a", "target": 5, **measure.single(60.0, 1800.0)}, {"what": "b", **measure.single(2.0, None)}]
    measure.record("once", "python a.py", rows)
    assert "a: 60000.0 ms against 1800000.0 ms: 30.0 times, 1 pairs\nb: 2000.0 ms against never, 1 pairs" in (
        capsys.readouterr().out
    )
    assert table.tables(read_json(tmp_path / "results.json")["once"])[-2:] == [
        "| a | 60.00 s | 30.0 min | 30.0 |  | 1 |",
        "| b | 2.00 s | never |  |  | 1 |",
    ]


def test_a_training_row_tells_images_per_second(clock):
    ours = iter([9, 2, 4, 5])  # the first is the warm-up
    row = {"what": "net", "images": 1000, **measure.pairs(lambda: clock(next(ours)), lambda: clock(5), 3)}
    assert "| net | 250 images/s, 4.00 s (2.00 s-5.00 s) | 200 images/s, 5.00 s | 1.25 |" in table._row(row)


def test_rows_are_repeated_up_to_a_number(tmp_path):
    (tmp_path / "training.csv").write_text("left_eye_x,Image\n1,1 2\n2,3 4\n", encoding="ascii")
    (tmp_path / "out").mkdir()
    reading.grown(tmp_path, tmp_path / "out", 5)
    lines = (tmp_path / "out" / "training.csv").read_text(encoding="ascii").splitlines()
    assert lines == ["left_eye_x,Image", "1,1 2", "2,3 4", "1,1 2", "2,3 4", "1,1 2"]


CURVE = [(0.0, 5.0, 4.0), (10.0, 4.0, 2.5), (20.0, 4.2, 2.0), (30.0, 3.9, 2.1)]


@pytest.mark.parametrize(
    ("score", "kind", "seconds"),
    [
        (5.0, "RMSE", 0.0),
        (4.5, "RMSE", 10.0),
        (4.0, "RMSE", 10.0),  # at the score is enough
        (3.95, "RMSE", 30.0),  # it had been worse again in between
        (3.8, "RMSE", None),
        (2.05, "trimmed RMSE", 20.0),  # what comes after does not count
    ],
)
def test_the_first_time_that_a_curve_reaches_a_score(score, kind, seconds):
    assert time_to_score.first_reached(CURVE, score, kind) == seconds


def test_ours_is_held_against_the_best_of_the_tutorial():
    ours = [(100.0, 4.5, 3.0, "base"), (200.0, 3.5, 1.5, "base"), (250.0, 3.4, 1.4, "ensemble")]
    rows = {row["what"]: row for row in time_to_score.rows_of(ours, [(s * 100, a, b) for s, a, b in CURVE])}
    best = rows["RMSE 3.900 px (the tutorial's best)"]
    assert (best["ours"]["seconds"], best["alternative"]["seconds"], best["ratio"]) == (200.0, 3000.0, 15.0)
    assert best["target"] == 5
    assert rows["trimmed RMSE 1.400 px (best of our ensemble)"]["alternative"]["seconds"] is None
    assert rows["trimmed RMSE 1.500 px (best of our base)"]["ours"]["seconds"] == 200.0


def test_what_a_command_took_beside_its_epochs_counts_before_the_first(tmp_path):
    record = {"learning_rate": 0.1, "val_rmse": 4.0, "val_trimmed": 3.0, "seconds": 10.0}
    for part, finished in (("teacher1", True), ("base", False)):
        (tmp_path / part).mkdir()
        if finished:
            write_json(tmp_path / part / "history.json", {"epochs": [record, record], "summary": {}})
            write_json(tmp_path / part / "manifest.json", {})
        else:
            told = np.frombuffer(b'{"history": [{"val_rmse": 3.5, "val_trimmed": 2.5, "seconds": 20.0}]}', np.uint8)
            write_arrays(tmp_path / part / "checkpoint.npz", {"state": told})
    curve = time_to_score.curve_of(tmp_path, {"base": {"seconds": 47.0, "finished": False}})
    assert curve == [(47.0, 3.5, 2.5, "base")]


def test_the_tutorial_learns_from_complete_rows_and_their_mirror_images_only():
    faces = make_faces(12, 0)
    points = np.array(faces.points)
    points[3, 4] = np.nan
    faces = dataclasses.replace(faces, points=points)
    images, labels = tutorial.complete(faces)
    whole = faces.labelled.all(1).sum()
    assert whole < 12
    assert len(images) == len(labels) == 2 * whole
    left, right = (faces.schema.index(f"{side}_eye_center") for side in ("left", "right"))
    assert np.allclose(labels[whole, left], [95 - labels[0, right, 0], labels[0, right, 1]])
    assert np.array_equal(images[whole], images[0][:, ::-1])


def test_the_tutorial_network_finds_one_point():
    model = tutorial.tutorial_network()
    assert model.input_shape == (None, 96, 96, 1)
    assert model.output_shape == (None, 2)
    # 3x3x1, 2x2x32 and 2x2x64 kernels with biases; 11x11x128 to 500, to 500, to 2
    sizes = [9 * 32 + 32, 4 * 32 * 64 + 64, 4 * 64 * 128 + 128, 15488 * 500 + 500, 500 * 500 + 500, 500 * 2 + 2]
    assert model.count_params() == sum(sizes)


def test_the_points_of_the_tutorial_come_one_after_the_other(tmp_path):
    faces = make_faces(12, 0)
    found = {"seconds": np.array([1.0, 3.0]), "total": np.array(5.0), "cut": np.array(False)}
    for k, name in enumerate(faces.schema.points[:2]):
        truth = np.array(faces.points)[:, k]
        positions = np.nan_to_num(np.stack([truth + 1, truth]))
        write_arrays(tmp_path / f"{name}.npz", {**found, "positions": positions})
    seconds, scores, _ = zip(*tutorial.curve(faces, faces, tmp_path), strict=True)
    assert seconds == (0.0, 1.0, 3.0, 6.0, 8.0)  # the second begins where the first ended
    assert scores[2] < scores[1] < scores[0]
    assert scores[4] < scores[3]


def test_a_plain_page_holds_every_face(tmp_path, world_of_predictions):
    more = pages.enlarged(world_of_predictions, 7)
    assert len(more) == 7
    assert np.array_equal(more.images[5], world_of_predictions.images[0])
    assert more.radius.shape[1] == 7
    pages.plain_page(more, tmp_path / "plain.html")
    text = (tmp_path / "plain.html").read_text(encoding="utf-8")
    assert text.count("RMSE of each point") == 1
    grey = np.array([[[1], [2]], [[3], [4]]], np.uint8)
    assert pages.rgba(grey).tolist() == [[0xFF030303, 0xFF040404], [0xFF010101, 0xFF020202]]  # the lowest row first


@pytest.fixture
def world_of_predictions():
    from reports.predictions import Predictions

    faces = make_faces(5, 0)
    points = np.nan_to_num(np.array(faces.points))
    about = (faces.images, faces.ids, faces.convention, faces.points)
    return Predictions(*map(np.array, about), {"ensemble": points}, np.ones((2, *points.shape[:2])), faces.schema)


@with_torch
@pytest.mark.parametrize("name", ["alexnet", "resnet"])
def test_both_sides_train_as_many_numbers(name):
    import torch_networks

    from base_models.cost import parameters
    from base_models.network import build_network
    from base_models.settings import NetworkSettings

    keras_network = build_network(NetworkSettings(backbone=name), 17, (96, 96, 1))
    assert torch_networks.parameters(torch_networks.NETWORKS[name](np.zeros((17, 2)))) == parameters(keras_network)


@with_torch
def test_the_alexnet_of_both_sides_gives_the_same_answer():
    import torch
    import torch_networks

    from base_models.network import build_network, dropouts, set_anchor
    from base_models.settings import NetworkSettings

    model = build_network(NetworkSettings(backbone="alexnet"), 17, (96, 96, 1), seed=1)
    rng, anchor = np.random.default_rng(0), np.arange(34.0).reshape(17, 2)
    set_anchor(model, anchor)
    model.get_layer("coordinates").kernel.assign(rng.normal(0, 0.1, (720, 34)))
    network = torch_networks.alexnet(anchor).eval()
    trained = [network[i] for i in range(len(network)) if isinstance(network[i], torch.nn.Conv2d | torch.nn.Linear)]
    for ours, theirs in zip([layer for layer in model.layers if hasattr(layer, "kernel")], trained, strict=True):
        theirs.weight.data = torch.from_numpy(as_torch(np.asarray(ours.kernel), theirs))
    images = rng.uniform(0, 255, (3, 96, 96, 1)).astype(np.float32)
    with torch.no_grad():
        answer = network(torch.from_numpy(images).permute(0, 3, 1, 2)).numpy()
    assert np.abs(answer - np.asarray(model(images, training=False))).max() < 1e-2
    assert np.std(answer - anchor) > 1
    rates = [layer.p for layer in network if isinstance(layer, torch.nn.Dropout)]
    assert rates == pytest.approx([layer.full_rate for layer in dropouts(model)])


def as_torch(kernel, layer):
    """A Keras kernel in PyTorch's order of axes; the first dense layer sees maps of 6x6, channels last."""
    if kernel.ndim == 4:
        return np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
    if layer.in_features == 3600:
        kernel = kernel.reshape(6, 6, 100, -1).transpose(2, 0, 1, 3).reshape(3600, -1)
    return np.ascontiguousarray(kernel.T)


@with_torch
def test_the_points_of_pytorch_move_with_the_faces():
    import torch
    from torch_training import augment

    from data.augment import AugmentSettings

    torch.manual_seed(0)
    images, labels = torch.zeros(8, 1, 96, 96), torch.tensor([[[40.0, 50.0], [60.0, 44.0]]]).repeat(8, 1, 1)
    images[:, 0, 49:52, 39:42] = 255
    settings = AugmentSettings(brightness=0, contrast=0)
    seen, moved = augment(images, labels, settings, torch.tensor([1, 0]))
    dark, first = seen[:, 0].flatten(1), torch.arange(96.0)
    middle = torch.stack([(dark.view(8, 96, 96) * axis).sum((1, 2)) for axis in (first, first[:, None])], -1)
    middle = middle / dark.sum(1, keepdim=True)
    distance = torch.linalg.norm(moved - middle[:, None], dim=-1)
    flipped = distance[:, 0] > distance[:, 1]  # then the dot is under the label of the mirror partner
    assert 0 < flipped.sum() < 8
    assert distance.min(1).values.max() < 0.3
    assert torch.linalg.norm(moved[:, 0] - torch.tensor([40.0, 50.0]), dim=-1).max() > 3


@with_torch
def test_what_is_not_labelled_counts_in_no_loss():
    import torch
    from torch_training import masked_huber

    found = torch.tensor([[[1.0, 5.0]], [[7.0, 7.0]]], requires_grad=True)
    loss = masked_huber(found, torch.tensor([[[1.5, 8.0]], [[torch.nan, torch.nan]]]), 1.0)
    loss.backward()
    assert loss.item() == pytest.approx((0.125 + 2.5) / 2)
    assert found.grad[1].abs().sum() == 0
    assert found.grad[0].tolist() == [[-0.25, -0.5]]


@pytest.mark.slow
def test_a_run_that_lacks_specialists_says_nothing_of_their_cost(tmp_path, monkeypatch):
    run = tiny.merged_run(tmp_path / "run")
    (run / "specialists").mkdir(exist_ok=True)
    monkeypatch.setattr("sys.argv", ["specialists_cost.py", "--data=x", f"--run={run}", f"--out={tmp_path}"])
    with pytest.raises(SystemExit, match="expected a specialist of every point; received none of left_eye_center"):
        specialists_cost.main()


@pytest.mark.slow
def test_the_errors_of_a_specialist_are_those_of_its_history(tmp_path):
    """So label by label they are of the right slots, faces and weights."""
    from base_models.base import split_faces, train_base
    from reports.bootstrap import rmse
    from specialists.specialist import looked_at, train_specialist

    own, faces = tiny.settings(train__epochs=1, specialist__train__epochs=2), make_faces(48, seed=2, size=32)
    base, split = train_base(faces, own, tmp_path, 7), split_faces(faces, own.split, 7)
    sides = [looked_at(base, side) for side in (split.train, split.validation)]
    points = ["nose_tip", "left_eye_center"]
    for point in points:
        train_specialist(point, base, *sides, own.specialist, tmp_path)
    errors = specialists_cost.errors_of(tmp_path, points, sides[1])
    start = 0
    for point in points:
        width = len(base.schema.slots_of(point))
        summary, _ = specialists_cost.scores(tmp_path / "specialists" / point)
        assert rmse(errors[:, start : start + width]) == pytest.approx(summary["val_rmse"], abs=1e-4)
        start += width
    assert errors.shape == (len(sides[1].faces), start)
