"""Recipes: every one can be built and is told in a line; a person's own points and 300-W's answers go all the way."""

from dataclasses import replace

import numpy as np
import pytest
from test_readers import GLOVE, photographed, put
from tiny import COMMAND

from base_models import train as train_base
from base_models.network import build_network
from base_models.recipes import RECIPES, check_recipe, recipe_named
from base_models.schedules import learning_rate
from base_models.settings import Settings, TrainSettings, read_settings
from data.errors import DataError, UsageError
from data.keypoints import IBUG68, IMM58, IMM58_ALONG, KAGGLE15, SCHEMAS, schema_of
from data.photos import Album, Shot
from data.sources import read_training
from data.synthetic import make_faces
from reports.predictions import Predictions
from specialists import ensemble, evaluate, submission
from specialists import train as train_specialists
from specialists.photo_submission import in_photos, mean_absolute_error, photo_submission_text
from specialists.points import specialist_settings
from specialists.specialist import check_network, wide_enough


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipes_networks_can_be_built(name):
    settings, _ = read_settings(None, (), name)
    schema = SCHEMAS[recipe_named(name).points]
    schema = schema.subset(settings.faces.points.split(",")) if settings.faces.points else schema
    shape = (settings.faces.height, settings.faces.width, 1)
    slots = len(schema.slot_names)
    model = build_network(settings.network, slots, shape, loss=settings.train.loss)
    assert model.input_shape == (None, *shape)
    assert model.output_shape[1] == slots
    check_network("nose_tip", specialist_settings(settings, "nose_tip"), schema, 1)


def test_a_recipe_is_settings_that_all_others_override(tmp_path):
    (tmp_path / "mine.json").write_text('{"train": {"epochs": 7}}')
    settings, _ = read_settings(tmp_path / "mine.json", ["train.batch_size=3"], "youtube-68")
    assert (settings.train.epochs, settings.train.batch_size, settings.train.learning_rate) == (7, 3, 1e-4)
    assert settings.network.backbone == "points68"
    assert settings.augment.flip == settings.augment.rotation == settings.augment.noise == 0
    assert settings.augment.shift == pytest.approx(13 / 224)
    assert read_settings(None, (), "kaggle-15")[0] == Settings()
    with pytest.raises(UsageError, match=r"--recipe: expected one of imm-nose-small, .*; received 'cake'"):
        read_settings(None, (), "cake")


def test_recipes_are_told_without_anything_else(capsys):
    for command in (train_base, train_specialists, ensemble):
        with pytest.raises(SystemExit) as ended:
            command.main(["--list-recipes"])
        assert ended.value.code == 0
        lines = capsys.readouterr().out.splitlines()
        assert [line.split()[0] for line in lines] == list(RECIPES)
        assert max(map(len, lines)) < 140


def test_a_recipe_for_other_points_is_refused():
    faces = make_faces(4)
    with pytest.raises(
        DataError, match="--recipe 300w-resnet18: expected --data with ibug68 points; received kaggle15"
    ):
        check_recipe("300w-resnet18", faces)
    check_recipe("kaggle-15", faces)
    for schema in (IMM58, IMM58_ALONG, IMM58.subset(["nose_tip"])):
        assert schema.name.startswith(RECIPES["imm-nose-small"].points)


def test_steps_come_every_so_many_epochs():
    settings = TrainSettings(schedule="step", step_every=5, learning_rate=5e-3, epochs=12)
    rates = [learning_rate(settings, epoch, []) for epoch in range(12)]
    np.testing.assert_allclose(rates, [5e-3] * 5 + [5e-4] * 5 + [5e-5] * 2)


