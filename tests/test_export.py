"""Exported files: the merged graph says what Keras, NumPy and OpenCV say, for any number of faces, in every format,
without TensorFlow, and a file that is damaged or something else is refused in one line."""

import dataclasses
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny

from base_models.base import train_base
from base_models.network import build_network
from base_models.predict import predict
from base_models.settings import NetworkSettings
from base_models.stacked import Alone, stacks
from base_models.weights import get_weights, set_weights
from data.errors import RunError, UsageError
from data.keypoints import KAGGLE15
from data.synthetic import make_faces
from reports.predictions import Predictions
from specialists import export_formats
from specialists.ensemble import Ensemble
from specialists.export import compare, main, reduced, write_export
from specialists.exported import described, load_exported
from specialists.members import Team, ask, load_team
from specialists.merge import Merge, Radius
from specialists.merged import Merged
from specialists.model_files import read_model, write_model
from specialists.photos import Training
from specialists.pipeline import train_specialists
from specialists.predictor import Predictor

FACES = make_faces(40, seed=2, size=32)
POINTS = ("nose_tip", "left_eye_center", "left_eye_inner_corner", "mouth_left_corner", "mouth_center_bottom_lip")
PARITY = 0.25  # px, of networks with noise for weights, to which a grey level that OpenCV rounds differently matters


def shaken(weights, seed):
    """Weights with noise, so that networks that learnt next to nothing say different things of different faces."""
    rng = np.random.default_rng(seed)
    noise = {name: rng.normal(0, 0.2, value.shape).astype(np.float32) for name, value in weights.items()}
    return {
        name: np.abs(value + noise[name]) if name.endswith("variance") else value + noise[name]
        for name, value in weights.items()
    }


def networks(backbone, count, **more):
    """(arguments of `build_network`, list of shaken weights)."""
    settings = NetworkSettings(backbone=backbone, **more)
    build = (settings, 3, (32, 32, 1), "float32", 0, "huber")
    fresh = get_weights(build_network(*build))
    return build, [shaken(fresh, seed) for seed in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "more"),
    [
        ("alexnet", {"filters": 4, "dense_units": 8}),
        ("resnet", {"filters": 4, "dense_units": 8}),
        ("resnet", {"filters": 4, "dense_units": 8, "head": "pooled", "activation": "elu", "values": "unit"}),
        ("unet", {"filters": 4, "dense_units": 8}),
        ("mobilenet", {"filters": 4}),
        ("inception", {"filters": 8}),
        ("simple_cnn", {"filters": 4}),
        ("keras_mobilenet", {}),
    ],
)
@pytest.mark.parametrize("common", [True, False])
def test_networks_side_by_side_say_what_each_says_alone(backbone, more, common):
    build, weights = networks(backbone, 3, **more)
    rng = np.random.default_rng(5)
    images = rng.uniform(0, 255, (2, 1 if common else 3, 32, 32, 1)).astype(np.float32)
    model, wanted = build_network(*build), []
    for i, own in enumerate(weights):
        set_weights(model, own, "test")
        wanted.append(predict(model, images[:, 0 if common else i]))
    found = [None] * 3
    for indices, stack in stacks([(build, own) for own in weights]):
        seen = images if common else images[:, indices]
        answers = np.asarray(stack(seen.reshape(-1, 32, 32, 1), common))
        for place, index in enumerate(indices):
            found[index] = answers[:, place]
        assert isinstance(stack, Alone) == (backbone == "keras_mobilenet")
    np.testing.assert_allclose(found, wanted, atol=2e-3)


@pytest.mark.slow
def test_layers_that_are_equal_in_all_networks_are_computed_without_groups():
    build, weights = networks("resnet", 3, filters=4, dense_units=8)
    same = {name: value for name, value in weights[0].items() if name.startswith("st")}
    ((_, stack),) = stacks([(build, {**own, **same}) for own in weights])
    import tensorflow as tf

    graph = tf.function(lambda images: stack(images, False)).get_concrete_function(tf.TensorSpec((6, 32, 32, 1))).graph
    channels = [op.inputs[0].shape[-1] for op in graph.get_operations() if op.type == "Conv2D"]
    assert channels[0] == 1
    assert channels[-1] == 3 * 8  # the head's, which differ
    assert max(channels[:-5]) == 16  # a network's own most, not three times as many


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    """Two `Team`: a base and a few specialists, and a base of another width; with shaken weights."""
    folder = tmp_path_factory.mktemp("team")
    settings = tiny.settings(train__epochs=1, specialist__train__epochs=1, specialist__frozen=1)
    train_specialists(POINTS, FACES, settings, {}, folder, 7)
    train_base(FACES, tiny.settings(train__epochs=1, network__filters=6), folder / "other", 8)
    return shaken_team(load_team(folder), 1), shaken_team(load_team(folder / "other"), 2)


