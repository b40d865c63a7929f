"""Prediction on a person's own photos: drawn faces are found, framed, answered in the photo's px; bad files say so."""

import csv
import functools
import json
import struct
import zlib
from dataclasses import replace

import cv2
import numpy as np
import pytest
import tiny

from data.errors import DataError, RunError, UsageError
from data.keypoints import IBUG68, KAGGLE15
from data.synthetic import draw_face, make_faces
from reports.predictions import Predictions
from specialists import detect, photos
from specialists.detect import find_faces
from specialists.photos import LANDMARKS, Training, back, training_of
from specialists.photos_files import list_files, own_names
from specialists.predict import main
from specialists.predictor import DOUBT, Face, Predictor, doubt_limit

NOSE = KAGGLE15.index("nose_tip")
FIRST = slice(0, len(KAGGLE15))


def scene(*faces, size=(300, 420), tone=120):
    """(photo uint8 [H, W, 3], list of truth [15, 2] px) with drawn faces, each (seed, left, top, side)."""
    photo, truth = np.full((*size, 3), tone, np.uint8), []
    for seed, left, top, side in faces:
        image, slots = draw_face(np.random.default_rng([seed]), size=side)
        photo[top : top + side, left : left + side] = image[..., None]
        truth.append(slots[FIRST] + [left, top])
    return photo, truth


ONE = (3, 120, 60, 180)
TWO = ((3, 20, 60, 180), (5, 220, 90, 160))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny.merged_run(tmp_path_factory.mktemp("run"))


@pytest.fixture(scope="module")
def predictor(run):
    return Predictor(run)


class Oracle:
    """An ensemble that knows a drawing's bright dot: the answer for each point is `typical` moved to the dot."""

    def __init__(self, typical):
        self.typical, self.seen = typical, []

    def predict(self, images, convention):
        """Points around the brightest spot of each image, and radii of 1 and 2 px."""
        self.seen.append(images)
        shown = [cv2.GaussianBlur(image[..., 0].astype(np.float32), (0, 0), 1) for image in images]
        spots = np.array([np.unravel_index(np.argmax(s), s.shape)[::-1] for s in shown]).reshape(-1, 1, 2)
        found = (self.typical - self.typical[NOSE] + spots).astype(np.float32)
        return {"ensemble": found}, np.ones((2, *found.shape[:2]), np.float32) * [[[1]], [[2]]]


@functools.cache
def training(channels=1):
    """What training looked like, for drawn faces of 96 px."""
    typical = np.nanmean(make_faces(60, seed=4, noise=0, gross=0).points, 0).astype(float)
    return Training(KAGGLE15, (96, 96), channels, typical, np.arange(15) != NOSE)


def test_drawn_faces_are_found_where_they_are():
    photo, truth = scene(*TWO)
    boxes = find_faces(photo)
    assert len(boxes) == 2
    order = np.argsort(boxes[:, 0])
    assert boxes[0, 2] >= boxes[1, 2]  # the largest first
    for box, points in zip(boxes[order], truth, strict=True):
        eyes = points[[1, 0]].mean(0)
        assert box[0] < eyes[0] < box[0] + box[2]
        assert 0.25 < (eyes[1] - box[1]) / box[3] < 0.5


def test_a_large_photo_is_searched_smaller_and_answered_in_its_own_px():
    photo, _ = scene(ONE)
    small, large = find_faces(photo), find_faces(cv2.resize(photo, None, fx=5, fy=5, interpolation=cv2.INTER_CUBIC))
    assert len(small) == len(large) == 1
    assert np.abs(large / 5 - small).max() < 0.1 * small[0, 2]


@pytest.mark.parametrize("shape", [(1, 1, 3), (10, 400, 3), (23, 23, 3)])
def test_photos_too_small_for_a_face_have_none(shape):
    assert find_faces(np.zeros(shape, np.uint8)).shape == (0, 4)


@pytest.fixture
def without_haar(monkeypatch):
    monkeypatch.delattr(cv2, "CascadeClassifier")
    detect.searches.cache_clear()
    yield
    detect.searches.cache_clear()


