"""What the trust tests share: two sizes of one test, and the figures that docs/reliability.md shows.

    @sized("kills", 4, 50)                      # 4 under the marker `faults`, 50 under `trust`
    def test_something(tmp_path, figures, kills):
        ...
        figures("kills survived", good, kills)  # done, of: summed over all tests that tell the same thing
        figures("peak memory, MB", 311.5)       # the largest is kept
        assert good == kills

A test tells its figure first and asserts then, so that failures are in the figures too. They go to the file that the
environment variable TRUST_FIGURES names, one JSON object a line, so that processes of pytest-xdist may share it.
`python tests/trust.py FILE` prints them as rows of a Markdown table, summed over all lines; `python tests/trust.py FILE
BASELINE` puts those of tests/stock_baseline.py beside them.
"""

import json
import os
import sys
from pathlib import Path

import pytest

FIGURES = "TRUST_FIGURES"


def sized(name, quick, full, quickly=pytest.mark.faults):
    """A mark that runs a test twice: with `quick` in every CI run, with `full` under the marker `trust`.

    Args:
        name: of the argument; several as in `pytest.mark.parametrize`, "kills, seed".
        quick: its value, a tuple where there are several names; None = the full size only.
        full: the same.
        quickly: the marker of the first, `slow` where it takes 20 seconds.
    """
    sizes = {"quick": (quick, quickly), "full": (full, pytest.mark.trust)}
    given = [pytest.param(*_values(v), marks=mark, id=i) for i, (v, mark) in sizes.items() if v is not None]
    return pytest.mark.parametrize(name, given)


def _values(value):
    return value if isinstance(value, tuple) else (value,)


def tell(what, done, of=None):
    """Append a figure to the file that TRUST_FIGURES names; nothing happens where it names none."""
    path = os.environ.get(FIGURES)
    if path:
        line = json.dumps({"what": what, "done": done, "of": of})
        with open(path, "a", encoding="utf-8") as file:
            file.write(line + "\n")


@pytest.fixture
def figures():
    """The function `tell`."""
    return tell


def summed(path):
    """dict of what to its figure as text: sums as "50 of 50", the largest of what has no `of`."""
    sums, largest = {}, {}
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        if row["of"] is None:
            largest[row["what"]] = max(row["done"], largest.get(row["what"], row["done"]))
        else:
            done, of = sums.get(row["what"], (0, 0))
            sums[row["what"]] = (done + row["done"], of + row["of"])
    shown = {what: f"{done:,} of {of:,}" for what, (done, of) in sums.items()}
    return shown | {what: f"{value:,}" for what, value in largest.items()}


def table(ours, stock):
    """Lines of a Markdown table of two dicts of `summed`."""
    yield from ("| | this project | stock Keras |", "|---|---|---|")
    yield from (f"| {what} | {ours.get(what, '')} | {stock.get(what, '')} |" for what in ours | stock)


if __name__ == "__main__":
    print("\n".join(table(*[summed(path) for path in sys.argv[1:3]], *[{}] * (3 - len(sys.argv)))))
