"""Writes a face set in the formats of Kaggle's facial-keypoints-detection files."""

from pathlib import Path

import numpy as np

from data.errors import DataError
from data.storage import write_text


def write_kaggle(folder, training, test):
    """Write training and test `Faces` as the competition's files, and the answers as test_truth.csv.

    Raises:
        DataError: the folder cannot be made.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{folder}: expected a folder that can be made; received: {error.strerror}") from error
    answers = list(_answers(test))
    files = {
        "training.csv": [(*training.schema.columns, "Image"), *training_rows(training)],
        "training_persons.csv": [
            ("row", "person"),
            *((row, f"person_{who}") for row, who in enumerate(training.group)),
        ],
        "test.csv": [("ImageId", "Image"), *((i, _image(im)) for i, im in zip(test.ids, test.images, strict=True))],
        "IdLookupTable.csv": [("RowId", "ImageId", "FeatureName", "Location"), *((*a[:3], "") for a in answers)],
        "test_truth.csv": [("RowId", "Location"), *((a[0], a[3]) for a in answers)],
    }
    for name, rows in files.items():
        write_text(folder / name, "".join(",".join(map(str, row)) + "\n" for row in rows))
    return list(files)


def training_rows(faces):
    """Rows of training.csv: coordinates in px, blank where not labelled, and the image."""
    for points, image in zip(faces.points, faces.images, strict=True):
        yield (*("" if np.isnan(value) else _number(value) for value in points.ravel()), _image(image))


def _answers(faces):
    """RowId, ImageId, FeatureName and Location of every labelled coordinate."""
    row = 0
    for image_id, points in zip(faces.ids, faces.points, strict=True):
        for column, value in zip(faces.schema.columns, points.ravel(), strict=True):
            if not np.isnan(value):
                row += 1
                yield row, image_id, column, _number(value)


def _number(value):
    return repr(round(float(value), 6))


def _image(image):
    return " ".join(map(str, image.ravel().tolist()))