def shaken_team(team, seed):
    for base in team.bases.values():
        set_weights(base.model, shaken(get_weights(base.model), seed), "test")
    own = {p: dataclasses.replace(s, weights=shaken(s.weights, seed + 1)) for p, s in team.specialists.items()}
    return Team(team.run, team.bases, own)


def ensemble_of(teams, flip=True):
    """An `Ensemble` with a merge and a radius to which everything matters."""
    rng = np.random.default_rng(0)
    slots = len(KAGGLE15.slot_names)
    radius = Radius(rng.uniform(1, 2, slots), rng.uniform(0.1, 1, 5), np.array([0.7, 2.0]))
    return Ensemble(list(teams), Merge(rng.uniform(0.2, 1, slots), 2.0), radius, flip)


@pytest.fixture(scope="module")
def ensemble(team):
    return ensemble_of(team[:1])


def answers(graph, images):
    """(points, radii [levels, n, k]) of a `Merged`."""
    found = graph.function()(images)
    return found["points"].numpy(), found["radii"].numpy().swapaxes(0, 1)


def check(found, ensemble, images, convention):
    points, radii = ensemble.predict(images, np.full(len(images), convention))
    np.testing.assert_allclose(found[0], points["ensemble"], atol=PARITY)
    np.testing.assert_allclose(found[1], radii, atol=PARITY)
    spread = np.ptp(points["ensemble"], 0).max()
    assert spread > 2 * PARITY  # the faces do not all have one answer
    assert np.abs(points["ensemble"] - points["base"]).max() > 2 * PARITY  # and the specialists have a say


@pytest.mark.slow
@pytest.mark.parametrize("convention", [0, 1])
@pytest.mark.parametrize("flip", [True, False])
def test_the_graph_says_what_the_ensemble_says(team, convention, flip):
    made = ensemble_of(team[:1], flip)
    check(answers(Merged(made, convention), FACES.images[:9]), made, FACES.images[:9], convention)


@pytest.mark.slow
def test_so_does_that_of_several_runs(team):
    """The second has no specialists; a third is its base with one specialist, of weights of its own."""
    first, second = team
    nose = first.specialists["nose_tip"]
    other = dataclasses.replace(nose, weights=shaken(nose.weights, 9))
    made = ensemble_of([first, second, Team(first.run, second.bases, {"nose_tip": other})])
    check(answers(Merged(made, 0), FACES.images[:5]), made, FACES.images[:5], 0)


@pytest.mark.slow
def test_a_specialist_whose_word_cannot_change_anything_is_left_out(ensemble):
    weight = np.where(np.arange(len(KAGGLE15.slot_names)) == KAGGLE15.index("nose_tip"), 0.5, 0.0)
    slope = np.array([1.0, 0.5, 0.0, 0.1, 0.1])
    made = dataclasses.replace(
        ensemble, merge=Merge(weight, 2.0), radius=dataclasses.replace(ensemble.radius, slope=slope)
    )
    graph = Merged(made, 0)
    assert [s.point for s in graph.specialists[0].members] == ["nose_tip"]
    check(answers(graph, FACES.images[:4]), made, FACES.images[:4], 0)


@pytest.fixture(scope="module")
def held(ensemble):
    """`Predictions` on faces labelled between where the bases see a point and where its specialist does: a px off for
    the nose tip, a third of one for the left eye."""
    answers = ask(ensemble.teams, FACES.images, True, ensemble.merge.reach)
    truth = np.full_like(answers.base, np.nan)
    for point, far in (("nose_tip", 1.0), ("left_eye_center", 0.3)):
        slots = list(ensemble.teams[0].specialists[point].view.slots)
        step = (answers.specialist - answers.base)[:, slots]
        truth[:, slots] = answers.base[:, slots] + far * step / np.linalg.norm(step, axis=-1, keepdims=True)
    convention = np.zeros(len(FACES), np.uint8)
    truth = KAGGLE15.from_slots(truth, convention)
    return Predictions(FACES.images, FACES.ids, convention, truth, {}, None, KAGGLE15)


