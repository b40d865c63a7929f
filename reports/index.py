"""The index page of a run: every page that is there, with a sentence and its key figures, and why others are not."""

from dataclasses import dataclass
from html import unescape
from pathlib import Path

import numpy as np

from data.errors import ProjectError
from data.runs import Part
from data.storage import read_json
from reports.build import PREDICTIONS
from reports.frame import footer_of, page_frame
from reports.markup import text, tiles
from reports.predictions import Predictions
from reports.words import counted

PAGE = "index.html"
MEMBERS = ("ensemble", "specialist", "base")
MADE = (  # what a run is made of: words, and where its base's settings have it
    ("data", ("source",)),
    ("points", ("schema",)),
    ("image", ("shape",)),
    ("network", ("network", "backbone")),
    ("head", ("network", "head")),
    ("optimiser", ("train", "optimizer")),
    ("learning rate", ("train", "learning_rate")),
    ("schedule", ("train", "schedule")),
    ("loss", ("train", "loss")),
    ("seed", ("seed",)),
)


@dataclass(frozen=True)
class Entry:
    """A page of a run, there or not.

    Args:
        file: its name in the run folder. title, about: a few words, and a sentence on what it shows.
        figures: list of (label, value), texts.
        problem: why it is not there; "" where it is.
    """

    file: str
    title: str
    about: str
    figures: list
    problem: str = ""


def index_page(run, entries):
    """The whole page as HTML.

    Args:
        run: folder of the run. entries: list of `Entry`.
    """
    run = Path(run)
    name = run.resolve().name
    there = [entry for entry in entries if not entry.problem]
    source, numbers = _results(run)
    parts = [tiles(numbers, "ensemble") if numbers else "", _links(run, there, entries)]
    parts += [_missing([entry for entry in entries if entry.problem]), _made(run)]
    lede = f"{sentence_of(there)} Each is one file that works offline and can be mailed by itself."
    return page_frame(
        f"Run {name}", "".join(parts), lede=lede, synthetic=source == "synthetic", footer=footer_of(NOTES)
    )


NOTES = ("These pages are drawn from the run’s folder alone: python -m reports.build RUN draws all of them again.",)


def sentence_of(there):
    return f"{counted(len(there), 'page')} on this run." if there else "This run has no page yet."


def _results(run):
    """(source of the faces, entries of the large figures: RMSE of the members on the held-out faces)."""
    try:
        predictions = Predictions.load(run / PREDICTIONS)
    except ProjectError:
        return "", []
    found = [(f"RMSE, {name}", score) for name in MEMBERS if (score := _rmse(predictions, name))]
    asked = int(np.isfinite(predictions.truth).all(-1).sum())
    noun = {"validation": "held-out face", "test": "test face"}.get(str(predictions.info.get("faces")), "face")
    note = f"{counted(len(predictions), noun)}, {counted(asked, 'labelled point')}"
    return str(predictions.info.get("source")), [(label, score, note) for label, score in found]


def _rmse(predictions, member):
    """`1.43 px`, or None. A member that answers only some points cannot stand beside those that answer all."""
    from reports.figures import rmse

    if member not in predictions.points:
        return None
    errors = predictions.errors(member)
    asked = np.isfinite(predictions.truth).all(-1)
    if not asked.any() or not np.isfinite(errors[asked]).all():
        return None
    return f"{rmse(errors):.2f} px"


def _links(run, there, entries):
    cards = "".join(_card(entry) for entry in there)
    known = {entry.file for entry in entries} | {PAGE}
    others = [(path.name, title_of(path)) for path in sorted(run.glob("*.html")) if path.name not in known]
    others += [(f"{path.parent.name}/{PAGE}", f"run {path.parent.name}") for path in sorted(run.glob(f"*/{PAGE}"))]
    listed = "".join(f'<li><a href="{text(_address(file))}">{text(title)}</a></li>' for file, title in others)
    more = f"<h2>More in this folder</h2><ul class='card links'>{listed}</ul>" if listed else ""
    return f'<nav aria-label="Pages of this run"><div class="pages">{cards}</div>{more}</nav>' if cards or more else ""


def _address(file):
    """A file's name as a relative address, whatever characters are in it."""
    from urllib.parse import quote

    return "./" + quote(file)


def title_of(path):
    """The <title> of a page, its file name where it has none."""
    with open(path, encoding="utf-8", errors="replace") as file:
        start = file.read(8000)
    title = start.partition("<title>")[2].partition("</title>")[0].strip()
    return unescape(title) or Path(path).name


