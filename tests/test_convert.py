"""Any face set into any format, faces cut out of photos, and the replica of Kaggle's files."""

import csv
import hashlib
import io
from pathlib import Path

import cv2
import numpy as np
import pytest

from data.augment import invert, move
from data.convert import convert, main
from data.crops import FaceSettings, cut, cut_faces, to_image, window
from data.errors import DataError, UsageError
from data.keypoints import IBUG68, KAGGLE15
from data.mapping import fifteen_of_68, four_of_68
from data.photos import Album, Shot
from data.sources import read_test, read_training

# A frontal face of 68 points, px of a 120x130 photo, good enough to be mapped and framed.
RNG = np.random.default_rng(3)
HALF = RNG.uniform(0, 40, (68, 2))
FACE = (HALF + (HALF * [-1, 1])[IBUG68.mirror]) / 2 + [60, 40]


def frames(folder, persons=12, each=2):
    """YouTube's layout with dots for points: persons A_B, each on some photos of differing sizes."""
    (folder / "frames").mkdir(parents=True)
    rng, rows = np.random.default_rng(0), [["", *range(136)]]
    for i in range(persons * each):
        points = FACE * rng.uniform(0.9, 1.3) + rng.normal(0, 0.5, FACE.shape)
        photo = rng.integers(0, 256, (190 + i, 170, 3), np.uint8)
        name = f"A_{i // each}_{i % each}.jpg"
        coded = cv2.imencode(".png" if i % 5 == 0 else ".jpg", photo)[1]  # whatever the name says
        (folder / "frames" / name).write_bytes(coded.tobytes())
        rows.append([name, *points.round(1).ravel()])
    out = io.StringIO(newline="")
    csv.writer(out).writerows(rows)
    (folder / "frames_keypoints.csv").write_text(out.getvalue())
    return folder


@pytest.fixture(scope="module")
def youtube(tmp_path_factory):
    return frames(tmp_path_factory.mktemp("youtube") / "set")


def test_every_format_can_be_taken_on_to_every_other(youtube, tmp_path):
    """Round the formats once: labels and photos come out as they went in."""
    place = youtube
    for i, to in enumerate(("csv", "dlib", "coco", "pts", "youtube")):
        convert(place, tmp_path / str(i), to)
        place = tmp_path / str(i)
    first, last = (read_training(str(place), 0, FaceSettings()) for place in (youtube, place))
    order = np.argsort(first.ids), np.argsort(last.ids)
    np.testing.assert_array_equal(first.ids[order[0]], last.ids[order[1]])
    np.testing.assert_allclose(first.points[order[0]], last.points[order[1]], atol=1e-4)
    np.testing.assert_array_equal(first.images[order[0]], last.images[order[1]])
    np.testing.assert_array_equal(*(len(np.unique(faces.group)) for faces in (first, last)))


def test_kaggles_faces_go_into_a_persons_own_formats_and_back(tmp_path):
    convert("synthetic:12", tmp_path / "kaggle", "kaggle")
    for to in ("csv", "coco"):
        convert(tmp_path / "kaggle", tmp_path / to, to)
        convert(tmp_path / to, tmp_path / f"{to}-back", "kaggle", FaceSettings(crop="photo"))
        texts = [(tmp_path / name / "training.csv").read_text() for name in (f"{to}-back", "kaggle")]
        assert texts[0] == texts[1]
        groups = [read_training(str(tmp_path / name)).group.tolist() for name in (f"{to}-back", "kaggle")]
        assert groups[0] == groups[1]


def test_what_a_format_cannot_tell_is_refused(tmp_path, youtube):
    for i, (place, to, message) in enumerate(
        (
            (
                "synthetic:12",
                "dlib",
                "expected faces labelled by one convention; received fifteen, four: take csv or coco",
            ),
            ("synthetic:12", "youtube", "--to youtube: expected ibug68; received kaggle15 points"),
            (youtube, "imm", "--to imm: expected imm58 or imm58_along; received ibug68 points"),
            ("synthetic:12", "replica", "expected all of ibug68's 68 points on each face"),
        )
    ):
        with pytest.raises(DataError, match=message):
            convert(place, tmp_path / str(i), to)


def test_a_folder_with_files_is_not_written_into(tmp_path, youtube):
    with pytest.raises(UsageError, match="OUT: expected a new or empty folder"):
        convert(youtube, youtube, "csv")


