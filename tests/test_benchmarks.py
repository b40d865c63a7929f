"""Benchmarks: pairs alternate and ratios are medians of the pairs' own; the tables come from the JSON file alone."""

import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))

import measure  # noqa: E402
import table  # noqa: E402

from data.storage import read_json  # noqa: E402


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


def test_results_become_a_table_and_nothing_else_changes(clock, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(measure, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(table, "RESULTS", tmp_path / "results.json")
    monkeypatch.setattr(table, "DOCUMENT", tmp_path / "a.md")
    row = {"what": "one", "target": 100, **measure.pairs(lambda: clock(0.002), lambda: clock(0.5), 2)}
    measure.record("first", "python a.py", [row])
    measure.record("second", "python b.py", [])
    assert "one: 2.0 ms (CPU 1.0) against 500.0 ms (CPU 250.0): 250.0 times" in capsys.readouterr().out
    assert set(read_json(tmp_path / "results.json")) == {"first", "second"}
    (tmp_path / "a.md").write_text("before\n<!-- first -->\nold\n<!-- /first -->\nafter\n", encoding="utf-8")
    table.main()
    lines = (tmp_path / "a.md").read_text(encoding="utf-8").splitlines()
    assert (lines[0], lines[1], lines[-2], lines[-1]) == ("before", "<!-- first -->", "<!-- /first -->", "after")
    assert lines[-3].startswith("| one | 2.0 ms (2.0 ms-2.0 ms) | 500.0 ms (500.0 ms-500.0 ms) | 250.0 |")
    assert "old" not in lines
    assert lines[2].startswith("`python a.py` on ")
