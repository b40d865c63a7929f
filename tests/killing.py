"""Processes of the real commands that are quick to start and to kill, and kills at a chosen file operation.

As a program (`python tests/killing.py`) it imports all that the commands need, once, and then starts each command that
it is asked for as a child of its own: a process of its own, but without the seconds that importing takes. The parent
never uses the backend, which is not fork-safe once it has run. `Starter` is the other end of it.
"""

import ctypes
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHANGES = ("os.rename", "os.remove", "os.mkdir", "os.rmdir")  # audit events of what changes a folder
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
TIMES = ("seconds", "peak_mb", "sha256", "checksum")  # what two equal runs may differ in; sums of files that tell those
HEAVY = ("pandas", "specialists.pipeline", "specialists.submission", "tuning.trials")  # import all that is slow to
SAME = (".npz", ".csv", ".json")  # the pages are drawn from these


class Killed(BaseException):
    """Stands for a kill in this process: no handler of the code under test may catch it and tidy up."""


class Disk:
    """Counts the operations that change files below a folder, and lets them fail from the N-th on.

    As a context manager it is watching; `count` says how many there were. From number `at` on, each calls `fall`:
    by default it raises `Killed`, so that nothing that the code does afterwards reaches the disk, as after a kill. A
    file that is being synced at that moment loses its second half, as in a power cut.

    Args:
        folder: to watch.
        at: see above; 0 = only count.
        fall: called without arguments.
        only: the one sort of operation to count, such as "open" of a file to write; None = all.
    """

    watching = None  # the one that is; an audit hook cannot be taken away again
    hooked = False

    def __init__(self, folder, at=0, fall=None, only=None):
        self.folder, self.at, self.count, self.only = os.path.abspath(folder), at, 0, only
        self.fall = fall or self._killed

    def __enter__(self):
        if not Disk.hooked:
            sys.addaudithook(_audit)
            Disk.hooked, Disk.fsync = True, os.fsync
            os.fsync = _fsync
        Disk.watching = self
        return self

    def __exit__(self, *_):
        Disk.watching = None

    @staticmethod
    def _killed():
        raise Killed

    def operation(self, path, sort):
        """One more, if it is below the folder."""
        if (
            self.only in (None, sort)
            and isinstance(path, (str, os.PathLike))
            and os.path.abspath(path).startswith(self.folder)
        ):
            self.count += 1
            if 0 < self.at <= self.count:
                self.fall()


def _audit(event, arguments):
    disk = Disk.watching
    if disk is None:
        return
    written = event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING
    if written or event in CHANGES:
        disk.operation(arguments[0], event)


