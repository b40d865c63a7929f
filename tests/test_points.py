"""What one specialist is trained with: the run's settings, the table, the user's."""

from dataclasses import replace

import pytest

from base_models.settings import NetworkSettings, Settings, SpecialistSettings
from data.errors import UsageError
from data.keypoints import KAGGLE15
from specialists.points import SPECIALISTS, specialist_settings

POINT = "nose_tip"
PLAIN = Settings(specialist=SpecialistSettings(width=0.4))


def test_the_table_applies_to_its_points_only():
    assert specialist_settings(PLAIN, POINT).width == SPECIALISTS[POINT]["width"]
    assert specialist_settings(PLAIN, "left_eye_center").width == 0.4


@pytest.mark.parametrize(
    ("settings", "overrides", "width"),
    [
        (PLAIN, {"width": 0.7}, 0.7),  # the user's for this point
        (Settings(specialist=SpecialistSettings(width=0.3)), {}, 0.3),  # the user's for all points
        (Settings(specialist=SpecialistSettings(width=0.3)), {"width": "0.2"}, 0.2),
    ],
)
def test_what_the_user_sets_wins_over_the_table(settings, overrides, width):
    assert specialist_settings(settings, POINT, overrides).width == width


def test_a_specialist_has_the_network_of_its_base():
    settings = replace(PLAIN, network=NetworkSettings(backbone="alexnet", filters=8, dense_units=32))
    network = specialist_settings(settings, "left_eye_center").network
    assert network == settings.network
    own = specialist_settings(settings, "left_eye_center", {"network.dense_units": 16}).network
    assert own == replace(settings.network, dense_units=16)
    assert specialist_settings(settings, POINT).network.filters == 8


def test_a_specialist_may_have_a_network_of_its_own():
    settings = replace(PLAIN, network=NetworkSettings(backbone="alexnet", filters=8))
    network = specialist_settings(settings, "left_eye_center", {"network.backbone": "vgg"}).network
    assert network == NetworkSettings(backbone="vgg")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"network": NetworkSettings(backbone="medium")},
            "specialist of nose_tip: network.backbone: expected at least",
        ),
        (
            {"network": NetworkSettings(decoding="argmax")},
            "specialist of nose_tip: network.decoding: argmax takes a loss",
        ),
    ],
)
def test_a_specialist_that_cannot_be_built_is_told_before_its_base_is_trained(change, words):
    from specialists.specialist import check_network

    chosen = specialist_settings(replace(PLAIN, **change), POINT)
    with pytest.raises(UsageError, match=words):
        check_network(POINT, chosen, KAGGLE15, 1)
