"""Train networks alike and compare them: python -m base_models.compare --data PATH --run DIR --networks vgg,resnet.

Every network is trained as the base of a run of its own, RUN/<network>, with the same data, split, seed and epochs. The
same command again goes on where it was stopped; what is finished is not trained or measured again. A network that
cannot be trained says why in its row and ends no other. RUN/NAME/settings.json is what `--settings` of a command on
RUN/NAME takes. RUN/comparison.json and comparison.html are replaced after every network.
"""

import dataclasses
from difflib import get_close_matches
from pathlib import Path

from base_models.options import add_jobs_options, assignments, jobs_of, parser, read_options
from data.errors import DataError, ProjectError, UsageError, command, one_line

RESULTS, PAGE = "comparison.json", "comparison.html"
SETTINGS = "settings.json"  # of a network, in RUN/NAME, as --settings takes them
FIGURES = "figures.json"  # of a network, in RUN/NAME: its row, and what it was measured of
FORMAT = 1  # of that: another one where rows are measured in another way
OWN = ("network.", "train.", "augment.", "teachers.")  # what may differ between networks; what is held out may not
WAITING = "not trained yet"


def compare(faces, settings, run, seed, where=None, test=None):
    """Train networks, or load those that are finished, and compare them on the validation faces.

    Answers are what specialists.ensemble and specialists.submission make of the network: with the mirror image, shifted
    views and a calibration where `ensemble` in the settings says so.

    Args:
        faces: all training `Faces`.
        settings: dict of network to `Settings`, as from `settings_by_network`.
        run: folder; network NAME is the base of the run RUN/NAME.
        seed: int, the same for all.
        where: `base_models.jobs.Where` to train them, several at once: the seconds of their trainings are then those
            beside the others; how fast they predict is measured here afterwards. None = here, one after another.
        test: labelled `Faces` to score the networks on besides, or None. Nothing is chosen by them.

    Returns:
        List of rows, one per network: that of `measure_network`, or {"network", "why"} where there are no figures.

    Raises:
        DataError, RunError, OSError: about all networks.
        ProjectError: of the first network, where not one could be trained.
    """
    from base_models.apart import train_apart
    from base_models.base import split_rows
    from base_models.progress import say
    from data.storage import locked

    parts = split_rows(faces, next(iter(settings.values())).split, seed)
    rows, errors = [{"network": name, "why": WAITING} for name in settings], []
    with locked(run):
        failed = {} if where is None else train_apart(faces, settings, run, seed, where)
        for place, (name, own) in enumerate(settings.items()):
            say(f"{name}: network {place + 1} of {len(rows)}")
            try:
                if name in failed:
                    raise failed[name]
                rows[place] = _trained(faces, own, Path(run) / name, seed, parts, test) | {"network": name}
            except OSError:  # such as a full disk, which the next network would find full too
                raise
            except Exception as error:
                rows[place] = {"network": name, "why": _why(error)}
                errors.append(error)
                say(f"{name}: {rows[place]['why']}")
            _write(Path(run), rows)
    if len(errors) == len(rows):
        raise errors[0]
    return rows


def _trained(faces, settings, run, seed, parts, test):
    """The row of one network. Its settings are kept for the commands that go on with its run."""
    from base_models.base import train_base
    from base_models.measure import measure_network
    from base_models.precision import machine
    from data.storage import sha256_of, write_json

    base = train_base(faces, settings, run, seed)
    write_json(run / SETTINGS, dataclasses.asdict(settings))
    measured = {
        "format": FORMAT,
        "base": sha256_of(base.part.folder / "manifest.json"),  # of its history, too
        "ensemble": dataclasses.asdict(settings.ensemble),
        "test": None if test is None else [test.digest(), test.source],
        "machine": machine(),
    }
    row = kept_row(run, measured)
    if row is None:
        row = measure_network(base, faces, parts, settings.ensemble, test)
        write_json(run / FIGURES, {"measured": measured, "row": row})
    return row


def kept_row(run, measured):
    """The row that a network's run, a Path, has been given before; None where it was measured of something else than
    `measured`, a JSON object, or is damaged, which is told."""
    from base_models.kept import read_kept

    found = read_kept(run / FIGURES, _is_row, "the network is measured again")
    return found["row"] if found and found["measured"] == measured else None


def _is_row(value):
    return "measured" in value and isinstance(value.get("row"), dict) and "scores" in value["row"]


def _why(error):
    return one_line(error if isinstance(error, ProjectError) else f"{type(error).__name__}: {error}", 400)


def _write(run, rows):
    from data.storage import write_json
    from reports.comparison import build_comparison

    write_json(run / RESULTS, {"networks": rows})
    build_comparison(rows, run / PAGE)


def networks_named(text=None):
    """Names in a comma-separated text, each once; None = all that come without weights of others.

    Raises:
        UsageError: a name that is none of base_models.backbones.BACKBONES.
    """
    from base_models.settings import CHOICES

    known = CHOICES["backbone"]
    if text is None:
        return [name for name in known if not name.startswith("keras_")]
    names = [name.strip() for name in text.split(",")]
    for name in names:
        _known(name, known, "--networks")
    return list(dict.fromkeys(names))


def _known(name, known, where):
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise UsageError(f"{where}: expected one of {', '.join(known)}; received {name!r}{hint}")


