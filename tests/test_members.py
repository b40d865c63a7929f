"""The members of an ensemble: what several opinions agree on, which bases are taken, and several runs as one."""

from dataclasses import replace

import numpy as np
import pytest
import tiny

from base_models.base import split_faces, train_base
from base_models.predict import score
from data.errors import RunError
from data.runs import Part
from data.storage import read_json, write_json
from data.synthetic import make_faces
from specialists.ensemble import build_ensemble, load_ensemble
from specialists.members import agreed, ask, chosen, load_team
from specialists.pipeline import train_specialists

N, SLOTS = 60, 5


def test_opinions_that_are_near_each_other_agree_on_their_mean():
    opinions = np.array([[0.0, 0], [1, 0], [2, 3]])[:, None, None]
    np.testing.assert_allclose(agreed(opinions, 10), [[[1, 1]]])
    np.testing.assert_allclose(agreed(opinions[:1], 10), opinions[0])


def test_one_opinion_that_lost_the_point_pulls_no_farther_than_the_reach():
    opinions = np.array([[10.0, 10], [10, 10], [90, 10]])[:, None, None]
    np.testing.assert_allclose(agreed(opinions, 3), [[[11, 10]]])
    np.testing.assert_allclose(agreed(opinions, 1e9), [[[36 + 2 / 3, 10]]], rtol=1e-6)


def test_opinions_that_are_missing_do_not_count():
    opinions = np.full((3, 2, 2, 2), np.nan)
    opinions[0], opinions[1, 0] = 4, 6
    found = agreed(opinions, 9)
    np.testing.assert_allclose(found[0], 5)
    np.testing.assert_allclose(found[1], 4)
    assert np.isnan(agreed(np.full((2, 1, 1, 2), np.nan), 9)).all()


def bases(*noises, seed=0):
    """(opinions [bases, 2, n, slots, 2] with normal noise of those px, the truth)."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(20, 70, (N, SLOTS, 2))
    return np.stack([truth + rng.normal(0, s, (2, N, SLOTS, 2)) for s in noises]), truth


NOBODY = np.zeros((1, N), bool)


def test_the_best_base_comes_first_and_a_bad_one_not_at_all():
    looks, truth = bases(1.5, 1.0, 30.0)
    assert chosen([looks], NOBODY, truth, 4.0) == [[1, 0]]


def test_equals_are_all_taken_and_score_better_than_one():
    looks, truth = bases(1, 1, 1)
    picked = chosen([looks], NOBODY, truth, 4.0)[0]
    assert sorted(picked) == [0, 1, 2]
    together, alone = (score(agreed(np.concatenate(list(looks[p])), 4.0), truth) for p in (picked, picked[:1]))
    assert together < 0.75 * alone


def test_every_face_keeps_an_honest_base():
    looks, truth = bases(1, 1, 9)
    seen = np.zeros((3, N), bool)
    seen[:2, :30], seen[2, 30:] = True, True  # the bad one is the only one that did not train on the first half
    picked = chosen([looks[:1], looks[1:2], looks[2:]], seen, truth, 4.0)
    assert picked == [[0], [0], [0]]


def test_what_a_base_was_trained_on_does_not_speak_for_it():
    looks, truth = bases(1, 0.01)
    seen = np.array([[False] * N, [False] * 30 + [True] * 30])
    looks[1, :, :30] += 50  # perfect where it trained, lost elsewhere
    picked = chosen([looks[:1], looks[1:]], seen, truth, 4.0)
    assert picked[0] == [0]


# -- several runs


FACES = make_faces(60, seed=2, size=32)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs on the same faces: with a teacher and a specialist, and another network on another fold."""
    folder = tmp_path_factory.mktemp("runs")
    one = tiny.settings(
        **{"train__epochs": 2, "teachers__count": 1, "teachers__epochs": 1, "teachers__rows": 0},
        **{"specialist__train__epochs": 1, "ensemble__calibrate": False},
    )
    train_specialists(["nose_tip"], FACES, one, {}, folder / "one", 7)
    other = tiny.settings(train__epochs=1, split__fold=1, network__filters=6)
    train_base(FACES, other, folder / "other", 8)
    return folder, one


