"""What trains faster here: measured once per machine, noted, and kept by a run."""

from dataclasses import replace

import pytest
import tiny

from base_models import precision, speed, train
from base_models.options import add_batch_option, parser, read_options
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


MANY = FACES[[0] * 16 * 320]  # nine tenths of them are sixteen batches of 256


class Rates:
    """A fake measurement of batches of 32, 64, 128 and 256 faces. What is None has no memory."""

    def __init__(self, *rates):
        self.rates, self.asked = dict(zip((32, 64, 128, 256), rates, strict=False)), []

    def __call__(self, settings, shape, slots, trains):
        assert {name: train.batch_size for name, train in trains.items()} == {name: int(name) for name in trains}
        self.asked.append(tuple(map(int, trains)))
        found = {name: self.rates[int(name)] for name in trains}
        if None in found.values():
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate")
        return found


@pytest.mark.parametrize(
    ("rates", "wanted", "asked"),
    [
        ((100, 101), 32, 1),
        ((100, 190, 200), 64, 2),
        ((100, 200, 390, 700), 256, 3),
        ((100, 200, 390, 391), 128, 3),
        ((100, 200, None), 64, 2),
        ((100, None), 32, 1),
    ],
)
def test_batches_are_doubled_while_that_is_faster(rates, wanted, asked, tmp_path, capsys):
    measure = Rates(*rates)
    made = with_batch_size(Settings(), "auto", MANY, tmp_path, measure)
    assert (made.train.batch_size, made.specialist.train.batch_size) == (wanted, wanted)
    assert made.train.learning_rate == pytest.approx(2e-3 * (wanted / 32) ** 0.5)
    assert measure.asked == [(32, 64), (64, 128), (128, 256)][:asked]
    said = "".join(capsys.readouterr())
    assert f"batch_size: {wanted}: " in said
    assert ("find no memory" in said) == (None in rates)


def test_other_errors_of_measuring_are_raised(tmp_path):
    def measure(*_):
        raise RuntimeError("shapes do not match")

    with pytest.raises(RuntimeError, match="do not match"):
        with_batch_size(Settings(), "auto", MANY, tmp_path, measure)


def test_an_epoch_keeps_enough_steps(tmp_path):
    """1,200 faces, a tenth of them held out: sixteen batches of 64, not of 128; of 1,100 not of 64 either."""
    assert with_batch_size(Settings(), "auto", FACES[[0] * 1200], tmp_path, Rates(100, 200)).train.batch_size == 64
    assert with_batch_size(Settings(), "auto", FACES[[0] * 1100], tmp_path, Rates()).train.batch_size == 32


def test_what_is_known_of_batches_is_not_measured_again(tmp_path):
    first = with_batch_size(Settings(), "auto", MANY, tmp_path, Rates(100, 200, 200))
    assert with_batch_size(Settings(), "auto", MANY, tmp_path, lambda *_: pytest.fail("measured")) == first
    longer = replace(Settings(), train=replace(Settings().train, epochs=3, learning_rate=1e-3))
    known = with_batch_size(longer, "auto", MANY, tmp_path, lambda *_: pytest.fail("measured"))
    assert (known.train.batch_size, known.train.epochs) == (64, 3)


def test_a_number_of_faces_is_taken_as_asked(tmp_path):
    assert with_batch_size(Settings(), None, FACES, tmp_path) == Settings()
    assert with_batch_size(Settings(), 32, FACES, tmp_path) == Settings()
    made = with_batch_size(Settings(), 8, FACES, tmp_path)
    assert (made.train.batch_size, made.train.learning_rate) == (8, pytest.approx(1e-3))


@pytest.mark.slow
def test_the_command_trains_with_the_batches_that_it_was_asked_for(tmp_path):
    given = ["--data=synthetic:40", f"--run={tmp_path}", "--batch-size=8", "--precision=float32"]
    train.main([*given, "--set=train.epochs=1", "--set=network.backbone=nose_tiny"])
    told = read_json(tmp_path / "base/settings.json")["train"]
    assert (told["batch_size"], told["learning_rate"]) == (8, pytest.approx(1e-3))
    train.main([*given, "--batch-size=auto", "--set=train.epochs=1", "--set=network.backbone=nose_tiny"])


@pytest.mark.parametrize("precision", ["bfloat16", "auto"])
def test_batches_are_timed_in_the_precision_that_is_asked_for(precision, tmp_path, monkeypatch):
    seen = []

    def measure(settings, shape, slots, trains):
        seen.append([(train.batch_size, train.precision) for train in trains.values()])
        return {name: 100.0 * (i + 1) for i, name in enumerate(trains)}

    monkeypatch.setattr(speed, "images_per_second", measure)
    made = parser("base_models.train", "")
    add_batch_option(made)
    given = ["--data=synthetic:1200", f"--run={tmp_path}", "--batch-size=auto", f"--precision={precision}"]
    settings, _, _ = read_options(made.parse_args(given))
    assert (settings.train.batch_size, settings.train.precision) == (64, MIXED)
    first = "float32" if precision == "auto" else MIXED
    assert [(32, first), (64, first)] in seen


def test_learning_rates_match_the_optimizer():
    assert grown(TrainSettings(optimizer="sgd", learning_rate=0.01), 4).learning_rate == pytest.approx(0.04)
    assert grown(TrainSettings(optimizer="adam", learning_rate=0.01), 4).learning_rate == pytest.approx(0.02)


def test_a_run_goes_on_with_the_batches_that_it_began_with(tmp_path, capsys):
    (tmp_path / "base").mkdir()
    write_json(tmp_path / "base/settings.json", {"train": {"batch_size": 128}})
    made = with_batch_size(Settings(), "auto", FACES, tmp_path, lambda *_: pytest.fail("measured"))
    assert (made.train.batch_size, made.train.learning_rate) == (128, pytest.approx(4e-3))
    assert "batch_size: 128, as this run was begun" in "".join(capsys.readouterr())
    for wrong in (0, True, "128", None, 128.0):
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
    made = parser("base_models.base", "")
    add_batch_option(made)
    with pytest.raises(UsageError, match=f"--{option}: expected it or --set"):
        read_options(made.parse_args(given))


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("--batch-size=0", "--batch-size: expected 1 to 65536, or auto; received 0"),
        ("--batch-size=65537", "--batch-size: expected 1 to 65536, or auto; received 65537"),
        (
            "--set=points.nose_tip.train.learning_rate=0.01",
            "it or settings such as points.nose_tip.train.learn",
        ),
    ],
)
def test_batches_that_cannot_be_are_refused_before_anything_is_read(given, words, tmp_path):
    made = parser("base_models.base", "")
    add_batch_option(made)
    with pytest.raises(UsageError, match=words):
        read_options(made.parse_args(["--data=nowhere", f"--run={tmp_path}", "--batch-size=auto", given]))


def test_what_is_no_number_is_told_in_words():
    made = parser("base_models.base", "")
    add_batch_option(made)
    with pytest.raises(UsageError, match="--batch-size: expected a number or auto; received 'many'"):
        made.parse_args(["--batch-size=many"])
