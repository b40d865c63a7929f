"""Morphs and averages: no holes, no tears, points where they belong, films that can be read again."""

import functools
from itertools import pairwise

import cv2
import numpy as np
import pytest

from data.errors import DataError, UsageError
from data.keypoints import KAGGLE15
from data.synthetic import draw_face, make_faces
from specialists.morph import HELD, SIZE, aligned_faces, checked_out, main, make_morph, morph, write_film
from specialists.morph_warp import STRETCH, average, between, triangles_of, warp_map, warped, with_border
from specialists.photos import Training
from specialists.predictor import Face

SMALL = (120, 96)


@functools.cache
def typical_points():
    """float64 [15, 2]: where drawn faces have their points, px of 96."""
    return np.nanmean(make_faces(60, seed=4, noise=0, gross=0).points, 0).astype(float)


def shape(seed=0, spread=4.0, size=SMALL):
    """Points with border: a face in the middle of an image, each point moved at random."""
    rng = np.random.default_rng(seed)
    typical = typical_points()
    return with_border(typical * 0.6 + [19, 31] + rng.normal(0, spread, typical.shape), size)


def texture(seed=0, size=SMALL):
    noise = np.random.default_rng(seed).integers(0, 255, (*size, 3)).astype(np.uint8)
    return cv2.GaussianBlur(noise, (0, 0), 3)


def test_the_border_holds_corners_and_edges_and_keeps_points_inside():
    points = with_border([[-50, 40], [30, 500]], SMALL)
    assert points[:2].tolist() == [[1, 40], [30, 118]]
    assert {tuple(p) for p in points[2:]} == {
        (0, 0), (47.5, 0), (95, 0), (0, 59.5), (95, 59.5), (0, 119), (47.5, 119), (95, 119)
    }  # fmt: skip


def test_a_face_that_keeps_its_shape_keeps_its_picture():
    image, points = texture(), shape()
    same = warped(image, points, points, triangles_of([points]))
    assert np.abs(same.astype(int) - image).max() <= 1


@pytest.mark.parametrize("seed", range(12))
def test_every_pixel_comes_from_within_the_picture_and_next_to_its_neighbour(seed):
    """No holes and no tears: the map has no jumps, however its triangles lie."""
    first, second = shape(seed, 2), shape(seed + 10, 2)
    places = warp_map(first, second, triangles_of([first, second]), SMALL)
    assert np.isfinite(places).all()
    assert places.min() > -1
    assert (places.reshape(-1, 2).max(0) < [96, 120]).all()
    # Between two shapes a triangle grows by no more than between each and their mean, twice.
    assert np.abs(np.diff(places, axis=0)).max() < STRETCH**2
    assert np.abs(np.diff(places, axis=1)).max() < STRETCH**2


@pytest.mark.parametrize("spread", [15, 60])
def test_even_folded_shapes_leave_no_pixel_out(spread):
    first, second = shape(1, spread), shape(2, spread)
    places = warp_map(first, second, triangles_of([first, second]), SMALL)
    assert np.isfinite(places).all()
    white = np.full((*SMALL, 3), 255, np.uint8)
    assert between((white, first), (white, second), 0.5, triangles_of([first, second])).min() >= 254


def test_points_that_would_fold_a_triangle_over_are_left_out():
    first = shape(5, 0)
    second = first.copy()
    second[[0, 2]] = second[[2, 0]]  # an eye whose centre and inner corner change places
    used = np.unique(triangles_of([first, second]))
    assert 1 <= 23 - len(used) <= 3
    assert set(range(15, 23)) <= set(used)  # the border stays
    assert len(np.unique(triangles_of([first, first]))) == 23


def test_points_that_fall_together_are_no_trouble():
    points = shape()
    points[:5] = points[0]
    triangles = triangles_of([points])
    assert np.isfinite(warp_map(points, shape(3, 1), triangles, SMALL)).all()


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_dot_under_a_point_stays_under_it_on_the_way(share):
    first, second = shape(5, 1.5), shape(6, 1.5)
    triangles = triangles_of([first, second])
    for i in (0, 10, 13):
        pictures = []
        for points in (first, second):
            image = np.zeros((*SMALL, 3), np.uint8)
            cv2.circle(image, tuple(np.round(points[i] * 16).astype(int).tolist()), 32, (255,) * 3, -1, cv2.LINE_AA, 4)
            pictures.append((image, points))
        shown = between(*pictures, share, triangles)[..., 0].astype(float)
        y, x = np.mgrid[: SMALL[0], : SMALL[1]]
        seen = np.array([(shown * x).sum(), (shown * y).sum()]) / shown.sum()
        assert np.abs(seen - ((1 - share) * first[i] + share * second[i])).max() < 1


def test_the_ends_are_the_faces_themselves():
    faces = [(texture(1), shape(1, 2)), (texture(2), shape(2, 2))]
    triangles = triangles_of([faces[0][1], faces[1][1]])
    for share, (image, _) in zip((0.0, 1.0), faces, strict=True):
        assert np.abs(between(*faces, share, triangles).astype(int) - image).max() <= 2


def test_an_average_of_one_is_itself_and_of_black_and_white_is_grey():
    face = (texture(), shape())
    assert np.abs(average([face]).astype(int) - face[0]).max() <= 1
    dark, light = ((np.full((*SMALL, 3), tone, np.uint8), shape(i, 2)) for i, tone in enumerate((0, 200)))
    assert np.unique(average([dark, light])).tolist() == [100]


