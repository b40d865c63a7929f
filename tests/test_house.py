"""The house as docs/architecture.md draws it: who imports whom, what no code of ours calls, what --help costs."""

import ast
import configparser
import fnmatch
import os
import re
import resource
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LAYERS = ("data", "reports", "base_models", "specialists", "tuning")  # each imports only those before it, and itself
PACKAGES = tuple(name for name in LAYERS if (ROOT / name).is_dir())
NETWORKS = {"keras", "tensorflow", "keras_tuner", "jax", "torch"}
NO_NETWORKS = ("data", "reports")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
COMMANDS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in MODULES
    if "__main__" in path.read_text(encoding="utf-8")
)
HELP_SECONDS = 0.5  # of processor time, best of three: what the clock says on a machine that does nothing else


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imports(tree):
    """(line, module) of every import, inside functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.lineno, "." * node.level + (node.module or "")
        elif isinstance(node, ast.Call) and dotted(node.func) in ("importlib.import_module", "__import__"):
            name = node.args[0]
            yield from [(node.lineno, name.value)] if isinstance(name, ast.Constant) else []


def dotted(node):
    """a.b.c of an expression, the empty string where it is none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return ""


def wrong_directions(tree, package):
    """(line, module) of imports that the house forbids to a package."""
    forbidden = {"tests", *LAYERS[LAYERS.index(package) + 1 :], *(NETWORKS if package in NO_NETWORKS else ())}
    return [(line, name) for line, name in imports(tree) if name.partition(".")[0] in forbidden | {""}]


def unsafe(tree):
    """(line, what) of everything that runs what a file says, or unpacks it unchecked."""
    for node in ast.walk(tree):
        imported = isinstance(node, ast.ImportFrom)
        if not imported and not isinstance(node, ast.Call):
            continue
        for name in [f"{node.module}.{alias.name}" for alias in node.names] if imported else [dotted(node.func)]:
            if name in UNSAFE_CALLS or f".{name}".endswith(UNSAFE_ENDS):
                yield node.lineno, name
        for keyword in () if imported else node.keywords:
            told = ast.unparse(keyword.value)
            if (keyword.arg, told) in UNSAFE_ARGUMENTS:
                yield node.lineno, f"{keyword.arg}={told}"
    yield from ((line, name) for line, name in imports(tree) if name.partition(".")[0] in UNSAFE_MODULES)


KERAS_METHODS = {"build", "call", "get_config", "on_train_batch_end"}
UNSAFE_MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "jsonpickle", "tarfile", "builtins"}
UNSAFE_CALLS = {"eval", "exec", "compile", "os.system", "os.popen", "os.startfile"}
# Calls of any object; os.execv is none of them: a search goes on in a fresh process of its own.
UNSAFE_ENDS = (".load_model", ".joblib.load", ".read_pickle", ".Unpickler", ".torch.load", ".pd.read_pickle")
UNSAFE_ENDS += (".yaml.load", ".yaml.full_load", ".yaml.unsafe_load", ".extractall", ".unpack_archive")
UNSAFE_ARGUMENTS = {("allow_pickle", "True"), ("shell", "True"), ("safe_mode", "False"), ("skip_mismatch", "True")}


def shown(path, found):
    return [f"{path.relative_to(ROOT)}:{line}: {what}" for line, what in found]


def test_imports_point_up_the_house():
    wrong = [
        w for path in MODULES for w in shown(path, wrong_directions(parsed(path), path.relative_to(ROOT).parts[0]))
    ]
    assert wrong == []


def test_nothing_runs_or_unpacks_what_a_file_says():
    assert [w for path in MODULES for w in shown(path, unsafe(parsed(path)))] == []


@pytest.mark.parametrize(
    ("package", "code"),
    [
        ("data", "import reports.build"),
        ("data", "def f():\n    from base_models import network"),
        ("reports", "def f():\n    import keras.ops"),
        ("data", "if x:\n    import tensorflow as tf"),
        ("data", "def f():\n    importlib.import_module('keras')"),
        ("base_models", "from specialists.view import View"),
        ("specialists", "from tests.conftest import shared"),
        ("specialists", "import tuning"),
        ("data", "from . import faces"),  # one way to name a module
    ],
)
def test_the_check_of_directions_sees_what_is_wrong(package, code):
    assert wrong_directions(ast.parse(code), package)


@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "def f():\n    from pickle import loads",
        "np.load(p, allow_pickle=True)",
        "eval(text)",
        "exec(text)",
        "subprocess.run(text, shell=True)",
        "os.system(text)",
        "joblib.load(p)",
        "from joblib import load",
        "from os import system",
        "import builtins",
        "yaml.load(p)",
        "archive.extractall(p)",
        "zipfile.ZipFile(p).extractall()",
        "keras.models.load_model(p)",
        "keras.saving.load_model(p, safe_mode=False)",
        "load_model(p)",
        "pd.read_pickle(p)",
        "import tarfile",
        "shutil.unpack_archive(p)",
        "yaml.full_load(p)",
        "self.yaml.load(p)",
        "model.load_weights(p, skip_mismatch=True)",
    ],
)
def test_the_check_of_calls_sees_what_is_unsafe(code):
    assert list(unsafe(ast.parse(code)))


def test_the_checks_let_what_is_right_pass():
    code = "import numpy as np\nfrom data.faces import Faces\nnp.load(p, allow_pickle=False)\nmodel.eval()\n"
    code += "os.execv(a, b)\n"
    code += "self._load_model(p)\ndef load_model(p): pass\nre.compile(p)\njson.load(p)\n"
    assert wrong_directions(ast.parse(code), "reports") == list(unsafe(ast.parse(code))) == []


