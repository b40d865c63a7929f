"""Videos: faces followed and smoothed, drawn frame by frame, with the sound as it was; what is no video says so."""

import csv
import shutil
import subprocess

import cv2
import numpy as np
import pytest

from data.errors import DataError
from data.keypoints import KAGGLE15
from data.synthetic import draw_face
from specialists import video, video_sound
from specialists.predictor import Face
from specialists.video import film, predict_video, predict_videos
from specialists.video_smooth import OneEuro, Tracks

RATE, FRAMES, SIDE = 20, 12, 96


def face(x, y, spread=40, radius=2):
    points = (np.random.default_rng(1).uniform(-0.5, 0.5, (15, 2)) * spread + [x, y]).astype(np.float32)
    return Face(KAGGLE15.points, points, np.full((2, 15), radius, np.float32), (x, y, 9, 9), 0.1)


class Follower:
    """Answers with a face where a frame is brightest, none where it is dark."""

    schema = KAGGLE15

    def __init__(self):
        self.frames = []

    def many(self, frames):
        """One list of faces per frame."""
        self.frames += frames
        out = []
        for frame in frames:
            y, x = np.unravel_index(
                np.argmax(cv2.GaussianBlur(frame[..., 1].astype(float), (0, 0), 3)), frame.shape[:2]
            )
            out.append([face(x, y)] if frame.max() > 128 else [])
        return out


