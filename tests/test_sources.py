"""Where faces come from: every layout gives the same faces, hostile archives and missing files are named."""

import csv
import io
import os
import struct
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from data import archives, kaggle
from data.errors import DataError, UsageError
from data.keypoints import KAGGLE15
from data.sources import SYNTHETIC_COUNT, read_labelled_test, read_test, read_training
from data.synthetic import make_files

ROOT = Path(__file__).parent.parent
PERSONS = b"row,person\n0,Ann\n2,Ann\n"


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("KEYPOINT_CACHE", str(tmp_path / "cache"))


def written(header, rows):
    text = io.StringIO(newline="")
    csv.writer(text).writerows([header, *rows])
    return text.getvalue().encode()


@pytest.fixture(scope="module")
def files():
    """The competition's files, small: 3 faces to train on and 2 test images, of which the second is asked in full."""
    rng = np.random.default_rng(1)
    images = [" ".join(map(str, rng.integers(0, 256, 9216))) for _ in range(5)]
    points = rng.uniform(0, 96, (3, 30)).round(3).astype(object)
    points[2, 8:] = ""
    training = [[*row, image] for row, image in zip(points, images[:3], strict=True)]
    asked = [[1, 7, "nose_tip_x"], *([i, 4, name] for i, name in enumerate(KAGGLE15.columns, 2))]
    return {
        "training.csv": written([*KAGGLE15.columns, "Image"], training),
        "test.csv": written(["ImageId", "Image"], [[7, images[3]], [4, images[4]]]),
        "IdLookupTable.csv": written(["RowId", "ImageId", "FeatureName", "Location"], asked),
        "SampleSubmission.csv": b"RowId,Location\n1,0\n",
    }


def zipped(members, method=zipfile.ZIP_DEFLATED):
    """A zip of {name: bytes} as bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def competition(files, folder=""):
    """The competition's one zip: training.csv and test.csv in a zip each, the rest as they are."""
    packed = {name.replace(".csv", ".zip"): zipped({name: files[name]}) for name in ("training.csv", "test.csv")}
    plain = {name: files[name] for name in ("IdLookupTable.csv", "SampleSubmission.csv")}
    return zipped({folder + name: content for name, content in (packed | plain).items()})


LAYOUTS = {  # name: (files -> {path: bytes}, the path given as --data)
    "a folder": (lambda files: files, ""),
    "a folder of zips": (
        lambda files: {
            "training.zip": zipped({"training.csv": files["training.csv"]}),
            "test.zip": zipped({"test.csv": files["test.csv"]}),
            "IdLookupTable.csv": files["IdLookupTable.csv"],
        },
        "",
    ),
    "the competition's zip": (lambda files: {"k.zip": competition(files)}, "k.zip"),
    "the competition's zip in a folder": (lambda files: {f"{archives.COMPETITION}.zip": competition(files)}, ""),
    "a zip with a folder inside": (lambda files: {"k.zip": competition(files, "keypoints/")}, "k.zip"),
    "a zip of the plain files": (lambda files: {"k.zip": zipped(files)}, "k.zip"),
    "a stored zip": (lambda files: {"k.zip": zipped(files, zipfile.ZIP_STORED)}, "k.zip"),
    "training.csv with the others beside it": (lambda files: files, "training.csv"),
    "training.zip with the others beside it": (
        lambda files: files | {"training.zip": zipped({"training.csv": files["training.csv"]})},
        "training.zip",
    ),
    "training.csv under another name": (
        lambda files: files | {"mine.txt": files["training.csv"], "training.csv": b"not looked at"},
        "mine.txt",
    ),
}


def laid_out(folder, contents):
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return folder


def same(faces, wanted):
    for name in ("images", "points", "convention", "group", "ids"):
        np.testing.assert_array_equal(getattr(faces, name), getattr(wanted, name))


