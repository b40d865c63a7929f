"""Full disks, crowds, strange names and no memory: one line that says so, and what was saved before stays good."""

import contextlib
import os
import re
import shutil
import subprocess
import sys
import time

import killing
import pytest
import tiny
from killing import Disk, contents, differing, picked
from stages import OPTIONS, STAGES, base_command, left_over
from trust import sized

from data.errors import command
from data.storage import TEMPORARY, locked, write_text

HOLDS = 100000  # epochs: longer than any test


# -- full disks


class SmallDisk:
    """A file system of a few MB that can be filled to the last byte."""

    def __init__(self, folder):
        self.folder, self.filler = folder, folder / "filler"

    def fill(self):
        with contextlib.suppress(OSError), open(self.filler, "ab", buffering=0) as file:
            for size in (1 << 20, 4096, 1):
                with contextlib.suppress(OSError):
                    while True:
                        file.write(b"\0" * size)

    def free(self):
        self.filler.unlink(missing_ok=True)


@pytest.fixture
def small_disk(tmp_path):
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "trust", folder]).returncode:
        pytest.skip("needs the right to mount a small file system")
    yield SmallDisk(folder)
    subprocess.run(["umount", "-l", folder], check=True)


def one_line_of(call, capsys):
    """(exit status, the last line on stderr) of a call as a command."""
    with pytest.raises(SystemExit) as ended:
        command(call)
    return ended.value.code, (capsys.readouterr().err.splitlines() or [""])[-1]


class Filling(Disk):
    """Fills the disk when the N-th file is opened for writing, and notes what was there before."""

    def __init__(self, disk, run, at):
        super().__init__(run, at, self.starve, "open")
        self.disk, self.run, self.before = disk, run, None

    def starve(self):
        if self.before is None:
            Disk.watching = None
            self.before = {name: data for name, data in tiny.files(self.run).items() if TEMPORARY not in name}
            self.disk.fill()
            Disk.watching = self


SAVES = [pytest.param(stage, 2, marks=pytest.mark.faults) for stage in ("base", "submission")]
SAVES += [pytest.param(stage, 10**6, marks=pytest.mark.trust) for stage in STAGES]


@pytest.mark.parametrize(("stage", "most"), SAVES)
def test_a_disk_that_is_full_at_any_save_costs_nothing_that_was_saved(
    stage, most, world, small_disk, monkeypatch, capsys, figures
):
    (before, call), bad = STAGES[stage], {}
    killing.quick_pages(monkeypatch.setattr)

    def begun(name):
        run = small_disk.folder / name
        for part in before:
            shutil.copytree(world.run / part, run / part)
        run.mkdir(exist_ok=True)
        return run

    run = begun("undisturbed")
    with Disk(run, only="open") as disk:
        call(world, run)
    wanted, good, tried = contents(run), 0, 0
    shutil.rmtree(run)
    for at in picked(disk.count, most):
        run = begun(str(at))
        with Filling(small_disk, run, at) as filling:
            status, line = one_line_of(lambda run=run: [call(world, run)].clear(), capsys)
        left = tiny.files(run)
        small_disk.free()
        kept = all(left.get(name) == data for name, data in filling.before.items()) or status == 0
        said = status == 0 or (status in (1, 4) and line.startswith(f"error: {run}") and "o space" in line)
        call(world, run)
        same = differing(contents(run), wanted) == []
        if not (kept and said and same and left_over(run) == []):
            bad[at] = (status, line, kept, differing(contents(run), wanted))
        tried, good = tried + (status != 0), good + (status != 0 and at not in bad)
        shutil.rmtree(run)
    figures("disk full at a save: said so, lost nothing, went on to the same bytes", good, tried)
    assert bad == {}
    assert tried


@sized("most, file", (1_000, "settings.json"), (20_000, "checkpoint.npz"))
def test_a_limit_on_the_size_of_files_is_told_with_the_file(world, starter, tmp_path, figures, most, file):
    child = starter.start(*base_command(world, tmp_path / "run"), limits={"RLIMIT_FSIZE": most})
    assert child.wait() == 1
    assert child.err.splitlines()[-1].startswith(f"error: {tmp_path / 'run' / 'base' / file}: no space: File too large")
    assert left_over(tmp_path / "run") == []
    starter.finish(*base_command(world, tmp_path / "run"))
    same = differing(contents(tmp_path / "run" / "base"), contents(world.run / "base")) == []
    figures("disk full at a save: said so, lost nothing, went on to the same bytes", int(same), 1)
    assert same


# -- crowds


