"""The cache of read faces: quick when nothing changed, and never wrong or in the way."""

import errno
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from data import cache
from data.errors import DataError
from data.faces import Faces
from data.keypoints import KAGGLE15
from data.storage import TEMPORARY, read_json

ROOT = Path(__file__).parent.parent
ARRAYS = ("images", "points", "convention", "group", "ids")


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """The cache's own folder; a file counts as settled at once."""
    monkeypatch.setenv("KEYPOINT_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "SETTLED", -1)
    return tmp_path / "cache"


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "key.csv"
    path.write_text("first")
    return path


def make(seed=0, n=3):
    rng = np.random.default_rng(seed)
    points = rng.uniform(0, 96, (n, 15, 2)).astype(np.float32)
    points[0, 3:] = np.nan
    images = rng.integers(0, 256, (n, 96, 96, 1), dtype=np.uint8)
    convention = np.arange(n, dtype=np.uint8) % 2
    return Faces(images, points, convention, np.arange(n) // 2, np.arange(n), KAGGLE15, "kaggle")


def never():
    raise AssertionError("the source was read although the cache holds it")


def same(faces, wanted):
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(faces, name), getattr(wanted, name))
        assert getattr(faces, name).dtype == getattr(wanted, name).dtype
    assert (faces.schema, faces.source) == (wanted.schema, wanted.source)


def folder_of(root):
    """The one source's folder in the cache."""
    [folder] = [path for path in root.iterdir() if path.is_dir()]
    return folder


def test_a_source_is_read_once(key, capsys):
    same(cache.cached([key], make), make())
    same(cache.cached([key], never), make())
    assert capsys.readouterr().err == ""


def test_images_are_memory_mapped_and_nothing_can_be_written(key):
    for faces in (cache.cached([key], make), cache.cached([key], never)):
        assert isinstance(faces.images.base, np.memmap)
        for name in ARRAYS:
            assert not getattr(faces, name).flags.writeable


def test_ids_may_be_names(key):
    named = make()
    object.__setattr__(named, "ids", np.array(["Ann_1", "Bob_22", "é"]))
    cache.cached([key], lambda: named)
    assert cache.cached([key], never).ids.tolist() == ["Ann_1", "Bob_22", "é"]


CHANGES = {
    "the content": lambda path: path.write_text("other"),
    "the content, with size and time kept": lambda path: _rewrite(path, "FIRST"),
    "the file, replaced by another": lambda path: _replace(path, "FIRST"),
}


def _rewrite(path, text):
    stat = path.stat()
    time.sleep(0.02)  # a time stamp's resolution; the reader waits longer before it trusts one
    path.write_text(text)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def _replace(path, text):
    stat, other = path.stat(), path.with_name("other")
    other.write_text(text)
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    os.replace(other, path)


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_source_is_read_again(key, change):
    cache.cached([key], make)
    change(key)
    same(cache.cached([key], lambda: make(1)), make(1))


def test_a_changed_second_file_or_version_is_another_source(key, tmp_path):
    second = tmp_path / "persons.csv"
    second.write_text("a")
    cache.cached([key], lambda: make(0))
    cache.cached([key, second], lambda: make(1))
    second.write_text("b")
    cache.cached([key, second], lambda: make(2))
    cache.cached([key], lambda: make(3), version="2")
    same(cache.cached([key], never), make(0))
    same(cache.cached([key, second], never), make(2))
    same(cache.cached([key], never, version="2"), make(3))


def test_the_same_content_under_another_name_is_the_same_source(key, tmp_path):
    cache.cached([key], make)
    copy = tmp_path / "copy.csv"
    copy.write_text(key.read_text())
    same(cache.cached([copy], never), make())


def test_an_unchanged_file_is_not_hashed_again(key, monkeypatch):
    cache.cached([key], make)
    monkeypatch.setattr(cache, "sha256_of", lambda path: never())
    same(cache.cached([key], never), make())


def test_the_hash_of_a_file_written_this_moment_is_not_trusted(key, monkeypatch):
    monkeypatch.setattr(cache, "SETTLED", 60)
    hashed = []
    monkeypatch.setattr(cache, "sha256_of", lambda path: hashed.append(path) or "0" * 64)
    for _ in range(2):
        cache.cached([key], make)
    assert hashed == [str(key)] * 2


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"KEY": 1}', b'{"KEY": [1, 2, 3, 4, 5, 6]}', b"\xff\0"])
def test_damaged_notes_of_hashes_are_left_aside(key, root, content):
    cache.cached([key], make)
    (root / "hashes.json").write_bytes(content.replace(b"KEY", str(key).encode()))
    same(cache.cached([key], never), make())
    assert str(key) in json.loads((root / "hashes.json").read_text())


