"""Further looks at a face: shifted, and as its mirror image."""

import numpy as np
import pytest

from base_models.base import Base
from base_models.predict import shifts_of
from data.keypoints import KAGGLE15
from data.synthetic import make_faces
from specialists.ensemble import Ensemble
from specialists.members import DISAGREEMENTS, Team
from specialists.merge import Merge, Radius

SIDE = (40, 64)  # H, W: shifts of 1 px down and 2 px to the right
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


def spot(x, y):
    image = np.full((1, *SIDE, 1), 50, np.uint8)
    image[0, y, x] = 255
    return image


def test_steps_are_a_share_of_the_image_and_one_px_at_least():
    assert shifts_of((96, 96)) == [(0, 0), (3, 0), (-3, 0), (0, 3), (0, -3)]
    assert shifts_of(SIDE) == [(0, 0), (2, 0), (-2, 0), (0, 1), (0, -1)]
    assert shifts_of((8, 8))[1] == (1, 0)


@pytest.mark.parametrize("shifted", [False, True])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_moves_with_the_image_is_answered_where_it_is(shifted, channels):
    image = np.repeat(spot(20, 12), channels, 3)
    both = Base(Brightest(), KAGGLE15, None).look(image, True, shifted)
    np.testing.assert_allclose(both, np.broadcast_to([20, 12], (2, 1, len(MIRROR), 2)))


def test_the_network_sees_the_face_shifted_and_its_edges_repeated():
    image, network = spot(0, 12), Brightest()
    Base(network, KAGGLE15, None).look(image, False, True)
    seen = [batch[0, ..., 0] for batch in network.shown]
    assert len(seen) == 5
    np.testing.assert_array_equal(seen[0], image[0, ..., 0])
    np.testing.assert_array_equal(seen[1][:, 2:], seen[0][:, :-2])
    assert (seen[1][12, :3] == 255).all()
    np.testing.assert_array_equal(seen[2][:, :-2], seen[0][:, 2:])
    np.testing.assert_array_equal(seen[3][1:], seen[0][:-1])
    np.testing.assert_array_equal(seen[4][:-1], seen[0][1:])


class Drifting(Brightest):
    """One that sees the spot the farther off, the farther right it is."""

    def predict_on_batch(self, batch):
        found = super().predict_on_batch(batch)
        return found + 0.01 * found[..., :1] ** 2


def test_answers_are_the_mean_of_all_views_the_mirrored_ones_by_themselves():
    plain, other = Base(Drifting(), KAGGLE15, None).look(spot(20, 12), True, True)
    off = np.mean([0.01 * x**2 for x in (20, 22, 18, 20, 20)])
    np.testing.assert_allclose(plain[0], np.tile([20 + off, 12 + off], (len(MIRROR), 1)), rtol=1e-5)
    off = np.mean([0.01 * x**2 for x in (43, 45, 41, 43, 43)])
    np.testing.assert_allclose(other[0], np.tile([20 - off, 12 + off], (len(MIRROR), 1)), rtol=1e-5)


def test_without_flips_there_is_one_answer():
    plain, same = Base(Brightest(), KAGGLE15, None).look(spot(20, 12), False, True)
    assert plain is same


class Counting:
    """A `Base` that answers with the middle of the face and keeps how it was asked."""

    def __init__(self):
        self.asked = []

    def look(self, images, flip, shifted=False):
        self.asked.append((flip, shifted))
        return (np.full((len(images), len(MIRROR), 2), 16, np.float32),) * 2


@pytest.mark.parametrize("shifts", [False, True])
def test_a_set_is_looked_at_with_shifted_views_and_other_faces_without(shifts):
    base, faces = Counting(), make_faces(3, 1, size=32)
    slots = len(MIRROR)
    radius = Radius(np.ones(slots), np.ones(1 + DISAGREEMENTS), np.ones(2))
    made = Ensemble([Team(None, {"base": base}, {})], Merge(np.zeros(slots), 1.0), radius, True, shifts)
    base.schema = KAGGLE15
    made.predict_set(faces)
    made.predict(faces.images, faces.convention)
    assert base.asked == [(True, shifts), (True, False)]
