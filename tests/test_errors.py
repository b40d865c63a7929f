"""Commands end with a documented status and one line, whatever happened."""

import contextlib
import functools
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from data.errors import DataError, Parser, ProjectError, RunError, TrainingError, UsageError, command, one_line

ROOT = Path(__file__).parent.parent


@pytest.fixture(autouse=True)
def own_signals():
    """`command` sets the process's answer to signals; the test run keeps its own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    hook = sys.unraisablehook
    yield
    for number, answer in before.items():
        signal.signal(number, answer)
    sys.unraisablehook = hook


def ended(main, capsys):
    """(exit status, stderr) of a command."""
    with pytest.raises(SystemExit) as told:
        command(main)
    return told.value.code, capsys.readouterr().err


def raising(error):
    def main():
        raise error

    return main


FULL = "no space: No space left on device; what was saved before is kept"
MEMORY = "out of memory: choose a smaller set, batch or network"
ENDS = [
    (ProjectError("a"), 1, "error: a\n"),
    (UsageError("--x: expected 1; received 2"), 2, "error: --x: expected 1; received 2\n"),
    (DataError("f.csv:3:2: expected a number"), 3, "error: f.csv:3:2: expected a number\n"),
    (RunError("run: in use"), 4, "error: run: in use\n"),
    (TrainingError("diverged"), 5, "error: diverged\n"),
    (KeyboardInterrupt(), 130, "stopped; the same command goes on where this one was\n"),
    (MemoryError(), 1, f"error: {MEMORY}\n"),
    (FileNotFoundError(2, "No such file or directory", "a.csv"), 1, "error: a.csv: No such file or directory\n"),
    (OSError(28, "No space left on device"), 1, f"error: {FULL}\n"),
    (OSError(28, "No space left on device", "a"), 1, f"error: a: {FULL}\n"),
    (ImportError("lib.so.2: failed to map segment from shared object"), 1, f"error: {MEMORY}\n"),
    (RuntimeError("can't start new thread"), 1, f"error: {MEMORY}\n"),
    (RuntimeError("OOM when allocating tensor with shape[9]"), 1, f"error: {MEMORY}\n"),
    (OSError("odd"), 1, "error: odd\n"),
    (SystemExit(143), 143, ""),
    (SystemExit(2), 2, ""),
]


@pytest.mark.parametrize(("error", "status", "line"), ENDS, ids=lambda value: type(value).__name__)
def test_each_error_has_its_status_and_one_line(error, status, line, capsys, monkeypatch):
    monkeypatch.setattr("os._exit", sys.exit)  # how it ends where there is no memory
    assert ended(raising(error), capsys) == (status, line)


@pytest.mark.parametrize(("returned", "status"), [(None, 0), (0, 0), (3, 3)])
def test_what_main_returns_is_the_status(returned, status, capsys):
    assert ended(lambda: returned, capsys) == (status, "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--other"], "the following arguments are required: --run"),
        (["--run", "a", "--other"], "unrecognized arguments: --other"),
        (["--run", "a", "--seed", "x"], "argument --seed: invalid int value: 'x'"),
    ],
)
def test_bad_arguments_are_one_line_too(arguments, words, capsys):
    parser = Parser(prog="python -m some.command")
    parser.add_argument("--run", required=True)
    parser.add_argument("--seed", type=int)
    assert ended(lambda: parser.parse_args(arguments), capsys) == (2, f"error: {words}; see --help\n")


def test_a_defect_of_ours_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        command(raising(ZeroDivisionError()))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_a_library_makes_of_a_signal_is_the_stop_that_it_was(number, status, capsys):
    def main():
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt as stop:
            raise ValueError("a call returned a result with an exception set") from stop

    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have had it ignored
    assert ended(main, capsys) == (status, "stopped; the same command goes on where this one was\n")
    test_a_defect_of_ours_is_not_hidden()  # later, without a signal


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("two\nlines", "two\\nlines"),
        ("\r\t\0", "\\r\\t\\x00"),
        ("\x1b[31mred\x1b]0;title\x07", "\\x1b[31mred\\x1b]0;title\\x07"),
        ("a\u2028b\u202ec\x85d", "a\\u2028b\\u202ec\\x85d"),  # line separator, right-to-left override, next line
        ("caf\u00e9 \u8138", "caf\u00e9 \u8138"),
        ("bad\udc80name", "bad\\udc80name"),  # how Python spells a file name that is not UTF-8
        ("", ""),
    ],
)
def test_control_characters_are_shown_not_sent(text, shown, capsys):
    assert one_line(text) == shown
    assert ended(raising(DataError(text)), capsys) == (3, f"error: {shown}\n")
    _, said = ended(raising(OSError(2, "no", text)), capsys)
    assert said == (f"error: {shown}: no\n" if text else "error: no\n")


def test_long_messages_end_in_dots():
    assert one_line("x" * 600) == "x" * 600
    assert one_line("x" * 601) == "x" * 597 + "..."
    assert len(one_line("\n" * 10**5)) == 600


def process(code, **options):
    """A Python process in the project's folder, with buffered output as users have it."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    return subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, **options
    )


def heard():
    """In a child: SIGINT counts, even where a shell without job control had it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


SLEEPS = """if True:
    import time
    from data.errors import command
    def main():
        print("ready", flush=True)
        time.sleep(60)
    command(main)
