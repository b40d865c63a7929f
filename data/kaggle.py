"""Readers of the three files of Kaggle's facial-keypoints-detection: training.csv, test.csv and IdLookupTable.csv.

They take a binary file object and the name that errors give it; `data.sources` finds the files. Refusals say
`file:line:column`, what was expected and what was received.
"""

import array
import hashlib
import re
from dataclasses import dataclass

import numpy as np

from data.csv_rows import read_rows, shown
from data.errors import DataError
from data.faces import Faces
from data.keypoints import KAGGLE15

VERSION = 1  # of what these readers make of a file; raise it with any change of that, so that caches are made anew
SIDE = 96  # px
PIXELS = SIDE * SIDE
MOST_FOUR = 4  # a training row with more labelled points is of the fifteen-point convention
MOST_FOUR_ASKED = 8  # and a test image with more values asked
FIFTEEN, FOUR = 0, 1  # indices into KAGGLE15.conventions
NUMBER = re.compile(rb"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")
WHOLE = re.compile(rb"[0-9]{1,18}")  # fits int64
FEATURES = {name.encode(): divmod(i, 2) for i, name in enumerate(KAGGLE15.columns)}  # column: (point, axis)


@dataclass(frozen=True)
class Lookup:
    """What the submission must answer, in the order of IdLookupTable.csv.

    Args:
        row_id: int64 [m], unique.
        image: int64 [m], index into the test faces.
        point: int64 [m], index into KAGGLE15.points.
        axis: int64 [m]; 0 = x, 1 = y.
    """

    row_id: np.ndarray
    image: np.ndarray
    point: np.ndarray
    axis: np.ndarray

    def __post_init__(self):
        for name in ("row_id", "image", "point", "axis"):
            values = getattr(self, name)
            if values.dtype != np.int64 or values.shape != (len(self.row_id),):
                wanted = f"int64 [{len(self.row_id)}]"
                raise DataError(f"Lookup.{name}: expected {wanted}; received {values.dtype} {list(values.shape)}")
        if len(np.unique(self.row_id)) != len(self.row_id):
            raise DataError("Lookup.row_id: expected each RowId once; received repeats")

    def __len__(self):
        return len(self.row_id)

    def convention(self, images):
        """uint8 [images]: fifteen-point where more than 8 values are asked, else four-point."""
        asked = np.bincount(self.image, minlength=images)
        return np.where(asked > MOST_FOUR_ASKED, FIFTEEN, FOUR).astype(np.uint8)


def read_training(stream, file="training.csv", persons=None):
    """Read training.csv: 30 coordinate columns and Image, in any order; blank = not labelled.

    Args:
        stream: binary file object.
        file: how errors call it.
        persons: None, or dict of 0-based row to person (`read_persons`); rows of a person become one group.

    Returns:
        Faces [n, 96, 96, 1]; ids are 0-based rows; rows with the same image or person share a group.

    Raises:
        DataError: naming file, line and column.
    """
    labels, pixels = array.array("d"), bytearray()
    for row in read_rows(stream, file, (*KAGGLE15.columns, "Image")):
        labels.extend(_labels(row))
        pixels += _pixels(row, len(KAGGLE15.columns))
    points = np.frombuffer(labels).reshape(-1, len(KAGGLE15), 2).astype(np.float32)
    images = np.frombuffer(pixels, np.uint8).reshape(-1, SIDE, SIDE, 1)
    counted = np.isfinite(points).all(-1).sum(1)
    convention = np.where(counted > MOST_FOUR, FIFTEEN, FOUR).astype(np.uint8)
    return Faces(images, points, convention, groups(images, persons), np.arange(len(images)), KAGGLE15, "kaggle")


def read_test(stream, file="test.csv"):
    """Read test.csv: ImageId and Image.

    Returns:
        Faces [n, 96, 96, 1] without labels; ids are ImageId; the convention is four-point until a Lookup says more.

    Raises:
        DataError: naming file, line and column.
    """
    seen, pixels = {}, bytearray()
    for row in read_rows(stream, file, ("ImageId", "Image")):
        _once(row, 0, seen, _whole(row, 0))
        pixels += _pixels(row, 1)
    images = np.frombuffer(pixels, np.uint8).reshape(-1, SIDE, SIDE, 1)
    points = np.full((len(images), len(KAGGLE15), 2), np.nan, np.float32)
    convention = np.full(len(images), FOUR, np.uint8)
    return Faces(images, points, convention, groups(images), np.array(list(seen), np.int64), KAGGLE15, "kaggle")


def read_lookup(stream, image_ids, file="IdLookupTable.csv"):
    """Read IdLookupTable.csv: RowId, ImageId, FeatureName and a Location that is not looked at.

    Args:
        stream: binary file object.
        image_ids: int64 [n], the ImageId of each test face.
        file: how errors call it.

    Raises:
        DataError: naming file, line and column; also where an ImageId is not in test.csv.
    """
    images = {int(image): i for i, image in enumerate(image_ids)}
    seen, asked = {}, array.array("q")
    for row in read_rows(stream, file, ("RowId", "ImageId", "FeatureName"), ("Location",)):
        _once(row, 0, seen, _whole(row, 0))
        image = images.get(_whole(row, 1))
        if image is None:
            row.refuse(1, "an ImageId of test.csv")
        if row[2].strip() not in FEATURES:
            row.refuse(2, "one of training.csv's coordinate columns")
        asked.extend((image, *FEATURES[row[2].strip()]))
    image, point, axis = np.array(asked, np.int64).reshape(-1, 3).T.copy()
    return Lookup(np.array(list(seen), np.int64), image, point, axis)


