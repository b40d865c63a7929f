"""Settings: what may be overridden, by what, and what is said where it may not."""

import dataclasses
import json

import pytest

from base_models.options import assignments, parser
from base_models.settings import Settings, SpecialistSettings, flatten, read_settings, with_overrides
from data.errors import UsageError


def value(settings, key):
    for name in key.split("."):
        settings = getattr(settings, name)
    return settings


@pytest.mark.parametrize(
    ("key", "text", "wanted"),
    [
        ("train.epochs", "20", 20),
        ("train.epochs", 20, 20),
        ("train.epochs", 20.0, 20),
        ("train.patience", 0, 0),
        ("train.learning_rate", "1e-4", 1e-4),
        ("train.learning_rate", 1, 1.0),
        ("train.clip_norm", "0", 0.0),
        ("train.loss", "mse", "mse"),
        ("ensemble.flip", "false", False),
        ("ensemble.flip", "True", True),
        ("ensemble.flip", False, False),
        ("augment.flip", "0.25", 0.25),
        ("specialist.train.epochs", "7", 7),
        ("specialist.network.filters", "8", 8),
        ("specialist.augment.shift", "0.5", 0.5),
        ("split.fold", "3", 3),
        ("network.filters", None, None),
        ("network.dropout_start", 0, 0.0),
        ("network.dense_norm", "false", False),
        ("network.head", "pooled", "pooled"),
        ("network.padding", "same", "same"),
    ],
)
def test_one_field_is_replaced_in_its_own_type(key, text, wanted):
    before = Settings()
    after = with_overrides(before, {key: text})
    assert value(after, key) == wanted
    assert type(value(after, key)) is type(wanted)
    assert with_overrides(after, {key: value(before, key)}) == before  # nothing else changed
    assert before == Settings()


BAD = [
    ("train.epoch", "20", "'epoch'; did you mean 'epochs'?"),
    ("trian.epochs", "20", "'trian'; did you mean 'train'?"),
    ("epochs", "20", f"expected one of {', '.join(vars(Settings()))}; received 'epochs'"),
    ("", "20", "received ''"),
    (".", "20", "received ''"),
    ("train.", "20", "received ''"),
    ("train", "20", "expected one of its fields: epochs, patience"),
    ("train.epochs.more", "20", "'epochs' has no fields"),
    ("__class__", "x", "received '__class__'"),
    ("train.epochs", "twenty", "expected a whole number of 0 or more; received 'twenty'"),
    ("train.epochs", "1.5", "expected a whole number of 0 or more; received '1.5'"),
    ("train.epochs", 1.5, "expected a whole number of 0 or more; received 1.5"),
    ("train.epochs", "", "expected a whole number of 0 or more; received ''"),
    ("train.epochs", True, "expected a whole number of 0 or more; received True"),
    ("train.epochs", None, "expected a whole number of 0 or more; received None"),
    ("train.epochs", [20], "expected a whole number of 0 or more; received [20]"),
    ("train.epochs", "inf", "expected a whole number of 0 or more; received 'inf'"),
    ("train.epochs", float("nan"), "expected a whole number of 0 or more; received nan"),
    ("train.epochs", 10**400, "expected a whole number of 0 or more; received 1000"),
    ("train.epochs", "-1", "expected a whole number of 0 or more; received '-1'"),
    ("train.learning_rate", "nan", "expected a finite number of 0 or more; received 'nan'"),
    ("train.learning_rate", "-inf", "expected a finite number of 0 or more; received '-inf'"),
    ("train.learning_rate", float("inf"), "expected a finite number of 0 or more; received inf"),
    ("train.learning_rate", "1e999", "expected a finite number of 0 or more; received '1e999'"),
    ("train.learning_rate", False, "expected a finite number of 0 or more; received False"),
    ("train.learning_rate", "fast", "expected a finite number of 0 or more; received 'fast'"),
    ("augment.rotation", -5, "expected a finite number of 0 or more; received -5"),
    ("split.share", "-0.1", "expected a finite number of 0 or more; received '-0.1'"),
    ("ensemble.flip", "yes", "expected true or false; received 'yes'"),
    ("ensemble.flip", 1, "expected true or false; received 1"),
    ("ensemble.flip", None, "expected true or false; received None"),
    ("train.loss", 3, "expected text; received 3"),
    ("train.loss", None, "expected text; received None"),
    ("network.filters", "", "expected a whole number of 0 or more; received ''"),
    ("network.filters", "0", "expected 1 to 1024; received 0"),
    ("network.head", 3, "expected text; received 3"),
    ("network.head", "flat", "expected one of dense, pooled, heatmap; received 'flat'"),
    ("network.dense_norm", 1, "expected true or false; received 1"),
    ("train.loss", ["mse"], "expected text; received ['mse']"),
]


@pytest.mark.parametrize(("key", "text", "words"), BAD)
def test_bad_overrides_are_refused_with_their_key(key, text, words):
    with pytest.raises(UsageError) as told:
        with_overrides(Settings(), {key: text}, "here")
    assert str(told.value).startswith(f"here: {key}: ")
    assert words in str(told.value)


