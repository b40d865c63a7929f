"""Files that are whole or absent, arrays that are right or refused, folders with one writer."""

import io
import os
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from data import storage
from data.errors import RunError
from data.storage import (
    TEMPORARY,
    check_free,
    locked,
    read_arrays,
    read_json,
    sha256_of,
    write_arrays,
    write_atomically,
    write_json,
)

ROOT = Path(__file__).parent.parent


def left_overs(folder):
    return [path.name for path in folder.glob(TEMPORARY + "*")]


def run(code, *arguments):
    """A Python process in the project's folder; its exit status."""
    return subprocess.run([sys.executable, "-c", code, *map(str, arguments)], cwd=ROOT, timeout=60).returncode


# Atomic writing.


def test_new_content_replaces_old(tmp_path):
    path = tmp_path / "state"
    for content in (b"first", b"second and longer", b""):
        write_atomically(path, lambda file, content=content: file.write(content))
        assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["state"]


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), MemoryError(), SystemExit(3)])
@pytest.mark.parametrize("before", [b"old", None])
def test_a_writer_that_fails_leaves_the_old_content_and_no_temp_file(tmp_path, error, before):
    path = tmp_path / "state"
    if before is not None:
        path.write_bytes(before)

    def fail(file):
        file.write(b"half of the ne")
        raise error

    with pytest.raises(type(error)):
        write_atomically(path, fail)
    assert (path.read_bytes() if path.exists() else None) == before
    assert not left_overs(tmp_path)


def test_a_killed_writer_leaves_the_old_content_and_the_next_holder_cleans_up(tmp_path):
    path = tmp_path / "state"
    path.write_bytes(b"old")
    code = """if True:
        import os, sys
        from data.storage import write_atomically
        def die(file):
            file.write(b"x" * 100_000)
            file.flush()
            os._exit(9)
        write_atomically(sys.argv[1], die)
    """
    assert run(code, path) == 9
    assert path.read_bytes() == b"old"
    assert left_overs(tmp_path) == [TEMPORARY + "state"]
    with locked(tmp_path):
        assert not left_overs(tmp_path)
    assert path.read_bytes() == b"old"


def test_bytes_are_on_disk_before_the_name_points_at_them(tmp_path, monkeypatch):
    calls, fsync, replace = [], os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append("fsync"), fsync(handle)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), replace(a, b)))
    write_atomically(tmp_path / "state", lambda file: file.write(b"x"))
    assert calls == ["fsync", "replace", "fsync"]


def test_a_failed_rename_leaves_no_temp_file(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "inside").touch()
    with pytest.raises(OSError, match="directory"):
        write_atomically(tmp_path / "state", lambda file: file.write(b"x"))
    assert not left_overs(tmp_path)


# Arrays.


def arrays():
    """One array longer than what zipfile reads ahead, and names of awkward lengths."""
    rng = np.random.default_rng(0)
    return {
        "a/long": rng.random(1300, np.float32),
        "name_of_18_letters"[:14]: rng.integers(0, 9, (3, 2)),  # its directory entry is 64 bytes: a power of two
        "words": np.array(["é", "no"]),
        "nothing": np.zeros((0, 2)),
        "one": np.float64(0.1),
    }


def same(found, wanted):
    return found.keys() == wanted.keys() and all(
        (found[k].dtype, found[k].shape, found[k].tobytes())
        == (np.asarray(wanted[k]).dtype, np.shape(wanted[k]), np.asarray(wanted[k]).tobytes())
        for k in wanted
    )


@pytest.fixture
def path(tmp_path):
    write_arrays(tmp_path / "arrays.npz", arrays())
    return tmp_path / "arrays.npz"


def test_arrays_round_trip(path):
    assert same(read_arrays(path), arrays())


def test_the_same_arrays_are_the_same_bytes(path, tmp_path, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 2e9)
    write_arrays(tmp_path / "again.npz", arrays())
    assert sha256_of(tmp_path / "again.npz") == sha256_of(path)


def refused(path, content=None, words="", **limits):
    """Whether reading is refused with a RunError that names the file and says `words`."""
    if content is not None:
        path.write_bytes(content)
    try:
        found = read_arrays(path, **limits)
    except RunError as error:
        told = str(error)
    else:
        assert same(found, arrays()), "other arrays were read without a word"
        return False
    assert told.startswith(f"{path}: ")
    assert words in told
    return True


def places_that_matter(raw):
    """Byte offsets that say how much there is: digits of array shapes, lengths in the archive's directory."""
    for name in (b"PK\1\2", b"'shape': ("):
        at = raw.find(name)
        while at >= 0:
            yield from range(at + 28, at + 34) if name[:2] == b"PK" else range(at + 10, at + 16)
            at = raw.find(name, at + 1)
    yield from range(raw.rindex(b"PK\5\6"), len(raw))


