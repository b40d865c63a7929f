"""Reading a training.csv of 7,049 rows, cold and from the cache, against pandas.

    python benchmarks/reading.py --data FOLDER

FOLDER holds Kaggle's training.csv, or a replica of it; its rows are repeated up to 7,049. The alternative is the usual
one: `pandas.read_csv`, then `numpy.array(text.split())` of each row. Each side is a process of its own, from its start
to arrays in memory, as a training has it; imports count.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import pairs, record

ROWS = 7049
PAIRS = 5
OURS = "import sys; from data.sources import read_training as r; f = r(sys.argv[1]); assert len(f) == {rows}"
PANDAS = """
import sys
import numpy as np
import pandas as pd
table = pd.read_csv(sys.argv[1] + "/training.csv")
images = np.stack([np.array(text.split(), np.uint8) for text in table.pop("Image")]).reshape(-1, 96, 96, 1)
points = table.to_numpy(np.float32).reshape(len(table), -1, 2)
assert len(images) == {rows}
"""


def grown(folder, out, count=ROWS):
    """Write training.csv of `count` rows, those of `folder` again and again."""
    with open(Path(folder) / "training.csv", encoding="ascii") as file:
        head, *lines = file.read().splitlines()
    rows = [lines[i % len(lines)] for i in range(count)]
    (Path(out) / "training.csv").write_text("\n".join([head, *rows, ""]), encoding="ascii")


def python(code, folder, cache):
    """Run code with the folder as its argument."""
    environment = {**os.environ, "KEYPOINT_CACHE": str(cache), "PYTHONPATH": str(Path(__file__).parent.parent)}
    command = [sys.executable, "-c", code.format(rows=ROWS), str(folder)]
    subprocess.run(command, check=True, env=environment, cwd=folder)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", required=True, metavar="FOLDER")
    a = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, cache = Path(name) / "data", Path(name) / "cache"
        folder.mkdir()
        grown(a.data, folder)

        def cold():
            shutil.rmtree(cache, ignore_errors=True)
            python(OURS, folder, cache)

        sides = {"without a cache": cold, "from the cache": lambda: python(OURS, folder, cache)}
        rows = [
            {"what": f"{ROWS:,} rows, {what}", **pairs(ours, lambda: python(PANDAS, folder, cache), PAIRS)}
            for what, ours in sides.items()
        ]
    rows[1]["target_seconds"] = 0.3
    record("reading", "python benchmarks/reading.py --data REPLICA", rows)


if __name__ == "__main__":
    main()
