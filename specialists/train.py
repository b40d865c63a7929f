"""Train specialists: python -m specialists.train --keypoint nose_tip (or --group eyes, or --all).

Trains the base network first where the run has none, then the specialists, merges them, and writes the report.
"""

from pathlib import Path

from base_models.options import add_batch_option, add_jobs_options, jobs_of, parser, read_options
from data.errors import command
from data.storage import check_free


def main(argv=None):
    made = parser("specialists.train", __doc__)
    which = made.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--keypoint", action="append", metavar="NAME", help="one point, or all of a group such as eyes; may be repeated"
    )
    which.add_argument("--group", action="append", metavar="NAME", help="one specialist for all points of a group")
    which.add_argument("--all", action="store_true", help="every point of the set")
    add_batch_option(made)
    add_jobs_options(made)
    a = made.parse_args(argv)
    check_free(Path(a.run) / "base")
    where = jobs_of(a)
    settings, overrides, faces = read_options(a, a.keypoint or a.group or ())
    from specialists.pipeline import train_specialists

    points = a.group
    if points is None:
        named = [faces.schema.points] if a.all else map(faces.schema.named, a.keypoint)
        points = list(dict.fromkeys(point for each in named for point in each))
    print("\n".join(train_specialists(points, faces, settings, overrides, a.run, a.seed, where)))


if __name__ == "__main__":
    command(main)