def test_without_opencv_s_cascades_scikit_image_finds_faces(without_haar):
    pytest.importorskip("skimage", reason="needs scikit-image")
    photo, truth = scene(ONE)
    boxes = find_faces(photo)
    assert len(boxes) == 1
    assert np.linalg.norm(boxes[0, :2] + boxes[0, 2:] / 2 - truth[0].mean(0)) < 0.25 * boxes[0, 2]


def test_without_either_the_sentence_says_what_to_install(without_haar, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "skimage.feature", None)
    with pytest.raises(UsageError, match=r"finding faces: expected OpenCV 4 .* or scikit-image .*--box"):
        find_faces(scene(ONE)[0])


def test_a_box_puts_eyes_and_mouth_where_training_had_them():
    made, box = training(), np.array([[100.0, 50, 200, 200]])
    matrix = made.from_boxes(box)[0]
    places = np.array(list(LANDMARKS.values())) * 200 + [100, 50] - 0.5
    there = places @ matrix[:, :2].T + matrix[:, 2]
    eyes, mouth = KAGGLE15.groups["eyes"], KAGGLE15.groups["mouth"]
    left = made.typical[[KAGGLE15.index(n) for n in eyes if "left" in n]].mean(0)
    right = made.typical[[KAGGLE15.index(n) for n in eyes if "right" in n]].mean(0)
    lips = made.typical[[KAGGLE15.index(n) for n in mouth]].mean(0)
    assert np.abs(there - [left, right, lips]).max() < 4  # px: one scale cannot fit three places exactly
    assert np.abs(there.mean(0) - np.mean([left, right, lips], 0)).max() < 1e-6
    assert matrix[0, 1] == matrix[1, 0] == 0


def test_points_without_eyes_and_mouth_are_framed_by_the_box_alone():
    jaw = IBUG68.subset(["jaw"])
    made = Training(jaw, (96, 96), 1, np.zeros((len(jaw), 2)), np.ones(len(jaw), bool))
    matrix = made.from_boxes([[10, 20, 96 / photos.MARGIN, 96 / photos.MARGIN]])[0]
    np.testing.assert_allclose(matrix[:, :2], np.eye(2), atol=1e-9)
    middle = np.array([10, 20]) + 48 / photos.MARGIN - 0.5
    np.testing.assert_allclose(middle + matrix[:, 2], [47.5, 47.5])


def test_a_turned_face_stands_upright_in_the_second_look():
    made, angle = training(), np.deg2rad(30)
    turn = 2.5 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    shown = made.typical @ turn.T + [300, 200]
    matrix = made.from_points(shown[None])[0]
    np.testing.assert_allclose(shown @ matrix[:, :2].T + matrix[:, 2], made.typical, atol=1e-4)


def test_answers_come_back_in_px_of_the_photo():
    made = training()
    matrices = made.from_boxes([[100, 50, 192, 192], [0, 0, 96, 96]])
    points = np.broadcast_to(made.typical, (2, 15, 2))
    found, radii = back(points, np.ones((2, 2, 15)), matrices)
    np.testing.assert_allclose(found[0] @ matrices[0][:, :2].T + matrices[0][:, 2], made.typical, atol=1e-3)
    np.testing.assert_allclose(radii[:, 0], 1 / matrices[0, 0, 0])
    assert radii[0, 0, 0] == pytest.approx(2 * radii[0, 1, 0])


@pytest.mark.parametrize("channels", [1, 3])
def test_a_dot_on_the_photo_is_under_the_point(predictor, channels):
    """Through boxes, both looks and back: what the networks see is where they say it is."""
    photo = np.full((400, 500, 3), 60, np.uint8)
    cv2.circle(photo, (260, 210), 5, (255, 255, 255), -1)
    made = Predictor.__new__(Predictor)
    made.training, made.convention, made.looks, made.doubt = training(channels=channels), 0, 3, np.inf
    made.ensemble = Oracle(made.training.typical)
    (face,) = made(photo, [[160, 110, 200, 180]])
    assert {seen.shape for seen in made.ensemble.seen} == {(1, 96, 96, channels)}
    assert np.abs(face["nose_tip"] - [260, 210]).max() < 1.5
    assert np.ptp(face.radii[0]) < 1e-4
    assert face.radii[1, 0] == pytest.approx(2 * face.radii[0, 0])
    assert face.box == (160, 110, 200, 180)