"""


@pytest.mark.parametrize(
    ("number", "status", "line"),
    [
        (signal.SIGTERM, 143, "stopped; the same command goes on where this one was\n"),
        (signal.SIGINT, 130, "stopped; the same command goes on where this one was\n"),
    ],
)
def test_signals_end_a_command_quietly(number, status, line):
    with process(SLEEPS, stdout=subprocess.PIPE, preexec_fn=heard) as child:
        assert child.stdout.readline() == "ready\n"
        start = time.monotonic()
        child.send_signal(number)
        assert (child.wait(), child.stderr.read()) == (status, line)
        assert time.monotonic() - start < 10


DROPS = """if True:
    import os, signal, time, weakref
    from data.errors import command
    class Thing:
        {0}
    def ask(*_):
        os.kill(os.getpid(), signal.{1})
        time.sleep(0.01)
    def main():
        thing = Thing()
        reference = weakref.ref(thing, {2})
        del thing
        time.sleep(60)
    command(main)
"""


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143)])
@pytest.mark.parametrize("inside", [("pass", "ask"), ("def __del__(self): ask()", "None")], ids=["weakref", "__del__"])
def test_a_signal_where_python_drops_what_is_raised_ends_a_command_too(name, status, inside):
    code = DROPS.format(inside[0], name, inside[1])
    with process(code, preexec_fn=heard) as child:
        _, said = child.communicate(timeout=30)
    assert (child.returncode, said) == (status, "stopped; the same command goes on where this one was\n")


@pytest.mark.parametrize("text", ["'x'", "'x' * 10**6"], ids=["less than a buffer", "more than a buffer"])
def test_a_reader_that_went_away_is_no_error(text):
    reading, writing = os.pipe()
    os.close(reading)
    with contextlib.closing(os.fdopen(writing, "wb")) as pipe:
        child = process(f"from data.errors import command\ncommand(lambda: print({text}))", stdout=pipe)
        _, said = child.communicate(timeout=60)
    assert (child.returncode, said) == (0, "")


def test_a_full_disk_behind_the_output_is_one_line():
    with open("/dev/full", "wb") as full:
        child = process("from data.errors import command\ncommand(lambda: print('x'))", stdout=full)
        _, said = child.communicate(timeout=60)
    assert (child.returncode, said) == (1, f"error: {FULL}\n")


def test_a_command_without_any_output_works():
    code = (
        "import os, sys; os.close(1); sys.stdout = None\nfrom data.errors import command\ncommand(lambda: print('x'))"
    )
    child = process(code)
    _, said = child.communicate(timeout=60)
    assert (child.returncode, said) == (0, "")


# Under a limit of the address space, in a child process that is watched.

DEEDS = {  # what a command does: (its exit status, its last line on stderr)
    "return 3": (3, ""),
    "os.abort()": (1, f"error: {MEMORY}, or a larger limit than 4096 MB (ulimit -v)"),
    "os.kill(os.getpid(), signal.SIGSEGV)": (
        1,
        "error: out of memory, it seems: ended by signal 11 under a limit of 4096 MB (ulimit -v)",
    ),
    "os.execv(sys.executable, [sys.executable, '-c', AGAIN])": (0, ""),
    "os.kill(os.getpid(), signal.SIGKILL)": (-signal.SIGKILL, ""),
    "os._exit(127)": (1, f"error: {MEMORY}, or a larger limit than 4096 MB (ulimit -v)"),
    "raise ValueError('could not execute a primitive')": (1, f"error: {MEMORY}"),
    "raise errors.RunError('held')": (4, "error: held"),
    "bytearray(5 << 30)": (1, f"error: {MEMORY}"),
}


# What a search does that goes on in a fresh process: the same one, which is not watched twice.
AGAIN = "import os; from data.errors import command; before = os.getppid(); command(lambda: os.getppid() - before)"


def limited(deed):
    """A process under a limit of 4 GB whose command does something."""
    code = "import os, resource, signal, sys, time\nfrom data import errors\n"
    code += "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, resource.RLIM_INFINITY))\n"
    code += f"AGAIN = {AGAIN!r}\n"
    code += f"def main():\n    print(os.getpid(), flush=True)\n    {deed}\nerrors.command(main)"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    heard = functools.partial(signal.signal, signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
    call = [sys.executable, "-c", code]
    return subprocess.Popen(call, **pipes, cwd=ROOT, preexec_fn=heard, start_new_session=True)


@pytest.mark.parametrize("deed", DEEDS)
def test_a_command_under_a_limit_of_memory_ends_as_its_child_does_or_says_why(deed):
    process = limited(deed)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, (err.splitlines() or [""])[-1]) == DEEDS[deed]
    assert int(out) != process.pid


@pytest.mark.parametrize("send", [os.kill, os.killpg], ids=["to the process", "to its group"])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_reaches_a_command_under_a_limit_of_memory(number, status, send):
    process = limited("time.sleep(30)")
    process.stdout.readline()
    send(process.pid, number)
    _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (status, "stopped; the same command goes on where this one was\n")


def test_a_command_under_a_limit_of_memory_ends_with_its_watcher():
    process = limited("time.sleep(30)")
    child = psutil.Process(int(process.stdout.readline()))
    process.kill()
    process.communicate()
    child.wait(10)
