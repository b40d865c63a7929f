"""The options that every command of a run takes. Imports nothing slow, so that --help answers at once."""

import argparse
import logging
import os
import resource
import sys
import tempfile

from data.errors import Parser, ProjectError, UsageError

AUTO = "auto"  # in place of a name or number: what suits this machine
LARGEST = 65536  # faces in a batch
NEEDED = 4 << 30  # bytes of address space; the smallest training has mapped 3.1 GB


def add_common_options(parser):
    """--data, --run, --seed, --recipe, --list-recipes, --settings, --set, --weights, --precision."""
    from base_models.recipes import ListRecipes

    add = parser.add_argument
    add("--data", default="synthetic", help="PATH of a face set, synthetic[:COUNT], or kaggle (default: %(default)s)")
    add("--run", default="runs/default", metavar="DIR", help="folder of the run (default: %(default)s)")
    add("--seed", type=int, default=0, metavar="N", help="of everything random (default: %(default)s)")
    add("--recipe", metavar="NAME", help="settings of a known experiment, over which all others go")
    add("--list-recipes", action=ListRecipes, help="tell them, one line each")
    add("--settings", metavar="FILE", help="JSON file of settings; fields: base_models/settings.py")
    add("--set", metavar="KEY=VALUE", action="append", default=[], help="one setting, such as train.epochs=20")
    add(
        "--weights",
        choices=("none", "imagenet"),
        help="start the base from there: network.backbone keras_mobilenet, keras_resnet50 or keras_vgg16 only",
    )
    add(
        "--precision",
        choices=("float32", "bfloat16", "mixed_bfloat16", AUTO),
        help="of training; auto: what is faster here, measured once (default: as the settings say, float32)",
    )


def add_batch_option(parser):
    """--batch-size, of the commands that train one run."""
    parser.add_argument(
        "--batch-size",
        type=_number,
        metavar="N",
        help="faces per batch, with learning rates to match; auto: doubled for as long as that trains faster here",
    )


def add_jobs_options(parser):
    """--jobs, --cluster: see `jobs_of`."""
    add = parser.add_argument
    add(
        "--jobs",
        type=_number,
        metavar="N",
        help="train so many at once, each with its share of the cores, to the same result; auto: as many as this "
        "machine has cores and memory for",
    )
    add("--cluster", metavar="WHERE", help="train on a cluster: ray or dask, or ray://HOST:PORT or dask://HOST:PORT")


def _number(text):
    """What an option of a number, or auto, is given."""
    if text != AUTO and not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a number or auto; received {text!r}")
    return text if text == AUTO else int(text)


def jobs_of(a):
    """`base_models.jobs.Where` that the options ask for; None where they ask for nothing.

    Raises:
        UsageError: no number of jobs, or no cluster that is known.
    """
    if a.jobs is None and a.cluster is None:
        return None
    from base_models.clusters import parsed
    from base_models.jobs import Where
    from base_models.seats import fitting

    jobs = a.jobs
    if jobs == AUTO:
        jobs = fitting() if a.cluster is None else None  # a cluster knows its own machines
    if jobs is not None and jobs < 1:
        raise UsageError(f"--jobs: expected 1 or more, or auto; received {jobs}")
    if a.cluster is not None:
        parsed(a.cluster)
    return Where(jobs, a.cluster)


def read_options(a, keypoints=()):
    """Settings and faces that the common options name; what is wrong with them is said before Keras is imported.

    Args:
        a: parsed arguments.
        keypoints: names that must be points of the faces, or groups of them.

    Returns:
        (`Settings`, dict of overrides for single points, `Faces`).

    Raises:
        UsageError, DataError.
    """
    from base_models.recipes import check_recipe
    from base_models.settings import read_settings
    from data.sources import read_training
    from reports.anchors import read_anchors

    check_memory()
    if not 0 <= a.seed < 2**32:
        raise UsageError(f"--seed: expected 0 to {2**32 - 1}; received {a.seed}")
    if a.precision and any("train.precision=" in text for text in a.set):
        raise UsageError("--precision: expected it or --set train.precision=..., not both")
    settings, points = read_settings(a.settings, assignments(a), a.recipe)
    size = _batch_size(a, points)
    read_anchors([settings.report.anchors], "report.anchors")  # what is wrong is said before hours of training
    faces = read_training(a.data, a.seed, settings.faces)
    if a.recipe:
        check_recipe(a.recipe, faces)
    for name in keypoints:
        faces.schema.named(name)
    for name in points:
        faces.schema.named(name)
    load_keras()
    from base_models.speed import with_batch_size, with_precision

    if a.precision != AUTO:  # else it is chosen for the batches that there will be
        settings = with_precision(settings, a.precision, faces, a.run)
    settings = with_batch_size(settings, size, faces, a.run)
    return (with_precision(settings, AUTO, faces, a.run) if a.precision == AUTO else settings), points, faces


def _batch_size(a, points):
    """What --batch-size asks for: a number, "auto", or None where the command has no such option. Raises UsageError."""
    size = getattr(a, "batch_size", None)
    if size is None:
        return None
    if size != AUTO and not 1 <= size <= LARGEST:
        raise UsageError(f"--batch-size: expected 1 to {LARGEST}, or auto; received {size}")
    if any("train.batch_size=" in text for text in a.set):
        raise UsageError("--batch-size: expected it or --set train.batch_size=..., not both")
    own = {"train.batch_size", "train.learning_rate", "train.optimizer"}
    for name, given in points.items():
        if own & given.keys():
            raise UsageError(f"--batch-size: expected it or settings such as points.{name}.{min(own & given.keys())}")
    return size


def assignments(a):
    """Texts KEY=VALUE of --set, and of the options that are short for one. Raises UsageError where they disagree."""
    if a.weights is None:
        return a.set
    if any("network.weights=" in text for text in a.set):
        raise UsageError("--weights: expected it or --set network.weights=..., not both")
    return [*a.set, f"network.weights={a.weights}"]


def check_memory():
    """Raises ProjectError where the process may not have as much memory as the backend alone needs: under such a
    limit its libraries crash, each in its own way."""
    limit = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit != resource.RLIM_INFINITY and limit < NEEDED:
        raise ProjectError(
            f"out of memory: expected at least {NEEDED >> 20} MB of address space, most of which is never used; "
            f"received a limit of {limit >> 20} MB (ulimit -v)"
        )


def load_keras():
    """Import Keras and its backend without the backend's greetings on stderr; they show where the import fails."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # only what ends the process
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as told:
        os.dup2(told.fileno(), 2)  # the backend's C++ code writes to the file descriptor, not to sys.stderr
        try:
            import keras

            keras.ops.zeros(1)  # looks for devices
            logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of every second network as of a leak
        except Exception:  # Ctrl-C needs none of it
            told.seek(0)
            os.write(kept, told.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def parser(module, description):
    """An argument parser with the common options for `python -m module`."""
    made = Parser(
        prog=f"python -m {module}",
        description=description,
        epilog="Exit status: 0 done, 1 disk full or no memory, 2 bad option or setting, 3 bad data, 4 run folder in "
        "use or damaged, 5 training diverged, 130 and 143 stopped by Ctrl-C and SIGTERM (the same command goes on).",
    )
    add_common_options(made)
    return made