class Scripted(Predictor):
    """A predictor whose looks answer with the next of some shapes, px of the photo."""

    def __init__(self, looks, shapes):
        self.training, self.looks, self.shapes = training(), looks, list(shapes)

    def _look(self, photos, owner, frames):
        n = len(owner)
        return np.repeat(self.shapes.pop(0)[None], n, 0), np.full((2, n, 15), len(self.shapes), float), np.zeros(n)


@pytest.mark.parametrize(
    ("looks", "shifts", "wanted"),
    [
        (1, [0, 1, 2], 0.0),
        (2, [0, 1, 2], 0.5),  # framed alike: both looks count
        (3, [0, 1, 2], 0.5),  # and nobody looks again
        (2, [30, 31, 33], 31.0),  # the first frame was far off: its answer does not count
        (3, [30, 31, 33], 32.0),
        (3, [30, 60, 90], 90.0),
    ],
)
def test_a_face_is_looked_at_until_its_frame_is_right(looks, shifts, wanted):
    made = Scripted(looks, [training().typical + np.array([shift, 0]) for shift in shifts])
    points, radii, _ = made.answer([None], np.array([0]), np.array([np.eye(2, 3)]))
    np.testing.assert_allclose(points[0] - made.training.typical, np.broadcast_to([wanted, 0], (15, 2)), atol=1e-9)
    used = {0.0: [2], 0.5: [2, 1], 31.0: [1], 32.0: [1, 0], 90.0: [0]}[wanted]
    np.testing.assert_allclose(radii, np.mean(used))


def test_what_training_looked_like_is_read_off_the_ensemble_s_answers():
    points = np.arange(4 * 15 * 2, dtype=np.float32).reshape(4, 15, 2)
    kept = np.zeros((4, 32, 48, 1), np.uint8), np.arange(4), np.array([0, 0, 1, 1], np.uint8), points
    found = Predictions(*kept, {"ensemble": points}, np.ones((2, 4, 15), np.float32), KAGGLE15)
    first, four = training_of(found)[0], training_of(found, "four")[0]
    assert first.size == (32, 48)
    np.testing.assert_array_equal(first.typical[NOSE], points[:2, NOSE].mean(0))
    np.testing.assert_array_equal(four.typical[NOSE], points[2:, NOSE].mean(0))
    np.testing.assert_array_equal(four.typical[0], points[:, 0].mean(0))
    assert not first.steady[NOSE]
    assert first.steady.sum() == 13
    with pytest.raises(UsageError, match="expected one of fifteen, four; received 'five'"):
        training_of(found, "five")


def test_two_lines_give_faces_with_names_points_and_radii(predictor):
    photo, truth = scene(*TWO)
    faces = predictor(photo)
    assert len(faces) == 2
    for face in faces:
        assert face.names == KAGGLE15.points
        assert face.points.shape == (15, 2)
        assert face.radii.shape == (2, 15)
        assert (face.radii[0] <= face.radii[1]).all()
        # A net that learnt next to nothing says the mean face: within a quarter of the face.
        off = min(np.abs(face.points - points).max() for points in truth)
        assert off < 45


def test_many_photos_give_the_same_as_one_by_one(predictor):
    shown = [scene(ONE)[0], scene(size=(60, 60))[0], scene(*TWO)[0]]
    together, alone = predictor.many(shown), [predictor(photo) for photo in shown]
    assert [len(faces) for faces in together] == [1, 0, 2]
    for one, other in zip([*together[0], *together[2]], [*alone[0], *alone[2]], strict=True):
        np.testing.assert_allclose(one.points, other.points, atol=1e-2)


def test_grey_arrays_and_files_are_taken_too(predictor, tmp_path):
    photo, _ = scene(ONE)
    cv2.imwrite(str(tmp_path / "a.png"), photo)
    answers = [predictor(shown)[0].points for shown in (photo, photo[..., 0], photo[..., :1], tmp_path / "a.png")]
    for other in answers[1:]:
        np.testing.assert_array_equal(other, answers[0])


@pytest.mark.parametrize("wrong", [np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4), float), np.zeros((0, 4), np.uint8)])
def test_arrays_that_are_no_photos_are_refused(predictor, wrong):
    with pytest.raises(DataError, match=r"photo: expected uint8 \[H, W\]"):
        predictor(wrong)


