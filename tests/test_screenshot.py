"""The pictures in docs/: a whole page is on them, however long it is."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("selenium", reason="needs selenium")
PLACE = Path(__file__).parent.parent / "docs" / "screenshot.py"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("screenshot", PLACE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("height", "columns"), [(900, 1), (3700, 1), (3701, 2), (6600, 2), (11000, 3)])
def test_every_row_of_a_page_is_in_one_of_the_columns(script, height, columns):
    page = np.repeat((np.arange(height) % 251).astype(np.uint8)[:, None, None], 3 * script.WIDTH).reshape(height, -1, 3)
    made = script.side_by_side(page, cuts=list(range(100, height, 300)))
    assert made.shape[1] == columns * script.WIDTH + (columns - 1) * script.GAP
    found = [made[:, i * (script.WIDTH + script.GAP), 0] for i in range(columns)]
    rows, place = "".join(map(chr, page[:, 0, 0])), 0
    for i, column in enumerate(found):
        own = next(n for n in range(len(column), 0, -1) if rows[place:].startswith("".join(map(chr, column[:n]))))
        assert (column[own:] == page[0, 0, 0]).all(), f"column {i} ends in something else than paper"
        place += own
    assert place >= height


def test_pages_of_photos_are_refused(script, tmp_path):
    (tmp_path / "index.html").write_text("a run on photos")
    with pytest.raises(SystemExit, match="expected the index of a run on drawn faces"):
        script.pages(tmp_path)
