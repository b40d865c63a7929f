"""The readers of Kaggle's files: what is right is read exactly, what is not is refused with its place."""

import csv
import gzip
import io
import itertools
import os
import re
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from data import csv_rows, kaggle
from data.errors import DataError
from data.keypoints import KAGGLE15

COLUMNS = (*KAGGLE15.columns, "Image")
HEADER = ",".join(COLUMNS)
IMAGE = " ".join(["7"] * 9216)  # pixel j, from 1, begins at character 2 j - 1
ROW = ",".join(["1"] * 30 + [IMAGE])  # column i, from 1, begins at character 2 i - 1, the image at 61


def table(*lines):
    """A file of these lines; str are taken as UTF-8."""
    return b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines)


def label(text, i=0):
    """A row with another label."""
    fields = [b"1"] * 30 + [IMAGE.encode()]
    fields[i] = text if isinstance(text, bytes) else text.encode()
    return b",".join(fields)


def pixel(text, j=0):
    """A row with another pixel."""
    pixels = ["7"] * 9216
    pixels[j] = text
    return label(" ".join(pixels), 30)


def header(old, new):
    assert old in HEADER
    return HEADER.replace(old, new)


def training(content, persons=None):
    return kaggle.read_training(io.BytesIO(content), "training.csv", persons)


def lookup(content, ids=(1, 2)):
    return kaggle.read_lookup(io.BytesIO(content), np.array(ids))


