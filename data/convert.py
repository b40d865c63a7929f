"""Turn a face set into another format: python -m data.convert IN OUT --to FORMAT.

python -m data.convert frames/ kaggle/ --to replica        # a replica of the Kaggle competition's files
python -m data.convert 300w/ mine/ --to csv --crop hold --size 128x128
python -m data.convert training.csv photos/ --to coco
python -m data.convert 300w/ large/ --to mapped            # a set larger than memory
"""

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np

from data.errors import DataError, Parser, UsageError, command

FORMATS = ("csv", "coco", "dlib", "pts", "imm", "youtube", "kaggle", "replica", "mapped")


def convert(place, out, to, settings=None, whole=True, points="", seed=0, all_test=False):
    """Read a face set and write it in another format.

    Args:
        place: path of a file or folder, as `--data` takes it, or "synthetic[:COUNT]".
        out: path of a folder, new or empty.
        to: one of FORMATS. "kaggle" is training.csv with its persons; "replica" all files of the competition;
            "mapped" faces that stay on disk while a network trains on them, written one by one.
        settings: `FaceSettings`: which points, who is who, and how faces are cut out where they are.
        whole: leave the photos whole, and the labels as they are.
        points: "kaggle15" to map 68 points to Kaggle's.
        seed: of "replica", and of synthetic faces.
        all_test: of "replica": put every person into the test part.

    Returns:
        One line of text: what was written.

    Raises:
        DataError: what cannot be read, or not be told in the format. UsageError: the folder has files in it.
    """
    from data.crops import FaceSettings
    from data.mapping import to_kaggle15

    out, settings = _folder(out), settings or FaceSettings()
    if to == "mapped":
        return _write_mapped(place, out, settings, points, seed)
    album = _album(place, settings, whole, seed)
    album = to_kaggle15(album) if points == "kaggle15" else album
    if to == "replica":
        from data.replica import write_replica

        return write_replica(album, out, seed, all_test)
    if to == "kaggle":
        return _write_training(album, out, settings)
    return _write_photos(album, out, to)


def _folder(out):
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"OUT: expected a new or empty folder; received {out}")
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"{out}: expected a folder that can be made; received: {error.strerror}") from error
    return out


def _album(place, settings, whole, seed):
    """The set as an `Album`; faces that are cut out, or never were on photos, are photos of their own."""
    from data.crops import cut_faces, persons, picked
    from data.sources import read_photos, read_training

    album = read_photos(place, settings) if os.path.exists(place) else None
    if album is None:
        return album_of(picked(read_training(str(place), seed), settings.points))
    who = persons(album, settings.person) if settings.person else (shot.person for shot in album.shots)
    album = replace(album, shots=[replace(shot, person=name) for shot, name in zip(album.shots, who, strict=True)])
    return _picked(album, settings.points) if whole else album_of(cut_faces(album, settings), album)


def _write_mapped(place, out, settings, points, seed):
    """Write a set that stays on disk; of photos, with the faces cut out of them."""
    from data.crops import cut_faces, cut_shape, picked
    from data.kaggle import SIDE
    from data.mapped import copy_images, cut_of, find_mapped, write_mapped
    from data.mapping import to_kaggle15
    from data.sources import read_photos, read_training, synthetic_count
    from data.synthetic import make_faces

    album, cut = read_photos(place, settings) if os.path.exists(place) else None, None
    if points and album is None:
        raise UsageError(f"--points: expected a set on photos where it goes --to mapped; received {place}")
    if album is not None:
        album, cut = to_kaggle15(album) if points == "kaggle15" else album, settings
        shape, fill = cut_shape(album, settings), lambda images: cut_faces(album, settings, images)
    elif count := synthetic_count(str(place)):
        shape = count, SIDE, SIDE, 1
        fill = lambda images: picked(make_faces(count, seed, images=images), settings.points)  # noqa: E731
    else:
        faces = picked(read_training(str(place), seed), settings.points)
        shape, fill, stored = faces.images.shape, copy_images(faces), find_mapped(place)
        cut = cut_of(stored) if stored else None
    faces = write_mapped(out, shape, fill, cut)
    return f"{len(faces)} faces of {len(faces.schema)} points: {', '.join(sorted(p.name for p in out.iterdir()))}"


def _picked(album, text):
    """An album with some of its points only; all where `text` is empty."""
    if not text:
        return album
    schema = album.schema.subset([name.strip() for name in text.split(",")])
    kept = [album.schema.points.index(point) for point in schema.points]
    return replace(album, schema=schema, shots=[replace(shot, points=shot.points[kept]) for shot in album.shots])


def album_of(faces, album=None):
    """Faces as an `Album` whose photos are their images; `album` is what they were cut out of."""
    from data.photos import Album, Shot

    who = [shot.person for shot in album.shots] if album else [f"person_{group}" for group in faces.group]
    names = [
        re.sub(r"(\.\w+)?(#\d+)?$", lambda m: (m[2] or "").replace("#", "-") + ".png", str(i), count=1)
        for i in faces.ids
    ]
    if faces.ids.dtype.kind in "iu":
        names = [f"{int(i):05d}.png" for i in faces.ids]
    rows = zip(faces.images, names, faces.points.astype(float), who, faces.convention, strict=True)
    shots = [
        Shot(image, name, points, f"{faces.source}: {name}", person=person, convention=int(convention))
        for image, name, points, person, convention in rows
    ]
    return Album(faces.schema, faces.source, shots)