@sized("count", 4, 20)
def test_of_many_starts_on_one_run_one_trains_and_the_others_name_it(world, starter, tmp_path, figures, count):
    run = tmp_path / "run"
    call = base_command(world, run, f"--set=train.epochs={HOLDS}")
    begun, children = time.monotonic(), [starter.start(*call) for _ in range(count)]
    end = time.monotonic() + 240
    while sum(child.poll() is None for child in children) > 1 and time.monotonic() < end:
        time.sleep(0.05)
    figures("seconds until the last of many starts was refused", round(time.monotonic() - begun, 1))
    [holder] = [child for child in children if child.poll() is None]
    said = f"error: {run / 'base'}: in use by process {holder.pid}; wait for it or choose another --run\n"
    others = [(child.status, child.err) for child in children if child is not holder]
    figures("second starts refused, naming the holder", others.count((4, said)), count - 1)
    assert others == [(4, said)] * (count - 1)
    holder.kill()
    holder.wait()
    with locked(run / "base"):  # free at once
        pass
    successor = starter.start(*call)
    while (run / "base" / ".lock").read_text() != f"{successor.pid}\n":
        assert successor.poll() is None, successor.err
        time.sleep(0.02)
    successor.kill()
    successor.wait()


@sized("count", 2, 15, pytest.mark.slow)
def test_specialists_may_be_trained_at_the_same_time(world, starter, tmp_path, figures, count):
    run, points = tmp_path / "run", world.faces.schema.points[:count]
    shutil.copytree(world.run / "base", run / "base")
    call = ["specialists.train", *OPTIONS, "--data", world.data, "--run", run]
    children = [starter.start(*call, "--keypoint", point) for point in points]
    ended = [(child.wait(600), child.err.splitlines()[-1]) for child in children]
    good = [status for status, _ in ended].count(0)
    figures("specialists trained at the same time", good, count)
    assert good == count, ended
    assert left_over(run) == []
    # The last one to merge has found all of them: merging once more changes nothing.
    merged = contents(run / "ensemble")
    starter.finish("specialists.ensemble", *call[1:])
    assert differing(contents(run / "ensemble"), merged) == []
    alone = tmp_path / "alone"
    shutil.copytree(world.run / "base", alone / "base")
    starter.finish(*[*call[:-1], alone], *(["--all"] if count == 15 else ["--keypoint", points[0]]))
    for folder in (alone / "specialists").iterdir():
        assert differing(contents(run / "specialists" / folder.name), contents(folder)) == []


def test_processes_that_write_one_file_do_so_in_turn(tmp_path):
    code = "import sys\nfrom data.storage import write_text\nfor _ in range(200):\n    write_text(*sys.argv[1:3])"
    texts = ["a" * 30_000, "b" * 50_000, ""]
    environment = os.environ | {"PYTHONPATH": str(killing.ROOT)}
    writers = [
        subprocess.Popen([sys.executable, "-c", code, tmp_path / "page", text], env=environment) for text in texts
    ]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        with contextlib.suppress(FileNotFoundError):
            seen.add((tmp_path / "page").read_text())
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert seen <= set(texts)
    assert os.listdir(tmp_path) == ["page"]


# -- names


LONG = "é" * 100 + "x" * 55  # 255 bytes
ODD = ["läuft 脸 \u202e\u0301", "two\nlines", "-run", "%s {0} $HOME `ls` 'a\"", LONG]


@pytest.mark.faults
def test_a_folder_of_any_name_holds_a_run(world, starter, tmp_path, figures):
    run = tmp_path.joinpath(*ODD)
    child = starter.start(*base_command(world, run))
    good = child.wait() == 0 and differing(contents(run / "base"), contents(world.run / "base")) == []
    figures("odd names of folders and files", len(ODD) * good, len(ODD))
    assert good, child.err


@pytest.mark.parametrize("name", ODD, ids=ascii)
def test_a_file_of_any_name_is_written_whole_and_leaves_no_temp_file(tmp_path, name):
    for text in ("first", "second"):
        write_text(tmp_path / name, text)
    assert (tmp_path / name).read_text() == "second"
    assert os.listdir(tmp_path) == [name]


def names(world, tmp_path):
    """(what is wrong, arguments, exit status, words) of paths that cannot be what they are given as."""
    file, folder = tmp_path / "file", tmp_path / "folder"
    file.write_text("mine")
    folder.mkdir()
    submit = ["specialists.submission", "--data", world.data, "--run", world.run, "--out"]
    train = ["base_models.train", *OPTIONS, "--data", world.data, "--run"]
    yield "run is a file", [*train, file], 4, "Not a directory"
    yield "run below a file", [*train, file / "run"], 4, "Not a directory"
    yield "run of 256 bytes", [*train, tmp_path / ("x" * 256)], 1, "File name too long"
    yield "run with a line break and a file in it", [*train, file / "a\nb"], 4, "Not a directory"
    yield "missing data", ["base_models.train", "--data", tmp_path / "none", "--run", folder], 3, "none of them"
    yield "data is a file of something else", ["base_models.train", "--data", file, "--run", folder], 3, "file"
    yield "data is an empty folder", ["base_models.train", "--data", folder, "--run", tmp_path / "new"], 3, "folder"
    yield "settings is a folder", [*train, folder, "--settings", folder], 2, "Is a directory"
    yield "out is a folder", [*submit, folder], 2, "expected a file name; received the folder"
    yield "out below a file", [*submit, file / "out.csv"], 2, "expected a file name in a folder that exists"
    yield "out of 256 bytes", [*submit, tmp_path / ("x" * 256)], 1, "File name too long"
    yield "run is missing", [*submit[:4], tmp_path / "none", "--out", tmp_path / "out.csv"], 4, "merged ensemble"