def saved(images, points, order=COLUMNS, **style):
    """training.csv as bytes, written by the standard library."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, **({"lineterminator": "\n"} | style))
    writer.writerow(order)
    for image, row in zip(images.reshape(len(images), -1), points.reshape(len(images), -1), strict=True):
        cells = ["" if np.isnan(v) else repr(float(v)) for v in row] + [" ".join(map(str, image))]
        writer.writerow([cells[COLUMNS.index(name)] for name in order])
    return text.getvalue().encode()


@pytest.fixture
def faces():
    """images [6, 96, 96, 1] and points [6, 15, 2] with 15, 5, 4, 3, 1 and 0 points labelled."""
    rng = np.random.default_rng(3)
    points = rng.uniform(0, 96, (6, 15, 2)).astype(np.float32)
    points[0, :2] = [[0, 96], [96, 0]]  # the ends of the range are in it
    for row, count in enumerate((15, 5, 4, 3, 1, 0)):
        points[row, count:] = np.nan
    return rng.integers(0, 256, (6, 96, 96, 1), dtype=np.uint8), points


LABEL = "left_eye_center_x, a number from 0 to 96 or blank"
HOSTILE = {  # name: (lines or bytes, line:column, part of what is said)
    "nan as a label": ([HEADER, label("nan")], "2:1", f"expected {LABEL}; received 'nan'"),
    "comma in a quoted label": ([HEADER, label('"1,5"')], "2:2", "received '1,5'"),
    "infinite label": ([HEADER, label("inf")], "2:1", "received 'inf'"),
    "label beyond float": ([HEADER, label("1e999")], "2:1", "received '1e999'"),
    "negative label": ([HEADER, label("-0.5")], "2:1", "received '-0.5'"),
    "label over 96": ([HEADER, label("96.001")], "2:1", "received '96.001'"),
    "text as a label": ([HEADER, ROW, label("abc")], "3:1", "received 'abc'"),
    "hexadecimal label": ([HEADER, label("0x10")], "2:1", "received '0x10'"),
    "label with underscore": ([HEADER, label("1_0")], "2:1", "received '1_0'"),
    "two numbers in a label": ([HEADER, label("1 2")], "2:1", "received '1 2'"),
    "two signs": ([HEADER, label("--1", 4)], "2:9", "received '--1'"),
    "bare exponent": ([HEADER, label("e5", 29)], "2:59", "mouth_center_bottom_lip_y"),
    "digits of another script": ([HEADER, label("٣")], "2:1", "received '٣'"),
    "decimal comma": ([HEADER, label("12,5")], "2:64", "expected 31 fields, as in the header; received 32"),
    "x without y": ([HEADER, label("", 1)], "2:3", "expected left_eye_center_y and left_eye_center_x both blank"),
    "y without x": ([HEADER, ROW, label(" ", 20)], "3:41", "expected nose_tip_x and nose_tip_y both blank or neither"),
    "quote that never closes": ([HEADER, label('"1')], "2:1", "expected a closing quote on the same line"),
    "quote open over lines": ([HEADER, label('"1'), label('1"')], "2:1", "expected a closing quote on the same line"),
    "quote inside a field": ([HEADER, label('1"2')], "2:2", "expected no quote inside an unquoted field"),
    "text after a quoted field": ([HEADER, label('"1"2')], "2:4", "expected a comma after a quoted field"),
    "bad label in quotes": ([HEADER, label('"1"', 0).replace(b",1,", b',"x",', 1)], "2:6", "received 'x'"),
    "NUL in a label": ([HEADER, label(b"1\0")], "2:2", "expected text; received the control character 0x00"),
    "NUL in an image": ([HEADER, pixel("\0", 2)], "2:65", "the control character 0x00"),
    "Latin-1 byte": ([HEADER, label(b"\xe9")], "2:1", "expected UTF-8 text; received the byte 0xe9"),
    "Latin-1 byte after UTF-8": ([HEADER, label("é".encode() + b"\xe9")], "2:2", "received the byte 0xe9"),
    "Latin-1 byte in the header": ([HEADER.encode().replace(b"nose", b"n\xf6se", 1)], "1:476", "the byte 0xf6"),
    "carriage return inside": ([HEADER, label("1\r2")], "2:2", "the control character 0x0d"),
    "pixel over 255": ([HEADER, pixel("256")], "2:61", "expected pixel 1 of Image to be an integer from 0 to 255"),
    "last pixel over 255": ([HEADER, ROW, pixel("999", 9215)], "3:18491", "expected pixel 9216 of Image"),
    "negative pixel": ([HEADER, pixel("-1", 5)], "2:71", "received '-1'"),
    "pixel with a plus": ([HEADER, pixel("+1", 5)], "2:71", "received '+1'"),
    "fractional pixel": ([HEADER, pixel("3.5", 1)], "2:63", "received '3.5'"),
    "pixel with exponent": ([HEADER, pixel("1e2", 1)], "2:63", "received '1e2'"),
    "nan as a pixel": ([HEADER, pixel("nan", 1)], "2:63", "received 'nan'"),
    "pixel that wraps in 16 bits": ([HEADER, pixel("65537", 1)], "2:63", "received '65537'"),
    "pixel that wraps in 64 bits": ([HEADER, pixel("18446744073709551617", 1)], "2:63", "'18446744073709551617'"),
    "pixel of 5,000 digits": ([HEADER, pixel("0" * 5000 + "300", 1)], "2:63", "expected pixel 2 of Image"),
    "two spaces": ([HEADER, pixel(" 7", 9)], "2:79", "expected pixel 10 of Image"),
    "leading space": ([HEADER, label(" " + IMAGE, 30)], "2:61", "expected pixel 1 of Image"),
    "tabs between pixels": ([HEADER, label(IMAGE.replace(" ", "\t"), 30)], "2:61", "expected pixel 1 of Image"),
    "no image": (
        [HEADER, label("", 30)],
        "2:61",
        "expected pixel 1 of Image to be an integer from 0 to 255; received no",
    ),
    "one pixel short": ([HEADER, ROW[:-2]], "2:18490", "expected 9216 pixels in Image; received 9215"),
    "one pixel too many": ([HEADER, ROW + " 7"], "2:18493", "expected 9216 pixels in Image; received more"),
    "extra field in the first row": ([HEADER, ROW + ",1", ROW], "2:18493", "expected 31 fields, as in the header; rec"),
    "extra field in a later row": ([HEADER, ROW, ROW, ROW + ","], "4:18493", "received 32"),
    "short first row": ([HEADER, "1,1", ROW], "2:4", "expected 31 fields, as in the header; received 2"),
    "short later row": ([HEADER, ROW, ROW[:59]], "3:60", "expected 31 fields, as in the header; received 30"),
    "row of spaces": ([HEADER, "   ", ROW], "2:4", "received 1"),
    "empty line between rows": ([HEADER, ROW, "", "", ROW], "3:1", "expected a row; received an empty line"),
    "header only": ([HEADER], "2:1", "expected at least one row under the header; received the end of the file"),
    "empty file": (b"", "1:1", "received an empty file"),
    "byte order mark only": (b"\xef\xbb\xbf", "1:1", "received an empty file"),
    "gzip named .csv": (gzip.compress(table(HEADER, ROW), mtime=0), "1:1", "received gzip data"),
    "zip named .csv": (b"PK\x03\x04" + bytes(60), "1:1", "received a zip archive"),
    "UTF-16": ("\ufeff".encode("utf-16-le") + HEADER.encode("utf-16-le"), "1:1", "received UTF-16"),
    "enormous header": (b"1" * 300_000, "1:200001", "expected a line of at most 200000 bytes"),
    "enormous row": ([HEADER, ROW, b"1" * 300_000], "3:200001", "received a longer one"),
    "old Mac line ends": (table(HEADER, ROW).replace(b"\n", b"\r"), f"1:{len(HEADER) + 1}", "character 0x0d"),
    "column twice": ([header("left_eye_center_y", "left_eye_center_x")], "1:19", "a second left_eye_center_x"),
    "misspelt column": ([header("left_eye_center_y", "left_eye_centre_y")], "1:19", "did you mean left_eye_center_y?"),
    "unknown column": ([HEADER + ",q"], f"1:{len(HEADER) + 2}", "expected a known column; received 'q' (known: col"),
    "column without a name": ([HEADER + ","], f"1:{len(HEADER) + 2}", "received nothing"),
    "no Image column": (
        [header(",Image", "")],
        f"1:{len(HEADER) - 5}",
        "expected column Image; received a header with",
    ),
    "five columns missing": ([",".join(COLUMNS[5:])], "1:584", "columns left_eye_center_x, left_eye_center_y"),
    "no header": ([ROW, ROW], "1:1", "expected a known column; received '1'"),
    "semicolons": ([HEADER.replace(",", ";")], "1:1", "expected a known column"),
}


@pytest.mark.parametrize(("content", "place", "said"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_row_is_refused_with_its_line_and_column(content, place, said):
    content = content if isinstance(content, bytes) else table(*content)
    with pytest.raises(DataError) as refusal:
        training(content)
    assert str(refusal.value).startswith(f"training.csv:{place}: expected ")
    assert said in str(refusal.value)
    assert "; received " in str(refusal.value)
    assert len(str(refusal.value)) < 400


OTHERS = {  # name: (reader, lines, line:column, part of what is said)
    "ImageId twice": (
        "test",
        ["ImageId,Image", f"5,{IMAGE}", f"5,{IMAGE}"],
        "3:1",
        "each '5' once; received a repeat of",
    ),
    "ImageId with a point": ("test", ["ImageId,Image", f"1.0,{IMAGE}"], "2:1", "a whole number; received '1.0'"),
    "negative ImageId": ("test", ["ImageId,Image", f"-1,{IMAGE}"], "2:1", "received '-1'"),
    "ImageId beyond int64": ("test", ["ImageId,Image", f"{2**63},{IMAGE}"], "2:1", "received '9223372036854775808'"),
    "no ImageId": ("test", ["Image,ImageId", f"{IMAGE},"], "2:18433", "a whole number; received nothing"),
    "test.csv with labels": ("test", [HEADER, ROW], "1:1", "a known column; received 'left_eye_center_x'"),
    "RowId twice": (
        "lookup",
        ["1,1,nose_tip_x", "1,1,nose_tip_y"],
        "3:1",
        "each '1' once; received a repeat of line 2",
    ),
    "RowId as text": ("lookup", ["one,1,nose_tip_x"], "2:1", "a whole number; received 'one'"),
    "unknown ImageId": ("lookup", ["1,1,nose_tip_x", "2,9,nose_tip_x,"], "3:3", "an ImageId of test.csv; received '9'"),
    "unknown feature": ("lookup", ["1,1,nose_tip_z"], "2:5", "coordinate columns; received 'nose_tip_z'"),
    "no feature": ("lookup", ["1,1"], "2:4", "expected 4 fields, as in the header; received 2"),
    "five fields": ("lookup", ["1,1,nose_tip_x,,"], "2:17", "expected 4 fields, as in the header; received 5"),
    "row of no face": ("persons", ["row,person", "2,Ann"], "2:1", "a row of training.csv, 0 to 1; received '2'"),
    "row of two persons": ("persons", ["row,person", "1,Ann", "1,Bob"], "3:1", "each '1' once; received a repeat of"),
    "person without a name": ("persons", ["row,person", "0, "], "2:3", "a person's name; received ' '"),
    "only one column": ("persons", ["row", "0"], "1:4", "expected column person; received a header without it"),
    "an answer nobody asked for": ("answers", ["1,2", "2,2", "3,2"], "4:1", "a RowId of IdLookupTable.csv"),
    "answer twice": ("answers", ["1,2", "1,2"], "3:1", "each '1' once; received a repeat of"),
    "answer outside": ("answers", ["1,2", "2,96.5"], "3:3", "a number from 0 to 96; received '96.5'"),
    "no answer": ("answers", ["1,2", "2,"], "3:3", "a number from 0 to 96; received nothing"),
}
READERS = {
    "test": lambda lines: kaggle.read_test(io.BytesIO(table(*lines)), "file.csv"),
    "lookup": lambda lines: kaggle.read_lookup(
        io.BytesIO(table("RowId,ImageId,FeatureName,Location", *lines)), [1, 2], "file.csv"
    ),
    "persons": lambda lines: kaggle.read_persons(io.BytesIO(table(*lines)), 2, "file.csv"),
    "answers": lambda lines: answers(*lines),
}


def answers(*lines):
    """Of two questions, RowId 2 before 1."""
    asked = lookup(table("RowId,ImageId,FeatureName", "2,7,nose_tip_x", "1,7,nose_tip_y"), (7,))
    return kaggle.read_answers(io.BytesIO(table("RowId,Location", *lines)), asked, "file.csv")


@pytest.mark.parametrize(("reader", "lines", "place", "said"), OTHERS.values(), ids=OTHERS)
def test_the_other_files_are_refused_with_line_and_column_too(reader, lines, place, said):
    with pytest.raises(DataError) as refusal:
        READERS[reader](lines)
    assert str(refusal.value).startswith(f"file.csv:{place}: expected ")
    assert said in str(refusal.value)


STYLES = {
    "plain": {},
    "CRLF": {"lineterminator": "\r\n"},
    "every field quoted": {"quoting": csv.QUOTE_ALL},
    "columns the other way round": {"order": COLUMNS[::-1]},
}


@pytest.mark.parametrize("style", STYLES.values(), ids=STYLES)
@pytest.mark.parametrize(("start", "end"), [(b"", b""), (b"\xef\xbb\xbf", b"\r\n\n")], ids=["as is", "BOM, empty end"])
def test_what_was_written_is_read_back_exactly(faces, style, start, end):
    images, points = faces
    read = training(start + saved(images, points, **style) + end)
    np.testing.assert_array_equal(read.images, images)
    np.testing.assert_array_equal(read.points, points)
    assert read.ids.tolist() == [0, 1, 2, 3, 4, 5]
    assert (read.source, read.schema) == ("kaggle", KAGGLE15)


def test_more_than_four_labelled_points_are_the_fifteen_point_convention(faces):
    assert training(saved(*faces)).convention.tolist() == [0, 0, 1, 1, 1, 1]


@pytest.mark.parametrize("text", ["1.5", " 1.5 ", "+1.5", "15e-1", "1.50000000000000000000001", "01.5", ".15E+1"])
def test_numbers_as_programs_write_them_are_labels(text):
    assert training(table(HEADER, label(text))).points[0, 0].tolist() == [1.5, 1.0]


def test_an_image_may_end_in_spaces_and_the_last_line_without_a_line_end():
    assert training(table(HEADER, ROW + "  ")[:-1]).images.tolist() == np.full((1, 96, 96, 1), 7).tolist()


def test_the_fast_path_takes_exactly_the_images_that_the_rule_allows(monkeypatch):
    """Every text of up to five characters that can go wrong, for images of two pixels."""
    monkeypatch.setattr(kaggle, "PIXELS", 2)
    rule = re.compile(r"(\d+) (\d+)\s*")
    taken = 0
    for text in map("".join, itertools.chain(*(itertools.product("0259 -.", repeat=n) for n in range(6)))):
        match = rule.fullmatch(text)
        wanted = bytes(map(int, match.groups())) if match and max(map(int, match.groups())) < 256 else None
        row = csv_rows.Row("f", 1, [text.encode()], None, [0])
        try:
            assert kaggle._pixels(row, 0) == wanted, text
            taken += 1
        except DataError:
            assert wanted is None, text
    assert taken > 500


def test_rows_with_the_same_image_share_a_group(faces):
    images, points = faces
    images[[0, 3]] = images[5]
    assert training(saved(images, points)).group.tolist() == [0, 1, 2, 0, 3, 0]


def test_groups_join_images_and_persons_over_other_rows(faces):
    images, points = faces
    images[3] = images[0]  # 0 and 3 share an image, 3 and 4 a person, 4 and 1 an image: one group
    images[4] = images[1]
    assert training(saved(images, points), {3: b"Ann", 4: b"Ann", 5: b"Bob"}).group.tolist() == [0, 0, 1, 0, 0, 2]


def test_persons_are_read_by_row_and_may_leave_rows_out():
    content = table("person,row", "José,4", '"Bob ""B""",0')
    assert kaggle.read_persons(io.BytesIO(content), 5) == {4: "José".encode(), 0: b'Bob "B"'}


