"""Draw the error report of a run.

python -m reports.build runs/default          # writes runs/default/report.html
python -m reports.build runs/default --open   # and shows it in the browser
"""

from pathlib import Path

from data.errors import Parser, RunError, command

PREDICTIONS = Path("ensemble") / "predictions.npz"  # within a run folder
REPORT = "report.html"


def build_report(predictions, path, title="Where the keypoint model fails"):
    """Write the error report of `predictions` to `path` as one HTML file that works offline.

    Args:
        predictions: Predictions with any number of faces, with truth or without. `info` may hold "source" (a word;
            "synthetic" is labelled as such), "faces" ("validation", "test"); other plain values are listed at the end.
        path: the file, written atomically. Its folder must exist.
        title: any text; markup in it is shown as text.

    Returns:
        The path.

    Raises:
        RunError: there are faces, but no member found a single point.
    """
    from data.storage import write_text
    from reports.figures import measure
    from reports.page import error_page

    write_text(path, error_page(predictions, measure(predictions), title))
    return Path(path)


def build_run(run_folder):
    """Write RUN/report.html from RUN/ensemble/predictions.npz and return its path.

    Raises:
        RunError: the predictions file is missing or damaged.
    """
    from reports.predictions import Predictions

    source = Path(run_folder) / PREDICTIONS
    if not source.is_file():
        raise RunError(
            f"{source}: expected the predictions of an ensemble (specialists.ensemble writes them); received no file"
        )
    return build_report(Predictions.load(source), Path(run_folder) / REPORT)


def main(argv=None):
    parser = Parser(prog="python -m reports.build", description="Draw the error report of a run.")
    parser.add_argument("run", metavar="RUN", help="a run folder, such as runs/default")
    parser.add_argument("--open", action="store_true", help="show the report in the browser")
    options = parser.parse_args(argv)
    path = build_run(options.run)
    print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    if options.open:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())


if __name__ == "__main__":
    command(main)
