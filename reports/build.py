"""Draw the pages of a run, and an index that links them.

python -m reports.build runs/default          # writes index.html, report.html and the others in runs/default
python -m reports.build runs/default --open   # and shows the index in the browser
python -m reports.build runs/default --anchor "dlib=1.96" --anchor "mean of the labels=3.79"
"""

from dataclasses import replace
from pathlib import Path

from data.errors import Parser, RunError, command
from reports.anchors import read_anchors

PREDICTIONS = Path("ensemble") / "predictions.npz"  # within a run folder
REPORT = "report.html"


def build_report(predictions, path, title="Where the keypoint model fails", anchors=None):
    """Write the error report of `predictions` to `path` as one HTML file that works offline.

    Args:
        predictions: Predictions with any number of faces, with truth or without. `info` may hold "source" (a word;
            "synthetic" is labelled as such), "faces" ("validation", "test"); other plain values are listed at the end.
        path: the file, written atomically. Its folder must exist.
        title: any text; markup in it is shown as text.
        anchors: dict of name to RMSE in px, to compare with; None: those of `predictions.info`.

    Returns:
        The path.

    Raises:
        RunError: there are faces, but no member found a single point.
    """
    from data.storage import write_text
    from reports.figures import measure
    from reports.page import error_page

    if anchors:
        predictions = replace(predictions, info={**predictions.info, "anchors": anchors})
    write_text(path, error_page(predictions, measure(predictions), title))
    return Path(path)


def build_run(run_folder, anchors=None):
    """Write RUN/report.html from RUN/ensemble/predictions.npz and return its path. `anchors` as in `build_report`.

    Raises:
        RunError: the predictions file is missing or damaged.
    """
    from reports.predictions import Predictions

    source = Path(run_folder) / PREDICTIONS
    if not source.is_file():
        raise RunError(
            f"{source}: expected the predictions of an ensemble (specialists.ensemble writes them); received no file"
        )
    return build_report(Predictions.load(source), Path(run_folder) / REPORT, anchors=anchors)


def main(argv=None):
    parser = Parser(
        prog="python -m reports.build", description="Draw the pages of a run, and an index that links them."
    )
    add = parser.add_argument
    add("run", metavar="RUN", help="a run folder, such as runs/default")
    add("--anchor", action="append", default=[], metavar="NAME=PX", help="a score to compare with; may be repeated")
    add("--open", action="store_true", help="show the index in the browser")
    options = parser.parse_args(argv)
    anchors = read_anchors(options.anchor)
    from reports.run_pages import build_all, told

    path, entries = build_all(options.run, anchors)
    print("\n".join(told(options.run, path, entries)))
    if options.open:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())


if __name__ == "__main__":
    command(main)