@pytest.mark.slow
def test_the_most_helpful_specialists_are_kept_and_merged_anew(ensemble, held):
    nose, eye = (KAGGLE15.index(point) for point in ("nose_tip", "left_eye_center"))
    for count, kept in ((1, ["nose_tip"]), (2, ["nose_tip", "left_eye_center"])):
        made = reduced(ensemble, held, True, count)
        assert sorted(made.teams[0].specialists) == sorted(kept)
        assert made.merge.weight[nose] > 0
        assert (made.merge.weight[eye] > 0) == (count == 2)
    one = reduced(ensemble, held, True, 1)
    check(answers(Merged(one, 0), FACES.images[:4]), one, FACES.images[:4], 0)
    assert list(reduced(ensemble, held, True, 5).teams[0].specialists) == list(ensemble.teams[0].specialists)


@pytest.mark.slow
def test_without_specialists_the_bases_answer(ensemble, held):
    made = reduced(ensemble, held, False, 0)
    assert not made.flip
    points, radii = made.predict(FACES.images[:4], np.zeros(4, int))
    np.testing.assert_array_equal(points["ensemble"], points["base"])
    found = answers(Merged(made, 0), FACES.images[:4])
    np.testing.assert_allclose(found[0], points["base"], atol=PARITY)
    np.testing.assert_allclose(found[1], radii, atol=PARITY)


def test_an_ensemble_of_several_runs_is_not_reduced():
    several = Ensemble([None, None], Merge(np.ones(1), 2.0), None, True)
    with pytest.raises(
        UsageError, match="--no-flip, --specialists: expected an ensemble of one run; received one of 2"
    ):
        reduced(several, None, False)


@pytest.mark.slow
def test_views_are_cut_out_as_opencv_does_it(ensemble):
    """But for a few pixels that lie between two grey levels, or two thirty-seconds of a pixel."""
    from specialists.merged_views import cut, neighbours, turns

    view, images = ensemble.teams[0].specialists["mouth_left_corner"].view, FACES.images[:6]
    rng = np.random.default_rng(3)
    shapes = (FACES.slots[:6] + rng.normal(0, 3, (6, len(KAGGLE15.slot_names), 2))).astype(np.float32)
    shapes = np.nan_to_num(shapes, nan=12.0)
    wanted, matrices = view.look(images, shapes)
    turn = turns(shapes, [view], (32, 32))
    found = np.asarray(cut(neighbours(images.astype(np.float32)), (32, 32), 1, turn))
    gap = np.abs(found - wanted)
    assert gap.max() <= 2
    assert (gap > 0).mean() < 0.02
    positions = rng.uniform(0, view.pixels, (6, len(view.slots), 2)).astype(np.float32)
    back = np.asarray(turn.to_image(positions[:, None]))[:, 0]
    np.testing.assert_allclose(back, view.back(positions, matrices), atol=1e-3)


@pytest.mark.slow
def test_faces_whose_points_all_fall_together_still_have_an_answer(ensemble):
    """Then there is no turn or size: views are as large as they are of the mean face."""
    from specialists.merged_views import turns
    from specialists.view import procrustes

    view = ensemble.teams[0].specialists["nose_tip"].view
    shapes = np.full((1, len(KAGGLE15.slot_names), 2), 9.0, np.float32)
    turn = turns(shapes, [view], (32, 32))
    assert procrustes(shapes, view.reference)[0, 0, 0] == 1
    np.testing.assert_allclose(turn.cos, [[view.width * 32 / view.pixels]], rtol=1e-5)
    np.testing.assert_allclose(turn.middle, [[[9, 9]]], atol=1e-5)


# -- files


TYPICAL = np.nanmean(FACES.points, 0).astype(float)
TRAINING = Training(KAGGLE15, (32, 32), 1, TYPICAL, np.arange(15) != KAGGLE15.index("nose_tip"))


def missing(kind):
    return [name for name in export_formats.NEEDS[kind] if importlib.util.find_spec(name) is None]


