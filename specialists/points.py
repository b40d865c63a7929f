"""What differs from point to point: one literal table over the defaults of `SpecialistSettings`."""

from base_models.settings import with_overrides

# Nose tip and bottom lip are the two worst points of every base, and the two that the conventions draw differently:
# they see more of the face, through narrower dense layers with more dropout. Figures: docs/experiments.md.
NOSE_AND_LIP = {"width": 0.5, "network.dense_units": 256, "network.dropout_step": 0.05, "network.dropout_ceiling": 0.25}

SPECIALISTS = {
    "nose_tip": NOSE_AND_LIP,
    "mouth_center_bottom_lip": NOSE_AND_LIP,
}


def specialist_settings(settings, point, overrides=()):
    """Settings of one specialist: the run's, then this table's, then the user's for this point.

    Args:
        settings: `Settings` of the run.
        point: name of the keypoint.
        overrides: dict of dotted field name to value.

    Returns:
        `SpecialistSettings`.
    """
    table = SPECIALISTS.get(point, {})
    default = type(settings.specialist)()
    # A value that the user set for all specialists wins over the table's.
    table = {key: value for key, value in table.items() if _value(settings.specialist, key) == _value(default, key)}
    return with_overrides(with_overrides(settings.specialist, table, "specialists/points.py"), dict(overrides))


def _value(settings, key):
    for name in key.split("."):
        settings = getattr(settings, name)
    return settings
