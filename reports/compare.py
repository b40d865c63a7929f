"""Compare two runs, or two predictions files, on the faces that both have.

python -m reports.compare runs/before runs/after --out change.html
"""

from pathlib import Path

from data.errors import Parser, RunError, command


def compare(first, second, path, title="What changed"):
    """Write the comparison of two predictions files to `path` as one HTML file that works offline.

    Args:
        first, second: run folders, or predictions files (.npz).
        path: the file, written atomically. Its folder must exist.
        title: any text; markup in it is shown as text.

    Returns:
        (path, PairFigures).

    Raises:
        RunError: a file is missing or damaged. DataError: the two have no labelled face in common.
    """
    from data.storage import understood, write_text
    from reports.pair_page import pair_page
    from reports.pairing import measure_pair, pair_up
    from reports.predictions import Predictions

    files = [predictions_file(one) for one in (first, second)]
    pair = pair_up(*(Predictions.load(file) for file in files), short_names(first, second))
    with understood(files[0], "a predictions file"):
        figures = measure_pair(pair)
        write_text(path, pair_page(pair, figures, title))
    return Path(path), figures


def predictions_file(given):
    """The predictions file of a run folder, or the file itself. Raises RunError where there is none."""
    from reports.build import PREDICTIONS

    path = Path(given)
    found = path / PREDICTIONS if path.is_dir() else path
    if path.is_dir() and not found.is_file() and (path / "predictions.npz").is_file():
        found = path / "predictions.npz"  # as specialists.evaluate leaves it
    if not found.is_file():
        raise RunError(f"{found}: expected a run folder or a predictions file; received no file")
    return found


def short_names(first, second):
    """What the two are called: the last parts of their paths, as many as tell them apart."""
    parts = [Path(one).absolute().parts for one in (first, second)]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(own[-count:]) for own in parts]
        if names[0] != names[1]:
            return tuple(names)
    return names[0], f"{names[1]} (again)"


def main(argv=None):
    parser = Parser(prog="python -m reports.compare", description="Compare two runs on the faces that both have.")
    parser.add_argument("first", metavar="A", help="a run folder or a predictions file")
    parser.add_argument("second", metavar="B", help="another, of the same faces")
    parser.add_argument("--out", required=True, metavar="FILE", help="the page to write, such as change.html")
    options = parser.parse_args(argv)
    path, figures = compare(options.first, options.second, options.out)
    change = figures.overall
    spread = (
        f" ({change.change.low:+.3f} to {change.change.high:+.3f}), p {change.p:.4f}" if change.p == change.p else ""
    )
    print(f"RMSE {change.first:.3f} px, {change.second:.3f} px: {change.change.value:+.3f} px{spread}")
    print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")


if __name__ == "__main__":
    command(main)
