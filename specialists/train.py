"""Train specialists: python -m specialists.train --keypoint nose_tip (or --all).

Trains the base network first where the run has none, then the specialists, merges them, and writes the report.
"""

from base_models.options import parser, read_options
from data.errors import command


def main(argv=None):
    made = parser("specialists.train", __doc__)
    which = made.add_mutually_exclusive_group(required=True)
    which.add_argument("--keypoint", action="append", metavar="NAME", help="one point; may be given several times")
    which.add_argument("--all", action="store_true", help="every point of the set")
    a = made.parse_args(argv)
    settings, overrides, faces = read_options(a, a.keypoint or ())
    from specialists.pipeline import train_specialists

    points = faces.schema.points if a.all else a.keypoint
    print("\n".join(train_specialists(points, faces, settings, overrides, a.run, a.seed)))


if __name__ == "__main__":
    command(main)
