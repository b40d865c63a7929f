"""What trains faster here: measured once per machine, noted, and kept by a run."""

from dataclasses import replace

import pytest
import tiny

from base_models import precision, speed
from base_models.options import parser, read_options
from base_models.precision import MIXED
from base_models.settings import CHOICES, NetworkSettings, Settings, TrainSettings
from base_models.speed import NAMES, NOTES, grown, images_per_second, with_batch_size, with_precision
from data.cache import cache_folder
from data.errors import RunError, UsageError
from data.storage import read_json, write_json
from data.synthetic import make_faces

FACES = make_faces(30, seed=3, size=32)


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    """A machine on which nothing was measured yet."""
    monkeypatch.setenv("KEYPOINT_CACHE", str(tmp_path / "cache"))


class Stopwatch:
    """A fake measurement."""

    def __init__(self, plain, mixed):
        self.rates, self.calls = {"float32": plain, MIXED: mixed}, 0

    def __call__(self, settings, shape, slots, trains):
        assert shape == (32, 32, 1)
        assert {name: train.precision for name, train in trains.items()} == {"float32": "float32", MIXED: MIXED}
        self.calls += 1
        return self.rates


def chosen(stopwatch, run, settings=None):
    made = with_precision(settings or Settings(), "auto", FACES, run, stopwatch)
    assert made.train.precision == made.specialist.train.precision
    return made.train.precision


@pytest.mark.parametrize(
    ("plain", "mixed", "wanted"), [(100, 300, MIXED), (100, 114, "float32"), (100, 116, MIXED), (100, 20, "float32")]
)
def test_auto_takes_bfloat16_where_it_is_faster_and_says_so(plain, mixed, wanted, tmp_path, capsys):
    assert chosen(Stopwatch(plain, mixed), tmp_path) == wanted
    said = capsys.readouterr()
    [line] = (said.out + said.err).splitlines()
    assert f"precision: {wanted}: bfloat16 trains {mixed / plain:.2f} times as fast here" in line


def test_it_is_measured_once_and_again_where_something_changed(tmp_path, monkeypatch):
    watch = Stopwatch(100, 300)
    assert chosen(watch, tmp_path) == chosen(watch, tmp_path) == MIXED
    assert watch.calls == 1
    chosen(watch, tmp_path, replace(Settings(), network=NetworkSettings(backbone="alexnet")))
    assert watch.calls == 2
    here = precision.machine()
    for name, other in {"cpu": "another", "versions": ["keras 99"], "devices": ["a GPU"]}.items():
        monkeypatch.setattr(speed, "machine", lambda name=name, other=other: {**here, name: other})
        chosen(watch, tmp_path)
    assert watch.calls == 5


@pytest.mark.parametrize("damage", [{}, {"images_per_second": 3}, {"images_per_second": {"float32": 0, MIXED: 1}}])
def test_a_damaged_note_is_measured_anew(damage, tmp_path):
    watch = Stopwatch(100, 300)
    chosen(watch, tmp_path)
    path = cache_folder() / NOTES
    write_json(path, dict.fromkeys(read_json(path), damage))
    assert chosen(watch, tmp_path) == MIXED
    path.write_text("{")
    assert chosen(watch, tmp_path) == MIXED
    assert watch.calls == 3


def test_without_a_folder_for_the_cache_it_is_measured_each_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("KEYPOINT_CACHE", str(tmp_path / "file"))
    watch = Stopwatch(100, 300)
    assert chosen(watch, tmp_path) == chosen(watch, tmp_path) == MIXED
    assert watch.calls == 2


@pytest.mark.parametrize("part", ["base", "teacher1"])
def test_a_run_goes_on_in_the_precision_that_it_began_with(part, tmp_path, capsys):
    (tmp_path / part).mkdir()
    write_json(tmp_path / part / "settings.json", {"train": {"precision": MIXED}})
    assert chosen(lambda *_: pytest.fail("measured"), tmp_path) == MIXED
    assert f"precision: {MIXED}, as this run was begun" in "".join(capsys.readouterr())
    write_json(tmp_path / part / "settings.json", {"train": {"precision": "float8"}})
    with pytest.raises(RunError, match="expected the settings of a network"):
        chosen(Stopwatch(1, 1), tmp_path)


def test_other_precisions_are_taken_as_asked(tmp_path):
    for asked, wanted in (("float32", "float32"), ("bfloat16", MIXED), (MIXED, MIXED)):
        made = with_precision(Settings(), asked, FACES, tmp_path)
        assert (made.train.precision, made.specialist.train.precision) == (wanted, wanted)
    assert with_precision(Settings(), None, FACES, tmp_path) == Settings()
    assert set(NAMES.values()) - {"auto"} == set(CHOICES["precision"])
    assert {parser("m", "d").parse_args(["--precision", name]).precision for name in NAMES} == set(NAMES)