@pytest.fixture(scope="module")
def exported(ensemble, tmp_path_factory):
    """Function of a format's name and int8 to the file; each is written once."""
    folder, made = tmp_path_factory.mktemp("exported"), {}

    def get(kind, int8=False):
        if missing(kind):
            pytest.skip(f"{kind} needs {', '.join(missing(kind))}: pip install -e '.[export]'")
        if (kind, int8) not in made:
            made[kind, int8] = folder / f"{kind}{int8}{export_formats.ENDINGS[kind]}"
            about = described(TRAINING, 0, 0.5)
            write_export(ensemble, 0, FACES.images, kind, made[kind, int8], about, int8)
        return made[kind, int8]

    return get


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "int8", "px"),
    [
        ("onnx", False, (PARITY, PARITY)),
        ("onnx", True, (3.0, 0.3)),
        ("litert", False, (PARITY, PARITY)),
        ("litert", True, (3.0, 0.1)),
        ("openvino", False, (PARITY, PARITY)),
        ("saved_model", False, (PARITY, PARITY)),
    ],
)
def test_every_format_answers_like_keras_for_any_number_of_faces(exported, ensemble, kind, int8, px):
    """In 8 bits networks as little trained as these give way where they know nothing."""
    (largest, typical), loaded = px, load_exported(exported(kind, int8), threads=1)
    for n in (2, 1, 0, 67):
        images = np.resize(FACES.images, (n, 32, 32, 1))
        found, radii = loaded.predict(images, np.zeros(n, int))
        points, own = ensemble.predict(images, np.zeros(n, int))
        for answers, wanted in ((found["ensemble"], points["ensemble"]), (radii, own)):
            np.testing.assert_allclose(answers, wanted, atol=largest)
            assert n == 0 or np.median(np.abs(answers - wanted)) <= typical
        if n:  # by the graph in one go, where `predict` asks it for a few faces at a time; for none it is not asked
            whole = loaded.run(images)
            np.testing.assert_allclose(whole[0], found["ensemble"], atol=largest)
            np.testing.assert_allclose(whole[1], radii.swapaxes(0, 1), atol=largest)
    assert loaded.training.schema is KAGGLE15
    np.testing.assert_array_equal(loaded.training.typical, TRAINING.typical)
    assert (loaded.training.size, loaded.training.channels, loaded.doubt, loaded.convention) == ((32, 32), 1, 0.5, 0)


def test_the_convolutions_that_see_pixels_are_told_from_others():
    onnx = pytest.importorskip("onnx")
    numpy_helper, helper = onnx.numpy_helper, onnx.helper
    shapes = {  # kernel, groups
        "pixels": ((4, 1, 3, 3), 1),
        "pixels of two networks": ((8, 1, 3, 3), 2),
        "depthwise": ((8, 1, 3, 3), 8),
        "later": ((8, 4, 1, 1), 1),
        "later, of two": ((8, 4, 1, 1), 2),
    }
    kernels = [numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, (shape, _) in shapes.items()]
    nodes = [
        helper.make_node("Conv", ["x", name], [f"{name} y"], name, **({"group": groups} if groups > 1 else {}))
        for name, (_, groups) in shapes.items()
    ]
    graph = helper.make_graph([*nodes, helper.make_node("Relu", ["x"], ["z"], "relu")], "g", [], [], kernels)
    assert export_formats._first_convolutions(graph, 1) == ["pixels", "pixels of two networks"]
    assert export_formats._first_convolutions(graph, 3) == []


def test_litert_does_not_round_where_the_cells_of_a_map_lie():
    """Weights of 1,024 numbers and more are rounded, and a map of the default network has 576 cells."""
    pytest.importorskip("ai_edge_litert")
    import keras
    import tensorflow as tf
    from ai_edge_litert.interpreter import Interpreter

    from base_models.heatmaps import MapPositions

    model = keras.Sequential([keras.Input((24, 24, 17), 1), MapPositions((96, 96))])
    function = tf.function(lambda maps: {"points": model(maps)}, [tf.TensorSpec((None, 24, 24, 17))])
    maps = np.random.default_rng(0).normal(0, 3, (2, 24, 24, 17)).astype(np.float32)
    (content,) = export_formats.converted("litert", function, maps, True, None).values()
    loaded = Interpreter(model_content=content)
    loaded.resize_tensor_input(loaded.get_input_details()[0]["index"], maps.shape)
    loaded.allocate_tensors()
    loaded.set_tensor(loaded.get_input_details()[0]["index"], maps)
    loaded.invoke()
    found = loaded.get_tensor(loaded.get_output_details()[0]["index"])
    np.testing.assert_allclose(found, model(maps), atol=1e-3)