@pytest.mark.parametrize(("layout", "given"), LAYOUTS.values(), ids=LAYOUTS)
def test_every_layout_gives_the_same_faces(tmp_path, files, layout, given):
    place = laid_out(tmp_path / "data", layout(files)) / given
    wanted = kaggle.read_training(io.BytesIO(files["training.csv"]))
    for _ in range(2):  # read, then from the cache
        same(read_training(str(place)), wanted)
    test, lookup = read_test(str(place))
    assert test.ids.tolist() == [7, 4]
    assert test.convention.tolist() == [1, 0]
    assert lookup.row_id.tolist() == list(range(1, 32))
    assert lookup.image.tolist() == [0] + [1] * 30
    assert lookup.point[:3].tolist() == [KAGGLE15.index("nose_tip"), 0, 0]
    assert lookup.axis[:3].tolist() == [0, 0, 1]


def test_labelled_test_faces_are_the_test_with_its_answers(tmp_path):
    make_files(tmp_path, 4, 12, seed=2)
    asked, truth = read_test(str(tmp_path))[1], (tmp_path / "test_truth.csv").read_text().splitlines()[1:]
    faces = read_labelled_test(str(tmp_path))
    found = faces.points[asked.image, asked.point, asked.axis]
    np.testing.assert_allclose(found, [float(line.split(",")[1]) for line in truth], rtol=1e-6)
    assert faces.labelled.sum() * 2 == len(asked) > 0
    same(replace(faces, points=read_test(str(tmp_path))[0].points), read_test(str(tmp_path))[0])


def test_without_a_test_part_all_faces_are_the_test(tmp_path, files):
    place = laid_out(tmp_path / "data", {"training.csv": files["training.csv"]})
    for given in (place, place / "training.csv"):
        same(read_labelled_test(str(given)), read_training(str(place)))
    same(read_labelled_test("synthetic:3", 5), read_training("synthetic:3", 5))


UNFIT = {  # name: (files left out, content of test_truth.csv, words)
    "no answers": ("test_truth.csv", b"", "expected test_truth.csv, "),
    "half a point": ("", b"".join(b"%d,2\n" % i for i in range(1, 32)), "expected both coordinates of a point"),
}


@pytest.mark.parametrize(("left_out", "answers", "words"), UNFIT.values(), ids=UNFIT)
def test_a_test_part_that_cannot_be_scored_is_refused(tmp_path, files, left_out, answers, words):
    given = {**files, "test_truth.csv": b"RowId,Location\n" + answers}
    given.pop(left_out, None)
    with pytest.raises(DataError, match=words):
        read_labelled_test(str(laid_out(tmp_path / "data", given)))


def test_faces_without_any_label_are_no_test(tmp_path, files):
    blank = written([*KAGGLE15.columns, "Image"], [[""] * 30 + [" ".join(["7"] * 9216)]])
    with pytest.raises(DataError, match="expected labelled faces; received 1 without any label"):
        read_labelled_test(str(laid_out(tmp_path / "data", {"training.csv": blank})))


GROUPED = {  # name: ({path: bytes} beside training.csv, the path given, groups)
    "a folder without it": ({}, "", [0, 1, 2]),
    "a folder": ({"training_persons.csv": PERSONS}, "", [0, 1, 0]),
    "training.csv": ({"training_persons.csv": PERSONS}, "training.csv", [0, 1, 0]),
    "another name": ({"training_persons.csv": PERSONS}, "mine.csv", [0, 1, 2]),
    "another name's own": ({"mine_persons.csv": PERSONS}, "mine.csv", [0, 1, 0]),
    "beside a zip": ({"training_persons.csv": PERSONS}, "training.zip", [0, 1, 0]),
}


@pytest.mark.parametrize(("beside", "given", "groups"), GROUPED.values(), ids=GROUPED)
def test_a_persons_file_beside_keeps_persons_together(tmp_path, files, beside, given, groups):
    training = files["training.csv"]
    mine = {"training.csv": training, "mine.csv": training, "training.zip": zipped({"training.csv": training})}
    assert read_training(str(laid_out(tmp_path / "data", mine | beside) / given)).group.tolist() == groups