def rates_of(*rates):
    """A fake measurement of batches of 32, 64, ... faces; it fails where others are asked about."""

    def measure(settings, shape, slots, trains):
        names = [str(32 << i) for i in range(len(rates))]
        assert [(name, train.batch_size) for name, train in trains.items()] == [(name, int(name)) for name in names]
        return dict(zip(names, rates, strict=True))

    return measure


@pytest.mark.parametrize(
    ("rates", "wanted"),
    [
        ((100, 101, 102, 103), 32),
        ((100, 190, 200, 205), 64),
        ((100, 110, 120, 130), 128),
        ((100, 200, 390, 700), 256),
        ((100, 100, 300, 340), 128),
    ],
)
def test_batches_grow_while_that_is_faster(rates, wanted, tmp_path, capsys):
    faces = FACES[[0] * 16 * 256]
    made = with_batch_size(Settings(), "auto", faces, tmp_path, rates_of(*rates))
    assert (made.train.batch_size, made.specialist.train.batch_size) == (wanted, wanted)
    assert made.train.learning_rate == pytest.approx(2e-3 * (wanted / 32) ** 0.5)
    said = capsys.readouterr()
    assert (
        f"batch_size: {wanted}: images/s by the size of a batch: 32: {rates[0]}, 64: {rates[1]}" in said.out + said.err
    )


def test_an_epoch_keeps_enough_steps(tmp_path):
    measure = rates_of(100, 200)  # of 128 faces are not 16 batches there
    assert with_batch_size(Settings(), "auto", FACES[[0] * 1100], tmp_path, measure).train.batch_size == 64


def test_what_is_known_of_batches_is_not_measured_again(tmp_path):
    faces = FACES[[0] * 16 * 256]
    first = with_batch_size(Settings(), "auto", faces, tmp_path, rates_of(100, 200, 200, 200))
    assert with_batch_size(Settings(), "auto", faces, tmp_path, lambda *_: pytest.fail("measured")) == first
    longer = replace(Settings(), train=replace(Settings().train, epochs=3, learning_rate=1e-3))
    known = with_batch_size(longer, "auto", faces, tmp_path, lambda *_: pytest.fail("measured"))
    assert (known.train.batch_size, known.train.epochs) == (64, 3)


def test_a_number_of_faces_is_taken_as_asked(tmp_path):
    assert with_batch_size(Settings(), None, FACES, tmp_path) == Settings()
    assert with_batch_size(Settings(), "32", FACES, tmp_path) == Settings()
    made = with_batch_size(Settings(), "8", FACES, tmp_path)
    assert (made.train.batch_size, made.train.learning_rate) == (8, pytest.approx(1e-3))
    for wrong in ("0", "-1", "many", "1.5", "65537"):
        with pytest.raises(UsageError, match=f"--batch-size: expected a number of faces.*; received '{wrong}'"):
            with_batch_size(Settings(), wrong, FACES, tmp_path)


def test_learning_rates_match_the_optimizer():
    assert grown(TrainSettings(optimizer="sgd", learning_rate=0.01), 4).learning_rate == pytest.approx(0.04)
    assert grown(TrainSettings(optimizer="adam", learning_rate=0.01), 4).learning_rate == pytest.approx(0.02)


def test_a_run_goes_on_with_the_batches_that_it_began_with(tmp_path, capsys):
    (tmp_path / "base").mkdir()
    write_json(tmp_path / "base/settings.json", {"train": {"batch_size": 128}})
    made = with_batch_size(Settings(), "auto", FACES, tmp_path, lambda *_: pytest.fail("measured"))
    assert (made.train.batch_size, made.train.learning_rate) == (128, pytest.approx(4e-3))
    assert "batch_size: 128, as this run was begun" in "".join(capsys.readouterr())
    for wrong in (0, True, "128", None):
        write_json(tmp_path / "base/settings.json", {"train": {"batch_size": wrong}})
        with pytest.raises(RunError, match="expected the settings of a network"):
            with_batch_size(Settings(), "auto", FACES, tmp_path)


@pytest.mark.slow
def test_candidates_are_timed_in_turns():
    settings = tiny.settings()
    trains = {"small": settings.train, "mixed": replace(settings.train, batch_size=16, precision=MIXED)}
    rates = images_per_second(settings, (32, 32, 1), 17, trains)
    assert rates.keys() == trains.keys()
    assert min(rates.values()) > 0


@pytest.mark.parametrize("part", ["", "specialist."])
@pytest.mark.parametrize(("option", "setting"), [("precision", "precision=float32"), ("batch-size", "batch_size=8")])
def test_each_is_asked_for_in_one_way(part, option, setting, tmp_path):
    given = ["--data=synthetic", f"--run={tmp_path / 'run'}", f"--{option}=auto", f"--set={part}train.{setting}"]
    with pytest.raises(UsageError, match=f"--{option}: expected it or --set"):
        read_options(parser("base_models.base", "").parse_args(given))
