"""Positions that a network finds on many faces, and its score."""

import numpy as np

from reports.figures import rmse

BATCH = 128  # faces at a time; bounds memory
SIZES = (4, 32, BATCH)  # batches are filled up to one of these, so that a step is traced for few sizes only
SHIFTS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))  # shifted views of a face: itself, then right, left, down, up ...
SHIFT = 1 / 32  # ... by this share of the image's width and height
WORST = 0.02  # share of the largest errors that do not vote on what is best: a few wrong labels would decide it


def predict(model, images, shift=(0, 0)):
    """Positions on faces.

    Args:
        model: a network.
        images: uint8 [n, H, W, C].
        shift: whole px to the right and down by which the network sees them shifted, their edges repeated.

    Returns:
        float32 [n, slots, 2], px of the images as they are.
    """
    return _answers(model, images, slice(0, 2), shift=shift) - np.array(shift, np.float32)


def predict_spread(model, images):
    """Standard deviation of the error of each position, float32 [n, slots] px, as a network trained by the loss
    gaussian_nll tells it: half of the errors lie within 1.18 of it, nine tenths within 2.15."""
    return np.exp(_answers(model, images, slice(2, 3))[..., 0])


def shifts_of(size):
    """The whole px (right, down) by which views of images of (H, W) px are shifted; the first by none."""
    right, down = (max(1, round(SHIFT * side)) for side in size[::-1])
    return [(right * x, down * y) for x, y in SHIFTS]


def _shifted(batch, shift):
    """Images [n, H, W, C] shifted by whole px to the right and down, their edges repeated."""
    if not any(shift):
        return batch
    rows, columns = (np.clip(np.arange(n) - by, 0, n - 1) for n, by in zip(batch.shape[1:3], shift[::-1], strict=True))
    return batch[:, rows][:, :, columns]


def _answers(model, images, numbers, mirror=False, shift=(0, 0)):
    """The picked numbers of each slot, of the mirrored or shifted faces on demand; a network may give more than
    positions, such as its heat maps."""
    out = [np.zeros((0, *model.output_shape[1:]), np.float32)[..., numbers]]
    for start in range(0, len(images), BATCH):
        batch = images[start : start + BATCH]
        batch = _shifted(np.asarray(batch[:, :, ::-1] if mirror else batch), shift).astype(np.float32)
        size = next(size for size in SIZES if size >= len(batch))
        short = size - len(batch)
        batch = np.pad(batch, ((0, short), *[(0, 0)] * 3)) if short else batch
        out.append(np.asarray(model.predict_on_batch(batch))[: size - short, :, numbers])
    return np.concatenate(out)


def mirrored(positions, width):
    """Positions [..., 2] px as seen in the mirrored image; which slot each belongs to is the caller's to swap."""
    return np.stack([width - 1 - positions[..., 0], positions[..., 1]], -1)


def predict_mirrored(model, images, mirror, shift=(0, 0)):
    """The same answer from the mirrored faces, turned back: a second opinion on every face.

    Args:
        mirror: int [slots], the slot that a mirror turns each slot into.
        shift: by which the network sees the mirrored faces shifted.
    """
    there = _answers(model, images, slice(0, 2), True, shift) - np.array(shift, np.float32)
    return mirrored(there, images.shape[2])[:, mirror]


def score(positions, truth, worst=0.0):
    """RMSE in px over all coordinates that are labelled: the competition's score. NaN where nothing is.

    Args:
        positions, truth: float [..., 2] px; NaN in `truth` = not labelled. NaN in `positions` makes the score NaN.
        worst: leave out this share of the points, those with the largest errors.
    """
    labelled = np.isfinite(truth).all(-1)
    distance = np.sort(np.linalg.norm(positions[labelled].astype(float) - truth[labelled], axis=-1))
    if not np.isfinite(distance).all():  # a network that has diverged, even if on few faces
        return np.nan
    return rmse(distance[: max(1, round(len(distance) * (1 - worst)))])


def validation_scores(positions, truth):
    """The two figures of an epoch: RMSE over all labels, and the trimmed one that chooses the best epoch."""
    return {"val_rmse": score(positions, truth), "val_trimmed": score(positions, truth, WORST)}
