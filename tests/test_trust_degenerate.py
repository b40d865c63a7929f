"""Sets with next to nothing in them: each trains to finite numbers and pages, or is refused in one sentence."""

from dataclasses import replace

import numpy as np
import pytest
import tiny
from trust import sized

from data.errors import DataError
from data.keypoints import KAGGLE15
from data.runs import Part
from data.synthetic import make_faces

NOSE = KAGGLE15.index("nose_tip")


def drawn():
    return make_faces(40, seed=2, size=32)


def labelled(*rows):
    """Faces of which only some rows have labels."""
    faces = drawn()
    points = np.full_like(faces.points, np.nan)
    points[list(rows)] = faces.points[list(rows)]
    return replace(faces, points=points)


def moved(by):
    faces = drawn()
    return replace(faces, points=faces.points + np.float32(by))


def pictures(change):
    faces = drawn()
    return replace(faces, images=change(faces.images))


def same(group=None):
    """One face, forty times."""
    faces = drawn()[np.zeros(40, int)]
    return replace(faces, group=np.arange(40) if group is None else np.full(40, group), ids=np.arange(40))


def constant():
    faces = drawn()
    return replace(faces, points=np.full_like(faces.points, 15.5))


def one_point():
    faces = drawn()
    points = np.full_like(faces.points, np.nan)
    points[:, NOSE] = faces.points[:, NOSE]
    return replace(faces, points=points)


def in_training_only():
    from base_models.base import split_rows

    rows = split_rows(drawn(), tiny.settings().split, 0)
    return labelled(*rows[0])


SETS = {  # name: (faces, part of the refusal; None = it trains)
    "no labels": (labelled, "expected labelled points"),
    "one labelled face": (lambda: labelled(3), "expected labelled points"),
    "two labelled faces": (lambda: labelled(3, 4), "expected labelled points"),
    "no labels held out": (in_training_only, "validation part: expected labelled points"),
    "one face, one person": (lambda: same(group=7), "expected at least 10 persons or images; received 1"),
    "one face, forty persons": (same, None),
    "one point of fifteen": (one_point, None),
    "all labels in one place": (constant, None),
    "labels outside the picture": (lambda: moved(200), None),
    "labels far outside": (lambda: moved(-5000), None),
    "black pictures": (lambda: pictures(np.zeros_like), None),
    "white pictures": (lambda: pictures(lambda images: np.full_like(images, 255)), None),
    "noise": (lambda: pictures(lambda i: np.random.default_rng(0).integers(0, 256, i.shape, np.uint8)), None),
}


def train(faces, run):
    """A base, its merge, and all pages."""
    from base_models.base import train_base
    from reports.label_store import FILE, read_labels
    from specialists.ensemble import build_ensemble

    own = tiny.settings(train__epochs=1)
    train_base(faces, own, run, 0)
    read_labels(faces).save(run / FILE)
    return build_ensemble(run, faces, own, 0)[1]


@sized("names", ["no labels", "black pictures"], list(SETS))
def test_next_to_nothing_trains_to_finite_numbers_or_is_refused(tmp_path, figures, names):
    bad = {}
    for name in names:
        try:
            check(*SETS[name], tmp_path / name)
        except (Exception, pytest.fail.Exception) as error:
            bad[name] = repr(error)
    figures("sets with next to nothing: trained or refused", len(names) - len(bad), len(names))
    assert bad == {}


def check(make, refused, run):
    """Assert that a set is refused with these words, or trains to what is finite."""
    if refused:
        with pytest.raises(DataError, match=refused):
            train(make(), run)
        assert not (run / "base" / "manifest.json").exists()
        return
    predictions = train(make(), run)
    assert all(np.isfinite(array).all() for array in Part(run / "base").weights().values())
    assert np.isfinite(predictions.points["ensemble"]).all()
    page = (run / "index.html").read_text()
    assert "Not built" not in page, page[page.index("Not built") :][:500]