def test_test_images_keep_their_ids_and_order(faces):
    images, _ = faces
    rows = [f"{i},{' '.join(map(str, image.ravel()))}" for i, image in zip((9, 3, 5), images, strict=False)]
    read = kaggle.read_test(io.BytesIO(table("ImageId,Image", *rows)))
    assert read.ids.tolist() == [9, 3, 5]
    np.testing.assert_array_equal(read.images, images[:3])
    assert not read.labelled.any()


def test_answers_come_in_the_order_of_the_questions_and_each_has_one():
    assert answers("1,2.5", "2,96").tolist() == [96, 2.5]
    with pytest.raises(DataError, match="answer to each of 2 questions; received none to RowId 1"):
        answers("2,3")


def test_the_lookup_keeps_its_order_and_gives_the_convention_away():
    nine = [f"{10 - i},7,{name}" for i, name in enumerate(KAGGLE15.columns[:9])]
    read = lookup(table("RowId,ImageId,FeatureName,Location", "50,4,nose_tip_y,0.5", *nine), (4, 5, 7))
    assert read.row_id.tolist() == [50, *range(10, 1, -1)]
    assert read.image.tolist() == [0] + [2] * 9
    assert (read.point[0], read.axis[0]) == (KAGGLE15.index("nose_tip"), 1)
    assert read.point[1:].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4]
    assert read.axis[1:].tolist() == [0, 1] * 4 + [0]
    assert read.convention(3).tolist() == [1, 1, 0]  # one, none, nine values asked