def settings_by_network(settings, names, own=()):
    """Settings of each network of a comparison.

    Args:
        settings: `Settings` of all of them.
        names: of the networks.
        own: texts `NETWORK:KEY=VALUE`, what one network has differently.

    Returns:
        dict of network to `Settings`.

    Raises:
        UsageError: a network that is not among `names`, or a setting that is none or must be the same for all.
    """
    from base_models.settings import NetworkSettings, with_overrides

    if settings.network.backbone != NetworkSettings().backbone:
        raise UsageError("network.backbone: a comparison takes its networks from --networks")
    # Teachers are networks of the same kind: they would only multiply the cost of the comparison.
    made = {name: with_overrides(settings, {"network.backbone": name, "teachers.count": 0}) for name in names}
    for text in own:
        name, colon, rest = text.partition(":")
        key, equals, value = rest.partition("=")
        if not (colon and equals):
            raise UsageError(f"--for: expected NETWORK:KEY=VALUE; received {text!r}")
        _known(name, names, "--for")
        if not key.startswith(OWN) or key == "network.backbone":
            raise UsageError(f"--for: expected a setting that begins with {', '.join(OWN)}; received {key!r}")
        made[name] = with_overrides(made[name], {key: value}, "--for")
    return made


def table(rows):
    """Lines of text: a table of the networks with figures, most accurate first, then why the others have none."""
    from base_models.predict import WORST
    from base_models.progress import aligned
    from reports import comparison_charts as charts

    known = sorted((row for row in rows if "scores" in row), key=lambda row: charts.error(row)[0])
    kinds, tested = charts.kinds(known)[1:], charts.kinds(known, "test_scores")
    head = ["network", "px*", "95 % interval", "px", *(f"{kind}{star}" for kind in kinds for star in ("", "*"))]
    head += [cell for kind in tested for cell in (f"test {kind}", "95 % interval")]
    head += ["parameters", "multiply-adds", "epochs", "seconds", "per epoch", "ms, 1 face", "ms, 64"]
    lines = aligned([head, *(_line(row, kinds, tested) for row in known)]) if known else []
    note = f"RMSE on the validation faces; * without the worst {WORST:.0%} of the errors; ms per face, at once 1 and 64"
    failed = [f"{row['network']}: {row['why']}" for row in rows if "scores" not in row]
    return [*lines, *([note] if known else []), *failed]


def _line(row, kinds, tested):
    from reports.comparison_charts import error

    overall = row["scores"]["all"]
    pairs = [row["scores"][kind][name][0] for kind in kinds for name in ("rmse", "trimmed")]
    shown = [f"{value:.3f}" for value in (overall["rmse"][0], *pairs)]
    test = [cell for kind in tested for cell in _with_interval(row["test_scores"][kind]["rmse"])]
    costs = [f"{row['parameters']:,}", f"{row['multiply_adds']:,}", row["epochs"], f"{row['seconds']:.0f}"]
    speed = [f"{row['epoch_seconds']:.2f}", f"{row['ms_1']:.2f}", f"{row['ms_64']:.2f}"]
    return [row["network"], *_with_interval(error(row)), *shown, *test, *costs, *speed]


def _with_interval(found):
    """Texts of [value, low, high]."""
    value, low, high = found
    return f"{value:.3f}", "-" if low is None else f"{low:.3f} to {high:.3f}"


def _test_faces(a, settings, faces):
    """The labelled faces of --test; None without."""
    from data.sources import read_labelled_test

    if a.test is None:
        return None
    test = read_labelled_test(a.test, a.seed + 1, settings.faces)  # drawn ones are others than those trained on
    own, other = ((f.schema, *f.size, f.images.shape[-1]) for f in (faces, test))
    if own != other:
        told = ", ".join(f"{schema.name}, {h}x{w} px, channels: {channels}" for schema, h, w, channels in (own, other))
        raise DataError(f"--test: expected faces as those of --data; received others ({told})")
    if test.digest() == faces.digest():
        raise UsageError(f"--test: expected other faces than those of --data; received the same, {a.test}")
    return test


def main(argv=None):
    from base_models.settings import read_settings

    made = parser("base_models.compare", __doc__.partition("\n")[0])
    add = made.add_argument
    add("--networks", metavar="A,B", help="names in base_models/backbones.py (default: all without pretrained weights)")
    add("--epochs", type=int, metavar="N", help="of every network: short for --set train.epochs=N")
    own_help = "one setting of one network, such as vgg:train.learning_rate=0.001; may be repeated"
    add("--for", dest="own", metavar="NETWORK:KEY=VALUE", action="append", default=[], help=own_help)
    add("--test", metavar="PATH", help="labelled faces to score the networks on, too: nothing is chosen by them")
    add_jobs_options(made)
    a = made.parse_args(argv)
    if a.precision:
        raise UsageError("--precision: a comparison takes --set train.precision=..., or --for for single networks")
    where = jobs_of(a)
    names = networks_named(a.networks)
    a.set = a.set if a.epochs is None else [*a.set, f"train.epochs={a.epochs}"]
    asked = read_settings(a.settings, assignments(a), a.recipe)[0]  # before anything is read
    settings = settings_by_network(asked, names, a.own)
    _, _, faces = read_options(a)
    rows = compare(faces, settings, a.run, a.seed, where, _test_faces(a, asked, faces))
    print("\n".join([*table(rows), f"page: {Path(a.run) / PAGE}"]))


if __name__ == "__main__":
    command(main)
