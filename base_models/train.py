"""Train the base network of a run on all points: python -m base_models.train --data PATH --run DIR."""

from pathlib import Path

from base_models.options import add_batch_option, parser, read_options
from base_models.progress import trained
from data.errors import command
from data.storage import check_free


def main(argv=None):
    made = parser("base_models.train", __doc__)
    add_batch_option(made)
    a = made.parse_args(argv)
    check_free(Path(a.run) / "base")
    settings, _, faces = read_options(a)
    from base_models.base import train_base
    from reports.run_pages import build_all

    _, summary = train_base(faces, settings, a.run, a.seed).part.history()
    print(trained("base", summary))
    print(f"pages: {build_all(a.run)[0]}")


if __name__ == "__main__":
    command(main)
