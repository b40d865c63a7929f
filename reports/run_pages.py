"""Every page that a run may have: one row of SHEETS each. Builds them all, and the index."""

from dataclasses import dataclass
from pathlib import Path

from data.errors import ProjectError, RunError, one_line
from data.storage import read_json, write_text
from reports import index
from reports.build import REPORT, build_run


@dataclass(frozen=True)
class Sheet:
    """A page that a run may have.

    Args:
        file: its name in the run folder. title, about: a few words, and a sentence on what it shows.
        draw: function of the run folder, and of the anchors to compare with, that writes it. Raises ProjectError
            where what it needs is missing.
        figures: name of the function in reports.index that tells its key figures.
        needs: files or folders of which those runs have one that the page is about.
    """

    file: str
    title: str
    about: str
    draw: object
    figures: str
    needs: tuple = ("base", "ensemble")


def _training(run, anchors):
    from reports.training_page import build_training_page

    build_training_page(run)


def _network(run, anchors):
    from reports.network_page import build_network_page

    build_network_page(run)


def _labels(run, anchors):
    from reports.labels import build_labels

    build_labels(run)


def _augmentation(run, anchors):
    from reports.augmentation import build_augmentation

    build_augmentation(run)


def _comparison(run, anchors):
    from reports.comparison import build_comparison

    build_comparison(read_json(Path(run) / COMPARED)["networks"], Path(run) / "comparison.html")


COMPARED = "comparison.json"  # what base_models.compare leaves
SHEETS = (
    Sheet(
        REPORT,
        "Error report",
        "Where the model fails and why: errors per point and their directions, the faces themselves, the error radius.",
        build_run,
        "report_figures",
    ),
    Sheet(
        "labels.html",
        "Labels",
        "What the labels are worth: doubtful rows, duplicates, noise, and how much error is left to win.",
        _labels,
        "label_figures",
    ),
    Sheet(
        "training.html",
        "Training",
        "How the networks trained: curves, early stopping, time and memory, and what specialists took from their base.",
        _training,
        "training_figures",
    ),
    Sheet(
        "augmentation.html",
        "Augmentation",
        "What a network sees in training: each transform at its extremes, and random draws, with points on them.",
        _augmentation,
        "augmentation_figures",
    ),
    Sheet(
        "network.html",
        "Network",
        "What the base network sees: kernels, feature maps layer by layer, dead filters, and heat maps.",
        _network,
        "network_figures",
    ),
    Sheet(
        "comparison.html",
        "Networks compared",
        "Networks that were trained alike: accuracy against cost, speed, and a table.",
        _comparison,
        "comparison_figures",
        (COMPARED,),
    ),
)


def build_all(run, anchors=None):
    """Write every page that the run folder has enough for, and an index of them, from that folder alone.

    Args:
        run: folder of a run, or of a comparison of networks.
        anchors: dict of name to RMSE in px, as for `reports.build.build_report`.

    Returns:
        (path of the index, list of `reports.index.Entry`: what was built, and what not and why).

    Raises:
        RunError: the folder is none of a run.
    """
    run = Path(run)
    wanted = [sheet for sheet in SHEETS if any((run / name).exists() for name in sheet.needs)]
    if not wanted:
        raise RunError(f"{run}: expected the folder of a run; received one without a base and without {COMPARED}")
    entries = [_drawn(sheet, run, anchors) for sheet in wanted]
    write_text(run / index.PAGE, index.index_page(run, entries))
    return run / index.PAGE, entries


def _drawn(sheet, run, anchors):
    """The page's entry in the index. One that cannot be drawn costs no other, nor the training that it ends."""
    try:
        sheet.draw(run, anchors)
        return index.Entry(sheet.file, sheet.title, sheet.about, getattr(index, sheet.figures)(run))
    except OSError:  # such as a full disk, which the next page would find full too
        raise
    except Exception as error:
        why = str(error) if isinstance(error, ProjectError) else f"{type(error).__name__}: {error}"
        return index.Entry(sheet.file, sheet.title, sheet.about, [], one_line(why, 400))


def told(run, index, entries):
    """Lines of text: the pages with their sizes, the index last, and why others were not built."""
    built = [Path(run) / entry.file for entry in entries if not entry.problem]
    lines = [f"{path} ({path.stat().st_size / 1e6:.1f} MB)" for path in built]
    lines += [f"not built: {entry.file}: {entry.problem}" for entry in entries if entry.problem]
    return [*lines, f"{index}: links all of them" if built else f"{index}"]