def test_eight_values_asked_are_the_four_point_convention():
    eight = [f"{i},1,{name}" for i, name in enumerate(KAGGLE15.columns[:8])]
    assert lookup(table("RowId,ImageId,FeatureName", *eight)).convention(2).tolist() == [1, 1]


def test_a_lookup_refuses_arrays_that_do_not_fit():
    m = np.arange(3)
    with pytest.raises(DataError, match="RowId once"):
        kaggle.Lookup(m * 0, m, m, m)
    with pytest.raises(DataError, match=r"Lookup.axis: expected int64 \[3\]; received int64 \[2\]"):
        kaggle.Lookup(m, m, m, m[:2])


def test_a_line_without_end_costs_no_memory():
    """The reader stops at the limit, however much would follow."""
    asked = []
    stream = SimpleNamespace(readline=lambda size: asked.append(size) or b"7" * size)
    with pytest.raises(DataError, match=r"training\.csv:1:200001: expected a line of at most 200000 bytes"):
        kaggle.read_training(stream)
    assert asked == [200_001]


def test_reading_is_fast_enough_for_the_real_set():
    """A row takes 0.3 ms; the limit of 2 ms leaves room for a busy machine, and catches a slow path taken always."""
    content = table(HEADER, *[ROW] * 200)
    start = time.process_time()
    assert len(training(content)) == 200
    assert time.process_time() - start < 0.4