def _fsync(handle):
    if Disk.watching is not None and Disk.watching.only in (None, "fsync"):
        path = os.readlink(f"/proc/self/fd/{handle}")
        if Disk.watching.count + 1 == Disk.watching.at and os.path.isfile(path):
            os.ftruncate(handle, os.fstat(handle).st_size // 2)
        Disk.watching.operation(path, "fsync")
    Disk.fsync(handle)


def kill_self():
    os.kill(os.getpid(), signal.SIGKILL)


def picked(count, most):
    """At most `most` of the numbers 1 to `count`, evenly spread, the first and the last among them."""
    if most >= count:
        return list(range(1, count + 1))
    return sorted({1 + round(i * (count - 1) / max(most - 1, 1)) for i in range(most)})


def quick_pages(change):
    """Replace what draws the pages by one that takes no second; tests of their own draw all.

    Args:
        change: called with a module or class, a name and what it shall be from now on, such as `setattr`.
    """
    from data.storage import write_text
    from reports import run_pages, search

    def build_all(run):
        write_text(Path(run) / "index.html", "a page")
        return Path(run) / "index.html", []

    change(run_pages, "build_all", build_all)
    change(search, "build_search", lambda results, path: write_text(path, "a page"))


def keep_checkpoints(change, kept):
    """Keep the last checkpoint of every part that is finished from now on in a folder, to compare the optimiser."""
    from data.runs import Part

    drop = Part.drop_checkpoint

    def keep(part):
        if part.checkpoint.exists():
            Path(kept).mkdir(exist_ok=True, parents=True)
            shutil.copy(part.checkpoint, Path(kept) / f"{part.folder.parent.name}-{part.folder.name}.checkpoint.npz")
        drop(part)

    change(Part, "drop_checkpoint", keep)


def plain(value):
    """A JSON value without what two equal runs may differ in."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items() if key not in TIMES}
    return [plain(inner) for inner in value] if isinstance(value, list) else value


def comparable(path):
    """What two equal runs have in common in a file."""
    from data.storage import read_arrays

    if path.suffix == ".json":
        return plain(json.loads(path.read_bytes()))
    if path.name.endswith("checkpoint.npz"):
        arrays = read_arrays(path)
        state = plain(json.loads(arrays.pop("state").tobytes()))
        return state, {name: array.tobytes() for name, array in arrays.items()}
    return path.read_bytes() if path.suffix in SAME else None


def contents(folder):
    """dict of path below a folder to `comparable`, without locks."""
    files = [path for path in sorted(Path(folder).rglob("*")) if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(folder)): comparable(path) for path in files}


def differing(found, wanted):
    """Names of files that differ between two `contents`, or that only one has."""
    return sorted(name for name in found.keys() | wanted.keys() if found.get(name, 0) != wanted.get(name, 0))


@dataclass
class Child:
    """A command that was started.

    Args:
        starter: whose it is.
        pid: of the process.
        said: Paths of its stdout and stderr.
    """

    starter: object
    pid: int
    said: tuple
    status: int | None = None

    def kill(self, number=signal.SIGKILL):
        if self.poll() is None:
            os.kill(self.pid, number)

    def poll(self):
        """Exit status, negative for a signal; None while it runs."""
        if self.status is None:
            self.status = self.starter.ask({"poll": self.pid})
        return self.status

    def wait(self, seconds=300.0):
        """Exit status. Raises subprocess.TimeoutExpired."""
        end = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(str(self.pid), seconds)
            time.sleep(0.02)
        return self.status

    @property
    def out(self):
        return self.said[0].read_text()

    @property
    def err(self):
        return self.said[1].read_text()


class Starter:
    """Starts commands as processes of their own that need not import anything. A context manager.

    Args:
        folder: where their output is kept.
    """

    def __init__(self, folder):
        self.folder, self.count = Path(folder), 0

    def __enter__(self):
        environment = os.environ | {"PYTHONPATH": str(ROOT), "KEYPOINT_CACHE": str(self.folder / "cache")}
        environment["TF_CPP_MIN_LOG_LEVEL"] = "3"  # as the commands have it
        call = [sys.executable, __file__]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(call, **pipes, text=True, env=environment, cwd=self.folder)
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def ask(self, request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def finish(self, module, *arguments, **options):
        """`start`, and wait for its end: a `Child` that ended with status 0."""
        child = self.start(module, *arguments, **options)
        assert child.wait() == 0, child.err
        return child

    def start(self, module, *arguments, **options):
        """A `Child` that runs `python -m module arguments`.

        Args:
            options: kill_at, a file operation below `folder`; limits, dict of names in `resource` to a soft limit;
                kept, a folder for `keep_checkpoints`; pages=True draws all pages; powerless=True takes root's right
                to write what nobody may write; memory, bytes of address space beyond what it has at its beginning;
                counted, a file that tells in the end how many file operations there were below `folder`.
        """
        self.count += 1
        said = self.folder / f"{self.count}.out", self.folder / f"{self.count}.err"
        for path in said:
            path.touch()  # whoever looks before the child has begun finds nothing said
        call = [module, *map(str, arguments)]
        return Child(self, self.ask({"call": call, "said": list(map(str, said)), **options}), said)


def _serve():
    for module in HEAVY:
        import_module(module)
    for line in sys.stdin:
        request = json.loads(line)
        if "poll" in request:
            pid, status = os.waitpid(request["poll"], os.WNOHANG)
            print(json.dumps(os.waitstatus_to_exitcode(status) if pid else None), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            _become(**request)
        print(pid, flush=True)


def without_power():
    """Give up root's right to read and write what its permissions forbid, for this process."""
    head, none = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()  # version 3 of capset(2), this process
    if os.geteuid() == 0 and ctypes.CDLL(None).capset(head, none):
        raise OSError(ctypes.get_errno(), "capset")


def _become(
    call, said, kill_at=0, folder=".", limits=None, kept=None, pages=False, powerless=False, memory=None, counted=None
):
    """In the child: be the command."""
    import resource

    from data.errors import command

    os.setsid()
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # when the parent ends, however it ends
    for handle, path in enumerate(["/dev/null", *said]):
        os.dup2(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND), handle)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell without job control has it ignored
    if powerless:
        without_power()
    if not pages:
        quick_pages(setattr)
    if kept:
        keep_checkpoints(setattr, kept)
    sys.argv = call
    main = import_module(call[0]).main
    if kill_at or counted:  # given arguments, a search that has grown does not go on in a program of its own
        main = functools.partial(main, call[1:])
    for name, soft in (limits or {}).items():
        resource.setrlimit(getattr(resource, name), (soft, resource.getrlimit(getattr(resource, name))[1]))
    if memory is not None:
        from base_models import options

        options.NEEDED = 0
        used = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + memory, resource.RLIM_INFINITY))
    with Disk(folder, kill_at, kill_self) as disk:
        try:
            command(main)
        finally:
            if counted:
                Disk.watching = None
                Path(counted).write_text(str(disk.count))


if __name__ == "__main__":
    _serve()
