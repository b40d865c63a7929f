"""Splits that keep groups together: a person or a repeated image is never on both sides."""

import numpy as np

from data.errors import DataError, UsageError


def split_by_group(faces, share, seed=0, fold=0):
    """Split rows into training and validation, by group, with the same mix of conventions on both sides.

    Groups are dealt to folds one by one, largest first, each to the fold that is furthest below its share of every
    convention's rows. So each fold is close to a stratified sample, and the folds of one seed do not overlap.

    Args:
        faces: the `Faces` to split.
        share: share of the rows to validate on, in (0, 0.5].
        seed: which dealing of groups to folds.
        fold: which fold to validate on, 0 to round(1 / share) - 1.

    Returns:
        (train, validation): sorted int64 row indices.

    Raises:
        UsageError: no such share. DataError: fewer groups than folds, or no such fold.
    """
    if not 0 < share <= 0.5:
        raise UsageError(f"split.share: expected more than 0 and at most 0.5; received {share:g}")
    folds = round(1 / share)
    groups, member = np.unique(faces.group, return_inverse=True)
    if not 0 <= fold < folds:
        raise DataError(f"validation fold: expected 0 to {folds - 1} (share {share:g}); received {fold}")
    if len(groups) < folds:
        raise DataError(f"validation split: expected at least {folds} persons or images; received {len(groups)}")
    counts = np.zeros((len(groups), len(faces.schema.conventions)))
    np.add.at(counts, (member, np.asarray(faces.convention, int)), 1)
    home = _deal(counts, folds, np.random.default_rng([seed, 1]))
    validate = home[member] == fold
    return np.flatnonzero(~validate), np.flatnonzero(validate)


def _deal(counts, folds, rng):
    """Fold of each group, from its rows per convention: [groups, conventions] -> int [groups]."""
    order = rng.permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(1), kind="stable")]
    ideal = np.maximum(counts.sum(0) / folds, 1e-9)
    filled = np.zeros((folds, counts.shape[1]))
    home = np.empty(len(counts), int)
    for group in order:
        after = (filled + counts[group]) / ideal
        # The fold whose fill stays lowest in the conventions that this group has rows of.
        home[group] = np.argmin((after * (counts[group] > 0)).sum(1))
        filled[home[group]] += counts[group]
    return home