def test_a_persons_file_inside_the_zip_counts_too(tmp_path, files):
    (tmp_path / "k.zip").write_bytes(zipped(files | {"training_persons.csv": PERSONS}))
    assert read_training(str(tmp_path / "k.zip")).group.tolist() == [0, 1, 0]


def test_a_changed_persons_file_changes_the_groups(tmp_path, files):
    place = laid_out(tmp_path / "data", files | {"training_persons.csv": PERSONS})
    assert read_training(str(place)).group.tolist() == [0, 1, 0]
    (place / "training_persons.csv").write_bytes(b"row,person\n0,Ann\n1,Ann\n")
    assert read_training(str(place)).group.tolist() == [0, 0, 1]


def test_faces_of_an_older_reader_are_read_again(tmp_path, files, monkeypatch):
    place = str(laid_out(tmp_path / "data", files))
    read_training(place)
    read_test(place)
    monkeypatch.setattr(kaggle, "VERSION", kaggle.VERSION + 1)
    read = []
    for name in ("read_training", "read_test"):
        original = getattr(kaggle, name)
        monkeypatch.setattr(kaggle, name, lambda *args, original=original: read.append(args[1]) or original(*args))
    read_training(place)
    read_test(place)
    assert read == [f"{place}/training.csv", f"{place}/test.csv"]


def test_test_images_asked_differently_are_not_taken_from_the_cache(tmp_path, files):
    place = laid_out(tmp_path / "data", files)
    assert read_test(str(place))[0].convention.tolist() == [1, 0]
    (place / "IdLookupTable.csv").write_bytes(b"RowId,ImageId,FeatureName\n5,4,nose_tip_x\n")
    faces, lookup = read_test(str(place))
    assert faces.convention.tolist() == [1, 1]
    assert lookup.row_id.tolist() == [5]


@pytest.mark.parametrize("missing", ["test.csv", "IdLookupTable.csv"])
def test_half_of_the_test_files_is_refused(tmp_path, files, missing):
    place = laid_out(tmp_path / "data", {name: files[name] for name in files if name != missing})
    with pytest.raises(DataError) as refusal:
        read_test(str(place))
    assert str(refusal.value) == (
        f"{place}: expected {missing}, {missing[:-4]}.zip or {archives.COMPETITION}.zip with {missing} inside; "
        "received none of them"
    )


def test_a_folder_without_faces_is_told_what_was_looked_for(tmp_path):
    with pytest.raises(DataError, match=r"expected training\.csv, training\.zip or facial-keypoints-detection\.zip"):
        read_training(str(tmp_path))


