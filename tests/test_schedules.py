"""Learning rate and dropout over the epochs, value by value, and optimisers that do learn."""

import keras
import numpy as np
import pytest

from base_models.adamw import adamw
from base_models.fit import compile_network
from base_models.schedules import SCHEDULES, dropout_factor, learning_rate, optimizer
from base_models.settings import CHOICES, TrainSettings
from data.errors import UsageError

ROOT = 0.5**0.5
VALUES = [
    ("constant", 4, [1, 1, 1, 1]),
    ("step", 8, [1, 1, 1, 1, 0.1, 0.1, 0.01, 0.01]),
    ("step", 1, [1]),
    ("cosine", 5, [1, 0.01 + 0.99 * (1 + ROOT) / 2, 0.505, 0.01 + 0.99 * (1 - ROOT) / 2, 0.01]),
    ("cosine", 1, [1]),
    # three epochs rise from a tenth, seven fall as a cosine
    ("one_cycle", 10, [0.1, 0.4, 0.7, 1, *(0.01 + 0.99 * (1 + np.cos(np.pi * i / 6)) / 2 for i in range(1, 7))]),
    ("one_cycle", 1, [0.1]),
    ("one_cycle", 2, [0.1, 1]),
    ("plateau", 3, [1, 1, 1]),
]


@pytest.mark.parametrize(("name", "epochs", "values"), VALUES)
def test_values_of_every_epoch(name, epochs, values):
    settings = TrainSettings(schedule=name, epochs=epochs, learning_rate=0.5)
    assert len(values) == epochs
    assert [learning_rate(settings, epoch, []) for epoch in range(epochs)] == pytest.approx(0.5 * np.array(values))


@pytest.mark.parametrize(
    ("scores", "factor"),
    [
        ([], 1),
        ([5] * 8, 1),  # the first is the best, seven waited
        ([5] * 9, 1 / 2),
        ([5] * 16, 1 / 2),
        ([5] * 17, 1 / 4),
        ([5] * 8 + [4] + [4] * 7, 1),  # better in time: the count begins anew
        ([5] * 8 + [4] + [4] * 8, 1 / 2),
        (list(range(40, 0, -1)), 1),
    ],
)
def test_plateau_halves_after_eight_epochs_of_nothing_better(scores, factor):
    settings = TrainSettings(schedule="plateau", learning_rate=1.0)
    assert learning_rate(settings, len(scores), scores) == factor


@pytest.mark.parametrize(
    ("ramp", "factors"),
    [(0.0, [1] * 6), (0.5, [0, 1 / 3, 2 / 3, 1, 1, 1]), (1.0, [i / 6 for i in range(6)]), (0.1, [0] + [1] * 5)],
)
def test_dropout_ramp(ramp, factors):
    settings = TrainSettings(epochs=6, dropout_ramp=ramp)
    assert [dropout_factor(settings, epoch) for epoch in range(6)] == pytest.approx(factors)


def test_names_are_those_of_the_settings():
    assert CHOICES["schedule"] == tuple(SCHEDULES)
    with pytest.raises(UsageError, match="received 'cyclic'"):
        learning_rate(TrainSettings(schedule="cyclic"), 0, [])
    with pytest.raises(UsageError) as told:
        optimizer(TrainSettings(optimizer="lion"))
    assert str(told.value) == f"train.optimizer: expected one of {', '.join(CHOICES['optimizer'])}; received 'lion'"


@pytest.mark.parametrize("clip", [None, 0.5, 1e3])
@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_adamw_goes_the_way_of_keras(clip, decay):
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=(2, 3, 4)), rng.normal(size=(6, 2, 3, 4))
    ways = []
    for kind in (adamw, keras.optimizers.AdamW):
        weights = [keras.Variable(values, dtype="float32", name=f"w{i}") for i, values in enumerate(start)]
        one = kind(learning_rate=0.05, weight_decay=decay, global_clipnorm=clip)
        one.exclude_from_weight_decay(var_names=["w1"])
        one.build(weights)
        way = []
        for step in gradients:
            one.apply([keras.ops.convert_to_tensor(values, "float32") for values in step])
            way.append([np.asarray(v) for v in (*weights, *one.variables)])
        ways.append(way)
    for ours, theirs in zip(*ways, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert np.abs(ways[0][-1][0] - start[0]).max() > 0.1


@pytest.mark.parametrize("name", CHOICES["optimizer"])
def test_every_optimiser_lowers_the_loss(name):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(4), keras.layers.Reshape((2, 2))])
    compile_network(model, TrainSettings(optimizer=name, learning_rate=0.02))
    rng = np.random.default_rng(0)
    x = rng.normal(size=(16, 3)).astype(np.float32)
    y = (x @ rng.normal(size=(3, 4))).reshape(-1, 2, 2).astype(np.float32)
    losses = [float(model.train_on_batch(x, y)) for _ in range(12)]
    assert losses[-1] < 0.9 * losses[0]
    assert float(model.optimizer.learning_rate) == pytest.approx(0.02)
    assert len(model.pristine_optimizer) == len(model.optimizer.variables)


@pytest.mark.parametrize(("clip", "longest"), [(0.5, 0.5), (0.0, None)])
def test_the_gradient_is_clipped_as_a_whole(clip, longest):
    variable = keras.Variable(np.zeros(2, np.float32))
    sgd = optimizer(TrainSettings(optimizer="sgd", momentum=0.0, learning_rate=1.0, clip_norm=clip))
    sgd.momentum, sgd.nesterov = 0.0, False
    sgd.apply_gradients([(keras.ops.convert_to_tensor([30.0, 40.0]), variable)])
    assert np.linalg.norm(variable.numpy()) == pytest.approx(longest or 50.0)
