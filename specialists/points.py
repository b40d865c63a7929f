"""What differs from point to point: one literal table over the defaults of `SpecialistSettings`."""

import dataclasses

from base_models.settings import NetworkSettings, with_overrides

# As in the original design, nose tip and bottom lip have an architecture and dropout of their own: they are the two
# points that the conventions draw differently, and see more of the face, through a head of another width.
NOSE_AND_LIP = {"width": 0.5, "network.dense_units": 96, "network.dropout_head": 0.1}

SPECIALISTS = {
    "nose_tip": NOSE_AND_LIP,
    "mouth_center_bottom_lip": NOSE_AND_LIP,
}


def specialist_settings(settings, point, overrides=()):
    """Settings of one specialist: the run's, then this table's, then the user's for this point.

    Its network is the base's, whose weights it starts from, where `specialist.network.backbone` names no other; other
    fields of `specialist.network` that are set still count.

    Args:
        settings: `Settings` of the run.
        point: name of the keypoint.
        overrides: dict of dotted field name to value.

    Returns:
        `SpecialistSettings`.
    """
    table = SPECIALISTS.get(point, {})
    default = type(settings.specialist)()
    # What the user set for all specialists, other than the default, wins over the table.
    table = {key: value for key, value in table.items() if _value(settings.specialist, key) == _value(default, key)}
    chosen = with_overrides(settings.specialist, table, "specialists/points.py")
    chosen = with_overrides(chosen, dict(overrides))
    if chosen.network.backbone is not None:
        return chosen
    own = {name: value for name, value in dataclasses.asdict(chosen.network).items() if value is not None}
    own = {name: value for name, value in own.items() if value != getattr(NetworkSettings(), name)}
    return dataclasses.replace(chosen, network=dataclasses.replace(settings.network, **own))


def _value(settings, key):
    for name in key.split("."):
        settings = getattr(settings, name)
    return settings