def real(name):
    folder = os.environ.get("KEYPOINT_SHARED")
    if not folder:
        pytest.skip("KEYPOINT_SHARED is not set: the real files are not here")
    return (Path(folder) / "data" / "kaggle" / name).read_bytes()


def test_the_real_rows_are_read():
    read = training(real("training_25_rows.csv"))
    assert read.images.shape == (25, 96, 96, 1)
    assert read.labelled.all()
    assert read.convention.tolist() == [0] * 25
    assert read.points[0, 0].tolist() == pytest.approx([66.0335639098, 39.0022736842])
    images = [line.rpartition(b",")[2].split() for line in real("training_25_rows.csv").splitlines()[1:]]
    assert read.images.reshape(25, -1).tolist() == [list(map(int, image)) for image in images]


def test_the_real_lookup_is_read():
    read = lookup(real("IdLookupTable.csv"), range(1, 1784))
    assert read.row_id.tolist() == list(range(1, 27125))
    assert (read.convention(1783) == 0).sum() == 591
    assert np.bincount(np.bincount(read.image))[[6, 8, 18, 30]].tolist() == [2, 1190, 1, 556]
    assert (read.image[-1], KAGGLE15.points[read.point[-1]], read.axis[-1]) == (1782, "mouth_center_bottom_lip", 1)