@pytest.mark.parametrize(("loop", "faces", "wanted"), [(True, 3, 3 * (HELD + 5)), (False, 3, 3 * HELD + 2 * 5)])
def test_a_film_holds_each_face_and_every_way(loop, faces, wanted):
    made = [(texture(i), shape(i, 2)) for i in range(faces)]
    pictures = list(morph(made, 5, loop))
    assert len(pictures) == wanted
    assert (pictures[0] == made[0][0]).all()
    assert (pictures[HELD + 5] == made[1][0]).all()
    steps = [np.abs(a.astype(int) - b).mean() for a, b in pairwise(pictures)]
    assert max(steps) < 0.5 * np.abs(made[0][0].astype(int) - made[1][0]).mean()  # no cut on the way


class Oracle:
    """A predictor that knows the drawn face of each photo, and where photos have none."""

    schema = KAGGLE15

    def __init__(self):
        self.training, self.known = Training(KAGGLE15, (96, 96), 1, typical_points(), np.ones(15, bool)), {}

    def __call__(self, photo):
        points = self.known.get(photo.tobytes())
        return [] if points is None else [Face(KAGGLE15.points, points, np.ones((2, 15)), (0, 0, 9, 9), 0.0)]


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """(predictor, paths of photos of drawn faces, path of a wall)."""
    folder, oracle, paths = tmp_path_factory.mktemp("photos"), Oracle(), []
    for seed in range(3):
        image, slots = draw_face(np.random.default_rng([seed]), size=150)
        photo = np.full((240, 320, 3), 60 * seed + 60, np.uint8)
        photo[40:190, 60 + 10 * seed : 210 + 10 * seed] = image[..., None]
        oracle.known[photo.tobytes()] = (slots[:15] + np.array([60 + 10 * seed, 40])).astype(np.float32)
        paths.append(folder / f"{seed}.png")
        cv2.imwrite(str(paths[-1]), photo)
    cv2.imwrite(str(folder / "wall.png"), np.full((90, 90, 3), 99, np.uint8))
    return oracle, paths, folder / "wall.png"


def test_faces_stand_upright_at_one_place_and_size(drawn):
    oracle, paths, wall = drawn
    faces, missing = aligned_faces([*paths, wall, "nowhere.png"], oracle)
    assert len(faces) == 3
    assert [sentence.partition(": ")[2] for sentence in missing] == [
        "no face found",
        "expected a picture; received no file",
    ]
    for image, points in faces:
        assert image.shape == (*SIZE, 3)
        eyes = points[[0, 1]]
        assert abs(eyes[0, 1] - eyes[1, 1]) < 20
        assert np.abs(points[:15].mean(0) - np.array(SIZE[::-1]) / 2).max() < 60
    apart = [np.linalg.norm(points[0] - points[1]) for _, points in faces]
    assert max(apart) / min(apart) < 1.3


@pytest.mark.parametrize("ending", [".gif", ".mp4"])
def test_a_morph_of_drawn_faces_is_a_film_without_holes(drawn, tmp_path, ending):
    oracle, paths, _ = drawn
    out = tmp_path / f"film{ending}"
    said, missing = make_morph(paths[:2], oracle, out, frames=3)
    source, frames = cv2.VideoCapture(str(out)), []
    while (read := source.read())[0]:
        frames.append(read[1])
    source.release()
    wanted = 2 * (HELD + 3) if ending == ".gif" else 2 * HELD + 3
    assert said == f"{out}: 2 faces, {wanted} frames"
    assert missing == []
    assert frames[0].shape == (*SIZE, 3)
    assert len(frames) in (wanted, wanted - HELD + 1, 2 * 4)  # readers of GIFs may join pictures that are alike
    assert min(frame.mean() for frame in frames) > 30
    assert not list(tmp_path.glob(".part-*"))


def test_a_film_that_breaks_off_leaves_the_old_one(tmp_path):
    out = tmp_path / "a.gif"
    out.write_bytes(b"old")

    def broken():
        yield texture()
        raise OSError("no more")

    with pytest.raises(OSError, match="no more"):
        write_film(out, broken())
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]
    assert out.read_bytes() == b"old"


def test_the_average_face_is_written(drawn, tmp_path):
    oracle, paths, wall = drawn
    said, missing = make_morph([*paths, wall], oracle, tmp_path / "mean.png")
    assert said.endswith("average of 3 faces")
    assert len(missing) == 1
    assert cv2.imread(str(tmp_path / "mean.png")).shape == (*SIZE, 3)


def test_too_few_faces_are_told_with_the_reason(drawn, tmp_path):
    oracle, paths, wall = drawn
    with pytest.raises(DataError, match=r"expected photos of 2 faces or more; received 1: .*wall\.png: no face found"):
        make_morph([paths[0], wall], oracle, tmp_path / "a.gif")
    with pytest.raises(DataError, match="expected photos of 1 faces or more; received 0"):
        make_morph([wall], oracle, tmp_path / "a.png")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a.png", "--out", "film.avi"], "--out: expected a file ending in .gif, .mp4"),
        (["a.png", "--out", "nowhere/film.gif"], "--out: expected a file name in a folder that exists"),
        (["a.png", "--out", "film.gif", "--frames", "0"], "--frames: expected 1 to 1000; received 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError) as told:
        main(arguments)
    assert words in str(told.value)
    assert checked_out("film.GIF").name == "film.GIF"