@pytest.mark.slow
def test_a_file_answers_by_its_own_convention_only(exported):
    loaded = load_exported(exported("onnx"))
    with pytest.raises(UsageError, match=r"onnxFalse\.onnx: answers by the convention fifteen only"):
        loaded.predict(FACES.images[:1], np.ones(1, int))


@pytest.mark.slow
def test_a_run_with_what_was_measured_of_its_file(exported, ensemble):
    """Of faces whose labels are the ensemble's own answers: RMSE and differences are next to nothing."""
    points, radii = ensemble.predict(FACES.images, np.zeros(40, int))
    kept = (FACES.images, FACES.ids, np.zeros(40, np.uint8), points["ensemble"])
    held = Predictions(*kept, {"ensemble": points["ensemble"]}, radii, KAGGLE15)
    found = compare(exported("onnx"), ensemble, held, 0)
    assert found.faces == 40
    assert 0 < found.difference < PARITY
    assert found.rmse[0] == found.trimmed[0] == 0 < found.trimmed[1] < found.rmse[1] < PARITY
    assert list(found.seconds) == [1]
    assert any("largest difference from Keras on 40 faces" in line for line in found.lines())


PAYLOADS = {
    "onnx": {"model.onnx": b"\x08\x08" * 50},
    "litert": {"model.tflite": b"TFL3" * 20},
    "openvino": {"model.xml": b"<net/>", "model.bin": b"1234" * 9},
}


@pytest.mark.parametrize("kind", PAYLOADS)
def test_what_is_written_is_read_back_and_every_flipped_bit_is_found(kind, tmp_path):
    path = tmp_path / f"a{export_formats.ENDINGS[kind]}"
    write_model(path, kind, PAYLOADS[kind], {"schema": "kaggle15", "words": "é{}"})
    payload, about = read_model(path, kind)
    assert payload == PAYLOADS[kind]
    assert about["words"] == "é{}"
    whole, passed = path.read_bytes(), 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        try:
            payload, about = read_model(path, kind)
        except RunError:
            continue  # else a time in a zip's header, or a letter of the text, which the loader looks at
        passed += payload != PAYLOADS[kind]
    assert not passed
    for length in (0, 1, 9, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(RunError, match=r"expected a model that python -m specialists\.export wrote|damaged"):
            read_model(path, kind)


GOOD = described(TRAINING, 0, 0.5)
WRONG = [
    {**GOOD, "format": 2},
    {**GOOD, "schema": "nobody"},
    {**GOOD, "schema": 7},
    {**GOOD, "convention": "five"},
    {**GOOD, "input": {"shape": [32, 32]}},
    {**GOOD, "input": {"shape": [32, 10**9, 1]}},
    {**GOOD, "input": {"shape": [32, 32, 2]}},
    {**GOOD, "typical": [[0, 0]]},
    {**GOOD, "typical": [["x", 0]] * 15},
    {**GOOD, "typical": [[16, 16]] * 15},
    {**GOOD, "steady": [2] * 15},
    {**GOOD, "doubt": -1},
    {**GOOD, "doubt": "much"},
    {},
]


@pytest.mark.parametrize("about", WRONG)
def test_a_file_that_describes_itself_otherwise_is_refused(about, tmp_path):
    path = tmp_path / "a.onnx"
    write_model(path, "onnx", PAYLOADS["onnx"], about)
    with pytest.raises(RunError, match=r"a\.onnx: expected a model that .* wrote; received other metadata"):
        load_exported(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.onnx", None, "received no such file"),
        ("a.pt", b"", r"which ends in \.onnx, \.tflite, \.zip; received '\.pt'"),
        ("a.onnx", b"hello", "received another or a damaged file"),
        ("a.tflite", b"", "received another or a damaged file"),
        ("a.zip", b"PK\x03\x04", "received another or a damaged file"),
    ],
)
def test_what_is_no_such_file_is_refused(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RunError, match=message):
        load_exported(tmp_path / name)


def test_a_folder_that_is_no_saved_model_is_refused(tmp_path):
    with pytest.raises(RunError, match="cannot be read"):
        load_exported(tmp_path)