class Photos:
    """Puts the photos of an album into a folder: files as they are, images as PNG.

    Args:
        album: `Album`. The folder that all of its photos share is left out of their names.
    """

    def __init__(self, album):
        folders = [os.path.dirname(shot.name) for shot in album.shots]
        self.shared = os.path.commonpath(folders) if all(folders) else ""
        self.done = set()

    def __call__(self, shot, folder):
        """Write a shot's photo and return its name within `folder`."""
        name = os.path.relpath(shot.name, self.shared) if self.shared else shot.name
        path = folder / name
        if path not in self.done:
            path.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(shot.photo, path) if isinstance(shot.photo, Path) else path.write_bytes(_png(shot.photo))
            self.done.add(path)
        return name


def _png(image):
    import cv2

    coded = cv2.imencode(".png", image if image.shape[2] == 1 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
    return coded.tobytes()


def _write_photos(album, out, to):
    from data.readers import READERS, check_writable
    from data.storage import write_text

    check_writable(album, to)
    _check_conventions(album, to)
    files = READERS[to].write(album, out, Photos(album))
    for name, text in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write_text(out / name, text)
    return f"{len(album)} faces of {len(album.schema)} points: {', '.join(list(files)[:3])}{', ...' * (len(files) > 3)}"


def _check_conventions(album, to):
    """Only a person's own formats say by which convention a face was labelled."""
    kinds = {shot.convention for shot in album.shots}
    if to not in ("csv", "coco") and kinds != {0}:
        names = ", ".join(album.schema.conventions[kind].name for kind in sorted(kinds))
        raise DataError(f"--to {to}: expected faces labelled by one convention; received {names}: take csv or coco")


def _write_training(album, out, settings):
    """Write training.csv and training_persons.csv: grey faces of 96x96 px, labels outside of them left blank."""
    from data.crops import cut_faces, levelled
    from data.kaggle import SIDE
    from data.mapping import to_kaggle15
    from data.storage import write_text
    from data.synthetic_files import training_rows

    level = album.offset if settings.level else 0
    shots = [replace(shot, points=levelled(shot.points, level)) for shot in album.shots]
    album = to_kaggle15(replace(album, shots=shots, offset=0.0))
    images = all(isinstance(shot.photo, np.ndarray) for shot in album.shots)  # faces already: nothing to cut off
    crop = "photo" if images else settings.crop
    own = replace(settings, height=SIDE, width=SIDE, colour=False, points="", person="", crop=crop)
    faces = cut_faces(album, own)
    outside = ~((faces.points >= 0) & (faces.points <= SIDE)).all(-1)
    faces = replace(faces, points=np.where(outside[..., None], np.nan, faces.points))
    rows = [(*album.schema.columns, "Image"), *training_rows(faces)]
    people = [("row", "person"), *enumerate((s.person or s.name).replace(",", " ") for s in album.shots)]
    for name, table in (("training.csv", rows), ("training_persons.csv", people)):
        write_text(out / name, "".join(",".join(map(str, row)) + "\n" for row in table))
    return f"{len(faces)} rows of 15 points: training.csv, training_persons.csv"


def _settings(a):
    """`FaceSettings` of the options."""
    from data.crops import FaceSettings

    asked = {"crop": a.crop, "enlarge": a.enlarge, "person": a.person, "points": a.only, "pts_first": a.pts_first}
    if a.size:
        match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", a.size)
        if not match or not all(16 <= int(side) <= 2048 for side in match.groups()):
            raise UsageError(f"--size: expected WIDTHxHEIGHT of 16 to 2048 px; received {a.size!r}")
        asked |= {"width": int(match[1]), "height": int(match[2])}
    if a.enlarge is not None and not 0.1 <= a.enlarge <= 10:
        raise UsageError(f"--enlarge: expected 0.1 to 10; received {a.enlarge:g}")
    return FaceSettings(**{name: value for name, value in asked.items() if value is not None}, colour=not a.grey)


def main(argv=None):
    parser = Parser(prog="python -m data.convert", description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("place", metavar="IN", help="file or folder of a face set, as --data takes it, or synthetic[:COUNT]")
    add("out", metavar="OUT", help="new or empty folder")
    add("--to", required=True, choices=FORMATS, help="replica: all files of the Kaggle competition, with truth")
    add(
        "--crop", choices=("box", "hold", "points", "photo"), help="cut faces out; docs/data.md (default: whole photos)"
    )
    add("--enlarge", type=float, metavar="X", help="scale the box by this (default: 1.2)")
    add("--size", metavar="WxH", help="of the faces, px (default: 96x96)")
    add("--grey", action="store_true", help="grey faces")
    add("--only", metavar="NAMES", help="only these points or groups, such as eyes,nose_tip")
    add("--points", choices=("kaggle15",), default="", help="map 68 points to Kaggle's 15")
    add("--person", metavar="REGEX", help="what of a photo's name says who it shows")
    add("--pts-first", type=int, choices=(0, 1), help="what .pts files call the first pixel (default: 0)")
    add("--seed", type=int, default=0, metavar="N", help="of replica and synthetic faces (default: %(default)s)")
    add("--all-test", action="store_true", help="replica: every person into the test part")
    a = parser.parse_args(argv)
    whole = not (a.crop or a.enlarge or a.size or a.grey)
    print(f"{a.out}: {convert(a.place, a.out, a.to, _settings(a), whole, a.points, a.seed, a.all_test)}")


if __name__ == "__main__":
    command(main)