def test_notes_of_files_that_are_gone_are_dropped(key, root, tmp_path):
    cache.cached([key], make)
    key.rename(tmp_path / "moved.csv")
    cache.cached([tmp_path / "moved.csv"], never)
    assert list(read_json(root / "hashes.json")) == [str(tmp_path / "moved.csv")]


@pytest.mark.parametrize("name", ["images.npy", "faces.npz"])
def test_a_flipped_bit_is_found(key, root, name, capsys):
    """At every 97th byte or so: what is read is right, whether the bit mattered (then with a notice) or not."""
    cache.cached([key], make)
    file = folder_of(root) / name
    whole = file.read_bytes()
    found = 0
    for at in range(0, len(whole), max(1, len(whole) // 60)):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << at % 8
        file.write_bytes(damaged)
        same(cache.cached([key], make), make())
        said = capsys.readouterr().err
        assert said == "" or (said.startswith("notice: ") and "the cache is damaged and is made anew" in said)
        assert said.count("\n") <= 1
        assert not said or file.read_bytes() == whole
        found += bool(said)
    assert found > (55 if name == "images.npy" else 40)


DAMAGE = {
    "nothing in it": lambda folder: [path.unlink() for path in folder.iterdir()],
    "no images": lambda folder: (folder / "images.npy").unlink(),
    "empty images": lambda folder: (folder / "images.npy").write_bytes(b""),
    "images cut short": lambda folder: os.truncate(folder / "images.npy", 5000),
    "arrays cut short": lambda folder: os.truncate(folder / "faces.npz", 700),
    "images of another set": lambda folder: np.save(folder / "images.npy", make(9).images),
    "a file in its place": lambda folder: _file_instead(folder),
}


def _file_instead(folder):
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    folder.write_text("not a folder")


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_partial_cache_is_made_anew(key, root, damage, capsys):
    cache.cached([key], make)
    damage(folder_of(root))
    same(cache.cached([key], make), make())
    assert capsys.readouterr().err.count("notice: ") == 1
    same(cache.cached([key], never), make())
    assert capsys.readouterr().err == ""


def test_making_a_cache_anew_leaves_those_who_use_it_alone(key, root):
    used = cache.cached([key], make)
    os.truncate(folder_of(root) / "faces.npz", 10)
    cache.cached([key], make)
    same(used, make())


def test_a_refused_source_leaves_nothing_in_the_cache(key, root):
    def refuse():
        raise DataError("key.csv:2:1: expected better")

    for _ in range(2):
        with pytest.raises(DataError, match="expected better"):
            cache.cached([key], refuse)
    assert [path.name for path in root.iterdir()] == ["hashes.json"]


def test_a_missing_source_is_named(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv: expected a file that can be read; received: No such file"):
        cache.cached([tmp_path / "none.csv"], never)


def test_builders_at_the_same_time_all_get_the_faces(key, root, capsys):
    barrier = threading.Barrier(4)

    def read():
        barrier.wait(10)
        return make()

    results = [None] * 4

    def build(i):
        results[i] = cache.cached([key], read)

    threads = [threading.Thread(target=build, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for faces in results:
        same(faces, make())
    folder_of(root)  # one folder, and no temporary ones
    assert capsys.readouterr().err == ""


def test_left_overs_of_killed_builders_go_and_those_at_work_stay(key, root):
    for name, age in ((TEMPORARY + "dead", 2 * cache.ABANDONED), (TEMPORARY + "alive", 10)):
        (root / name).mkdir(parents=True)
        (root / name / "images.npy").write_bytes(b"part")
        os.utime(root / name, (time.time() - age,) * 2)
    cache.cached([key], make)
    assert [path.name for path in root.glob(TEMPORARY + "*")] == [TEMPORARY + "alive"]


def test_the_sources_used_last_are_kept(key, root):
    for version in range(cache.KEEP):
        before = set(root.glob("*"))
        cache.cached([key], make, str(version))
        [folder] = set(root.glob("*")) - before - {root / "hashes.json"}
        os.utime(folder, (time.time() - 100 + version,) * 2)  # "0" is the oldest
    cache.cached([key], never, "0")  # used now
    cache.cached([key], make, "new")
    assert len([path for path in root.iterdir() if path.is_dir()]) == cache.KEEP
    for version in ("0", "new"):
        cache.cached([key], never, version)


def test_without_a_folder_to_write_in_reading_still_works(key, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KEYPOINT_CACHE", str(tmp_path / "file" / "cache"))
    for _ in range(2):
        faces = cache.cached([key], make)
        same(faces, make())
        assert not faces.images.flags.writeable
        said = capsys.readouterr().err
        assert said.startswith(f"notice: {tmp_path}/file/cache: reading without a cache: ")
        assert said.count("\n") == 1


def test_without_a_home_reading_still_works(key, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("KEYPOINT_CACHE")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as where the user is unknown to the system
    monkeypatch.chdir(tmp_path)
    same(cache.cached([key], make), make())
    assert capsys.readouterr().err == "notice: /dev/null: reading without a cache: File exists\n"
    assert [path.name for path in tmp_path.iterdir()] == ["key.csv"]


def test_on_a_full_disk_reading_still_works(key, root, monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    same(cache.cached([key], make), make())
    assert capsys.readouterr().err == f"notice: {root}: reading without a cache: No space left on device\n"
    assert [path for path in root.iterdir() if path.is_dir()] == []


SMALL_DISK = """
import resource, sys
sys.path.insert(0, "tests")
from test_cache import make, same
from data.cache import cached
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
same(cached([sys.argv[1]], make), make())
"""


def test_where_a_write_is_cut_short_reading_still_works(key, root):
    """A real limit of the kernel, in a process of its own: 20 kB a file, for images of 27 kB."""
    done = subprocess.run([sys.executable, "-c", SMALL_DISK, str(key)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"notice: {root}: reading without a cache: File too large\n"
    assert [path for path in root.iterdir() if path.is_dir()] == []


KILLED = """
import os, sys
sys.path.insert(0, "tests")
from test_cache import make, never, same
from data import cache

def killed_at(call):
    "In a child process, end without any clean-up at the n-th call that reaches the disk."
    calls = 0
    def counted(original):
        def stand_in(*args):
            nonlocal calls
            calls += 1
            return os._exit(9) if calls == call else original(*args)
        return stand_in
    os.fsync, os.replace, os.rename = counted(os.fsync), counted(os.replace), counted(os.rename)
    cache.cached(sys.argv[1:], make)
    os._exit(0)

ends = []
while not ends or ends[-1]:
    child = os.fork() or killed_at(len(ends) + 1)
    ends.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    loaded = [cache._load(path) for path in cache._root().iterdir() if len(path.name) == 32]
    assert len(loaded) == (ends[-1] == 0) and None not in loaded
same(cache.cached(sys.argv[1:], never), make())
print(ends)
"""


def test_a_builder_killed_at_any_step_leaves_no_half_cache(key):
    """Each step that reaches the disk, up to the rename: what has the cache's name is whole or absent."""
    done = subprocess.run([sys.executable, "-c", KILLED, str(key)], cwd=ROOT, capture_output=True, text=True)
    assert done.stderr == ""
    ends = json.loads(done.stdout)
    assert ends == [9] * (len(ends) - 1) + [0]
    assert len(ends) > 7
