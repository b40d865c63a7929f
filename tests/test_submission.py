"""The submission: every RowId in the table's order, LF, in range, or nothing at all."""

import io

import numpy as np
import pytest

from data.errors import DataError, RunError, UsageError
from data.kaggle import Lookup, read_lookup
from data.sources import read_test
from specialists.submission import submission_text, write_submission


def lookup(rows):
    """A `Lookup` from (row_id, image, point, axis)."""
    return Lookup(*np.array(rows, np.int64).T.copy())


TABLE = [(7, 1, 0, 1), (3, 0, 14, 0), (9, 1, 0, 0), (1, 0, 2, 1)]


def points():
    made = np.full((2, 15, 2), np.nan, np.float32)
    made[1, 0], made[0, 14], made[0, 2] = (12.34567, 96.0), (0.0, 1.0), (2.0, 50.5)
    return made


def test_rows_come_in_the_table_s_order_with_lf():
    wanted = "RowId,Location\n7,96.0000\n3,0.0000\n9,12.3457\n1,50.5000\n"
    assert submission_text(lookup(TABLE), points()) == wanted


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.nan, "RowId 9: expected a position within 0 to 96 px; received nan (1 of 4 values"),
        (-0.01, "RowId 9: expected a position within 0 to 96 px; received -0.0"),
        (96.01, "RowId 9: expected a position within 0 to 96 px; received 96.01"),
        (np.inf, "RowId 9: expected a position within 0 to 96 px; received inf"),
    ],
)
def test_a_value_that_is_missing_or_out_of_range_is_refused_by_row(value, words):
    made = points()
    made[1, 0, 0] = value
    with pytest.raises(DataError) as told:
        submission_text(lookup(TABLE), made)
    assert words in str(told.value)


def test_the_first_of_several_bad_rows_is_named_and_all_are_counted():
    with pytest.raises(DataError, match=r"RowId 7: .*\(4 of 4 values are missing or out of range\)"):
        submission_text(lookup(TABLE), points() * np.nan)


def test_the_real_table_is_answered_whole(shared):
    file = shared / "data" / "kaggle" / "IdLookupTable.csv"
    sample = (file.parent / "SampleSubmission.csv").read_text().splitlines()
    with open(file, "rb") as stream:
        asked = read_lookup(stream, np.arange(1, 1784), "IdLookupTable.csv")
    fabricated = np.random.default_rng(0).uniform(0, 96, (1783, 15, 2)).astype(np.float32)
    text = submission_text(asked, fabricated)
    lines = text.splitlines()
    assert len(lines) == 27_125
    assert "\r" not in text
    assert text.endswith("\n")
    assert [line.partition(",")[0] for line in lines] == [line.partition(",")[0] for line in sample]
    found = np.loadtxt(io.StringIO(text), delimiter=",", skiprows=1)
    np.testing.assert_allclose(found[:, 1], fabricated[asked.image, asked.point, asked.axis], atol=5.1e-5)
    assert asked.convention(1783).sum() == 1783 - 591  # images of the four-point kind


@pytest.mark.parametrize("out", ["missing/out.csv", ""])
def test_a_file_that_cannot_be_written_is_said_before_anything_is_read(tmp_path, out):
    with pytest.raises(UsageError, match="--out: expected a file name"):
        write_submission("nowhere", tmp_path, tmp_path / out)


def test_a_run_without_an_ensemble_writes_nothing(tmp_path):
    from data.synthetic import make_files

    make_files(tmp_path / "data", 12, 3, seed=1)
    faces, asked = read_test(str(tmp_path / "data"))
    assert len(faces) == 3
    assert len(asked) > 0
    with pytest.raises(RunError, match="ensemble: expected a merged ensemble; received none"):
        write_submission(str(tmp_path / "data"), tmp_path / "run", tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()
    assert not (tmp_path / "run").exists()
