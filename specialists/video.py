"""Points on videos and on what a camera films."""

import csv
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from data.errors import DataError, one_line
from specialists.photos_draw import draw_faces
from specialists.photos_files import COLUMNS, own_names, rows_of
from specialists.video_smooth import Tracks
from specialists.video_sound import add_sound

CHUNK_PIXELS = 30_000_000  # of the frames that are looked at together; bounds memory
CHUNK = 32  # frames
MOST_PIXELS = 40_000_000  # of one frame
MOST_RATE = 240.0  # frames a second
USUAL_RATE = 25.0  # frames a second, of a file that does not tell


def predict_videos(paths, predictor, out):
    """Draw the faces on videos; returns how many could not be read. `out` is the Path of the folder."""
    failed, names = 0, own_names(paths, "_faces.mp4")
    for path, name in zip(paths, names, strict=True):
        try:
            said = predict_video(path, predictor, out / name)
        except DataError as error:
            failed, said = failed + 1, str(error).removeprefix(f"{path}: ")
        print(one_line(f"{path}: {said}"), flush=True)
    return failed


def predict_video(path, predictor, target):
    """Find the faces of a video frame by frame, smooth them over time, and draw them.

    Args:
        path: of the video. predictor: `Predictor`.
        target: Path of the MP4 to write; NAME_points.csv goes beside it.

    Returns:
        str: how many frames and faces, and what became of the sound.

    Raises:
        DataError: no video that OpenCV can read.
    """
    source = _opened(str(path), f"{path}: expected a video that OpenCV can read; received none")
    try:
        rate = source.get(cv2.CAP_PROP_FPS)
        rate = rate if 0 < rate <= MOST_RATE else USUAL_RATE
        said = _process(frames(source, rate, path), rate, predictor, target, source.get(cv2.CAP_PROP_FRAME_COUNT))
    finally:
        source.release()
    return f"{said}; {add_sound(target, path)}"


def film(camera, seconds, predictor, out):
    """The same with what camera number `camera` sees for `seconds` s: webcam_faces.mp4 and webcam_points.csv.

    Raises:
        DataError: no such camera, or it gives no picture.
    """
    source = _opened(camera, f"--webcam {camera}: expected a camera that can be opened; received none")
    seen = []
    try:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            good, frame = source.read()
            if not good:
                break
            seen.append((time.monotonic(), frame))
            # What is filmed waits in memory, since looking takes longer than filming.
            if sum(f.size for _, f in seen) > 1 << 30:
                break
    finally:
        source.release()
    if not seen:
        raise DataError(f"--webcam {camera}: expected pictures of the camera; received none")
    seconds = seen[-1][0] - seen[0][0]
    rate = min((len(seen) - 1) / seconds, MOST_RATE) if seconds > 0 else USUAL_RATE
    shots = ((at - seen[0][0], frame[..., ::-1]) for at, frame in seen)
    print(f"webcam {camera}: {_process(shots, rate, predictor, out / 'webcam_faces.mp4', len(seen))}")


def frames(source, rate, path):
    """(seconds, uint8 [H, W, 3] RGB) of the frames of an open video. Raises DataError where there is none."""
    for number in range(1 << 40):
        good, frame = source.read()
        if not good:
            break
        if frame.shape[0] * frame.shape[1] > MOST_PIXELS:
            raise DataError(f"{path}: expected frames of at most {MOST_PIXELS:,} px; received {frame.shape[1::-1]}")
        yield number / rate, np.ascontiguousarray(frame[..., ::-1])
    if not number:
        raise DataError(f"{path}: expected a video with frames; received none that can be read")


def _opened(which, otherwise):
    told = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # it complains beside our one sentence
    try:
        source = cv2.VideoCapture(which)
    finally:
        cv2.utils.logging.setLogLevel(told)
    if not source.isOpened():
        raise DataError(otherwise)
    return source


def _process(shots, rate, predictor, target, count):
    """Write the drawn video and the table of points; returns what was found in words."""
    part = target.with_name(f".part-{target.name}")
    table = target.with_name(target.name.replace("_faces.mp4", "_points.csv"))
    writer, tracks, done, seen = None, Tracks(), 0, 0
    try:
        with open(table, "w", newline="", encoding="utf-8") as file:
            rows = csv.writer(file, lineterminator="\n")
            rows.writerow(("seconds", *COLUMNS[1:]))
            for at, frame, faces in _found(shots, predictor):
                followed = tracks.follow(faces, at)
                writer = writer or _writer(part, rate, frame)
                drawn = draw_faces(frame, [face for _, face in followed], predictor.schema)
                writer.write(np.ascontiguousarray(drawn[..., ::-1]))
                rows.writerows(row for face in followed for row in _numbered(at, *face))
                done, seen = done + 1, seen + bool(faces)
                _progress(target, done, count)
    finally:
        if writer:
            writer.release()
    part.replace(target)
    return f"{done} frames, faces on {seen} of them, {tracks.count} different ones; {target.name}, {table.name}"


def _numbered(at, number, face):
    for row in rows_of(f"{at:.3f}", [face]):
        yield row[0], number, *row[2:]


def _found(shots, predictor):
    """(seconds, frame, list of `Face`) of every shot; several are looked at together."""
    some = []
    for at, frame in shots:
        some.append((at, frame))
        if len(some) == CHUNK or len(some) * frame.shape[0] * frame.shape[1] > CHUNK_PIXELS:
            yield from _looked(some, predictor)
            some = []
    yield from _looked(some, predictor)


def _looked(some, predictor):
    found = predictor.many([frame for _, frame in some]) if some else []
    return [(at, frame, faces) for (at, frame), faces in zip(some, found, strict=True)]


def _writer(path, rate, frame):
    # The temporary name ends in .mp4 as well: OpenCV chooses the container by it.
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), rate, frame.shape[1::-1])
    if not writer.isOpened():
        raise OSError(f"{Path(path).parent}: OpenCV cannot write an MP4 video there")
    return writer


def _progress(target, done, count):
    if sys.stderr.isatty():
        of = f" of {count:.0f}" if count > 0 else ""
        print(f"\r{target.name}: frame {done}{of}", end="\n" if done == count else "", file=sys.stderr, flush=True)
    elif done % 250 == 0:
        print(f"{target.name}: frame {done}{f' of {count:.0f}' if count > 0 else ''}", file=sys.stderr, flush=True)