def _card(entry):
    lines = "".join(f"<div><dt>{text(label)}</dt><dd>{text(value)}</dd></div>" for label, value in entry.figures)
    return (
        f'<section class="card page"><h2><a href="{text(_address(entry.file))}">{text(entry.title)}</a></h2>'
        f"<p>{text(entry.about)}</p>{f'<dl>{lines}</dl>' if lines else ''}</section>"
    )


def _missing(gone):
    if not gone:
        return ""
    lines = "".join(f"<dt>{text(entry.title)}</dt><dd>{text(entry.problem)}</dd>" for entry in gone)
    return f'<h2>Not built</h2><dl class="card findings">{lines}</dl>'


def _made(run):
    """What the run's base was made from, in a table."""
    part = Part(run / "base")
    try:
        made = part.settings() if part.finished else read_json(run / "base" / "settings.json")
    except ProjectError:
        return ""
    lines = [(label, _looked_up(made, path)) for label, path in MADE]
    shown = "".join(f"<dt>{label}</dt><dd>{text(value)}</dd>" for label, value in lines if value)
    return f'<h2>How it was made</h2><dl class="card findings made">{shown}</dl>' if shown else ""


def _looked_up(made, path):
    """A setting as text, "" where it is not told."""
    for name in path:
        made = made.get(name) if isinstance(made, dict) else None
    if isinstance(made, list) and len(made) == 3:
        return f"{made[1]} × {made[0]} px, {counted(made[2], 'channel')}"
    if isinstance(made, dict):
        return str(made.get("name") or "")
    return "" if made is None else f"{made:g}" if isinstance(made, float) else str(made)


# ---- key figures, each from what the page itself is drawn from --------------------------------------------------


def report_figures(run):
    """Of the error report: the hardest point, and the share of the error that the worst faces make."""
    from reports.figures import WORST, rmse, worst_faces_share
    from reports.theme import point_label

    predictions = Predictions.load(Path(run) / PREDICTIONS)
    main = next((name for name in MEMBERS if name in predictions.points), None)
    errors = predictions.errors(main) if main else np.zeros((0, 0))
    if not np.isfinite(errors).any():
        return [("faces", f"{len(predictions):,}")]
    scores = np.array([rmse(column) for column in errors.T])
    worst = int(np.nanargmax(scores))
    found = [("hardest point", f"{point_label(predictions.schema.points[worst])}, {scores[worst]:.2f} px")]
    share = f"{100 * worst_faces_share(errors):.0f} % of the squared error"
    return [*found, (f"worst {WORST} faces", share)] if len(predictions) > 2 * WORST else found


def training_figures(run):
    """Of the training page: how many networks, how long, and the base's best score."""
    from reports.training import read_trainings
    from reports.training_page import minutes

    trainings = [one for one in read_trainings(run)[0] if one.epochs]
    base = next((one for one in trainings if one.kind == "base" and one.best >= 0), None)
    found = [("networks", f"{len(trainings)}"), ("training time", minutes(sum(one.seconds for one in trainings)))]
    return found + ([("base, trimmed RMSE", f"{base.column('val_trimmed')[base.best]:.2f} px")] if base else [])


def network_figures(run):
    """Of the network page: weights, layers and dead filters."""
    from reports.network_page import load_features

    layers = [layer for layer in load_features(run).layers if layer.weights]
    dead, filters = sum(len(layer.dead) for layer in layers), sum(layer.channels for layer in layers)
    found = [("layers with weights", f"{len(layers)}"), ("weights", f"{sum(layer.weights for layer in layers):,}")]
    return [*found, ("dead filters", f"{dead:,} of {filters:,}")]


def label_figures(run):
    """Of the label page: rows to look at, as many as its CSV has."""
    rows = (Path(run) / "labels.csv").read_text("utf-8").splitlines()[1:]
    return [("rows to look at", f"{len(rows):,}")]


def augmentation_figures(run):
    """Of the augmentation page: how many transforms there are, and how many views are mirrored."""
    made = read_json(Path(run) / "base" / "settings.json")["augment"]
    return [("settings in use", f"{sum(map(bool, made.values()))}"), ("mirrored", f"{100 * made.get('flip', 0):.0f} %")]


def comparison_figures(run):
    """Of a comparison of networks: how many, and the most accurate."""
    rows = [row for row in read_json(Path(run) / "comparison.json")["networks"] if "scores" in row]
    if not rows:
        return []
    best = min(rows, key=lambda row: row["scores"]["all"]["rmse"][0])
    score = f"{best['network']}, {best['scores']['all']['rmse'][0]:.2f} px"
    return [("networks", f"{len(rows)}"), ("most accurate", score)]
