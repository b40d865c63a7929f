"""Sets larger than memory: the same faces, the same bytes of weights, and a damaged one refused."""

import shutil
from dataclasses import replace

import numpy as np
import pytest
import tiny

from data import mapped, sources
from data.convert import convert, main
from data.crops import FaceSettings
from data.errors import DataError, UsageError
from data.images import Images, Writer
from data.mapped import copy_images, read_mapped, write_mapped
from data.storage import TEMPORARY
from data.synthetic import make_faces

FACES = make_faces(30, seed=4, size=32)
ARRAYS = ("images", "points", "convention", "group", "ids")


def write(folder, faces=FACES, cut=None):
    folder.mkdir()
    return write_mapped(folder, faces.images.shape, copy_images(faces), cut)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Folder of the stored FACES."""
    folder = tmp_path_factory.mktemp("made") / "set"
    write(folder)
    return folder


@pytest.fixture
def copied(made, tmp_path):
    """A copy of it that may be damaged."""
    return shutil.copytree(made, tmp_path / "set")


def same(faces, wanted):
    for name in ARRAYS:
        np.testing.assert_array_equal(np.asarray(getattr(faces, name)), getattr(wanted, name))
        assert getattr(faces, name).dtype == getattr(wanted, name).dtype
    assert (faces.schema, faces.source, faces.size) == (wanted.schema, wanted.source, wanted.size)
    assert faces.digest() == wanted.digest()


@pytest.mark.parametrize("name", ["", mapped.NAME])
def test_a_stored_set_is_the_set(made, name):
    faces = sources.read_training(str(made / name))
    same(faces, FACES)
    assert isinstance(faces.images, Images)
    assert not any(getattr(faces, name).flags.writeable for name in ARRAYS[1:])


@pytest.mark.parametrize(
    "key",
    [
        *(3, -1, np.int64(7), slice(2, 9), slice(0, 0), slice(25, 99), slice(None, None, -3)),
        *([5, 4, 4, 20], np.arange(30) % 7 == 0),
        *((2, 5), (slice(4, 8), slice(None), slice(None, None, -1)), ([1, 2], ..., 0)),
    ],
    ids=str,
)
def test_images_are_picked_as_from_an_array(made, key):
    images = Images(made / "images.npy")
    np.testing.assert_array_equal(images[key], FACES.images[key])
    some = [29, 3, 4, 5, 6, 7, 17, 0, 1, 2]
    if isinstance(key, slice):
        np.testing.assert_array_equal(images.view(some)[key], FACES.images[some][key])
        np.testing.assert_array_equal(images.view(some).view(key)[:], FACES.images[some][key])


def test_parts_of_a_stored_set_leave_the_images_in_the_file(made, monkeypatch):
    faces = read_mapped(made)
    monkeypatch.setattr(Images, "_read", lambda *_: pytest.fail("images were read"))
    part = faces[np.arange(0, 30, 2)][3:9]
    assert (len(part), part.size) == (6, (32, 32))
    monkeypatch.undo()
    same(part, FACES[np.arange(0, 30, 2)][3:9])


def test_going_through_all_images_reads_them_in_blocks(made, monkeypatch):
    monkeypatch.setattr("data.images.BLOCK", 7)
    for image, wanted in zip(Images(made / "images.npy"), FACES.images, strict=True):
        np.testing.assert_array_equal(image, wanted)


def test_the_digest_is_known_and_forgotten_with_any_change(made, monkeypatch):
    faces = read_mapped(made)
    changed = replace(faces, points=faces.points + 1)
    assert changed.digest() == replace(FACES, points=FACES.points + 1).digest() != faces.digest()
    monkeypatch.setattr(Images, "_read", lambda *_: pytest.fail("images were read"))
    assert faces.digest() == FACES.digest()


def test_a_set_is_hashed_once(made, monkeypatch):
    monkeypatch.setattr("data.cache.SETTLED", -1)
    read_mapped(made)
    monkeypatch.setattr("data.cache.sha256_of", lambda path: pytest.fail(f"{path} was read"))
    read_mapped(made)


def truncate(folder):
    path = folder / "images.npy"
    path.write_bytes(path.read_bytes()[:-100])


def flip(name, place):
    def damage(folder):
        content = bytearray((folder / name).read_bytes())
        content[place] ^= 4
        (folder / name).write_bytes(content)

    return damage


def other_labels(folder):
    shutil.copy(write(folder.parent / "other", FACES[::-1]).images.path.parent / "labels.npz", folder)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (truncate, r"images\.npy: expected images \(30, 32, 32, 1\); received 30748 bytes: the file is damaged"),
        (flip("images.npy", 5000), r"images\.npy: damaged: its SHA-256 differs"),
        (flip("images.npy", 3), r"images\.npy: expected a .npy file"),
        (flip("labels.npz", 900), r"labels\.npz: damaged: its SHA-256 differs"),
        (other_labels, r"labels\.npz: damaged: its SHA-256 differs"),
        (flip(mapped.NAME, 40), r"mapped\.json: damaged: its checksum differs"),
        (lambda folder: (folder / "images.npy").unlink(), r"images\.npy: expected a .npy file .*No such file"),
        (lambda folder: (folder / "labels.npz").unlink(), r"labels\.npz: expected a file that can be read"),
    ],
)
def test_a_damaged_set_is_refused_in_one_line(copied, damage, said):
    damage(copied)
    with pytest.raises(DataError, match=said) as caught:
        sources.read_training(str(copied))
    assert "\n" not in str(caught.value)


def test_a_set_without_its_last_file_is_none(copied):
    (copied / mapped.NAME).unlink()
    with pytest.raises(DataError, match=r"expected training\.csv.* received none of them"):
        sources.read_training(str(copied))


def test_a_file_that_is_cut_off_while_it_is_read_is_refused(copied):
    faces = read_mapped(copied)
    truncate(copied)
    np.testing.assert_array_equal(faces.images[:29], FACES.images[:29])
    with pytest.raises(DataError, match="expected the images that it had when it was opened; received fewer"):
        faces.images[25:30]


def test_what_cannot_be_finished_leaves_nothing_behind(tmp_path):
    def fill(writer):
        writer[0] = FACES.images[0]
        raise DataError("photo 1: expected a picture")

    with pytest.raises(DataError, match="photo 1"):
        write_mapped(tmp_path, FACES.images.shape, fill)
    assert [path for path in tmp_path.iterdir() if TEMPORARY not in path.name] == []


def test_a_writer_is_one_file_of_numpys(tmp_path):
    with open(tmp_path / "images.npy", "w+b") as file:
        writer = Writer(file, FACES.images.shape)
        for row in reversed(range(len(writer))):
            writer[row] = FACES.images[row]
        np.testing.assert_array_equal(list(writer), FACES.images)
    np.testing.assert_array_equal(np.load(tmp_path / "images.npy", mmap_mode="r"), FACES.images)


def test_identity_and_batches_are_those_of_the_set_in_memory(made):
    from base_models.base import identity, split_faces
    from base_models.batches import Batches

    stored, settings = read_mapped(made), tiny.settings()
    assert identity(stored, settings, 5) == identity(FACES, settings, 5)
    for one, other in zip(*(vars(split_faces(f, settings.split, 5)).values() for f in (stored, FACES)), strict=True):
        pair = [Batches(faces, faces.slots, settings.augment, 8, 5, 1) for faces in (one, other)]
        assert len(pair[0]) == len(pair[1]) > 0
        for i in range(len(pair[0])):
            for a, b in zip(pair[0][i], pair[1][i], strict=True):
                np.testing.assert_array_equal(a, b)


@pytest.mark.slow
def test_training_on_a_stored_set_gives_the_same_bytes(made, tmp_path):
    from base_models.base import train_base

    settings = tiny.settings(train__epochs=1, network__head="pooled", network__filters=2)
    for name, faces in (("memory", FACES), ("stored", read_mapped(made))):
        train_base(faces, settings, tmp_path / name, 5, shared=True)
    for file in ("weights.npz", "settings.json"):
        one, other = ((tmp_path / name / "base" / file).read_bytes() for name in ("memory", "stored"))
        assert one == other, file


def test_teachers_and_specialists_look_at_stored_faces_block_by_block(made, monkeypatch):
    from base_models import base, predict
    from specialists import specialist
    from specialists.view import View

    monkeypatch.setattr(predict, "BATCH", 4)
    monkeypatch.setattr(base, "BLOCK", 8)
    monkeypatch.setattr(specialist, "BLOCK", 8)
    read = []
    monkeypatch.setattr(Images, "_read", lambda *a, real=Images._read: read.append(len(a[1])) or real(*a))
    slots, faces = len(FACES.schema.slot_names), read_mapped(made)
    teachers = [base.Base(Corner(slots, scale), FACES.schema, None) for scale in (1.0, 0.3)]
    np.testing.assert_array_equal(base.taught(faces, teachers), base.taught(FACES, teachers))
    view, shapes = View(np.array([2, 3]), np.random.default_rng(1).uniform(0, 32, (slots, 2)), 0.5, 8), FACES.slots
    shapes = np.where(np.isfinite(shapes), shapes, 10)
    found = [specialist._locate(Corner(2, 1.0), view, of.images, shapes) for of in (faces, FACES)]
    np.testing.assert_array_equal(*found)
    turned = specialist._locate(Corner(2, 1.0), view, FACES.images[:, :, ::-1], shapes)
    np.testing.assert_array_equal(specialist._locate(Corner(2, 1.0), view, faces.images, shapes, mirror=True), turned)
    assert max(read) <= 8


def test_the_quick_regression_reads_in_blocks_and_learns_from_whole_persons(made, monkeypatch):
    from reports import label_regression

    faces = replace(read_mapped(made), group=np.arange(30) // 2)
    whole = label_regression.regress(faces)
    monkeypatch.setattr("data.images.BLOCK", 8)
    read = []
    monkeypatch.setattr(Images, "_read", lambda *a, real=Images._read: read.append(len(a[1])) or real(*a))
    np.testing.assert_array_equal(label_regression.regress(faces), whole)
    assert max(read) <= 8
    monkeypatch.setattr(label_regression, "MOST", 25)
    monkeypatch.setattr(label_regression, "FEWEST", 3)
    spoken = np.isfinite(label_regression.regress(faces)).any((1, 2))
    assert spoken.sum() == 24
    assert (spoken[::2] == spoken[1::2]).all()


class Corner:
    """Stands for a network: its positions are the grey levels of an image's first pixels."""

    def __init__(self, slots, scale):
        self.output_shape, self.scale = (None, slots, 2), scale

    def predict_on_batch(self, images):
        slots = self.output_shape[1]
        return images.reshape(len(images), -1)[:, : 2 * slots].reshape(-1, slots, 2) * np.float32(self.scale)


