"""Other people's data: hostile tables through a command, a gigabyte in a line, and mutated files of every kind."""

import io
import re
import shutil

import numpy as np
import pytest
from damage import ended, measured
from test_kaggle import HEADER, HOSTILE, ROW, table
from test_readers import SCHEMAS_OF, photographed, put
from trust import sized

from data import kaggle
from data.errors import DataError
from data.photos import FARTHEST
from data.readers import READERS, recognised
from data.synthetic_files import write_kaggle

# Hostile tables, from the file to the exit status.


@pytest.mark.faults
def test_every_hostile_table_is_refused_by_a_command_at_its_line_and_column(tmp_path, capsys, figures):
    from reports.labels import main

    path, out = tmp_path / "training.csv", tmp_path / "labels.html"
    for name, (content, place, _) in HOSTILE.items():
        path.write_bytes(content if isinstance(content, bytes) else table(*content))
        status, said = ended(main, ["--data", path, "--out", out], capsys)
        where = path if name == "zip named .csv" else f"{path}:{place}"  # that is looked for a table inside
        good = status == 3 and len(said) == 1 and said[0].startswith(f"error: {where}: expected ")
        figures("hostile tables refused at line and column", good, 1)
        assert good, (name, status, said)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["training.csv"]


def _sparse(path, head, size):
    with open(path, "wb") as file:
        file.write(head)
        file.truncate(size)


GIANTS = {  # a file of 1 GB: what it begins with, where it is refused
    "one line": (b"", "1:200001"),
    "a header, then one line": (table(HEADER), "2:200001"),
    "two rows, then one line": (table(HEADER, ROW), "3:200001"),
    "a quote that never closes": (table(HEADER) + b'"', "2:200001"),
}


@sized("names", ["one line"], list(GIANTS))
def test_a_gigabyte_in_one_line_costs_neither_memory_nor_time(tmp_path, figures, names):
    for name in names:
        head, place = GIANTS[name]
        _sparse(tmp_path / "training.csv", head, 1 << 30)
        setup = "from data.sources import read_training\nfrom data import kaggle, csv_rows"
        told, grown, seconds, peak = measured(setup, "read_training(sys.argv[1])", tmp_path / "training.csv")
        figures("hostile inputs refused in one sentence", told is not None and told[0] == 3, 1)
        figures("largest growth of memory on a hostile file, MB", round(grown))
        assert f"training.csv:{place}: " in told[1]
        assert grown < 200
        assert seconds < 10
        assert peak < 2000


# Mutated files of every format.


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """dict of format to a folder with a good set of two faces."""
    made = {}
    for name, schema in SCHEMAS_OF.items():
        folder = tmp_path_factory.mktemp(name)
        (folder / "set").mkdir()
        made[name] = put(photographed(folder, schema, count=2), folder / "set", name)
    return made


TOKENS = "nan|-1|1e999|inf||0x10|999999999999|٣|../a.png|/etc/passwd|\0|'|<|{|[[[[|&lol;|null|true|1_0| |\t|\r|\ufeff"
TOKENS = f'{TOKENS}|P_0_0.png|e|--|1.5.5|,,|}}|"|0|1|2|3|7|1.5|48|95.5|60'.split("|")


def mutated(raw, rng):
    """A file with one to three changes: bytes flipped, cut out or doubled, a word or number replaced by a TOKEN."""
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        at, end = sorted(rng.integers(0, len(raw) + 1, 2))
        match rng.integers(9):
            case 0 if at < len(raw):
                raw = raw[:at] + bytes([raw[at] ^ 1 << rng.integers(8)]) + raw[at + 1 :]
            case 1:
                raw = raw[:at] + raw[min(end, at + 40) :]
            case 2:
                raw = raw[:end] + raw[at : min(end, at + 400)] + raw[end:]
            case 3:
                raw = raw[:at]
            case _:
                words = list(re.finditer(rb"[\w.+-]+", raw))
                if words:
                    word = words[rng.integers(len(words))]
                    token = TOKENS[rng.integers(len(TOKENS))].encode()
                    raw = raw[: word.start()] + token + raw[word.end() :]
    return raw


def check_album(album, folder):
    """What every album promises, whatever file it came from."""
    assert album.schema.mirror[album.schema.mirror].tolist() == list(range(len(album.schema)))
    for shot in album.shots:
        assert shot.points.shape == (len(album.schema), 2)
        known = shot.points[np.isfinite(shot.points)]
        assert not np.isinf(shot.points).any()
        assert (np.abs(known) <= 3 * FARTHEST).all()
        assert shot.photo.resolve().is_relative_to(folder.resolve())
        assert shot.photo.is_file()
        assert shot.box is None or (len(shot.box) == 4 and min(shot.box[2:]) > 0 and np.isfinite(shot.box).all())
        assert 0 <= shot.convention < len(album.schema.conventions)
        assert isinstance(shot.person, str)


def check_faces(faces):
    known = faces.points[np.isfinite(faces.points)]
    assert faces.images.shape[1:] == (96, 96, 1)
    assert ((known >= 0) & (known <= 96)).all()
    assert (np.isfinite(faces.points).all(-1) == np.isfinite(faces.points).any(-1)).all()
    assert faces.convention.max() <= 1


@sized("count", 60, 1250)
@pytest.mark.parametrize("name", [*SCHEMAS_OF, "schema"])
def test_a_mutated_set_is_refused_or_keeps_all_promises(sets, tmp_path, figures, name, count):
    folder = tmp_path / "set"
    shutil.copytree(sets["csv" if name == "schema" else name], folder)
    _, path = recognised(folder)
    files = [
        f for f in sorted(folder.iterdir()) if f.is_file() and f.suffix in (".csv", ".asf", ".xml", ".pts", ".json")
    ]
    files = [f for f in files if (f.name == "schema.json") == (name == "schema")]
    rng, refused, bad = np.random.default_rng([15, len(name)]), 0, []
    for i in range(count):
        file = files[rng.integers(len(files))]
        raw = file.read_bytes()
        file.write_bytes(mutated(raw, rng))
        try:
            check_album(READERS["csv" if name == "schema" else name].read(path), folder)
        except DataError as error:
            refused += 1
            bad += [] if str(folder) in str(error) else [f"{name} {i}: {error}"]
        except Exception as error:
            bad.append(f"{name} {i}: {error!r}: {file.read_bytes()[:3000]!r}")
        file.write_bytes(raw)
    figures("mutated files refused, or read with all promises kept", count - len(bad), count)
    assert bad == []
    assert 0 < refused < count


@sized("count", 60, 1250)
def test_a_mutated_kaggle_table_is_refused_or_keeps_all_promises(tmp_path, figures, count):
    from data.synthetic import make_faces

    write_kaggle(tmp_path, make_faces(2, seed=1), make_faces(1, seed=2))
    readers = {
        "training.csv": lambda file: check_faces(kaggle.read_training(file)),
        "test.csv": lambda file: check_faces(kaggle.read_test(file)),
        "IdLookupTable.csv": lambda file: kaggle.read_lookup(file, [0]),
        "training_persons.csv": lambda file: kaggle.read_persons(file, 2),
    }
    rng, refused, bad = np.random.default_rng(16), 0, []
    for i in range(count):
        name = list(readers)[i % len(readers)]
        content = mutated((tmp_path / name).read_bytes(), rng)
        try:
            readers[name](io.BytesIO(content))
        except DataError:
            refused += 1
        except Exception as error:
            bad.append(f"{name} {i}: {error!r}: {content[:3000]!r}")
    figures("mutated files refused, or read with all promises kept", count - len(bad), count)
    assert bad == []
    assert 0 < refused < count