def test_a_flipped_bit_never_gives_other_arrays(path):
    raw, rng = path.read_bytes(), np.random.default_rng(1)
    seeded = zip(rng.integers(0, len(raw), 200).tolist(), rng.integers(0, 8, 200).tolist(), strict=True)
    aimed = [(byte, bit) for byte in places_that_matter(raw) for bit in range(8)]
    count = 0
    for byte, bit in [*seeded, *aimed]:
        damaged = bytearray(raw)
        damaged[byte] ^= 1 << bit
        count += refused(path, damaged)
    assert count > 0.8 * (200 + len(aimed))  # the others hit dates, versions and reserved fields


def test_a_truncated_file_is_refused(path):
    raw = path.read_bytes()
    for length in {*range(0, len(raw), 97), len(raw) - 1, len(raw) - 22, 1, 4}:
        assert refused(path, raw[:length])


def npz(**members):
    """An archive of raw members."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name.replace("_npy", ".npy"), content)
    return out.getvalue()


def npy(header, content=b"", version=b"\1\0"):
    text = header.encode()
    return b"\x93NUMPY" + version + len(text).to_bytes(2 if version[0] == 1 else 4, "little") + text + content


def saved(save, **members):
    out = io.BytesIO()
    save(out, **members)
    return out.getvalue()


HEADER = "{{'descr': '{}', 'fortran_order': False, 'shape': {}}}\n"
HOSTILE = {
    "nothing": (b"", "damaged"),
    "text": (b"hello" * 100, "damaged"),
    "a bare array": (saved(np.save, arr=np.arange(4)), "damaged"),
    "compressed": (saved(np.savez_compressed, bomb=np.zeros(10**6)), "expected stored .npy members"),
    "another member": (npz(**{"script.py": b"x"}), "expected stored .npy members; received 'script.py'"),
    "not an array": (npz(a_npy=b"x" * 50), "damaged"),
    "claims a terabyte": (npz(a_npy=npy(HEADER.format("<f8", (10**12 // 8,)), b"\0" * 64)), "claims float64"),
    "claims more than a machine word": (npz(a_npy=npy(HEADER.format("<f8", (2**62, 2**62)))), "claims float64"),
    "claims less than it has": (npz(a_npy=npy(HEADER.format("<f8", (1,)), b"\0" * 16)), "claims float64 (1,)"),
    "a negative length": (npz(a_npy=npy(HEADER.format("<f8", (-1,)), b"\0" * 8)), "claims float64 (-1,)"),
    "a version to come": (npz(a_npy=npy(HEADER.format("<f8", (1,)), b"\0" * 8, b"\x09\0")), "damaged"),
    "code in the header": (npz(a_npy=npy("__import__('os').abort()\n")), "damaged"),
    "a huge header": (npz(a_npy=npy("{" + " " * 60_000 + "}\n")), "damaged"),
    "cut in the header": (npz(a_npy=b"\x93NUMPY\1\0\xff\xff{'descr'"), "damaged"),
}


@pytest.mark.filterwarnings("ignore:Reading .npy or .npz file required additional header parsing:UserWarning")
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_archives_are_refused(tmp_path, name):
    content, words = HOSTILE[name]
    assert refused(tmp_path / "arrays.npz", content, words)


class Canary:
    """Its pickle makes a folder when it is read."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def test_pickled_objects_are_refused_and_not_run(tmp_path):
    trap = np.array([Canary(tmp_path / "ran"), None], dtype=object)
    structured = np.array([(1, trap[0])], dtype=[("a", "i8"), ("b", object)])
    for array in (trap, structured):
        assert refused(tmp_path / "arrays.npz", saved(np.savez, a=array), "claims")
        assert not (tmp_path / "ran").exists()


def test_more_than_the_limit_is_refused_before_it_is_read(path, monkeypatch):
    assert not refused(path, limit=20_000)
    monkeypatch.setattr(np, "load", None)
    assert refused(path, words="expected at most 5000 bytes of arrays; received ", limit=5000)


def test_missing_files_and_folders_are_named(tmp_path):
    assert refused(tmp_path / "none.npz", words="cannot be read: No such file or directory")
    assert refused(tmp_path, words="cannot be read: Is a directory")


# JSON.


def test_json_round_trips_with_sorted_keys(tmp_path):
    path = tmp_path / "state.json"
    write_json(path, {"b": [1, 2.5, None], "a": {"é": True}})
    assert read_json(path) == {"a": {"é": True}, "b": [1, 2.5, None]}
    assert path.read_text().index('"a"') < path.read_text().index('"b"')
    assert path.read_text().endswith("}\n")


def test_a_json_file_that_was_changed_is_refused_unless_its_checksum_goes_too(tmp_path):
    path = tmp_path / "state.json"
    write_json(path, {"epochs": 20, "names": {1: ("a", "b")}})
    text = path.read_text()
    assert read_json(path) == {"epochs": 20, "names": {"1": ["a", "b"]}}
    for old, new in (("20", "60"), ("sha256:", "sha256:0"), ('"checksum"', '"checksun"'), ('"a"', '"c"')):
        path.write_text(text.replace(old, new))
        with pytest.raises(RunError, match=f"{path}: damaged: its checksum differs; where it was changed by hand, del"):
            read_json(path)
    path.write_text('{"epochs": 60}')
    assert read_json(path) == {"epochs": 60}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_json_without_a_number_for_it_is_not_written(tmp_path, value):
    with pytest.raises(ValueError, match="JSON compliant"):
        write_json(tmp_path / "state.json", {"a": value})
    assert os.listdir(tmp_path) == []