def test_later_assignments_win_over_earlier_and_over_the_file(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text('{"train": {"epochs": 3, "patience": 2}, "split.share": 0.2}')
    settings, points = read_settings(path, ["train.epochs=4", "train.epochs=5", "network.filters=8"])
    wanted = with_overrides(
        Settings(), {"train.epochs": 5, "train.patience": 2, "split.share": 0.2, "network.filters": 8}
    )
    assert (settings, points) == (wanted, {})


def test_nothing_given_is_the_defaults():
    assert read_settings() == (Settings(), {})


@pytest.mark.parametrize(
    "tree",
    [
        {"specialist": {"train": {"epochs": 9}}},
        {"specialist.train": {"epochs": 9}},
        {"specialist": {"train.epochs": 9}},
        {"specialist.train.epochs": 9},
    ],
)
def test_a_file_may_nest_its_keys_or_dot_them(tmp_path, tree):
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(tree))
    assert read_settings(path)[0] == with_overrides(Settings(), {"specialist.train.epochs": 9})


def test_all_settings_survive_a_file(tmp_path):
    settings = with_overrides(Settings(), {"specialist.width": 0.7, "train.loss": "mae", "ensemble.flip": False})
    path = tmp_path / "settings.json"
    path.write_text(json.dumps(dataclasses.asdict(settings)))
    assert read_settings(path) == (settings, {})
    assert with_overrides(Settings(), flatten(dataclasses.asdict(settings))) == settings


def test_single_points_have_overrides_of_their_own(tmp_path):
    path = tmp_path / "settings.json"
    path.write_text('{"points": {"nose_tip": {"train": {"epochs": 9}, "width": 0.8}}}')
    settings, points = read_settings(
        path, ["points.nose_tip.train.epochs=50", "points.mouth_left_corner.train.loss=mse"]
    )
    assert settings == Settings()  # the other points keep theirs
    assert points == {
        "nose_tip": {"train.epochs": "50", "width": 0.8},
        "mouth_left_corner": {"train.loss": "mse"},
    }
    assert with_overrides(SpecialistSettings(), points["nose_tip"]).train.epochs == 50


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("train.epochs", "--set: expected KEY=VALUE; received 'train.epochs'"),
        ("", "--set: expected KEY=VALUE; received ''"),
        ("=3", "--set: : expected one of faces, split"),
        ("train.epochs=", "--set: train.epochs: expected a whole number of 0 or more; received ''"),
        ("train.loss.x=mse", "'loss' has no fields"),
        ("points.nose_tip.train.epoch=3", "--set: points.nose_tip: train.epoch: expected one of epochs"),
        ("points.nose_tip.train.epochs=x", "expected a whole number of 0 or more; received 'x'"),
        ("points.nose_tip=3", "received ''"),
        ("points.=3", "received ''"),
        ("points=3", "received 'points'"),
        ("points.nose_tip.split.share=0.2", "received 'split'"),
    ],
)
def test_bad_assignments(text, words):
    with pytest.raises(UsageError) as told:
        read_settings(None, [text])
    assert words in str(told.value)


def test_text_behind_the_first_equals_sign_is_the_value():
    with pytest.raises(UsageError, match="received 'a=b'"):
        read_settings(None, ["train.epochs=a=b"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "expected JSON; received damaged content"),
        (b"{", "expected JSON; received damaged content"),
        (b"\xff\xfe\xfa", "expected JSON; received damaged content"),
        (b"[" * 100_000, "expected JSON; received damaged content"),
        (b'{"a":' * 100_000, "expected JSON; received damaged content"),
        (b"[]", "expected a JSON object; received list"),
        (b"null", "expected a JSON object; received NoneType"),
        (b'{"train": 3}', "train: expected one of its fields: epochs"),
        (b'{"train": {"epochs": NaN}}', "NaN is no number of JSON's"),
        (b'{"train": {"learning_rate": Infinity}}', "Infinity is no number of JSON's"),
        (b'{"train": {"learning_rate": 1e999}}', "expected a finite number of 0 or more; received inf"),
        (b'{"train": {"epochs": [1]}}', "expected a whole number of 0 or more; received [1]"),
        (b'{"train": {"epochs": {"a": 1}}}', "'epochs' has no fields"),
        (b'{"points": {"nose_tip": 3}}', "received ''"),
        (b'{"train":' * 60 + b"3" + b"}" * 60, "expected at most 50 levels of lists and objects"),
        (
            b'{"seed": 1, "checksum": "sha256:00"}',
            "damaged: its checksum differs; where it was changed by hand, delete",
        ),
    ],
)
def test_bad_files_are_named(tmp_path, content, words):
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    with pytest.raises(UsageError) as told:
        read_settings(path)
    assert str(told.value).startswith(f"--settings {path}: ")
    assert words in str(told.value)


def test_a_missing_file_is_named(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(UsageError, match=f"--settings {path}: cannot be read"):
            read_settings(path)


def test_weights_is_short_for_a_setting():
    given = parser("m", "d").parse_args(["--weights", "imagenet", "--set", "network.backbone=keras_vgg16"])
    settings, _ = read_settings(None, assignments(given))
    assert (settings.network.weights, settings.network.backbone) == ("imagenet", "keras_vgg16")
    assert assignments(parser("m", "d").parse_args(["--set", "seed=1"])) == ["seed=1"]