def test_what_the_networks_doubt_is_left_out_unless_its_box_was_given(run):
    strict = Predictor(run, doubt=0.0)
    photo, _ = scene(ONE)
    assert strict(photo) == []
    assert len(strict(photo, [[120, 60, 180, 180]])) == 1


class Twins:
    """A predictor's answers for boxes on one photo, without networks."""

    def __init__(self, shifts, doubts):
        self.shapes = np.array([training().typical + shift for shift in shifts], np.float32)
        self.doubts = np.array(doubts, float)

    def __call__(self, photos, owner, frames):
        return self.shapes, np.ones((2, len(owner), 15)), self.doubts


@pytest.mark.parametrize(
    ("limit", "shifts", "doubts", "kept"),
    [
        (0.1, [0, 3, 60], [0.05, 0.01, 0.05], [0, 2]),  # the second box found the first one's face again
        (0.1, [0, 3, 60], [0.2, 0.01, 0.05], [1, 2]),  # where the first is doubted, the second stays
        (0.1, [0, 3, 60], [np.nan] * 3, [0, 2]),
        (np.inf, [0, 3, 60], [9.0] * 3, [0, 1, 2]),
    ],
)
def test_a_face_that_two_boxes_found_is_one_answer(monkeypatch, limit, shifts, doubts, kept):
    made = Scripted(3, [])
    made.doubt, made.answer = limit, Twins(shifts, doubts)
    boxes = np.array([[10.0 * i, 0, 50, 50] for i in range(len(shifts))])
    monkeypatch.setattr(detect, "find_faces", lambda photo: boxes)
    (faces,) = made.many([np.zeros((99, 99, 3), np.uint8)])
    assert [face.box[0] / 10 for face in faces] == kept


def test_the_limit_of_doubt_is_the_run_s_own():
    radius = np.ones((2, 100, 15), np.float32)
    radius[1] = np.linspace(2, 4, 100)[:, None]
    zeros = np.zeros((100, 15, 2), np.float32)
    kept = np.zeros((100, 40, 40, 1), np.uint8), np.arange(100), np.zeros(100, np.uint8), zeros
    found = Predictions(*kept, {"ensemble": zeros}, radius, KAGGLE15)
    assert doubt_limit(found) == pytest.approx(DOUBT * np.quantile(radius[1], 0.99) / 40)
    assert doubt_limit(replace(found, radius=radius * np.nan)) == np.inf
    few = np.where(np.arange(100)[:, None] < 49, radius, np.nan)
    assert doubt_limit(replace(found, radius=few)) == np.inf  # too few to know what is usual


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(RunError, match="expected a merged ensemble; received none"):
        Predictor(tmp_path)


# The command.


def png(width, height, bits=8, colour=2, data=None):
    """A PNG file with any header."""

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    body = zlib.compress(b"\0" * 100 if data is None else data)
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def encoded(photo, ending=".png"):
    return cv2.imencode(ending, photo[..., ::-1])[1].tobytes()


WHOLE = scene(ONE)[0]
BROKEN = [
    ("empty.jpg", b"", "expected a picture; received something else"),
    ("text.png", b"hello, I am no picture\n" * 9, "expected a picture; received something else"),
    ("cut.png", encoded(WHOLE)[:-3000], "expected a whole picture; received a damaged one"),
    ("cut.jpg", encoded(WHOLE, ".jpg")[:3000], "expected a whole picture; received a damaged one"),
    ("huge.png", png(60_000, 60_000), "expected at most 100,000,000 px; received"),
    ("long.png", png(2_000_000_000, 3), "expected at most 100,000,000 px; received"),
    ("<img onerror=x>\n.jpg", b"GIF89a", "expected a picture; received"),
]


def predict(run, out, *arguments):
    return main([*map(str, arguments), "--run", str(run), "--out", str(out)])