BAD_JSON = {
    "empty": (b"", "damaged content"),
    "cut": (b'{"a": 1', "damaged content"),
    "zeros, as after a power cut": (b"\0" * 4096, "damaged content"),
    "not UTF-8": (b'{"a": "\xff"}', "damaged content"),
    "two objects": (b"{}{}", "damaged content"),
    "deep lists": (b"[" * 200_000, "damaged content"),
    "deep objects": (b'{"a":' * 200_000, "damaged content"),
    "a number of 100,000 digits": (b'{"a": ' + b"9" * 100_000 + b"}", "damaged content"),
    "NaN": (b'{"a": NaN}', "damaged content (NaN is no number of JSON's)"),
    "infinity": (b'{"a": [-Infinity]}', "damaged content (-Infinity is no number of JSON's)"),
    "51 levels": (b'{"a":' * 51 + b"[]" + b"}" * 51, "expected at most 50 levels of lists and objects"),
    "a list": (b"[1]", "expected a JSON object; received list"),
    "text": (b'"a"', "expected a JSON object; received str"),
    "nothing": (b"null", "expected a JSON object; received NoneType"),
}


@pytest.mark.parametrize("name", BAD_JSON)
def test_bad_json_is_refused(tmp_path, name):
    content, words = BAD_JSON[name]
    path = tmp_path / "state.json"
    path.write_bytes(content)
    with pytest.raises(RunError) as told:
        read_json(path)
    assert str(told.value).startswith(f"{path}: ")
    assert words in str(told.value)
    assert len(str(told.value)) < 500


def test_a_huge_file_is_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "state.json"
    with open(path, "wb") as file:
        file.truncate(100 << 20)
    monkeypatch.setattr(Path, "read_bytes", None)
    with pytest.raises(RunError, match=f"{path}: expected a state file under 64 MB; received 100 MB"):
        read_json(path)


def test_missing_json_is_named(tmp_path):
    for path, words in [(tmp_path / "none.json", "No such file"), (tmp_path, "Is a directory")]:
        with pytest.raises(RunError, match=f"{path}: cannot be read: {words}"):
            read_json(path)


# The lock.

HOLD = """if True:
    import sys, time
    from data.storage import locked
    with locked(sys.argv[1]):
        print("held", flush=True)
        time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds tmp_path / "run"."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_is_refused_naming_the_first_and_gets_the_folder_once_that_is_killed(tmp_path, holder):
    folder = tmp_path / "run"
    (folder / f"{TEMPORARY}weights.npz").write_bytes(b"half")
    with pytest.raises(RunError, match=f"{folder}: in use by process {holder.pid};"), locked(folder):
        pass
    assert left_overs(folder)  # they may be the holder's
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with locked(folder) as given:
        assert given == folder
        assert not left_overs(folder)
        assert (folder / ".lock").read_text() == f"{os.getpid()}\n"


def test_a_glance_names_the_holder_and_makes_nothing(tmp_path, holder):
    with pytest.raises(RunError, match=f"{tmp_path / 'run'}: in use by process {holder.pid};"):
        check_free(tmp_path / "run")
    check_free(tmp_path / "none")
    assert os.listdir(tmp_path) == ["run"]


def test_whoever_takes_a_folder_while_others_glance_gets_it(tmp_path):
    code = "import sys\nfrom data.storage import check_free\nprint(1, flush=True)\nwhile True: check_free(sys.argv[1])"
    with locked(tmp_path):  # makes the file
        pass
    with subprocess.Popen([sys.executable, "-c", code, tmp_path], cwd=ROOT, stdout=subprocess.PIPE, stderr=-3) as other:
        other.stdout.readline()
        for _ in range(300):
            with locked(tmp_path):
                pass
        other.kill()


def test_a_training_says_that_its_run_is_in_use_before_it_reads_anything(tmp_path):
    from base_models import train as base
    from specialists import train as specialists

    with locked(tmp_path / "base"):
        for module, more in ((base, []), (specialists, ["--all"])):
            with pytest.raises(RunError, match=f"in use by process {os.getpid()}"):
                module.main(["--data", str(tmp_path / "none"), "--run", str(tmp_path), *more])


def test_only_temp_files_are_cleaned_away(tmp_path):
    names = [".lock", "weights.npz", "x.part-y", ".hidden"]
    for name in [*names, TEMPORARY + "a", TEMPORARY + "b"]:
        (tmp_path / name).write_text("x")
    with locked(tmp_path):
        assert sorted(os.listdir(tmp_path)) == sorted(names)


def test_a_lock_is_given_back_however_the_block_ends(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path):
        raise KeyError
    with locked(tmp_path), pytest.raises(RunError, match=f"in use by process {os.getpid()}"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(RunError, match=f"{folder}: expected a folder that can be written"), locked(folder):
            pass


def test_sha256_is_the_files(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert storage.JSON_LIMIT == 64 << 20
