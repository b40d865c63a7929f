"""Faces that turn into each other, and average faces: python -m specialists.morph A B [C ...] --run RUN --out FILE."""

import sys
from pathlib import Path

import numpy as np

from data.errors import DataError, Parser, UsageError, command, one_line

SIZE = (600, 480)  # (H, W) px of what is drawn
FACE = 0.6  # of its width that the training crop takes: the face, and as much again around it
FILMS, PICTURES = (".gif", ".mp4"), (".png", ".jpg", ".jpeg", ".webp")
RATE = 20  # frames a second
HELD = 8  # frames that each face stands still


def aligned_faces(photos, predictor, size=SIZE):
    """The largest face of each photo, upright, all at one place and size.

    Args:
        photos: paths or arrays. predictor: `Predictor`. size: (H, W) px.

    Returns:
        (list of (uint8 [H, W, 3], float [k + 8, 2] px points with border), list of sentences on photos without).
    """
    from data.crops import cut
    from specialists.predictor import as_photo

    faces, missing = [], []
    for photo in photos:
        try:
            shown = as_photo(photo)
            found = predictor(shown)
        except DataError as error:
            missing.append(str(error))
            continue
        if not found:
            missing.append(f"{photo}: no face found")
            continue
        frame = canvas_frame(predictor.training, found[0].points, size)
        faces.append(_placed(cut(shown, frame, size), found[0].points, frame))
    return faces, missing


def canvas_frame(training, points, size):
    """Matrix [2, 3] from px of a photo to a canvas of `size` (H, W) with the face upright in its middle."""
    from data.augment import compose

    zoom = FACE * size[1] / training.size[1]
    middle = (np.array(training.size[::-1]) - 1) / 2
    onto = np.column_stack([zoom * np.eye(2), (np.array(size[::-1]) - 1) / 2 - zoom * middle])
    return compose(onto, training.from_points(points[None])[0])


def _placed(image, points, frame):
    from data.augment import move
    from specialists.morph_warp import with_border

    return image, with_border(move(points[None], frame[None])[0], image.shape[:2])


def morph(faces, frames, loop):
    """Yield uint8 [H, W, 3] pictures: each face, held, and the way to the next one.

    Args:
        faces: of `aligned_faces`, at least two.
        frames: of each way.
        loop: go back to the first face at the end.
    """
    from specialists.morph_warp import between, triangles_of

    triangles = triangles_of([points for _, points in faces])
    ways = list(zip(faces, [*faces[1:], faces[0]], strict=True))
    for first, second in ways if loop else ways[:-1]:
        yield from [first[0]] * HELD
        for step in range(1, frames + 1):
            share = (1 - np.cos(np.pi * step / (frames + 1))) / 2  # starts and ends at rest
            yield between(first, second, share, triangles)
    if not loop:
        yield from [faces[-1][0]] * HELD


def write_film(path, pictures):
    """Write pictures as a GIF or an MP4, by the file's ending; returns how many. Replaced only when complete."""
    part = path.with_name(f".part-{path.name}")
    try:
        count = (_write_gif if path.suffix.lower() == ".gif" else _write_mp4)(part, pictures)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    part.replace(path)
    return count


def _write_gif(path, pictures):
    from PIL import Image

    pages = [Image.fromarray(picture).quantize(128) for picture in pictures]
    pages[0].save(path, format="GIF", save_all=True, append_images=pages[1:], duration=1000 // RATE, loop=0)
    return len(pages)


def _write_mp4(path, pictures):
    import cv2

    writer, count = None, 0
    for picture in pictures:
        writer = writer or cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), RATE, picture.shape[1::-1])
        if not writer.isOpened():
            raise OSError(f"{path.parent}: OpenCV cannot write an MP4 video there")
        writer.write(np.ascontiguousarray(picture[..., ::-1]))
        count += 1
    writer.release()
    return count


def make_morph(photos, predictor, out, frames=24):
    """Morph the faces of photos, or average them, and write the result.

    Args:
        photos: list of paths. predictor: `Predictor`.
        out: Path; .gif or .mp4 = a morph, .png, .jpg or .webp = the average face.
        frames: of each way from face to face.

    Returns:
        (str: what was made, list of sentences on photos that have no part in it).

    Raises:
        DataError: fewer than two faces, or for an average none.
    """
    faces, missing = aligned_faces(photos, predictor)
    film = out.suffix.lower() in FILMS
    if len(faces) < 1 + film:
        why = f": {'; '.join(missing)}" if missing else ""
        raise DataError(f"FILES: expected photos of {1 + film} faces or more; received {len(faces)}{why}")
    if film:
        count = write_film(out, morph(faces, frames, loop=out.suffix.lower() == ".gif"))
        return f"{out}: {len(faces)} faces, {count} frames", missing
    _write_average(out, faces)
    return f"{out}: average of {len(faces)} face{'' if len(faces) == 1 else 's'}", missing


def _write_average(out, faces):
    import cv2

    from data.storage import write_atomically
    from specialists.morph_warp import average

    _, coded = cv2.imencode(out.suffix.lower(), np.ascontiguousarray(average(faces)[..., ::-1]))
    write_atomically(out, lambda file: file.write(coded.tobytes()))


def main(argv=None):
    parser = Parser(
        prog="python -m specialists.morph",
        description=__doc__,
        epilog="Of each photo the largest face counts. Exit status: 0 done, also where a photo has no face and others "
        "do; 3 fewer than two faces.",
    )
    add = parser.add_argument
    add("files", nargs="+", metavar="FILES", help="photos, or folders of them, in the order of their faces")
    add("--run", default="runs/default", metavar="DIR", help="folder of the run (default: %(default)s)")
    add("--out", required=True, metavar="FILE", help=".gif or .mp4: a morph; .png, .jpg or .webp: the average face")
    add("--frames", type=int, default=24, metavar="N", help="of each way from face to face (default: %(default)s)")
    a = parser.parse_args(argv)
    out = checked_out(a.out)
    if not 1 <= a.frames <= 1000:
        raise UsageError(f"--frames: expected 1 to 1000; received {a.frames}")
    from specialists.photos_files import list_files

    photos, _ = list_files(a.files)
    from specialists.predictor import Predictor

    said, missing = make_morph(photos, Predictor(a.run), out, a.frames)
    for sentence in missing:
        print(one_line(f"left out: {sentence}"), file=sys.stderr)
    print(said)


def checked_out(name):
    """The file to write. Raises UsageError where its ending is none of ours, or its folder is not there."""
    out = Path(name)
    if out.suffix.lower() not in FILMS + PICTURES:
        raise UsageError(f"--out: expected a file ending in {', '.join(FILMS + PICTURES)}; received {out}")
    if out.is_dir() or not out.parent.is_dir():
        raise UsageError(f"--out: expected a file name in a folder that exists; received {out}")
    return out


if __name__ == "__main__":
    command(main)
