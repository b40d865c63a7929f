"""Draw the augmentation page: each transform of a training at its extremes, and random draws, with points on them.

python -m reports.augmentation --run runs/default              # of a run, by its own settings: RUN/augmentation.html
python -m reports.augmentation --data PATH --out views.html    # of a data set, by the default settings
"""

from pathlib import Path

from data.errors import Parser, RunError, UsageError, command

PAGE = "augmentation.html"  # within a run folder


def build_augmentation(run):
    """Write RUN/augmentation.html from the settings of the run's base and faces of its predictions file.

    Returns:
        The path.

    Raises:
        RunError: either is missing or damaged.
    """
    from data.storage import read_json, understood
    from reports.augmentation_page import settings_of
    from reports.build import PREDICTIONS
    from reports.predictions import Predictions

    where, source = Path(run) / "base" / "settings.json", Path(run) / PREDICTIONS
    if not source.is_file():
        raise RunError(f"{source}: expected the predictions of an ensemble, for faces to show; received no file")
    made = read_json(where)
    settings, seed = settings_of(made.get("augment"), where), made.get("seed")
    predictions = Predictions.load(source)
    with understood(source, "a predictions file"):
        return _write(predictions, settings, seed if isinstance(seed, int) else 0, Path(run) / PAGE)


def augment_set(faces, path, settings=None):
    """Write the page for any `Faces`, by `settings` or the default ones. Returns the path."""
    import numpy as np

    from data.augment import AugmentSettings
    from reports.predictions import LEVELS, Predictions

    kept = [np.asarray(getattr(faces, name)) for name in ("images", "ids", "convention", "points")]
    radius = np.full((len(LEVELS), *faces.points.shape[:2]), np.nan, np.float32)
    shown = Predictions(*kept, {}, radius, faces.schema, {"source": faces.source})
    return _write(shown, settings or AugmentSettings(), 0, path)


def _write(predictions, settings, seed, path):
    from data.storage import write_text
    from reports.augmentation_page import augmentation_page

    write_text(path, augmentation_page(predictions, settings, seed))
    return Path(path)


def main(argv=None):
    parser = Parser(
        prog="python -m reports.augmentation",
        description="Draw the augmentation page: each transform at its extremes, and random draws, with their points.",
    )
    parser.add_argument("--run", metavar="RUN", help="a run folder, such as runs/default")
    parser.add_argument("--data", metavar="PATH", help="a face set, instead of a run")
    parser.add_argument("--out", metavar="FILE", help="the page of a face set")
    parser.add_argument("--open", action="store_true", help="show the page in the browser")
    options = parser.parse_args(argv)
    path = _written(options)
    print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")
    if options.open:
        import webbrowser

        webbrowser.open(path.resolve().as_uri())


def _written(options):
    if bool(options.run) == bool(options.data):
        raise UsageError("--run or --data: expected one of them: a run folder or a face set")
    if bool(options.data) != bool(options.out):
        raise UsageError("--out: expected it with --data, and only then; the page of a run lies in its folder")
    if options.run:
        return build_augmentation(options.run)
    from data.sources import read_training

    return augment_set(read_training(options.data), options.out)


if __name__ == "__main__":
    command(main)