def test_convert_streams_drawn_faces(tmp_path, capsys):
    main(["synthetic:9", str(tmp_path / "out"), "--to", "mapped", "--seed", "3"])
    assert capsys.readouterr().out.endswith("9 faces of 15 points: images.npy, labels.npz, mapped.json\n")
    same(read_mapped(tmp_path / "out"), make_faces(9, 3))


@pytest.fixture
def photos(tmp_path):
    """A set on photos, and the settings that its faces are cut out by."""
    convert("synthetic:6", tmp_path / "photos", "csv", seed=2)
    return tmp_path / "photos", FaceSettings(height=40, width=48)


def test_convert_cuts_faces_out_of_photos_as_a_training_does(photos, tmp_path):
    place, settings = photos
    said = convert(place, tmp_path / "out", "mapped", settings)
    assert said == "6 faces of 15 points: images.npy, labels.npz, mapped.json"
    faces, wanted = (sources.read_training(str(p), 0, settings) for p in (tmp_path / "out", place))
    same(faces, wanted)
    np.testing.assert_array_equal(faces.matrices, wanted.matrices)


def test_a_copy_of_a_set_keeps_how_its_faces_were_cut_out(photos, tmp_path):
    place, settings = photos
    convert(place, tmp_path / "out", "mapped", settings)
    convert(tmp_path / "out", tmp_path / "copy", "mapped")
    assert mapped.cut_of(tmp_path / "copy") == settings


def test_a_run_is_told_how_faces_were_cut_out(photos, tmp_path):
    place, settings = photos
    convert(place, tmp_path / "out", "mapped", settings)
    with pytest.raises(UsageError, match=r"give --set faces\.height=40 --set faces\.width=48$"):
        sources.read_training(str(tmp_path / "out"), 0, FaceSettings())


def test_points_are_mapped_for_photos_only(made, tmp_path):
    with pytest.raises(UsageError, match="--points: expected a set on photos"):
        convert(made, tmp_path / "out", "mapped", points="kaggle15")


def test_a_stored_set_converts_back(made, tmp_path):
    convert(made, tmp_path / "csv", "csv")
    convert(made, tmp_path / "again", "mapped")
    assert isinstance(read_mapped(tmp_path / "again").images, Images)
    same(read_mapped(tmp_path / "again"), FACES)
    assert len(list((tmp_path / "csv").rglob("*.png"))) == len(FACES)