def write_film(path, size=(160, 120), frames=FRAMES, dark=()):
    """A bright spot that moves 4 px a frame."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"mp4v"), RATE, size)
    for i in range(frames):
        frame = np.full((size[1], size[0], 3), 20, np.uint8)
        if i not in dark:
            cv2.circle(frame, (40 + 4 * i, 60), 8, (255, 255, 255), -1)
        writer.write(frame)
    writer.release()
    return path


def read_film(path):
    source, frames = cv2.VideoCapture(str(path)), []
    while (read := source.read())[0]:
        frames.append(read[1][..., ::-1])
    rate = source.get(cv2.CAP_PROP_FPS)
    source.release()
    return np.array(frames), rate


def test_a_film_is_drawn_frame_by_frame_with_its_points_in_a_table(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "CHUNK", 5)  # several rounds, the last one not full
    path = write_film(tmp_path / "spot é.mp4", dark=(4,))
    told = predict_video(path, Follower(), tmp_path / "spot é_faces.mp4")
    assert told.startswith("12 frames, faces on 11 of them, 1 different ones; spot é_faces.mp4, spot é_points.csv; ")
    drawn, rate = read_film(tmp_path / "spot é_faces.mp4")
    assert drawn.shape == (FRAMES, 120, 160, 3)
    assert rate == pytest.approx(RATE, rel=0.01)
    colour = (drawn[..., 0].astype(int) - drawn[..., 2] > 60).sum((1, 2))
    assert colour[4] == 0
    assert (np.delete(colour, 4) > 30).all()
    rows = list(csv.DictReader((tmp_path / "spot é_points.csv").read_text().splitlines()))
    assert len(rows) == 11 * 15
    assert {row["face"] for row in rows} == {"1"}
    middle = {}
    for row in rows:
        middle.setdefault(round(float(row["seconds"]) * RATE), []).append(float(row["x"]))
    off = np.mean(face(0, 0).points[:, 0])
    for i, xs in middle.items():
        assert abs(np.mean(xs) - off - (40 + 4 * i)) < 8  # smoothed, so it lags by less than two frames
    assert not list(tmp_path.glob(".part-*"))


def test_a_film_of_no_faces_is_an_answer(tmp_path):
    path = write_film(tmp_path / "dark.mp4", dark=range(FRAMES))
    assert "faces on 0 of them" in predict_video(path, Follower(), tmp_path / "dark_faces.mp4")
    assert len((tmp_path / "dark_points.csv").read_text().splitlines()) == 1


@pytest.mark.parametrize("content", [b"", b"no video at all" * 99, b"\0\0\0\x18ftypmp42" + b"\0" * 4000])
def test_what_is_no_video_gets_one_sentence_and_the_next_goes_on(tmp_path, capfd, content):
    (tmp_path / "bad.mp4").write_bytes(content)
    good = write_film(tmp_path / "good.mp4", frames=3)
    assert predict_videos([tmp_path / "bad.mp4", good], Follower(), tmp_path) == 1
    told = capfd.readouterr()
    lines = told.out.strip().splitlines()
    assert lines[0] == f"{tmp_path / 'bad.mp4'}: expected a video that OpenCV can read; received none"
    assert lines[1].startswith(f"{good}: 3 frames, faces on 3 of them")
    assert not (tmp_path / "bad_faces.mp4").exists()


def test_frames_too_large_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(video, "MOST_PIXELS", 1000)
    path = write_film(tmp_path / "a.mp4", frames=2)
    with pytest.raises(DataError, match=r"expected frames of at most 1,000 px; received \(160, 120\)"):
        predict_video(path, Follower(), tmp_path / "a_faces.mp4")
    assert not (tmp_path / "a_faces.mp4").exists()


class Camera:
    """A camera that films a spot; `frames` pictures and then none."""

    def __init__(self, frames, there=True):
        self.frames, self.there, self.released = frames, there, False

    def isOpened(self):
        return self.there

    def read(self):
        self.frames -= 1
        picture = np.full((60, 80, 3), 20, np.uint8)
        cv2.circle(picture, (40, 30), 6, (255, 255, 255), -1)
        return self.frames >= 0, picture

    def release(self):
        self.released = True


def test_a_camera_is_filmed(tmp_path, monkeypatch, capsys):
    camera = Camera(6)
    with monkeypatch.context() as patch:
        patch.setattr(cv2, "VideoCapture", lambda which: camera)
        film(0, 30, Follower(), tmp_path)
    assert capsys.readouterr().out.startswith("webcam 0: 6 frames, faces on 6 of them, 1 different ones")
    assert camera.released
    assert len(read_film(tmp_path / "webcam_faces.mp4")[0]) == 6


@pytest.mark.parametrize(("frames", "there", "words"), [(0, True, "pictures of the camera"), (9, False, "be opened")])
def test_a_camera_that_is_not_there_says_so(tmp_path, monkeypatch, frames, there, words):
    monkeypatch.setattr(cv2, "VideoCapture", lambda which: Camera(frames, there))
    with pytest.raises(DataError, match=f"--webcam 3: expected .*{words}"):
        film(3, 1, Follower(), tmp_path)


def test_a_resting_point_trembles_less_and_a_moving_one_hardly_lags():
    rng, rest, move = np.random.default_rng(0), OneEuro(), OneEuro()
    noise = rng.normal(0, 0.01, (200, 1, 2))
    calm = np.array([rest(value, 1 / 30) for value in noise])
    assert calm[50:].std() < 0.5 * noise[50:].std()
    path = np.stack([np.arange(60) / 30 * 3.0, np.zeros(60)], -1)[:, None]  # three face widths a second
    late = path - np.array([move(value, 1 / 30) for value in path])
    assert 0 < late[-1, 0, 0] < 0.05  # face widths


def test_the_filter_starts_where_the_point_is_and_settles_where_it_stays():
    smooth = OneEuro()
    assert smooth([[3.0, 4.0]], 1.0).tolist() == [[3.0, 4.0]]
    for _ in range(200):
        last = smooth([[5.0, 4.0]], 0.05)
    np.testing.assert_allclose(last, [[5, 4]], atol=1e-3)


def test_two_faces_keep_their_numbers_while_they_move_and_a_new_one_gets_its_own():
    tracks = Tracks()
    for step in range(6):
        pair = [face(100 - 5 * step, 50), face(200 + 5 * step, 50)]
        found = tracks.follow(pair if step % 2 else pair[::-1], step / 20)
        middles = {number: shown.points.mean(0)[0] for number, shown in found}
        assert min(middles, key=middles.get) == 2  # the first frame named the right one first
    assert [number for number, _ in tracks.follow([face(500, 50)], 0.35)] == [3]
    assert [number for number, _ in tracks.follow([face(75, 50)], 5.0)] == [4]  # too long ago


needs_ffmpeg = pytest.mark.skipif(video_sound.ffmpeg() is None, reason="needs ffmpeg or imageio-ffmpeg")


def sounding(path):
    """A film with a tone, as AAC."""
    silent = write_film(path.with_name("silent.mp4"))
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=0.6"]
    command = [video_sound.ffmpeg(), "-y", "-i", str(silent), *tone, "-c:v", "copy", "-c:a", "aac", str(path)]
    subprocess.run(command, check=True, capture_output=True)
    return path


def sound_of(path):
    """The coded sound, packet for packet, as a checksum."""
    command = [video_sound.ffmpeg(), "-i", str(path), "-map", "0:a", "-c", "copy", "-f", "md5", "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


@needs_ffmpeg
def test_the_sound_is_left_as_it_was(tmp_path):
    path = sounding(tmp_path / "tone.mp4")
    told = predict_video(path, Follower(), tmp_path / "tone_faces.mp4")
    assert told.endswith("with its sound as it was")
    assert sound_of(tmp_path / "tone_faces.mp4") == sound_of(path)
    assert len(read_film(tmp_path / "tone_faces.mp4")[0]) == FRAMES
    assert not list(tmp_path.glob(".part-*"))


@needs_ffmpeg
def test_a_silent_film_stays_silent(tmp_path):
    assert predict_video(write_film(tmp_path / "a.mp4"), Follower(), tmp_path / "a_faces.mp4").endswith("no sound")


def test_without_ffmpeg_the_missing_sound_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    told = predict_video(write_film(tmp_path / "a.mp4"), Follower(), tmp_path / "a_faces.mp4")
    assert told.endswith("without its sound: neither ffmpeg nor imageio-ffmpeg (pip install imageio-ffmpeg) is there")
    assert len(read_film(tmp_path / "a_faces.mp4")[0]) == FRAMES


def test_a_drawn_face_is_followed_through_a_real_detector(tmp_path):
    """The detector on frames of a real film; the networks are left out."""
    from specialists.detect import find_faces

    image, _ = draw_face(np.random.default_rng([3]), size=SIDE * 2)
    writer = cv2.VideoWriter(str(tmp_path / "a.mp4"), cv2.VideoWriter_fourcc(*"mp4v"), RATE, (320, 240))
    for i in range(4):
        frame = np.full((240, 320, 3), 120, np.uint8)
        frame[20 : 20 + len(image), 10 + 10 * i : 10 + 10 * i + len(image)] = image[..., None]
        writer.write(frame)
    writer.release()
    lefts = [find_faces(np.ascontiguousarray(frame))[0, 0] for frame in read_film(tmp_path / "a.mp4")[0]]
    np.testing.assert_allclose(np.diff(lefts), 10, atol=6)
