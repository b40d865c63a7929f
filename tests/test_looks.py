"""Further looks at a face: moved, and as its mirror image."""

import numpy as np
import pytest

from base_models.base import Base
from base_models.predict import moves
from data.keypoints import KAGGLE15

SIDE = (40, 64)  # H, W: moves of 1 px down and 2 px to the right
MIRROR = KAGGLE15.slot_mirror


class Brightest:
    """A network that answers for every slot with the brightest pixel; it keeps what it was shown."""

    output_shape = (None, len(MIRROR), 2)

    def __init__(self):
        self.shown = []

    def predict_on_batch(self, batch):
        self.shown.append(batch)
        flat = batch[..., 0].reshape(len(batch), -1).argmax(1)
        found = np.stack(np.unravel_index(flat, batch.shape[1:3])[::-1], -1)
        return np.repeat(found[:, None], len(MIRROR), 1).astype(np.float32)


class Always:
    """A network that answers (30, 20) whatever it sees."""

    output_shape = (None, len(MIRROR), 2)

    def predict_on_batch(self, batch):
        return np.tile(np.float32([30, 20]), (len(batch), len(MIRROR), 1))


def spot(x, y):
    image = np.full((1, *SIDE, 1), 50, np.uint8)
    image[0, y, x] = 255
    return image


def test_steps_are_a_share_of_the_image_and_one_px_at_least():
    assert moves((96, 96), 4) == [(0, 0), (3, 0), (-3, 0), (0, 3), (0, -3)]
    assert moves(SIDE, 3) == [(0, 0), (2, 0), (-2, 0), (0, 1)]
    assert moves((8, 8), 1) == [(0, 0), (1, 0)]


@pytest.mark.parametrize("shifts", range(5))
def test_what_moves_with_the_image_is_answered_where_it_is(shifts):
    both = Base(Brightest(), KAGGLE15, None).look(spot(20, 12), True, shifts)
    np.testing.assert_allclose(both, np.broadcast_to([20, 12], (2, 1, len(MIRROR), 2)))


def test_the_network_sees_the_face_moved_and_its_edges_repeated():
    image, network = spot(0, 12), Brightest()
    Base(network, KAGGLE15, None).look(image, False, 4)
    seen = [batch[0, ..., 0] for batch in network.shown]
    assert len(seen) == 5
    np.testing.assert_array_equal(seen[0], image[0, ..., 0])
    np.testing.assert_array_equal(seen[1][:, 2:], seen[0][:, :-2])
    assert (seen[1][12, :3] == 255).all()
    np.testing.assert_array_equal(seen[2][:, :-2], seen[0][:, 2:])
    np.testing.assert_array_equal(seen[3][1:], seen[0][:-1])
    np.testing.assert_array_equal(seen[4][:-1], seen[0][1:])


@pytest.mark.parametrize(("shifts", "off"), [(0, (0, 0)), (1, (-1, 0)), (2, (0, 0)), (3, (0, -0.25)), (4, (0, 0))])
def test_answers_are_the_mean_of_all_looks_the_mirrored_ones_by_themselves(shifts, off):
    plain, other = Base(Always(), KAGGLE15, None).look(spot(20, 12), True, shifts)
    np.testing.assert_allclose(plain[0], np.tile(np.add((30, 20), off), (len(MIRROR), 1)), atol=1e-5)
    there = np.add((30, 20), off)
    np.testing.assert_allclose(other[0], np.tile((63 - there[0], there[1]), (len(MIRROR), 1)), atol=1e-5)


def test_without_flips_there_is_one_answer():
    plain, same = Base(Brightest(), KAGGLE15, None).look(spot(20, 12), False, 4)
    assert plain is same
