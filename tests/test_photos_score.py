"""Scoring whole photos: boxes matched to faces, persons left out, and a perfect predictor scores as one."""

import cv2
import numpy as np
import pytest

from data.errors import DataError
from data.keypoints import IMM58, KAGGLE15
from data.synthetic import make_faces
from specialists.photos import Training
from specialists.photos_score import known_photos, main, matched, read_persons, score_photos, spread, table

FRAMES = np.array(
    [[[0.5, 0, -50], [0, 0.5, -40]], [[1.0, 0, -400], [0, 1.0, -40]]]
)  # middles (195, 175), (447.5, 87.5)


@pytest.mark.parametrize(
    ("boxes", "wanted"),
    [
        ([], [-1, -1]),
        ([[100, 80, 190, 190]], [0, -1]),
        ([[400, 40, 95, 95], [100, 80, 190, 190]], [1, 0]),
        ([[90, 80, 190, 190], [100, 80, 190, 190]], [1, -1]),  # the nearer one
        ([[180, 160, 30, 30]], [-1, -1]),  # far too small: an eye, say
        ([[100, 80, 400, 400]], [-1, -1]),
        ([[300, 80, 190, 190]], [-1, -1]),
    ],
)
def test_boxes_belong_to_the_face_they_hold(boxes, wanted):
    assert matched(FRAMES, boxes, (96, 96)).tolist() == wanted


def test_persons_are_read_by_their_column(tmp_path):
    (tmp_path / "p.csv").write_text("row,person\n0,Ann\n1,Bo\n2,Ann\n")
    assert read_persons(tmp_path / "p.csv") == {"Ann", "Bo"}
    (tmp_path / "q.csv").write_text("row,name\n0,Ann\n")
    with pytest.raises(DataError, match="expected a CSV file with the column person"):
        read_persons(tmp_path / "q.csv")


def album(folder, count=3):
    """Drawn faces on photos as a person's own set: a CSV of file and columns."""
    faces = make_faces(60, seed=9, noise=0, gross=0)
    rows = [i for i in range(60) if faces.labelled[i].all()][:count]
    lines = ["image," + ",".join(KAGGLE15.columns)]
    for n, i in enumerate(rows):
        photo = np.full((200, 260), 120, np.uint8)
        photo[40:136, 90:186] = faces.images[i, ..., 0]
        cv2.imwrite(str(folder / f"p{n}.png"), photo)
        lines.append(f"p{n}.png," + ",".join(f"{v:.3f}" for v in (faces.points[i] + [90, 40]).ravel()))
    (folder / "faces.csv").write_text("\n".join(lines) + "\n")
    return folder / "faces.csv"


class Perfect:
    """Answers with the truth, moved by as many px as the looks it may not take."""

    def __init__(self, photos):
        typical = np.nanmean(make_faces(60, seed=4, noise=0, gross=0).points, 0).astype(float)
        self.training = Training(KAGGLE15, (96, 96), 1, typical, np.ones(15, bool))
        self.schema, self.looks, self.doubt, self.photos = KAGGLE15, 3, np.inf, photos

    def answer(self, photos, owner, frames, looks=None):
        """As `Predictor.answer`."""
        points = np.array([self.photos[i].points[0] for i in owner]).reshape(-1, 15, 2)
        moved = points + np.array([4.0, 0]) * (3 - (looks or 3)) / 2
        return moved, np.ones((2, len(owner), 15)), np.zeros(len(owner))


def test_errors_are_told_in_px_of_the_training_crop_for_every_way(tmp_path):
    photos = known_photos(album(tmp_path), KAGGLE15)
    assert [photo.points.shape for photo in photos] == [(1, 15, 2)] * 3
    made = Perfect(photos)
    errors, eyes, persons, extra = score_photos(photos, made, rough=True)
    assert list(errors) == [
        f"{way}, {looks}" for way in ("ideal crop", "detector", "rough box") for looks in ("one look", "up to 3 looks")
    ]
    zoom = [made.training.around(photo.points)[0, 0, 0] for photo in photos]
    np.testing.assert_allclose(
        errors["ideal crop, one look"], np.array(zoom)[:, None] * 4 * np.ones((3, 15)), rtol=1e-5
    )
    np.testing.assert_allclose(errors["ideal crop, up to 3 looks"], 0, atol=1e-6)
    found = np.isfinite(errors["detector, one look"]).all(1)
    assert found.sum() >= 2
    lines = table(errors, eyes, persons, extra, len(photos))
    assert lines[0] == f"3 photos, 3 faces of 3 persons; found {found.sum()} ({found.mean():.1%})"
    rmse = np.sqrt(np.mean((4 * np.array(zoom)) ** 2) / 2)
    assert f"ideal crop, one look (all faces)   RMSE {rmse:.3f} px" in lines[2]
    assert eyes == pytest.approx([30, 30, 30], abs=12)


def test_a_crop_around_known_points_holds_them_where_training_had_them():
    made = Perfect([]).training
    points = made.typical * 3 + [40, -20]
    points[:5] = np.nan
    frame = made.around(points[None])[0]
    np.testing.assert_allclose(points[5:] @ frame[:, :2].T + frame[:, 2], made.typical[5:], atol=1e-4)


def test_nobody_left_and_no_face_set_are_refused(tmp_path):
    path = album(tmp_path, 1)
    person = known_photos(path, KAGGLE15)[0].person
    with pytest.raises(DataError, match="expected photos of persons that the run was not trained on; received none"):
        known_photos(path, KAGGLE15, {person})
    with pytest.raises(DataError, match="--data: expected a face set on photos"):
        known_photos(tmp_path / "p0.png", KAGGLE15)
    with pytest.raises(DataError, match="expected the points of imm58; received"):
        known_photos(path, IMM58)


def test_the_shared_photos_of_300_w_are_read(shared):
    photos = known_photos(shared / "data" / "dlib_faces" / "training_with_face_landmarks.xml", KAGGLE15)
    assert sum(len(photo.points) for photo in photos) == 18
    assert {photo.points.shape[1:] for photo in photos} == {(15, 2)}


@pytest.mark.parametrize(("most", "wanted"), [(None, "abcdefg"), (9, "abcdefg"), (3, "adg"), (1, "a")])
def test_some_photos_are_spread_over_all(most, wanted):
    assert "".join(spread(list("abcdefg"), most)) == wanted


def test_help_says_what_it_does(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "whole photos" in capsys.readouterr().out