def test_the_command_cuts_faces_out(tmp_path, youtube, capsys):
    main(
        [
            str(youtube),
            str(tmp_path / "a"),
            "--to",
            "csv",
            "--crop",
            "hold",
            "--size",
            "80x100",
            "--only",
            "eyes,nose_tip",
        ]
    )
    assert capsys.readouterr().out == f"{tmp_path / 'a'}: 24 faces of 13 points: faces.csv, schema.json\n"
    faces = read_training(str(tmp_path / "a"), 0, FaceSettings(crop="photo", width=80, height=100, colour=True))
    assert faces.images.shape == (24, 100, 80, 3)
    assert faces.labelled.all()
    assert ((faces.points > 0) & (faces.points < [80, 100])).all()
    assert len(np.unique(faces.group)) == 12
    with pytest.raises(UsageError, match="--size: expected WIDTHxHEIGHT of 16 to 2048 px; received '8x8'"):
        main([str(youtube), str(tmp_path / "b"), "--to", "csv", "--size", "8x8"])


# Cutting out.


def dotted(size=(300, 260), at=(140.25, 160.75)):
    """A photo with a soft dot whose middle is at `at` (x, y)."""
    y, x = np.mgrid[: size[0], : size[1]]
    dot = 255 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * 6**2))
    return np.repeat(dot.astype(np.uint8)[..., None], 3, 2)


@pytest.mark.parametrize("crop", ["box", "hold", "points", "photo"])
@pytest.mark.parametrize(("height", "width"), [(96, 96), (60, 80), (224, 160)])
def test_the_dot_is_still_under_its_point(crop, height, width):
    points = np.array([[140.25, 160.75], [100, 120], [190, 210], [150, 230]])
    shot = Shot(dotted(), "a.png", points, "a:1", (110, 130, 60, 70))
    from test_readers import GLOVE

    album = Album(GLOVE, "test", [Shot(**{**vars(shot), "points": points[:3]})])
    faces = cut_faces(album, FaceSettings(crop=crop, height=height, width=width))
    x, y = faces.points[0, 0]
    image = faces.images[0, ..., 0].astype(float)
    warm = np.where(image > image.max() / 2, image, 0)  # what of the dot is inside
    rows, columns = np.mgrid[:height, :width]
    found = np.array([(warm * columns).sum(), (warm * rows).sum()]) / warm.sum()
    np.testing.assert_allclose([x, y], found, atol=0.35)
    np.testing.assert_allclose(move(faces.points, invert(faces.matrices))[0], points[:3], atol=1e-3)


def test_windows_are_what_the_settings_say():
    shot = Shot(None, "a", np.array([[10.0, 20], [50, 40], [np.nan, np.nan]]), "a:1", (20, 10, 40, 20))
    shape = (100, 200, 3)

    def edges(**settings):
        return np.array(window(shot, shot.points, shape, FaceSettings(**settings))).tolist()

    assert edges(crop="box", enlarge=1) == [19.5, 9.5, 59.5, 29.5]
    assert edges(crop="box", enlarge=1.5) == [9.5, 4.5, 69.5, 34.5]
    assert edges(crop="hold", enlarge=1) == [9.5, 9.5, 59.5, 40.5]
    assert edges(crop="points", enlarge=1) == [9.5, 19.5, 50.5, 40.5]
    assert edges(crop="photo", enlarge=3) == [-0.5, -0.5, 199.5, 99.5]
    with pytest.raises(DataError, match="a:1: expected a box or at least two points to find the face by"):
        window(Shot(None, "a", shot.points[2:], "a:1"), shot.points[2:], shape, FaceSettings())


def test_photos_are_never_stretched_and_shrink_smoothly():
    matrix = to_image((-0.5, -0.5, 199.5, 99.5), (50, 50))
    assert matrix[0, 0] == matrix[1, 1] == 0.25
    np.testing.assert_allclose(matrix @ [99.5, 49.5, 1], [24.5, 24.5])  # middle to middle
    stripes = np.tile(np.array([0, 255], np.uint8), (100, 100))  # finer than the image's pixels: no moire
    assert np.ptp(cut(stripes, matrix, (50, 50))[13:37].astype(int)) <= 6


def test_a_large_photo_is_cut_as_if_it_were_smoothed_whole():
    photo = np.random.default_rng(0).integers(0, 256, (1300, 1200), np.uint8)
    matrix = to_image((300.2, 400.7, 700.1, 800.3), (96, 96))
    from data import crops

    large, crops.LARGE = crops.LARGE, 10**9
    try:
        whole = cut(photo, matrix, (96, 96))
    finally:
        crops.LARGE = large
    assert np.abs(cut(photo, matrix, (96, 96)).astype(int) - whole).max() <= 1