@pytest.mark.slow
def test_a_team_is_all_that_a_run_trained(runs):
    team = load_team(runs[0] / "one")
    assert list(team.bases) == ["base", "teacher1"]
    assert list(team.specialists) == ["nose_tip"]
    held = split_faces(FACES, runs[1].split, 7).validation
    assert set(FACES.ids[team.unseen(FACES)]) == set(held.ids)


@pytest.mark.slow
def test_a_run_on_other_faces_cannot_vote(runs):
    with pytest.raises(RunError, match=r"base: expected a run trained on .*; received one of other faces"):
        load_team(runs[0] / "other").unseen(FACES[1:])


@pytest.mark.slow
def test_an_ensemble_of_two_runs_is_honest_and_loads_again(runs):
    folder, settings = runs
    ensemble, predictions, _ = build_ensemble(folder / "one", FACES, settings, 7, [folder / "other"])
    teams = [load_team(folder / name) for name in ("one", "other")]
    held = teams[0].unseen(FACES) | teams[1].unseen(FACES)
    assert set(predictions.ids) == set(FACES.ids[held])
    only = np.isin(predictions.ids, FACES.ids[teams[1].unseen(FACES) & ~teams[0].unseen(FACES)])
    assert only.any()
    alone = ask(teams[1:], FACES[np.isin(FACES.ids, predictions.ids[only])].images, True, 4.0, shifted=True).base
    slots = FACES.schema.from_slots(alone, predictions.convention[only])
    np.testing.assert_allclose(predictions.points["base"][only], slots, atol=1e-3)
    loaded = load_ensemble(folder / "one")
    assert [list(team.bases) for team in loaded.teams] == [list(team.bases) for team in ensemble.teams]
    (points, radius), (again, radius_again) = (e.predict(FACES.images, FACES.convention) for e in (ensemble, loaded))
    np.testing.assert_allclose(radius, radius_again, atol=1e-4)
    for name in ("base", "specialist", "ensemble"):
        np.testing.assert_allclose(points[name], again[name], atol=1e-4)


@pytest.mark.slow
def test_a_member_that_was_trained_anew_is_refused(runs, tmp_path):
    import shutil

    shutil.copytree(runs[0], tmp_path / "runs")
    build_ensemble(tmp_path / "runs/one", FACES, runs[1], 7, [tmp_path / "runs/other"])
    shutil.rmtree(tmp_path / "runs/other")
    with pytest.raises(RunError, match="other/base: expected a trained base; received none"):
        load_ensemble(tmp_path / "runs/one")
    train_base(FACES, tiny.settings(train__epochs=1, split__fold=1), tmp_path / "runs/other", 9)
    with pytest.raises(RunError, match="its members were trained anew"):
        load_ensemble(tmp_path / "runs/one")


@pytest.mark.slow
def test_a_merge_of_another_version_is_one_sentence(runs, tmp_path):
    import shutil

    shutil.copytree(runs[0] / "one", tmp_path / "run")
    part = Part(tmp_path / "run" / "ensemble")
    rule = read_json(part.folder / "merge.json")
    for change in ({"members": {"base": "a1b2", "specialists": {}}}, {"radius": None}, {"weight": ["x"]}):
        write_json(part.folder / "merge.json", rule | change)
        part.seal(["settings.json", "merge.json", "predictions.npz"])
        with pytest.raises(RunError, match=r"merge.json: expected a merge as this version writes it; received other"):
            load_ensemble(tmp_path / "run")


@pytest.mark.slow
def test_more_bases_that_say_the_same_change_nothing(runs):
    team = load_team(runs[0] / "one", bases=["base"])
    twice = replace(team, bases={"base": team.bases["base"], "again": team.bases["base"]})
    one, two = (ask([t], FACES.images[:8], True, 4.0) for t in (team, twice))
    np.testing.assert_allclose(one.base, two.base, atol=1e-4)
    np.testing.assert_allclose(one.disagreement, two.disagreement, atol=1e-3)