@pytest.mark.faults
def test_paths_that_cannot_be_used_are_told_in_one_line_and_nothing_is_changed(world, starter, tmp_path, figures):
    cases, bad = list(names(world, tmp_path)), {}
    before = tiny.files(tmp_path), tiny.files(world.run)
    for what, call, status, words in cases:
        child = starter.start(*call)
        ended = child.wait(), child.err
        if ended[0] != status or not re.fullmatch(f"error: [^\n]*{re.escape(words)}[^\n]*\n", ended[1]):
            bad[what] = ended
        assert (tiny.files(tmp_path), tiny.files(world.run)) == before, what
    figures("paths that cannot be used, told in one line", len(cases) - len(bad), len(cases))
    assert bad == {}


@pytest.mark.faults
def test_what_is_read_only_is_read_and_not_written(world, starter, tmp_path, figures):
    run, out = tmp_path / "run", tmp_path / "out"
    shutil.copytree(world.run, run)
    out.mkdir()
    for folder, _, files in os.walk(run):
        for name in files:
            os.chmod(os.path.join(folder, name), 0o444)
        os.chmod(folder, 0o555)
    before = tiny.files(run)
    submit = ["specialists.submission", "--data", world.data, "--run", run, "--out"]
    starter.finish(*submit, out / "out.csv", powerless=True)
    out.chmod(0o555)
    refused = [
        ([*submit, out / "new.csv"], 1, f"error: {out / 'new.csv'}: Permission denied\n"),
        (base_command(world, out / "run"), 4, "Permission denied\n"),
        (["specialists.ensemble", *base_command(world, run)[1:]], 4, "Permission denied\n"),
    ]
    bad = []
    for call, status, words in refused:
        child = starter.start(*call, powerless=True)
        if (child.wait(), child.err.count("\n")) != (status, 1) or not child.err.endswith(words):
            bad.append(child.err)
    figures("paths that cannot be used, told in one line", len(refused) - len(bad), len(refused))
    assert bad == []
    assert tiny.files(run) == before
    assert list(tiny.files(out)) == ["out.csv"]


# -- memory


MEMORY = r"error: out of memory[:,] [^\n]*\n"


@pytest.mark.faults
@pytest.mark.parametrize("most", [200 << 20, 1 << 30, 3 << 30])
def test_a_limit_below_what_the_backend_needs_is_told_before_anything_is_loaded(tmp_path, figures, most):
    call = [sys.executable, "-m", "base_models.train", "--data=synthetic:60", f"--run={tmp_path / 'run'}"]
    limit = f"import resource, os, sys; resource.setrlimit(resource.RLIMIT_AS, ({most}, {most})); "
    start = limit + "os.execv(sys.argv[1], sys.argv[1:])"
    environment = os.environ | {"PYTHONPATH": str(killing.ROOT)}
    done = subprocess.run([sys.executable, "-c", start, *call], capture_output=True, text=True, env=environment)
    said = done.returncode == 1 and re.fullmatch(MEMORY, done.stderr) and not (tmp_path / "run").exists()
    figures("memory limits, told in one line", int(bool(said)), 1)
    assert said, done.stderr


@sized("limits", (range(0, 200, 150),), (range(0, 500, 25),))
def test_memory_that_ends_while_something_is_loaded_costs_nothing(world, starter, tmp_path, figures, limits):
    """The limit is so many MB above what the process has when it begins. The backend may abort: its watcher tells."""
    run, tried, untold, good = tmp_path / "run", 0, {}, 0
    for more in limits:
        child = starter.start(*base_command(world, run), memory=more << 20)
        if child.wait() == 0:
            break
        line = child.status == 1 and re.fullmatch(MEMORY, child.err.splitlines(keepends=True)[-1])
        tried, untold = tried + 1, untold if line else untold | {more: (child.status, child.err[-500:])}
        again = tmp_path / f"after {more}"
        shutil.copytree(run, again) if run.exists() else again.mkdir()
        starter.finish(*base_command(world, again))
        good += differing(contents(again / "base"), contents(world.run / "base")) == [] and left_over(again) == []
        shutil.rmtree(again)
    figures("memory that ends while something is loaded: nothing lost", good, tried)
    figures(
        "memory that ends while something is loaded: told in one line, below what a library says",
        tried - len(untold),
        tried,
    )
    assert untold == {}
    assert good == tried > 0
