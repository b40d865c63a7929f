"""There and back: whatever Hypothesis makes up comes back from files, from settings and from views as it was."""

import dataclasses
import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from trust import sized

from base_models.settings import LIMITS, Settings, flatten, read_settings, with_overrides
from data import kaggle
from data.augment import AugmentSettings, compose, draw, invert, move
from data.faces import Faces
from data.keypoints import KAGGLE15, SCHEMAS, Convention, Schema, schema_of
from data.schema_files import read_schema, schema_json
from data.storage import read_arrays, read_json, write_arrays, write_json
from data.synthetic_files import write_kaggle

# Hypothesis chooses the values, always the same ones.


def every(examples, strategy, check):
    settings(max_examples=examples, deadline=None, derandomize=True, database=None)(given(strategy)(check))()


NAME = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,12}", fullmatch=True).filter(lambda n: "left" not in n.lower())


@st.composite
def schemas(draw):
    """A schema with points, some of them in pairs, lines and groups of its own."""
    points = tuple(draw(st.lists(NAME, min_size=1, max_size=12, unique_by=str.lower)))
    count = draw(st.integers(0, len(points) // 2))
    mixed = draw(st.permutations(points))
    pairs = tuple(sorted(zip(mixed[:count], mixed[count : 2 * count], strict=True)))
    some = st.lists(st.sampled_from(points), min_size=1, max_size=5).map(tuple)
    lines = tuple(draw(st.lists(some, max_size=3)))
    names = [f"group{i}" for i in range(draw(st.integers(0, 2)))]
    regions = tuple((name, draw(some)) for name in names if name not in points)
    return Schema(draw(NAME), points, (Convention("all", points),), lines, pairs, regions)


@sized("examples", 20, 300)
def test_a_schema_survives_its_file_and_what_runs_store_of_it(tmp_path, examples):
    path = tmp_path / "schema.json"

    def check(schema):
        path.write_text(json.dumps(schema_json(schema)))
        again = read_schema(path)
        assert (again.points, again.lines, again.groups) == (schema.points, schema.lines, schema.groups)
        assert again.mirror.tolist() == schema.mirror.tolist()
        assert schema_of(json.loads(json.dumps(schema.stored))) == schema
        twice = np.arange(len(schema.slot_names))[schema.slot_mirror][schema.slot_mirror]
        assert twice.tolist() == list(range(len(schema.slot_names)))

    every(examples, schemas() | st.sampled_from(list(SCHEMAS.values())).filter(lambda s: s is not KAGGLE15), check)


@st.composite
def kaggle_faces(draw):
    count = draw(st.integers(1, 2))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    points = draw(hnp.arrays(np.float32, (count, 15, 2), elements=st.floats(0, 96, width=32), fill=st.just(48.25)))
    points[rng.random((count, 15)) < draw(st.floats(0, 1))] = np.nan
    images = rng.integers(0, 256, (count, 96, 96, 1), dtype=np.uint8)
    convention = np.where(np.isfinite(points).all(-1).sum(1) > 4, 0, 1).astype(np.uint8)
    return Faces(images, points, convention, np.arange(count), np.arange(count), KAGGLE15, "kaggle")


@sized("examples", 10, 150)
def test_faces_survive_kaggles_files(tmp_path, examples):
    def check(faces):
        write_kaggle(tmp_path, faces, faces)
        with open(tmp_path / "training.csv", "rb") as file:
            again = kaggle.read_training(file)
        np.testing.assert_array_equal(again.images, faces.images)
        np.testing.assert_allclose(again.points, faces.points, atol=1e-5, rtol=0)
        assert again.convention.tolist() == faces.convention.tolist()
        with open(tmp_path / "test.csv", "rb") as file:
            np.testing.assert_array_equal(kaggle.read_test(file).images, faces.images)

    every(examples, kaggle_faces(), check)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(), inside, max_size=4),
    max_leaves=12,
)
SAME_KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/\\\0"), min_size=1, max_size=20)
ARRAYS = hnp.arrays(
    hnp.scalar_dtypes().filter(lambda kind: kind.kind in "biufU" and kind.itemsize), hnp.array_shapes(min_dims=0)
)


@sized("examples", 20, 300)
def test_state_survives_storage(tmp_path, monkeypatch, examples):
    monkeypatch.setattr("os.fsync", lambda handle: None)

    def json_check(tree):
        write_json(tmp_path / "state.json", tree)
        assert read_json(tmp_path / "state.json") == json.loads(json.dumps(tree))

    def array_check(arrays):
        write_arrays(tmp_path / "arrays.npz", arrays)
        again = read_arrays(tmp_path / "arrays.npz")
        assert again.keys() == arrays.keys()
        for name, array in arrays.items():
            assert (again[name].dtype, again[name].tobytes()) == (array.dtype, array.tobytes())

    every(examples, st.dictionaries(st.text().filter(lambda key: key != "checksum"), JSON, max_size=4), json_check)
    every(examples, st.dictionaries(SAME_KEYS.filter(lambda name: name != "file"), ARRAYS, max_size=3), array_check)


def _values():
    """Strategy of dotted settings with values within their limits."""
    found = {}
    for prefix, group in {"train": "TrainSettings", "augment": "AugmentSettings", "split": "SplitSettings"}.items():
        kind = next(kind for kind in LIMITS if kind.__name__ == group)
        for name, (low, high) in LIMITS[kind].items():
            whole = isinstance(getattr(kind(), name), int | None)
            found[f"{prefix}.{name}"] = st.integers(low, high) if whole else st.floats(low, high)
    return st.fixed_dictionaries({}, optional=found)


@sized("examples", 20, 300)
def test_settings_survive_a_file(tmp_path, monkeypatch, examples):
    monkeypatch.setattr("os.fsync", lambda handle: None)

    def check(values):
        made = with_overrides(Settings(), values)
        write_json(tmp_path / "settings.json", flatten(dataclasses.asdict(made)))
        assert read_settings(tmp_path / "settings.json")[0] == made

    every(examples, _values(), check)


MIRROR = AugmentSettings(**{field.name: 0 for field in dataclasses.fields(AugmentSettings)} | {"flip": 1.0})


@sized("examples", 20, 300)
def test_views_lead_there_and_back_and_two_mirrors_are_none(examples):
    points = np.random.default_rng(1).uniform(-20, 120, (8, 15, 2))

    def check(seed):
        draws = draw(AugmentSettings(rotation=180, scale=0.5, shift=0.5, stretch=0.4), 8, seed)
        one, two = draws.matrices((96, 96)), draws[::-1].matrices((96, 96))
        np.testing.assert_allclose(move(move(points, one), invert(one)), points, atol=1e-3)
        np.testing.assert_allclose(move(points, compose(two, one)), move(move(points, one), two), atol=1e-3)
        flipped = draw(MIRROR, 8, seed).matrices((96, 96))
        np.testing.assert_allclose(move(move(points, flipped), flipped), points, atol=1e-4)

    every(examples, st.integers(0, 2**31), check)