@pytest.mark.parametrize("kind", PAYLOADS)
def test_a_network_that_its_runtime_refuses_is_told_in_one_line(kind, tmp_path):
    if missing(kind):
        pytest.skip(f"{kind} needs {', '.join(missing(kind))}")
    path = tmp_path / f"a{export_formats.ENDINGS[kind]}"
    write_model(path, kind, PAYLOADS[kind], GOOD)
    with pytest.raises(RunError, match=f"expected a network for {kind}; received one it refuses"):
        load_exported(path)


def test_without_its_runtime_the_sentence_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    write_model(tmp_path / "a.onnx", "onnx", PAYLOADS["onnx"], GOOD)
    with pytest.raises(UsageError, match=r"a\.onnx: needs onnxruntime: pip install 'keypoint-specialists\[onnx\]'"):
        load_exported(tmp_path / "a.onnx")


@pytest.mark.parametrize(
    ("kind", "int8", "message"),
    [
        ("onnx", False, r"--format onnx: needs tf2onnx: pip install 'keypoint-specialists\[export\]'"),
        ("openvino", True, "--int8: expected one of the formats onnx, litert; received openvino"),
    ],
)
def test_what_cannot_be_converted_is_said_before_anything_is_loaded(monkeypatch, kind, int8, message):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=message):
        export_formats.check_format(kind, int8)


# -- the commands


BLOCKED = """
import sys
missing = "tensorflow keras keras_tuner tf2onnx onnx jax torch pandas scipy sklearn bokeh tornado tqdm joblib"
for name in missing.split():
    sys.modules[name] = None
import numpy as np
from specialists.predictor import Predictor
photo = np.random.default_rng(1).integers(0, 255, (90, 120, 3), np.uint8)
(face,) = Predictor(model=sys.argv[1])(photo, [[20, 10, 60, 60]])
print(np.array2string(face["nose_tip"], precision=6), face.radii.shape)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["onnx", "litert", "openvino"])
def test_a_predictor_runs_from_the_file_where_tensorflow_and_keras_cannot_be_imported(exported, kind):
    path = exported(kind)
    root = Path(__file__).parent.parent
    said = subprocess.run(
        [sys.executable, "-c", BLOCKED, str(path)], cwd=root, capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    photo = np.random.default_rng(1).integers(0, 255, (90, 120, 3), np.uint8)
    (face,) = Predictor(model=path)(photo, [[20, 10, 60, 60]])
    assert said.stdout.split("\n")[0] == f"{np.array2string(face['nose_tip'], precision=6)} (2, 15)"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "convention"),
    [
        ([], "fifteen"),
        (["--convention", "four", "--no-flip"], "four"),
        (["--specialists", "0"], "fifteen"),
    ],
)
def test_a_run_is_exported_and_its_file_finds_points_on_photos(tmp_path, capsys, arguments, convention):
    if missing("onnx"):
        pytest.skip(f"onnx needs {', '.join(missing('onnx'))}")
    import cv2

    run = tiny.merged_run(tmp_path / "run")
    assert main(["--run", str(run), *arguments]) is None
    said = capsys.readouterr().out
    assert "largest difference from Keras on" in said
    assert f"written: {run / 'ensemble.onnx'}" in said
    cv2.imwrite(str(tmp_path / "a.png"), np.full((60, 60, 3), 90, np.uint8))
    from specialists.predict import main as predict_main

    out = tmp_path / "out"
    model = ["--model", str(run / "ensemble.onnx"), "--out", str(out)]
    assert predict_main([str(tmp_path / "a.png"), "--box", "5,5,40,40", *model]) == 0
    made = json.loads((out / "faces.json").read_text(encoding="utf-8"))
    assert convention in json.dumps(made)
    with pytest.raises(UsageError, match=f"--convention: expected {convention}, of .*; received 'five'"):
        predict_main([str(tmp_path / "a.png"), *model, "--convention", "five"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "nowhere/at/all.onnx"], "--out: expected a name in a folder that exists"),
        (["--out", "x.tflite"], r"--out: expected a file name that ends in \.onnx"),
        (["--format", "saved_model", "--out", "."], "--out: expected a folder that is not there yet"),
        (["--format", "tflite"], "invalid choice"),
        (["--specialists", "-1"], "expected a number from 0 on; received '-1'"),
        (["--specialists", "few"], "expected a number from 0 on; received 'few'"),
    ],
)
def test_bad_names_are_refused_at_once(arguments, message):
    with pytest.raises(UsageError, match=message):
        main(arguments)