def read_answers(stream, lookup, file="test_truth.csv"):
    """Read the answers to a test's questions: RowId and Location, as in a submission, rows in any order.

    Args:
        stream: binary file object.
        lookup: `Lookup`, the questions.
        file: how errors call it.

    Returns:
        float32 [m] px, in the order of the questions.

    Raises:
        DataError: naming file, line and column; also where a question has no answer.
    """
    asked = {int(row): i for i, row in enumerate(lookup.row_id)}
    seen, answers = {}, np.full(len(asked), np.nan, np.float32)
    for row in read_rows(stream, file, ("RowId", "Location")):
        number, text = _whole(row, 0), row[1].strip()
        _once(row, 0, seen, number)
        if number not in asked:
            row.refuse(0, "a RowId of IdLookupTable.csv")
        value = float(text) if NUMBER.fullmatch(text) else -1.0
        if not 0 <= value <= SIDE:
            row.refuse(1, f"a number from 0 to {SIDE}")
        answers[asked[number]] = value
    if len(seen) < len(asked):
        first = next(row for row in asked if row not in seen)
        raise DataError(f"{file}: expected an answer to each of {len(asked)} questions; received none to RowId {first}")
    return answers


def read_persons(stream, rows, file="training_persons.csv"):
    """Read training_persons.csv: row (0-based row of training.csv) and person. Rows may be left out.

    Args:
        stream: binary file object.
        rows: how many rows training.csv has.
        file: how errors call it.

    Returns:
        dict of row to person.
    """
    persons, seen = {}, {}
    for entry in read_rows(stream, file, ("row", "person")):
        row = _whole(entry, 0)
        if row >= rows:
            entry.refuse(0, f"a row of training.csv, 0 to {rows - 1}")
        _once(entry, 0, seen, row)
        persons[row] = entry[1].strip() or entry.refuse(1, "a person's name")
    return persons


def groups(images, persons=None):
    """int64 [n]: rows that share an image or a person, directly or over other rows, get the same number.

    Groups are numbered by their first row, from 0.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first, rows, others = {}, [], []
    for row, image in enumerate(images):
        rows.append(row)
        others.append(first.setdefault(hashlib.sha256(image.data).digest(), row))
    for row, person in (persons or {}).items():
        rows.append(row)
        others.append(first.setdefault(("person", person), row))
    links = coo_array((np.ones(len(rows), np.int8), (rows, others)), shape=(len(images),) * 2)
    _, found = connected_components(links, directed=False)
    return _numbered(found)


def _numbered(found):
    """Renumber labels in the order in which they first appear."""
    _, first, inverse = np.unique(found, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)


def _labels(row):
    """The row's 30 coordinates in px, NaN where blank. A point has both or none."""
    values = [_label(row, i) for i in range(len(KAGGLE15.columns))]
    for i in range(0, len(values), 2):
        x, y = values[i], values[i + 1]
        if (x == x) != (y == y):  # NaN is the one value that differs from itself
            blank, there = (i, i + 1) if x != x else (i + 1, i)
            wanted = f"{KAGGLE15.columns[blank]} and {KAGGLE15.columns[there]} both blank or neither"
            row.refuse(blank, wanted, "a blank and a number")
    return values


def _label(row, i):
    text = row[i].strip()
    if not text:
        return np.nan
    value = float(text) if NUMBER.fullmatch(text) else -1.0
    if not 0 <= value <= SIDE:
        row.refuse(i, f"{KAGGLE15.columns[i]}, a number from 0 to {SIDE} or blank")
    return value


def _pixels(row, i):
    """The image as 9,216 bytes.

    `np.fromstring` alone would take nan, -1 and 300, so it is given digits and spaces only: of those, 9,216 numbers
    around 9,215 spaces can only be numbers separated by single spaces. Numbers too large for int64 come out as its
    largest, not wrapped. Whatever fails goes to the slow search for the place.
    """
    text = row[i].rstrip()
    if not text.translate(None, b"0123456789 ") and text.count(b" ") == PIXELS - 1:
        values = np.fromstring(text, np.int64, sep=" ")
        if len(values) == PIXELS and values.max() <= 255:
            return values.astype(np.uint8).tobytes()
    return _refuse_pixels(row, i, text)


def _refuse_pixels(row, i, text):
    at = count = 0
    for count, pixel in enumerate(text.split(b" "), 1):
        if count > PIXELS:
            row.refuse(i, f"{PIXELS} pixels in Image", "more", offset=at)
        digits = pixel.lstrip(b"0") or pixel[:1]
        if not pixel.isdigit() or len(digits) > 3 or int(digits) > 255:
            wanted = f"pixel {count} of Image to be an integer from 0 to 255"
            row.refuse(i, wanted, shown(pixel), offset=at)
        at += len(pixel) + 1
    row.refuse(i, f"{PIXELS} pixels in Image", f"{count}", offset=len(text))


def _whole(row, i):
    text = row[i].strip()
    if not WHOLE.fullmatch(text):
        row.refuse(i, "a whole number")
    return int(text)


def _once(row, i, seen, value):
    """Note the line of a value that may come only once. dicts keep the order, so the keys are the column."""
    if value in seen:
        row.refuse(i, f"each {shown(row[i])} once", f"a repeat of line {seen[value]}")
    seen[value] = row.line