def test_broken_files_get_a_sentence_each_and_the_others_go_on(run, tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, content, _ in BROKEN:
        (folder / name).write_bytes(content)
    (folder / "good.png").write_bytes(encoded(WHOLE))
    assert predict(run, tmp_path / "out", folder) == 3
    told = capsys.readouterr()
    assert len(told.err.strip().splitlines()) == len(BROKEN)
    assert told.out.strip() == f"{folder / 'good.png'}: 1 face"
    made = json.loads((tmp_path / "out" / "faces.json").read_text())
    answers = {entry["photo"].rpartition("/")[2]: entry for entry in made["photos"]}
    for name, _, words in BROKEN:
        answer = answers[name.replace("\n", "\\n")]
        assert words in answer["answer"]
        assert answer["faces"] == []
        assert answer["width"] is None
    assert len(answers["good.png"]["faces"]) == 1
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["faces.json", "good_faces.jpg", "points.csv"]


def exif(photo, orientation):
    """A JPEG that a camera wrote lying on its side: stored turned, with a note on how to turn it back."""
    from PIL import Image

    note = Image.Exif()
    note[0x0112] = orientation
    stored = {3: np.rot90(photo, 2), 6: np.rot90(photo, 1), 8: np.rot90(photo, 3)}[orientation]
    return Image.fromarray(np.ascontiguousarray(stored)), {"exif": note, "quality": 95}


def kinds():
    """(file name, function of a Path that writes the same drawn face in one of many ways)."""
    from PIL import Image

    colour, grey = Image.fromarray(WHOLE), Image.fromarray(WHOLE[..., 0])
    deep = WHOLE[..., 0].astype(np.uint16) * 257
    yield "grey.png", lambda path: grey.save(path)
    yield "bits16.png", lambda path: cv2.imwrite(str(path), deep)
    yield "bits16colour.png", lambda path: cv2.imwrite(str(path), np.repeat(deep[..., None], 3, 2))
    yield "bits16.tif", lambda path: cv2.imwrite(str(path), deep)
    yield "cmyk.jpg", lambda path: colour.convert("CMYK").save(path, quality=95)
    yield "palette.gif", lambda path: grey.save(path)
    yield "alpha.png", lambda path: colour.convert("RGBA").save(path)
    yield "photo.webp", lambda path: colour.save(path, quality=95)
    yield "named.jpg", lambda path: path.write_bytes(encoded(WHOLE))  # a PNG by another name
    for orientation in (3, 6, 8):
        shown, options = exif(WHOLE, orientation)
        yield f"turned{orientation}.jpg", lambda path, s=shown, o=options: s.save(path, **o)


def test_every_kind_of_picture_gives_the_same_answer(run, predictor, tmp_path):
    paths = []
    for name, write in kinds():
        write(tmp_path / name)
        paths.append(tmp_path / name)
    (wanted,) = predictor(WHOLE)
    for path, faces in zip(paths, predictor.many(paths), strict=True):
        assert len(faces) == 1, path.name
        assert np.abs(faces[0].points - wanted.points).max() < 6, path.name


def test_no_face_is_an_answer_and_everywhere_says_so(run, tmp_path, capsys):
    (tmp_path / "wall.png").write_bytes(encoded(np.full((200, 200, 3), 90, np.uint8)))
    assert predict(run, tmp_path / "out", tmp_path / "wall.png") == 0
    assert capsys.readouterr().out.strip().endswith("wall.png: no face found")
    made = json.loads((tmp_path / "out" / "faces.json").read_text())
    assert made["photos"][0]["answer"] == "no face found"
    assert (tmp_path / "out" / "points.csv").read_text() == "photo,face,keypoint,x,y,radius_50,radius_90\n"
    assert not list((tmp_path / "out").glob("*.jpg"))


def test_json_csv_and_overlay_tell_the_same(run, predictor, tmp_path):
    path = tmp_path / "two faces é.png"
    path.write_bytes(encoded(scene(*TWO)[0]))
    assert predict(run, tmp_path / "out", path) == 0
    found = predictor(path)
    made = json.loads((tmp_path / "out" / "faces.json").read_text())
    assert (made["convention"], made["photos"][0]["width"], made["photos"][0]["height"]) == ("fifteen", 420, 300)
    rows = list(csv.DictReader((tmp_path / "out" / "points.csv").read_text(encoding="utf-8").splitlines()))
    assert len(rows) == 30
    for row in rows:
        face = found[int(row["face"]) - 1]
        told = made["photos"][0]["faces"][int(row["face"]) - 1]["points"][row["keypoint"]]
        assert [told["x"], told["y"]] == pytest.approx(face[row["keypoint"]].tolist(), abs=0.01)
        assert [float(row["x"]), float(row["y"]), float(row["radius_90"])] == [told["x"], told["y"], told["radius_90"]]
    overlay = cv2.imread(str(tmp_path / "out" / "two faces é_faces.jpg"))[..., ::-1].astype(int)
    assert overlay.shape == (300, 420, 3)
    for face in found:
        x, y = np.round(face["nose_tip"]).astype(int)
        assert (overlay[y, x, 0] - overlay[y, x, 2]) > 60  # the point's colour, on a grey drawing


def test_boxes_given_by_hand_stand_in_for_the_detector(run, tmp_path):
    (tmp_path / "wall.png").write_bytes(encoded(np.full((200, 200, 3), 90, np.uint8)))
    boxes = ["--box", "20,30,100,100", "--box=-5,0,50,60"]
    assert predict(run, tmp_path / "out", tmp_path / "wall.png", *boxes) == 0
    made = json.loads((tmp_path / "out" / "faces.json").read_text())
    assert [face["box"] for face in made["photos"][0]["faces"]] == [[20, 30, 100, 100], [-5, 0, 50, 60]]


USAGE = [
    ([], "FILES: expected photos, videos or folders, or --webcam N; received none"),
    (["a.png", "--box", "1,2,3"], "--box: expected LEFT,TOP,WIDTH,HEIGHT in px; received '1,2,3'"),
    (["a.png", "--box", "1,2,3,nan"], "--box: expected a box of 1 px or more"),
    (["a.png", "--box", "1,2,0,9"], "--box: expected a box of 1 px or more"),
    (["a.png", "b.png", "--box", "1,2,9,9"], "--box: expected one photo, on which the boxes lie; received 2"),
    (["a.png", "--webcam", "0"], "--webcam: expected a camera's number from 0"),
    (["--webcam", "-1"], "--webcam: expected a camera's number from 0"),
    (["a.png", "--convention", "five"], "--convention: expected one of fifteen, four; received 'five'"),
    (["a.png", "--looks", "4"], "argument --looks: invalid choice"),
]


@pytest.mark.parametrize(("arguments", "words"), USAGE)
def test_what_cannot_be_meant_is_refused(run, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(encoded(WHOLE))
    with pytest.raises(UsageError) as told:
        predict(run, "out", *arguments)
    assert words in str(told.value)
    assert not (tmp_path / "out").exists()


def test_an_output_folder_that_is_a_run_or_a_file_is_refused(run, tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(WHOLE))
    with pytest.raises(UsageError, match="--out: expected a folder of its own; received the run"):
        predict(run, run, tmp_path / "a.png")
    with pytest.raises(UsageError, match="--out: expected a folder; received the file"):
        predict(run, tmp_path / "a.png", tmp_path / "a.png")


def test_files_and_folders_are_listed_once_and_in_order(tmp_path):
    for name in ("b.JPG", "a.png", "deep/c.webp", "notes.txt", ".hidden.png", "film.MP4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    found, videos = list_files([tmp_path / "b.JPG", tmp_path])
    assert [path.name for path in found] == ["b.JPG", "a.png", "c.webp"]
    assert [path.name for path in videos] == ["film.MP4"]
    assert [path.name for path in list_files([tmp_path / "notes.txt"])[0]] == ["notes.txt"]  # by name: taken
    (tmp_path / "empty").mkdir()
    for place, words in (("none.jpg", "received no file"), ("empty", "in this folder; received none")):
        with pytest.raises(DataError, match=words):
            list_files([tmp_path / place])


def test_photos_of_one_name_do_not_overwrite_each_other():
    from pathlib import Path

    paths = [Path(name) for name in ("a/x.jpg", "b/x.png", "c/X.gif", "y.jpg")]
    assert own_names(paths, "_faces.jpg") == ["x_faces.jpg", "x-2_faces.jpg", "X-3_faces.jpg", "y_faces.jpg"]


def test_a_face_answers_by_name():
    face = Face(KAGGLE15.points, np.arange(30, dtype=np.float32).reshape(15, 2), np.ones((2, 15)), (0, 0, 9, 9), 0.1)
    assert face["nose_tip"].tolist() == [20, 21]