@pytest.mark.parametrize(
    ("values", "low", "high"), [("unit", 0, 1), ("centred", -0.5, 0.5), ("imagenet", -2.0, 2.3), ("standard", -9, 9)]
)
def test_the_values_that_a_network_sees(values, low, high):
    import keras

    settings, _ = read_settings(None, [f"network.values={values}", "network.backbone=nose_tiny"])
    model = build_network(settings.network, 1, (40, 40, 3))
    seen = keras.Model(model.input, model.layers[1].output)
    ramp = np.linspace(0, 255, 40 * 40 * 3, dtype=np.float32).reshape(1, 40, 40, 3)
    out = np.asarray(seen(ramp))
    if values == "standard":
        assert abs(out.mean()) < 0.1
    elif values == "imagenet":
        np.testing.assert_allclose(out[0, 0, 0], -np.array([0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225], atol=0.02)
    else:
        assert (out.min(), out.max()) == pytest.approx((low, high), abs=1e-5)
    assert low - 0.2 <= out.min()
    assert out.max() <= high + 0.4


# Schemas that no code knows go through a whole run.


def test_stored_schemas_come_back_whole():
    for schema in (*SCHEMAS.values(), GLOVE, IBUG68.subset(["eyes", "nose_tip"])):
        again = schema_of(schema.stored)
        assert again == schema
        assert again.mirror.tolist() == schema.mirror.tolist()
        assert again.groups == schema.groups
    assert isinstance(IBUG68.stored, str)
    for broken in ({"name": "x"}, "nothing", {**GLOVE.stored, "points": ["../x", "cuff_a", "cuff_b"]}):
        with pytest.raises((KeyError, ValueError)):
            schema_of(broken)


def test_groups_and_subsets():
    sizes = {name: len(points) for name, points in IBUG68.groups.items()}
    assert sizes == {"jaw": 17, "brows": 10, "eyes": 12, "nose": 9, "mouth": 20}
    sizes = {name: len(points) for name, points in IMM58.groups.items()}
    assert sizes == {"jaw": 13, "brows": 10, "eyes": 16, "nose": 11, "mouth": 8}
    assert IBUG68.named("nose_tip") == ("nose_tip",)
    assert IBUG68.named("jaw")[8] == "chin"
    with pytest.raises(UsageError, match=r"received 'ears' \(groups: jaw, brows, eyes, nose, mouth\)"):
        IBUG68.named("ears")
    with pytest.raises(UsageError, match="points: expected right_jaw_1 too, the mirror partner of left_jaw_1"):
        IBUG68.subset(["left_jaw_1"])


def test_a_groups_view_holds_its_points_as_finely_as_one():
    settings = specialist_settings(Settings(), "eyes")
    reference = np.random.default_rng(0).uniform(20, 70, (68, 2))
    made = wide_enough(settings, IBUG68, "eyes", reference, 96)
    own = reference[IBUG68.slots_of("eyes")]
    assert (np.abs(own - own.mean(0)) < made.width * 96 / 2).all()
    assert made.size / made.width == pytest.approx(settings.size / settings.width, rel=0.02)
    assert wide_enough(settings, IBUG68, "chin", reference, 96) is settings
    assert IBUG68.slots_of("eyes").tolist() == list(range(36, 48))
    assert KAGGLE15.slots_of("nose_tip").tolist() == [10, 15]


def test_the_mirror_partners_of_public_sets():
    assert IBUG68.mirror[[0, 8, 17, 27, 31, 36, 39, 40, 48, 51, 60, 66]].tolist() == [
        *(16, 8, 26, 27, 35, 45, 42, 47, 54, 51, 64, 66)
    ]
    assert IMM58.mirror[[0, 6, 13, 29, 39, 41, 46, 47, 52]].tolist() == [12, 6, 21, 34, 43, 41, 44, 57, 52]


@pytest.fixture(scope="module")
def own_run(tmp_path_factory):
    """(folder of a set of three points of a person's own, folder of a run on it, what was said)."""
    folder = tmp_path_factory.mktemp("own")
    album = photographed(folder, GLOVE, count=24)
    (folder / "set").mkdir()
    put(album, folder / "set", "csv")
    return folder


def run_all(folder, capsys, which="--keypoint=tip"):
    common = ["--data", str(folder / "set"), "--run", str(folder / "run"), *COMMAND, "--set=faces.height=32"]
    common += ["--set=faces.width=40", "--set=faces.colour=true", "--set=train.epochs=1"]
    train_specialists.main([*common, which])
    return capsys.readouterr().out


@pytest.mark.slow
def test_a_persons_own_points_go_through_everything(own_run, capsys):
    said = run_all(own_run, capsys, "--group=cuffs")
    assert "no specialist for tip: the base's answer stands there" in said
    assert run_all(own_run, capsys).splitlines()[-3].startswith("radius")  # every point has one now
    predictions = Predictions.load(own_run / "run/ensemble/predictions.npz")
    assert predictions.schema.points == GLOVE.points
    assert predictions.schema.mirror.tolist() == [0, 2, 1]
    assert predictions.images.shape[1:] == (32, 40, 3)
    assert (own_run / "run/report.html").stat().st_size > 100_000
    evaluate.main(["--data", str(own_run / "set"), "--run", str(own_run / "run"), "--out", str(own_run / "other")])
    assert "ensemble RMSE" in capsys.readouterr().out
    out = own_run / "answers.csv"
    submission.main(["--data", str(own_run / "set/faces.csv"), "--run", str(own_run / "run"), "--out", str(out)])
    said = capsys.readouterr().out.splitlines()
    assert said[0] == f"{out}: {24 * 3 * 2} values of 24 faces"
    faces = read_training(str(own_run / "set"), 0, evaluate.face_settings(own_run / "run"))
    points = ensemble.load_ensemble(own_run / "run").predict_set(faces)[0]["ensemble"]
    found = np.loadtxt(out, delimiter=",", skiprows=1)
    assert found[:, 0].tolist() == list(range(144))
    np.testing.assert_allclose(found[:, 1], in_photos(points, faces.matrices).ravel(), atol=1e-3)
    truth = np.loadtxt(own_run / "set/faces.csv", delimiter=",", skiprows=1, usecols=range(6, 12))
    error = np.abs(found[:, 1] - truth.ravel()).mean()
    assert said[1] == f"mean absolute error {error:.3f} px of the photos, on 72 labelled points"


@pytest.mark.slow
def test_a_run_on_other_points_of_the_same_number_is_refused(own_run, tmp_path, capsys):
    run_all(own_run, capsys)
    (tmp_path / "a").mkdir()
    other = replace(GLOVE, points=("top", "cuff_a", "cuff_b"), lines=())
    album = photographed(tmp_path, GLOVE, count=2)
    put(Album(other, "test", album.shots), tmp_path / "a", "csv")
    with pytest.raises(DataError, match=r"expected the glove faces of .* received other points named glove"):
        evaluate.main(["--data", str(tmp_path / "a"), "--run", str(own_run / "run"), "--out", str(tmp_path / "o")])


def test_answers_of_a_test_set_on_photos():
    points = np.arange(12, dtype=float).reshape(2, 3, 2)
    text = photo_submission_text(points)
    assert text.splitlines()[:3] == ["Id,Predicted", "0,0.0000", "1,1.0000"]
    assert len(text.splitlines()) == 13
    truth = points + np.array([1, -3])
    truth[0, 0] = np.nan
    assert mean_absolute_error(points, truth) == pytest.approx(2)
    assert np.isnan(mean_absolute_error(points, np.full_like(points, np.nan)))
    points[1, 2, 1] = np.nan
    with pytest.raises(DataError, match="Id 11: expected a position; received nan"):
        photo_submission_text(points)


def test_a_matrix_and_its_way_back():
    matrices = np.array([[[0.5, 0, 3], [0, 0.5, -2]]])
    np.testing.assert_allclose(in_photos(np.array([[[8.0, 1.0]]]), matrices), [[[10, 6]]])


def test_shots_without_points_need_a_box(tmp_path):
    shot = Shot(np.zeros((9, 9, 3), np.uint8), "a", np.full((3, 2), np.nan), "a:1")
    from data.crops import FaceSettings, cut_faces

    with pytest.raises(DataError, match="a:1: expected a box or at least two points to find the face by"):
        cut_faces(Album(GLOVE, "test", [shot]), FaceSettings())