def test_persons_come_from_names_where_asked(youtube):
    one = read_training(str(youtube), 0, FaceSettings(person="^(.)"))
    assert len(np.unique(one.group)) == 1
    each = read_training(str(youtube), 0, FaceSettings(person=r"\d+_\d+"))
    assert len(np.unique(each.group)) == 24
    with pytest.raises(UsageError, match=r"faces.person: expected a regular expression; received '\('"):
        read_training(str(youtube), 0, FaceSettings(person="("))


def test_the_known_offset_is_taken_out_or_left(youtube):
    level, plain = (read_training(str(youtube), 0, FaceSettings(crop="photo", level=on)) for on in (True, False))
    shift = (plain.points - level.points)[..., 0]
    wide = np.ptp(plain.points, 1).max(1)
    np.testing.assert_allclose(shift, np.repeat(0.015 * wide[:, None], 68, 1), atol=1e-4)
    np.testing.assert_array_equal(plain.points[..., 1], level.points[..., 1])


# Kaggle's 15 points and the replica.


def test_the_fifteen_points_lie_where_their_names_say():
    points = fifteen_of_68(FACE)
    at = {name: points[i] for i, name in enumerate(KAGGLE15.points)}
    index = IBUG68.index
    np.testing.assert_allclose(at["left_eye_inner_corner"], FACE[index("left_eye_inner_corner")])
    np.testing.assert_allclose(at["right_eyebrow_outer_end"], FACE[index("right_brow_1")])
    np.testing.assert_allclose(at["left_eye_center"], FACE[42:48].mean(0))
    np.testing.assert_allclose(at["mouth_center_bottom_lip"], FACE[index("mouth_bottom")])
    mirrored = fifteen_of_68((FACE * [-1, 1])[IBUG68.mirror])
    np.testing.assert_allclose(mirrored, (points * [-1, 1])[KAGGLE15.mirror])
    moved = np.flatnonzero((four_of_68(FACE) != points).any(1))
    assert {KAGGLE15.points[i] for i in moved} == {"nose_tip", "mouth_center_bottom_lip"}


def test_a_replica_is_read_as_the_competitions_files(youtube, tmp_path):
    line = convert(youtube, tmp_path / "a", "replica", seed=4)
    faces = read_training(str(tmp_path / "a"))
    test, lookup = read_test(str(tmp_path / "a"))
    assert line.endswith(f"{len(test)} test images, {len(lookup)} answers")
    names = {f"A_{i}" for i in range(12)}
    tested = {name for name in names if int(hashlib.sha256(name.encode()).hexdigest(), 16) % 5 == 0}
    assert len(test) == 2 * len(tested) > 0
    rows = list(csv.reader((tmp_path / "a/training_persons.csv").read_text().splitlines()))[1:]
    assert {who for _, who in rows} == names - tested
    assert len(rows) == len(faces)
    labelled = faces.labelled.sum(1)
    assert set(labelled[faces.convention == 1]) == {4}
    assert (np.diff(faces.convention) >= 0).all()  # complete rows first
    truth = list(csv.reader((tmp_path / "a/test_truth.csv").read_text().splitlines()))[1:]
    assert [int(row) for row, _ in truth] == lookup.row_id.tolist()


def test_the_same_seed_gives_the_same_replica(youtube, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        convert(youtube, tmp_path / name, "replica", seed=seed)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert len(files) == 6
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert (tmp_path / "a/training.csv").read_bytes() != (tmp_path / "c/training.csv").read_bytes()
    convert(youtube, tmp_path / "d", "replica", all_test=True)
    assert len((tmp_path / "d/test.csv").read_text().splitlines()) == 25


def test_the_replica_is_that_of_the_tool_the_figures_were_measured_with(shared, tmp_path):
    """The same photos give the same files, byte by byte."""
    import subprocess
    import sys

    tool = shared / "tools/make_replica.py"
    if not tool.is_file():
        pytest.skip("no such tool there")
    part = frames(tmp_path / "part", 20)
    subprocess.run([sys.executable, str(tool), "--faces", str(part), "--out", str(tmp_path / "tool")], check=True)
    convert(part, tmp_path / "own", "replica")
    names = sorted(path.name for path in (tmp_path / "tool").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "own").iterdir())
    for name in names:
        assert Path(tmp_path / "tool" / name).read_bytes() == Path(tmp_path / "own" / name).read_bytes(), name
