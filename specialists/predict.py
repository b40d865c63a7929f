"""Points on your own photos and videos: python -m specialists.predict FILES... --run RUN --out FOLDER."""

import sys
from pathlib import Path

from data.errors import DataError, Parser, UsageError, command, one_line

CHUNK = 16  # photos whose faces are looked at together
CHUNK_PIXELS = 50_000_000  # of these photos, but for one; bounds memory
EPILOG = (
    "Exit status: 0 done, also where no face was found; 3 a file could not be read (the others are done); others as "
    "of every command. Written to FOLDER: NAME_faces.jpg per photo with faces, NAME_faces.mp4 and NAME_points.csv per "
    "video, faces.json and points.csv of all photos. Positions are px of the photo as viewers show it, (0, 0) the "
    "centre of its first pixel."
)


def predict_photos(paths, predictor, out, boxes=None):
    """Find faces and points on photos; write overlays, faces.json and points.csv.

    Args:
        paths: list of Path. predictor: `Predictor`. out: Path of the folder.
        boxes: [n, 4] of the one photo, px; None = find the faces.

    Returns:
        list of `Answer`; a photo that cannot be read has an error and does not stop the others.
    """
    from specialists.photos_files import own_names, write_answers, write_overlay

    answers, names = [], own_names(paths, "_faces.jpg")
    for chunk in chunks(paths):
        read = [(path, photo) for path, photo, _ in chunk if photo is not None]
        faces = dict(zip((path for path, _ in read), predictor.many([p for _, p in read], boxes), strict=True))
        for path, photo, error in chunk:
            answer = _answer(path, photo, faces.get(path, []), error)
            if answer.faces:
                write_overlay(out / names[len(answers)], photo, answer.faces, predictor.schema)
            answers.append(answer)
            print(one_line(f"{path}: {answer.says}"), file=sys.stderr if error else sys.stdout, flush=True)
    write_answers(out, answers, predictor.about)
    return answers


def chunks(paths):
    """Lists of (path, photo or None, error): photos that are held in memory together."""
    from data.pictures import read_picture

    some, pixels = [], 0
    for path in paths:
        try:
            photo, error = read_picture(path), ""
        except DataError as wrong:
            photo, error = None, str(wrong)
        size = 0 if photo is None else photo.shape[0] * photo.shape[1]
        if some and (len(some) == CHUNK or pixels + size > CHUNK_PIXELS):
            yield some
            some, pixels = [], 0
        some.append((path, photo, error))
        pixels += size
    if some:
        yield some


def _answer(path, photo, faces, error):
    from specialists.photos_files import Answer

    return Answer(path, None if photo is None else photo.shape[1::-1], faces, error.removeprefix(f"{path}: "))


def read_boxes(texts, photos):
    """Boxes [[left, top, width, height], ...] of --box; None where there are none.

    Raises:
        UsageError: not four numbers with an area, or not exactly one photo.
    """
    if not texts:
        return None
    if photos != 1:
        raise UsageError(f"--box: expected one photo, on which the boxes lie; received {photos}")
    return [[_box(text) for text in texts]]


def _box(text):
    try:
        left, top, width, height = (float(part) for part in text.split(","))
    except ValueError:
        raise UsageError(f"--box: expected LEFT,TOP,WIDTH,HEIGHT in px; received {text!r}") from None
    if not (abs(left) < 1e6 and abs(top) < 1e6 and 1 <= width < 1e6 and 1 <= height < 1e6):
        raise UsageError(f"--box: expected a box of 1 px or more and under a million; received {text!r}")
    return [left, top, width, height]


def options():
    """The command's argument parser."""
    parser = Parser(prog="python -m specialists.predict", description=__doc__, epilog=EPILOG)
    add = parser.add_argument
    add("files", nargs="*", metavar="FILES", help="photos, videos, or folders of them")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--run", default="runs/default", metavar="DIR", help="folder of the run (default: %(default)s)")
    source.add_argument("--model", metavar="FILE", help="instead of a run: a file of python -m specialists.export")
    add("--out", required=True, metavar="FOLDER", help="for overlays, faces.json and points.csv; made where missing")
    add("--box", action="append", metavar="X,Y,W,H", help="a face of the one photo, px; instead of finding faces")
    add("--convention", metavar="NAME", help="how the points are drawn, such as fifteen or four (default: the first)")
    add("--looks", type=int, choices=(1, 2, 3), default=3, help="at a face, framed by the last answer (default: 3)")
    add("--doubt", type=float, metavar="SHARE", help="leave out found faces that the networks doubt more; inf = none")
    add("--webcam", type=int, metavar="N", help="film with the N-th camera, from 0, instead of FILES")
    add("--seconds", type=float, default=10.0, metavar="S", help="how long --webcam films (default: %(default)g)")
    return parser


def main(argv=None):
    a = options().parse_args(argv)
    out = checked_out(a.out)
    from specialists.photos_files import list_files

    photos, videos = list_files(a.files)
    boxes = read_boxes(a.box, len(photos))
    _check(a, photos, videos)
    predictor = _predictor(a)
    out.mkdir(parents=True, exist_ok=True)
    answers = predict_photos(photos, predictor, out, boxes) if photos else []
    failed = sum(bool(answer.error) for answer in answers)
    if videos or a.webcam is not None:
        from specialists.video import film, predict_videos

        failed += predict_videos(videos, predictor, out)
        if a.webcam is not None:
            film(a.webcam, a.seconds, predictor, out)
    return DataError.exit_status if failed else 0


def checked_out(name):
    """The folder to write to. Raises UsageError where that is a file, or a run, whose files would be mixed with it."""
    out = Path(name)
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out: expected a folder; received the file {out}")
    if (out / "base").exists() or (out / "ensemble").exists():
        raise UsageError(f"--out: expected a folder of its own; received the run {out}")
    return out


def _check(a, photos, videos):
    if not photos and not videos and a.webcam is None:
        raise UsageError("FILES: expected photos, videos or folders, or --webcam N; received none")
    if a.webcam is not None and (a.files or a.webcam < 0 or not 0 < a.seconds < 1e5):
        raise UsageError("--webcam: expected a camera's number from 0, more than 0 --seconds, and no FILES")
    if a.box and videos:
        raise UsageError("--box: expected one photo; received a video")


def _predictor(a):
    from specialists.predictor import Predictor

    return Predictor(a.run, a.convention, a.looks, a.doubt, a.model)


if __name__ == "__main__":
    command(main)
