"""Face sets on photos: what is written is read again, and what is wrong is refused with its place."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from data import youtube
from data.convert import Photos
from data.crops import FaceSettings, cut_faces
from data.errors import DataError
from data.keypoints import IBUG68, IMM58, IMM58_ALONG, KAGGLE15, Convention, Schema
from data.photos import Album, Shot
from data.pictures import picture_size, read_picture
from data.readers import READERS, read_album, read_test_album, recognised
from data.sources import read_training

NAMES = ("tip", "cuff_a", "cuff_b")
CUFFS = (("cuffs", ("cuff_a", "cuff_b")),)
GLOVE = Schema("glove", NAMES, (Convention("all", NAMES),), (("cuff_a", "tip"),), (("cuff_a", "cuff_b"),), CUFFS)
HOLDS = {
    "csv": {"person", "box", "missing"},
    "coco": {"person", "box", "missing", "size"},
    "dlib": {"box", "missing", "size"},
}


def photographed(folder, schema, count=4, faces=1, missing=False, boxes=True, seed=0):
    """An album of random photos, each of its own size, in `folder`/raw, with points on them."""
    rng, shots = np.random.default_rng(seed), []
    (folder / "raw").mkdir()
    for i in range(count):
        height, width = rng.integers(50, 90, 2)
        name = f"P_{i // 2}_{i}.png"
        path = folder / "raw" / name
        cv2.imwrite(str(path), rng.integers(0, 256, (height, width, 3), np.uint8))
        for _ in range(faces):
            points = rng.uniform(5, 45, (len(schema), 2))
            if missing:
                points[rng.integers(len(schema))] = np.nan
            box = tuple(map(float, rng.integers(2, 40, 4))) if boxes else None
            shots.append(Shot(path, name, points, f"raw:{i}", box, f"P_{i // 2}"))
    return Album(schema, "test", shots)


def put(album, folder, name):
    """Write an album in a format; returns what reads it."""
    for file, text in READERS[name].write(album, folder, Photos(album)).items():
        (folder / file).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "schema"),
    [
        *(("youtube", IBUG68), ("imm", IMM58), ("imm", IMM58_ALONG), ("pts", IBUG68)),
        *((name, schema) for name in HOLDS for schema in (IBUG68, KAGGLE15, GLOVE)),
    ],
    ids=lambda v: v if isinstance(v, str) else v.name,
)
def test_what_is_written_is_read_again(tmp_path, name, schema):
    held = HOLDS.get(name, set())
    album = photographed(tmp_path, schema, faces=2 if held else 1, missing="missing" in held)
    if name == "imm":  # its two orders of points are told apart by which makes faces even
        album = Album(schema, "test", [even(shot, schema) for shot in album.shots])
    if name == "dlib" and schema is GLOVE:
        (tmp_path / "set").mkdir()
        text = {"points": GLOVE.points, "mirror": GLOVE.pairs, "lines": GLOVE.lines, "name": "glove"}
        (tmp_path / "set/schema.json").write_text(json.dumps(text))
    folder = tmp_path / "set"
    folder.mkdir(exist_ok=True)
    assert recognised(put(album, folder, name))[0] == name
    again = read_album(folder, FaceSettings())
    assert len(again) == len(album)
    assert (again.schema.points, again.schema.mirror.tolist()) == (schema.points, schema.mirror.tolist())
    for one, other in zip(again.shots, album.shots, strict=True):
        np.testing.assert_allclose(one.points, other.points, atol=1e-9, rtol=0)
        np.testing.assert_array_equal(read_picture(one.photo), read_picture(other.photo))
        assert one.box == (other.box if "box" in held else None)
        assert Path(one.name).name == other.name
        if "person" in held:
            assert one.person == other.person


def even(shot, schema):
    """A shot whose face is nearly its own mirror image."""
    rng = np.random.default_rng(len(shot.name))
    half = rng.uniform(10, 40, (len(schema), 2))
    points = (half + half[schema.mirror] * [-1, 1] + [50, 0]) / 2 + rng.normal(0, 0.2, half.shape)
    return Shot(shot.photo, shot.name, points, shot.where)


def test_a_known_schemas_conventions_survive(tmp_path):
    album = photographed(tmp_path, KAGGLE15, missing=True)
    album = Album(KAGGLE15, "test", [Shot(**{**vars(s), "convention": i % 2}) for i, s in enumerate(album.shots)])
    for name in ("csv", "coco"):
        again = read_album(
            put(album, tmp_path / name, name) if (tmp_path / name).mkdir() is None else None, FaceSettings()
        )
        assert [shot.convention for shot in again.shots] == [0, 1, 0, 1]


# Hostile files. Each case changes one thing of a good set of its format; the message must say what and where.


def edited(path, old, new, count=1):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, count), encoding="utf-8")


def set_line(path, number, text):
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[number - 1] = text if text is not None else ""
    path.write_text("\n".join(line for line in lines if line is not None) + "\n", encoding="utf-8")


def field(path, line, column, value):
    cells = path.read_text().splitlines()[line - 1].split(",")
    cells[column] = value
    set_line(path, line, ",".join(cells))


YOUTUBE = "frames_keypoints.csv"
ASF, XML, PTS, CSV, COCO = "P_0_0.asf", "labels_train.xml", "P_0_0.pts", "faces.csv", "faces.json"


def coco(change):
    def apply(folder):
        tree = json.loads((folder / COCO).read_text())
        change(tree)
        (folder / COCO).write_text(json.dumps(tree))

    return apply


HOSTILE = {
    "youtube": [
        (
            lambda f: field(f / YOUTUBE, 2, 5, "nan"),
            "frames_keypoints.csv:2: expected column 4, a number from -1e\\+06 to",
        ),
        (lambda f: field(f / YOUTUBE, 3, 1, "1e999"), "frames_keypoints.csv:3: expected column 0, a number"),
        (
            lambda f: field(f / YOUTUBE, 3, 136, ""),
            "frames_keypoints.csv:3: expected column 135, a number .* received nothing",
        ),
        (
            lambda f: field(f / YOUTUBE, 3, 136, "1,2"),
            r"frames_keypoints.csv:3:\d+: expected 137 fields, as in the header",
        ),
        (
            lambda f: field(f / YOUTUBE, 3, 0, "gone.jpg"),
            "frames_keypoints.csv:3: expected the photo gone.jpg; received no file",
        ),
        (
            lambda f: field(f / YOUTUBE, 3, 0, "../x.jpg"),
            "expected the name of a photo below the set's folder; received '../x",
        ),
        (lambda f: field(f / YOUTUBE, 3, 0, "/etc/passwd"), "expected the name of a photo below the set's folder"),
        (lambda f: shutil.rmtree(f / "frames"), "frames_keypoints.csv:2: expected the photo 'P_0_0.png' in .*frames"),
        (lambda f: field(f / YOUTUBE, 1, 3, "x"), r"frames_keypoints.csv:1:6: expected a known column; received 'x'"),
        (
            lambda f: (f / YOUTUBE).write_text(",".join(youtube.COLUMNS) + "\n"),
            r":2:1: expected at least one row under the header",
        ),
        (
            lambda f: (f / "frames/P_0_0.png").write_bytes(b"junk"),
            r"P_0_0.png: expected a picture; received something else",
        ),
        (
            lambda f: field(f / YOUTUBE, 2, 1, "9000"),
            r"frames_keypoints.csv:2: expected points on or near P_0_0.png of .* px",
        ),
    ],
    "imm": [
        (
            lambda f: edited(f / ASF, "\n58\n", "\n57\n"),
            r"P_0_0.asf:4: expected 58, the number of points; received '57'",
        ),
        (
            lambda f: edited(f / ASF, "0\t0\t0.", "0\t0\tx."),
            r"P_0_0.asf:9: expected x, a number from -3 to 3; received 'x\.",
        ),
        (
            lambda f: set_line(f / ASF, 9, "0 0 0.5 0.5 0"),
            r"P_0_0.asf:9: expected path, type, x, y, point, from, to; received 5",
        ),
        (
            lambda f: set_line(f / ASF, 10, None),
            r"P_0_0.asf:\d+: expected 58 lines of points, then the photo's name; received 57",
        ),
        (lambda f: set_line(f / ASF, 9, "0 0 0.5 0.5 7 0 0"), r"P_0_0.asf:9: expected point 0; received '7'"),
        (
            lambda f: edited(f / ASF, "P_0_0.png", "P_0_9.png"),
            r"P_0_0.asf:\d+: expected the photo P_0_9.png; received no file",
        ),
        (lambda f: (f / ASF).write_bytes(b"\xff\xfe\x00"), r"P_0_0.asf: expected UTF-8 text; received the byte 0xff"),
        (lambda f: (f / ASF).write_text(""), r"P_0_0.asf:1: expected the number of points.*; received 0 lines"),
        (
            lambda f: set_line(f / ASF, 9, "0 0 4.5 0.5 0 0 0"),
            r"P_0_0.asf:9: expected x, a number from -3 to 3; received '4.5'",
        ),
    ],
    "dlib": [
        (
            lambda f: edited(f / XML, "</box>", "</bx>"),
            r"labels_train.xml:\d+:\d+: expected XML; received mismatched tag",
        ),
        (
            lambda f: edited(f / XML, "<dataset>", "<!DOCTYPE d [<!ENTITY a 'b'>]><dataset>"),
            "expected XML without a document type",
        ),
        (
            lambda f: edited(f / XML, "name='00' x='", "name='00' x='x"),
            r"labels_train.xml:6:7: expected x, a number .*; received 'x",
        ),
        (
            lambda f: edited(f / XML, "name='00'", "name='01'"),
            r"labels_train.xml:7:7: expected each part once; received a second '01'",
        ),
        (
            lambda f: edited(f / XML, "name='67'", "name='68'"),
            r"labels_train.xml: expected parts 00 to 67, or a schema.json .*; received part 68",
        ),
        (
            lambda f: edited(f / XML, "<box top='", "<box up='"),
            r"labels_train.xml:5:5: expected top of <box>; received only up,",
        ),
        (lambda f: edited(f / XML, ' file="', ' fil="'), r"labels_train.xml:4:3: expected file of <image>"),
        (
            lambda f: edited(f / XML, "faces/P_0_0.png", "../P_0_0.png"),
            r"labels_train.xml:4:3: expected the name of a photo below",
        ),
        (
            lambda f: edited(f / XML, "width='", "width='9"),
            r"labels_train.xml:5:5: expected faces/P_0_0.png of 9.* px; received one of",
        ),
        (
            lambda f: (f / XML).write_text("<dataset><images></images></dataset>"),
            r"labels_train.xml:1: expected at least one box",
        ),
        (
            lambda f: (f / XML).write_text("<dataset><box/></dataset>"),
            r"labels_train.xml:1:10: expected <box> inside <image>",
        ),
        (
            lambda f: (f / XML).write_text("<a><dataset/></a>"),
            r"labels_train.xml:1:1: expected <dataset>; received <a>",
        ),
    ],
    "pts": [
        (
            lambda f: edited(f / PTS, "n_points: 68", "n_points: 5"),
            r"P_0_0.pts:2: expected n_points: 68; received 'n_points: 5'",
        ),
        (lambda f: edited(f / PTS, "version: 1", "v1"), r"P_0_0.pts:1: expected version: 1; received 'v1'"),
        (lambda f: set_line(f / PTS, 4, "1 2 3"), r"P_0_0.pts:4: expected x and y; received '1 2 3'"),
        (lambda f: set_line(f / PTS, 4, "1 inf"), r"P_0_0.pts:4: expected y, a number .*; received 'inf'"),
        (lambda f: set_line(f / PTS, 72, None), r"P_0_0.pts:71: expected 68 lines of points between braces"),
        (lambda f: (f / "P_0_0.png").unlink(), r"P_0_0.pts: expected a photo beside it: P_0_0 with .jpg"),
    ],
    "csv": [
        (
            lambda f: field(f / CSV, 2, 0, ""),
            r"faces.csv:2: expected the name of a photo below the set's folder; received ''",
        ),
        (
            lambda f: field(f / CSV, 2, 4, "0"),
            r"faces.csv:2: expected a box of more than 0 px; received 0x",
        ),
        (
            lambda f: edited(f / CSV, "tip_x", "tipx"),
            r"faces.csv:1:\d+: expected a known column; received 'tipx' \(did you mean tip_x",
        ),
        (lambda f: edited(f / CSV, "box_left", "box_lft"), r"faces.csv:1: expected all of box_left, .* or none"),
        (lambda f: field(f / CSV, 2, 6, ""), r"faces.csv:2: expected x and y of tip both blank or neither"),
        (lambda f: field(f / CSV, 2, 6, "12px"), r"faces.csv:2: expected tip_x, a number from .*; received '12px'"),
        (
            lambda f: edited(f / "schema.json", '"tip"', '"../tip"'),
            r"schema.json: points\[0\]: expected a name of up to 64 letters",
        ),
        (
            lambda f: edited(f / "schema.json", '"name"', '"nam"'),
            r"expected one of name, points, .*; received 'nam'; did you mean 'name'",
        ),
        (lambda f: edited(f / "schema.json", "{", "[", 1), r"schema.json: expected a schema in JSON; received"),
    ],
    "coco": [
        (lambda f: edited(f / COCO, "{", "", 1), r"faces.json:1:\d+: expected JSON"),
        (coco(lambda t: t.pop("images")), r"faces.json: images: expected a list; received nothing"),
        (
            coco(lambda t: t["annotations"].insert(0, 7)),
            r"faces.json: annotations\[0\]: expected an object; received 7",
        ),
        (
            coco(lambda t: t["annotations"][1].pop("image_id")),
            r"annotations\[1\].image_id: expected a whole number; received nothing",
        ),
        (
            coco(lambda t: t["annotations"][1].update(image_id=99)),
            r"annotations\[1\].image_id: expected the id of an image; received 99",
        ),
        (
            coco(lambda t: t["annotations"][1]["keypoints"].pop()),
            r"annotations\[1\].keypoints: expected 9 numbers; received 8",
        ),
        (
            coco(lambda t: t["annotations"][1]["keypoints"].__setitem__(0, "1")),
            r"annotations\[1\].keypoints\[0\]: expected a number",
        ),
        (
            coco(lambda t: t["annotations"][1]["keypoints"].__setitem__(2, 3)),
            r"keypoints\[2\]: expected a visibility of 0, 1 or 2",
        ),
        (
            coco(lambda t: t["annotations"][1].update(bbox=[1, 2, 0, 4])),
            r"annotations\[1\].bbox: expected a box of more than 0 px",
        ),
        (
            coco(lambda t: t["images"][0].update(file_name="../a.png")),
            r"images\[0\].file_name: expected the name of a photo below",
        ),
        (coco(lambda t: t["images"][0].update(width=9)), r"expected P_0_0.png of 9x\d+ px; received one of"),
        (
            coco(lambda t: t["categories"].append(t["categories"][0])),
            r"faces.json: categories: expected one with keypoints; received 2",
        ),
        (
            coco(lambda t: t["categories"][0].update(skeleton=[[0, 1]])),
            r"good|skeleton\[0\]: expected two numbers from 1 to 3",
        ),
    ],
}
SCHEMAS_OF = {"youtube": IBUG68, "imm": IMM58, "dlib": IBUG68, "pts": IBUG68, "csv": GLOVE, "coco": GLOVE}
CASES = [(name, i) for name, cases in HOSTILE.items() for i in range(len(cases))]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """dict of format to a folder with a good set in it."""
    made = {}
    for name, schema in SCHEMAS_OF.items():
        folder = tmp_path_factory.mktemp(name)
        album = photographed(folder, schema, count=2)
        (folder / "set").mkdir()
        made[name] = put(album, folder / "set", name)
    return made


@pytest.mark.parametrize(("name", "case"), CASES, ids=[f"{name}-{i}" for name, i in CASES])
def test_what_is_wrong_is_refused_with_its_place(tmp_path, good, name, case):
    spoil, message = HOSTILE[name][case]
    folder = tmp_path / "set"
    shutil.copytree(good[name], folder)
    spoil(folder)
    known = recognised(folder) or (name, folder / {"dlib": XML, "coco": COCO}.get(name, ""))
    if message.startswith("good|"):  # a schema file beside it says what counts
        READERS[name].read(known[1])
        (folder / "schema.json").unlink()
        message = "mirror partner|" + message
    with pytest.raises(DataError, match=message):
        cut_faces(READERS[name].read(known[1]), FaceSettings())


@pytest.mark.parametrize("name", SCHEMAS_OF)
def test_a_good_set_becomes_faces_with_a_way_back(good, name):
    faces = read_training(str(good[name]), 0, FaceSettings(height=48, width=64, colour=True, level=False))
    album = read_album(good[name], FaceSettings())
    assert faces.images.shape == (2, 48, 64, 3)
    back = (faces.points - faces.matrices[:, None, :, 2]) / faces.matrices[:, None, [0, 1], [0, 1]]
    np.testing.assert_allclose(back, np.stack([shot.points for shot in album.shots]), atol=1e-3)


def test_several_files_of_a_kind_are_not_chosen_among(tmp_path, good):
    folder = tmp_path / "set"
    shutil.copytree(good["dlib"], folder)
    for name in ("a.xml", "labels_test.xml", "labels_test_parsed.xml"):
        shutil.copy(folder / XML, folder / name)
    assert recognised(folder)[1] == folder / XML
    assert read_test_album(folder).files == (folder / "labels_test.xml",)
    (folder / XML).rename(folder / "b.xml")
    with pytest.raises(
        DataError, match=r"expected one an XML file of dlib's, or one with 'train' in its name; received a.xml"
    ):
        recognised(folder)


def test_boxes_without_parts_and_ignored_ones(tmp_path, good):
    folder = tmp_path / "set"
    shutil.copytree(good["dlib"], folder)
    text = (folder / XML).read_text().splitlines()
    (folder / XML).write_text("\n".join(line for line in text if "<part" not in line))
    album = read_album(folder, FaceSettings())
    assert np.isnan(album.shots[0].points).all()
    assert album.schema is IBUG68
    edited(folder / XML, "<box ", "<box ignore='1' ")
    assert len(read_album(folder, FaceSettings())) == len(album) - 1


def test_pts_files_may_count_pixels_from_one(good):
    zero, one = (read_album(good["pts"], FaceSettings(pts_first=first)) for first in (0, 1))
    np.testing.assert_allclose(one.shots[0].points, zero.shots[0].points - 1)


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        (
            "image,a_x,b_y",
            "p.png,1,2",
            "mine.csv:1: expected columns NAME_x and NAME_y side by side, such as a_y; received 'b_y'",
        ),
        (
            "image,a_x",
            "p.png,1",
            "expected x and y|expected columns NAME_x and NAME_y|fields|expected columns a_x, a_y|column a_y",
        ),
        ("image,left_a_x,left_a_y", "p.png,1,2", "mine.csv: expected right_a too, the mirror partner of left_a"),
        ("image", "p.png", "expected columns NAME_x and NAME_y of the points; received none"),
        ("image,a/b_x,a/b_y", "p.png,1,2", "expected a name of up to 64 letters, digits, _ and -; received 'a/b'"),
    ],
)
def test_columns_must_tell_points(tmp_path, header, rows, message):
    cv2.imwrite(str(tmp_path / "p.png"), np.zeros((9, 9, 3), np.uint8))
    (tmp_path / "mine.csv").write_text(f"{header}\n{rows}\n")
    with pytest.raises(DataError, match=message):
        read_album(tmp_path / "mine.csv", FaceSettings())


@pytest.mark.parametrize("ending", ["toml", "json"])
def test_a_schema_file_beside_a_set_names_points_partners_and_lines(tmp_path, ending):
    cv2.imwrite(str(tmp_path / "p.png"), np.zeros((9, 9, 3), np.uint8))
    (tmp_path / "mine.csv").write_text("file,cuff_b_x,cuff_b_y,tip_x,tip_y,cuff_a_x,cuff_a_y\np.png,1,2,3,4,,\n")
    toml = 'name = "glove"\npoints = ["tip", "cuff_a", "cuff_b"]\nmirror = [["cuff_a", "cuff_b"]]\n'
    toml += '[groups]\ncuffs = ["cuff_a", "cuff_b"]\n'
    tree = {"name": "glove", "points": GLOVE.points, "mirror": GLOVE.pairs, "groups": {"cuffs": ["cuff_a", "cuff_b"]}}
    (tmp_path / f"mine.schema.{ending}").write_text(toml if ending == "toml" else json.dumps(tree))
    album = read_album(tmp_path, FaceSettings())
    assert album.schema.points == GLOVE.points
    assert album.schema.mirror.tolist() == [0, 2, 1]
    assert album.schema.named("cuffs") == ("cuff_a", "cuff_b")
    np.testing.assert_array_equal(album.shots[0].points, [[3, 4], [np.nan, np.nan], [1, 2]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("points = [", "mine.schema.toml: expected a schema in TOML"),
        ("points = []", "points: expected a list of 1 to 1000 names"),
        ("lines = []", "points: expected a list of 1 to 1000 names; received none"),
        ('points = ["a", "A"]', r"points\[1\]: expected each name once; received 'A' again"),
        ('points = ["a"]\nmirror = [["a", "b"]]', r"mirror\[0\]: expected one of the points; received 'b'"),
        (
            'points = ["a", "b"]\nmirror = [["a", "b"], ["b", "a"]]',
            r"mirror\[1\]: expected two points that stand in no other pair",
        ),
        ('points = ["a"]\nmirror = "a"', "mirror: expected a list of lists of points; received 'a'"),
        (
            'points = ["nose"]\nlines = [["nse"]]',
            r"lines\[0\]: expected one of the points; received 'nse'; did you mean 'nose'",
        ),
        ('points = ["left_a"]', "expected right_a too, the mirror partner of left_a"),
        ('points = ["a"]\n[groups]\na = ["a"]', "groups: expected names that no point has; received 'a'"),
        ('points = ["a"]\nname = 3', "name: expected a word; received 3"),
        ('points = ["a@b"]', r"points\[0\]: expected a name of up to 64"),
    ],
)
def test_a_schema_file_is_checked(tmp_path, text, message):
    (tmp_path / "mine.csv").write_text("file,a_x,a_y\n")
    (tmp_path / "mine.schema.toml").write_text(text)
    with pytest.raises(DataError, match=message):
        read_album(tmp_path / "mine.csv", FaceSettings())


# Photos of every kind.


def test_photos_are_read_whatever_their_names_and_kinds_say(tmp_path):
    from PIL import Image

    rng = np.random.default_rng(0)
    rgba = Image.fromarray(rng.integers(0, 256, (7, 9, 4), np.uint8), "RGBA")
    rgba.save(tmp_path / "png_named.jpg", "PNG")
    np.testing.assert_array_equal(read_picture(tmp_path / "png_named.jpg"), np.asarray(rgba)[..., :3])
    np.testing.assert_array_equal(
        read_picture(tmp_path / "png_named.jpg"), cv2.imread(str(tmp_path / "png_named.jpg"))[..., ::-1]
    )
    deep = rng.integers(0, 65536, (5, 6)).astype(np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    np.testing.assert_array_equal(read_picture(tmp_path / "deep.png")[..., 1], deep // 256)
    Image.new("CMYK", (4, 3), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg")
    assert (
        read_picture(tmp_path / "cmyk.jpg")[1, 1].tolist() == [255, 0, 0]
        or read_picture(tmp_path / "cmyk.jpg")[1, 1, 0] > 200
    )
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.arange(6, dtype=np.uint8).reshape(2, 3) * 40).save(tmp_path / "turned.png", exif=exif)
    assert picture_size(tmp_path / "turned.png") == (2, 3)
    assert read_picture(tmp_path / "turned.png").shape == (3, 2, 3)
    assert read_picture(tmp_path / "turned.png", turn=False).shape == (2, 3, 3)


def test_photos_that_are_none_too_large_or_end_early_are_refused(tmp_path):
    from PIL import Image

    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8)
    cv2.imwrite(str(tmp_path / "a.jpg"), noise)
    whole = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "short.jpg").write_bytes(whole[: len(whole) // 2])
    Image.new("1", (20_000, 10_000)).save(tmp_path / "huge.png")
    assert (tmp_path / "huge.png").stat().st_size < 100_000
    for name, message in {
        "short.jpg": "short.jpg: expected a whole picture; received a damaged one",
        "huge.png": "huge.png: expected at most 100,000,000 px",
        "none.jpg": "none.jpg: expected a picture; received no file",
    }.items():
        with pytest.raises(DataError, match=message):
            read_picture(tmp_path / name)


def test_labels_of_a_photo_held_sideways_fit_the_size_that_the_set_says(tmp_path):
    from PIL import Image

    from data.crops import photo_of

    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.zeros((20, 30, 3), np.uint8)).save(tmp_path / "a.jpg", exif=exif)
    shot = Shot(tmp_path / "a.jpg", "a.jpg", np.zeros((1, 2)), "x:1", size=(30, 20))
    assert photo_of(shot).shape == (20, 30, 3)
    assert photo_of(Shot(**{**vars(shot), "size": (20, 30)})).shape == (30, 20, 3)


# The real layouts.


def test_real_frames_imm_and_300w_agree(shared, tmp_path):
    import subprocess
    import sys

    faces = shared / "data/youtube_faces"
    if not faces.is_dir():
        pytest.skip("no frames there")
    part = tmp_path / "part"
    (part / "frames").mkdir(parents=True)
    lines = (faces / YOUTUBE).read_text().splitlines()
    lines = [lines[0], *lines[1::300]]
    (part / YOUTUBE).write_text("\n".join(lines) + "\n")
    for line in lines[1:]:
        shutil.copy(faces / "frames" / line.partition(",")[0], part / "frames")
    tool = [sys.executable, str(shared / "tools/make_layouts.py"), "--faces", str(part), "--count", "12"]
    subprocess.run([*tool, "--imm", str(tmp_path / "imm"), "--ibug", str(tmp_path / "ibug")], check=True)
    albums = {
        name: read_album(path, FaceSettings())
        for name, path in (("youtube", part), ("imm", tmp_path / "imm"), ("pts", tmp_path / "ibug/faces"))
    }
    assert {name: album.schema.name for name, album in albums.items()} == {
        "youtube": "ibug68",
        "imm": "imm58_along",
        "pts": "ibug68",
    }
    by_name = {shot.name: shot.points for shot in albums["youtube"].shots}
    for shot in albums["pts"].shots:
        np.testing.assert_allclose(shot.points, by_name[shot.name], atol=1e-5)
    for xml in ("train", "test"):
        path = tmp_path / f"ibug/labels_ibug_300W_{xml}.xml"
        if "<box" in path.read_text():
            for shot in read_album(path, FaceSettings()).shots:
                np.testing.assert_allclose(shot.points, by_name[Path(shot.name).name], atol=0.5)
    nose = albums["imm"].schema.index("nose_tip")
    assert nose == 52


def test_dlibs_real_files_are_read(shared):
    album = read_album(shared / "data/dlib_faces", FaceSettings())
    assert (len(album), album.schema) == (18, IBUG68)
    assert album.files[0].name == "training_with_face_landmarks.xml"
    assert len(read_test_album(shared / "data/dlib_faces")) == 25