def test_what_is_no_source_is_told_what_is(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for data in (str(tmp_path / "none"), str(tmp_path / "pipe"), "", "kaggel", "a\0b", "x" * 5000, "~nobody/x"):
        for read in (read_training, read_test):
            with pytest.raises(DataError, match=r"^--data: expected synthetic, synthetic:COUNT, kaggle, or the path"):
                read(data)


def test_a_row_inside_zips_is_named_with_its_place(tmp_path, files):
    bad = files["training.csv"].replace(b"\r\n", b"\r\nx", 1)
    (tmp_path / "k.zip").write_bytes(competition(files | {"training.csv": bad}))
    with pytest.raises(DataError, match=r"k\.zip/training\.csv:2:1: expected left_eye_center_x, a number from 0 to 96"):
        read_training(str(tmp_path / "k.zip"))


def patched(content, at, *values):
    """A zip with values of `struct` code "at[1]" at offset at[0] of its central directory's first entry."""
    offset, code = at
    changed = bytearray(content)
    struct.pack_into(code, changed, content.rindex(b"PK\1\2") + offset, *values)
    return bytes(changed)


FLAGS, PACKED, UNPACKED = (8, "<H"), (20, "<I"), (24, "<I")
HOSTILE = {  # name: (training.csv -> zip, part of what is said)
    "upwards": (lambda csv: zipped({"../evil": b"", "training.csv": csv}), "received '../evil'"),
    "upwards inside": (lambda csv: zipped({"a/../../training.csv": csv}), "received 'a/../../training.csv'"),
    "absolute": (lambda csv: zipped({"/etc/training.csv": csv}), "received '/etc/training.csv'"),
    "backslashes": (lambda csv: zipped({"..\\evil": b"", "training.csv": csv}), "received '../evil'"),
    "another drive": (lambda csv: zipped({"C:/training.csv": csv}), "received 'C:/training.csv'"),
    "upwards in the inner zip": (
        lambda csv: zipped({"training.zip": zipped({"../training.csv": csv})}),
        "h.zip/training.zip: expected members inside the archive's own folder; received '../training.csv'",
    ),
    "claims 4 GB": (
        lambda csv: patched(zipped({"training.csv": csv}), UNPACKED, 0xFFFFFFF0),
        "h.zip/training.csv: expected at most 2147483648 bytes unpacked; received a claim of 4294967280",
    ),
    "claims less than it holds": (
        lambda csv: patched(zipped({"training.csv": csv}), UNPACKED, len(csv) - 5),
        "received a damaged one (Bad CRC-32",
    ),
    "a bomb of one line": (lambda csv: zipped({"training.csv": bytes([55]) * 50_000_000}), "training.csv:1:200001: "),
    "an inner zip that claims 4 GB": (
        lambda csv: patched(zipped({"training.zip": zipped({"training.csv": csv})}), UNPACKED, 0xFFFFFFF0),
        "h.zip/training.zip: expected at most 536870912 bytes unpacked",
    ),
    "encrypted": (
        lambda csv: patched(zipped({"training.csv": csv}), FLAGS, 1),
        "h.zip/training.csv: expected a member without a password; received an encrypted one",
    ),
    "another method": (lambda csv: zipped({"training.csv": csv}, zipfile.ZIP_BZIP2), "deflated member; received bzip2"),
    "cut short": (lambda csv: zipped({"training.csv": csv})[:-30], "expected a whole zip archive; received a damaged"),
    "no members": (lambda csv: zipped({}), "expected training.csv, training.zip or facial-keypoints-detection.zip"),
    "other members": (lambda csv: zipped({"a.csv": csv}), "expected training.csv, training.zip or facial-keypoints-d"),
    "an inner zip without it": (
        lambda csv: zipped({"training.zip": zipped({"a": b"", "b": b""})}),
        "h.zip/training.zip: expected training.csv inside; received 'a', 'b'",
    ),
    "an inner zip that is none": (lambda csv: zipped({"training.zip": csv}), "(File is not a zip file)"),
    "two of them": (lambda csv: zipped({"training.csv": csv, "b/training.csv": csv}), "one training.csv; received 2"),
    "gzip inside": (
        lambda csv: zipped({"training.csv": b"\x1f\x8b\x08"}),
        "training.csv:1:1: expected CSV text in UTF",
    ),
}


@pytest.mark.parametrize(("make", "said"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_zip_is_refused(tmp_path, files, make, said):
    (tmp_path / "h.zip").write_bytes(make(files["training.csv"]))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(DataError) as refusal:
        read_training(str(tmp_path / "h.zip"))
    assert said in str(refusal.value)
    assert str(refusal.value).startswith(str(tmp_path / "h.zip"))
    assert [path for path in sorted(tmp_path.rglob("*")) if "cache" not in path.parts] == before


def test_any_flipped_bit_of_a_zip_is_refused_or_does_not_matter(tmp_path, files):
    whole = competition(files)
    wanted = kaggle.read_training(io.BytesIO(files["training.csv"]))
    rng = np.random.default_rng(0)
    ends = np.r_[np.arange(0, 60), np.arange(len(whole) - 360, len(whole), 2)]  # headers, and the directory
    refused = 0
    for at in [*ends, *rng.integers(0, len(whole), 40)]:
        damaged = bytearray(whole)
        damaged[at] ^= 1 << rng.integers(8)
        (tmp_path / "k.zip").write_bytes(damaged)
        try:
            same(read_training(str(tmp_path / "k.zip")), wanted)
        except DataError:
            refused += 1
    assert refused > 80


def test_a_folder_in_place_of_a_file_is_no_file(tmp_path):
    (tmp_path / "training.csv").mkdir()
    with pytest.raises(DataError, match="received none of them"):
        read_training(str(tmp_path))


def test_synthetic_faces_come_in_any_number(monkeypatch):
    asked = []
    fake = SimpleNamespace(make_faces=lambda count, seed: asked.append((count, seed)))
    monkeypatch.setitem(sys.modules, "data.synthetic", fake)
    read_training("synthetic", seed=3)
    read_training("synthetic:17")
    assert asked == [(SYNTHETIC_COUNT, 3), (17, 0)]


@pytest.mark.parametrize("data", ["synthetic:", "synthetic:0", "synthetic:-3", "synthetic:1e3", "synthetic:٣"])
def test_a_count_that_is_none_is_a_usage_error(data):
    with pytest.raises(UsageError, match="expected synthetic:COUNT with COUNT from 1 to 9999999; received"):
        read_training(data)


@pytest.mark.parametrize("data", ["synthetic", "synthetic:10"])
def test_synthetic_faces_have_no_test(data):
    with pytest.raises(DataError, match=r"expected a source with test\.csv and IdLookupTable\.csv"):
        read_test(data)


def response(status):
    """An error as requests raises it, with the status of the answer."""
    error = OSError(f"{status} Client Error")
    error.response = SimpleNamespace(status_code=status)
    return error


FAILURES = {
    "rules": (response(403), "the rules are not accepted: open kaggle.com/c/facial-keypoints-detection/rules"),
    "account": (response(401), "no account: put a token from kaggle.com/settings"),
    "credentials": (type("CredentialError", (Exception,), {})("bad"), "no account: put a token"),
    "network": (type("ConnectionError", (OSError,), {})(), "no network: ConnectionError; try again"),
    "name not found": (OSError(-2, "Name or service not known"), "no network: OSError"),
    "full disk": (OSError(28, "No space left on device"), "the download failed (OSError: [Errno 28] No space left"),
    "server": (response(500), "the download failed (OSError: 500 Client Error)"),
    "anything else": (ValueError("odd"), "the download failed (ValueError: odd)"),
}


@pytest.mark.parametrize("read", [read_training, read_test])
@pytest.mark.parametrize(("error", "said"), FAILURES.values(), ids=FAILURES)
def test_a_failed_download_says_what_to_do(monkeypatch, read, error, said):
    def fail(handle):
        raise error

    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(competition_download=fail))
    with pytest.raises(DataError) as refusal:
        read("kaggle")
    assert str(refusal.value).startswith(f"kaggle: {said}")
    assert "give their folder as --data" in str(refusal.value)


def test_without_kagglehub_the_way_to_get_it_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    with pytest.raises(
        DataError, match="kaggle: expected kagglehub; it is not installed: pip install kagglehub, or fe"
    ):
        read_training("kaggle")


def test_what_kagglehub_fetched_is_read(tmp_path, files, monkeypatch):
    place = laid_out(tmp_path / "data", files)
    fetched = {"facial-keypoints-detection": str(place)}
    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(competition_download=fetched.__getitem__))
    assert read_training("kaggle").ids.tolist() == [0, 1, 2]
    assert len(read_test("kaggle")[1]) == 31


LIGHT = """
import sys
from data.sources import SYNTHETIC_COUNT, read_training
read_training(sys.argv[1])
heavy = {"pandas", "scipy", "sklearn", "cv2", "keras", "tensorflow", "kagglehub", "data.readers"}
print(sorted(heavy & set(sys.modules)))
"""


def test_reading_from_the_cache_loads_no_heavy_library(tmp_path, files):
    place = laid_out(tmp_path / "data", files)
    read_training(str(place))
    done = subprocess.run([sys.executable, "-c", LIGHT, place], cwd=ROOT, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