def undocumented(tree, name):
    """Names of public functions, classes and their methods without a docstring.

    `main` is described by its module, and Keras describes the methods that it calls. A function of one or two lines
    that its name describes needs none either.
    """
    for node in tree.body:
        if not isinstance(node, (ast.FunctionDef, ast.ClassDef)) or node.name.startswith("_") or node.name == "main":
            continue
        if not ast.get_docstring(node) and not _says_itself(node):
            yield f"{name}.{node.name}"
        if isinstance(node, ast.ClassDef):
            for method in node.body:
                public = isinstance(method, ast.FunctionDef) and not method.name.startswith("_")
                if (
                    public
                    and method.name not in KERAS_METHODS
                    and not ast.get_docstring(method)
                    and not _says_itself(method)
                ):
                    yield f"{name}.{node.name}.{method.name}"


def _says_itself(node):
    return isinstance(node, ast.FunctionDef) and len(node.body) <= 2 and node.end_lineno - node.lineno <= 3


def test_what_is_public_is_documented():
    missing = [n for path in MODULES for n in undocumented(parsed(path), str(path.relative_to(ROOT))[:-3])]
    assert missing == []
    assert [str(path) for path in MODULES if not ast.get_docstring(parsed(path))] == []


def test_the_check_of_docstrings_sees_what_is_missing():
    code = (
        "def public(a):\n    b = a\n    b += 1\n    return b\n"
        "class Noun:\n    def verb(self):\n        x = 1\n        x += 1\n        return x\n"
    )
    assert list(undocumented(ast.parse(code), "m")) == ["m.public", "m.Noun", "m.Noun.verb"]


@pytest.fixture(scope="module")
def setup_cfg():
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def test_every_package_ships_and_the_tests_do_not(setup_cfg):
    listed = setup_cfg["options"]["packages"].split()
    folders = {".".join(path.relative_to(ROOT).parent.parts) for path in MODULES}
    assert sorted(listed) == sorted(folders)
    for folder in folders:
        assert (ROOT / folder.replace(".", "/") / "__init__.py").is_file()


def test_files_that_packages_read_ship_with_them(setup_cfg):
    """A page template that stays behind is only missed after an installation."""
    tracked = subprocess.run(["git", "ls-files", *PACKAGES], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    for name in tracked.stdout.split():
        package, _, inside = name.partition("/")
        if not name.endswith(".py"):
            patterns = setup_cfg["options.package_data"][package].replace(",", " ").split()
            assert any(fnmatch.fnmatch(inside, pattern) for pattern in patterns), name


DISTRIBUTIONS = {"cv2": "opencv-python-headless", "PIL": "pillow", "sklearn": "scikit-learn"} | {
    "skimage": "scikit-image",
    "keras_tuner": "keras-tuner",
    "imageio_ffmpeg": "imageio-ffmpeg",
    "distributed": "dask[distributed]",
}
FOR_OTHERS = {"tornado", "pandas"}  # a floor of what comes with others; what users and tests need


def test_what_is_imported_is_what_is_required(setup_cfg):
    def names(text):
        lines = [line.strip() for line in text.splitlines()]
        return {re.split("[<>=]", line)[0] for line in lines if line and not line.startswith("#")}

    needed = names(setup_cfg["options"]["install_requires"])
    extras = set().union(*map(names, setup_cfg["options.extras_require"].values()))
    found = {name.partition(".")[0] for path in MODULES for _, name in imports(parsed(path))}
    found -= {*sys.stdlib_module_names, *PACKAGES}
    found = {DISTRIBUTIONS.get(name, name) for name in found if name.isidentifier()}
    assert needed - found == FOR_OTHERS
    assert {name for name in found - needed if name.replace("_", "-") not in extras} == set()


def help_of(command):
    """(processor seconds, names of the modules imported, output) of `python -m command --help`."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    process = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", command, "--help"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    lines = [line for line in process.stderr.splitlines() if line.startswith("import time:")]
    return seconds, {line.rpartition("|")[2].strip() for line in lines}, process.stdout


def test_the_projects_commands_are_found():
    assert {"base_models.train", "specialists.train", "specialists.ensemble", "specialists.submission"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_instant_and_loads_nothing_big(command):
    best = float("inf")
    for _ in range(3):
        seconds, modules, text = help_of(command)
        best = min(best, seconds)
        assert text.startswith(f"usage: python -m {command} ")
        assert "argparse" in modules
        assert not modules & {"pandas", "bokeh", "sklearn", "kagglehub", *NETWORKS}
        if best < HELP_SECONDS:
            break
    assert best < HELP_SECONDS


UNTOLD = """
import importlib, importlib.abc, os, sys
class Watch(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in ("keras", "tensorflow", "jax", "keras_tuner"):
            print(name, os.environ.get("TF_ENABLE_ONEDNN_OPTS"))
            raise ImportError
sys.meta_path.insert(0, Watch())
for module in sys.argv[1:]:
    for name in [name for name in sys.modules if name.partition(".")[0] in ("base_models", "specialists", "tuning")]:
        del sys.modules[name]
    os.environ.pop("TF_ENABLE_ONEDNN_OPTS", None)
    try:
        importlib.import_module(module)
    except ImportError:
        pass
"""


def test_whoever_imports_a_backend_has_told_it_how_before():
    """TensorFlow reads its environment when it is imported; without oneDNN it trains at half the speed here."""
    modules = [".".join(path.relative_to(ROOT).with_suffix("").parts) for path in MODULES]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "XLA_"))}
    run = [sys.executable, "-c", UNTOLD, *modules]
    told = subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True, check=True).stdout.split("\n")
    seen = [line for line in told if line]
    assert len(seen) > 20
    assert {line.split()[1] for line in seen} == {"1"}
