"""Draw the label page: which labels of a set are doubtful, how noisy they are, and how much error is left to win.

python -m reports.labels --run runs/default                    # of a run, from what it keeps: runs/default/labels.html
python -m reports.labels --data PATH --out labels.html         # of a data set alone
python -m reports.labels --data PATH --run RUN                 # of a run that keeps nothing of its labels yet
"""

from pathlib import Path

from data.errors import Parser, RunError, UsageError, command

PAGE = "labels.html"  # within a run folder; the CSV lies beside it


def write_labels(labels, path, predictions=None):
    """Write the label page, and beside it the rows to look at as CSV.

    Args:
        labels: `reports.label_store.Labels`.
        path: the page, written atomically. Its folder must exist.
        predictions: `Predictions` on held-out rows of these labels, or None.

    Returns:
        (path of the page, path of the CSV).
    """
    from data.storage import write_text
    from reports.label_page import label_page

    path = Path(path)
    html, rows = label_page(labels, predictions, file=f"{path.stem}.csv")
    write_text(path, html)
    write_text(path.with_suffix(".csv"), rows)
    return path, path.with_suffix(".csv")


def build_labels(run):
    """Write RUN/labels.html and RUN/labels.csv from RUN/labels.npz and, where there is one, the predictions file.

    Raises:
        RunError: the run keeps no labels, or a file is damaged.
    """
    from data.storage import understood
    from reports.label_store import FILE, Labels

    source = Path(run) / FILE
    if not source.is_file():
        missing = f"{source}: expected the labels of a run (specialists.train writes them); received no file"
        raise RunError(f"{missing}: give --data PATH too")
    labels, predictions = Labels.load(source), _predictions(run)
    with understood(source, "the labels of a run"):
        return write_labels(labels, Path(run) / PAGE, predictions)


def _predictions(run):
    from reports.build import PREDICTIONS
    from reports.predictions import Predictions

    source = Path(run) / PREDICTIONS
    return Predictions.load(source) if source.is_file() else None


def label_set(faces, path, run=None):
    """The same from `Faces`, with the predictions of `run`, where one is given, on its validation faces.

    Raises:
        RunError: the run has no predictions, or they are of other labels.
    """
    from reports.label_store import read_labels

    predictions = _predictions(run) if run else None
    if run and predictions is None:
        raise RunError(f"{run}: expected the predictions of an ensemble (specialists.ensemble writes them); found none")
    return write_labels(read_labels(faces), path, predictions)


def main(argv=None):
    parser = Parser(
        prog="python -m reports.labels",
        description="Draw the label page: doubtful labels, noise, and how much error is left to win.",
    )
    parser.add_argument("--run", metavar="RUN", help="a run folder, such as runs/default")
    parser.add_argument("--data", metavar="PATH", help="a face set, instead of what the run keeps of its own")
    parser.add_argument(
        "--out", metavar="FILE", help="the page; the CSV is written beside it (default: RUN/labels.html)"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of drawn faces (default: %(default)s)")
    parser.add_argument("--open", action="store_true", help="show the page in the browser")
    options = parser.parse_args(argv)
    written = _written(options)
    print("\n".join(f"{path} ({path.stat().st_size / 1e6:.1f} MB)" for path in written))
    if options.open:
        import webbrowser

        webbrowser.open(written[0].resolve().as_uri())


def _written(options):
    if not options.data:
        if not options.run:
            raise UsageError("--run or --data: expected a run folder or a face set; received neither")
        if options.out:
            raise UsageError("--out: expected --data with it; the page of a run lies in its folder")
        return build_labels(options.run)
    out = options.out or (Path(options.run) / PAGE if options.run else None)
    if out is None:
        raise UsageError("--out: expected the file to write; received none")
    from data.sources import read_training

    return label_set(read_training(options.data, options.seed), out, options.run)


if __name__ == "__main__":
    command(main)
