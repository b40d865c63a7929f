"""Weights as named arrays: loaded exactly or not at all; transferred by name and shape, and told."""

import numpy as np
import pytest

from base_models.network import build_network
from base_models.settings import NetworkSettings
from base_models.weights import get_weights, seen_weights, set_weights, transfer
from data.errors import RunError


@pytest.fixture(scope="module")
def models():
    """A network, and one of another width of its dense layers and other slots, as a specialist has."""
    small = {"filters": 2, "dense_units": 4}
    settings = (
        NetworkSettings(backbone="alexnet", head="dense", **small),
        NetworkSettings(backbone="alexnet", head="dense", filters=2, dense_units=6),
    )
    return build_network(settings[0], 5, (32, 32, 1), seed=1), build_network(settings[1], 2, (32, 32, 1), seed=2)


def noise(model, seed):
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=array.shape).astype(np.float32) for name, array in get_weights(model).items()}


def equal(a, b):
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)


def test_what_is_set_is_what_is_got(models):
    arrays = noise(models[0], 1)
    set_weights(models[0], arrays, "here")
    assert equal(get_weights(models[0]), arrays)
    assert not any(name.endswith(("rate", "seed_generator_state")) for name in arrays)
    assert {"conv1/kernel", "norm4/moving_mean", "dense2_norm/gamma", "positions/anchor"} <= arrays.keys()


def test_what_is_seen_without_copies_is_what_is_got_and_read_only(models):
    set_weights(models[0], noise(models[0], 5), "here")
    seen = seen_weights(models[0])
    assert equal(seen, get_weights(models[0]))
    assert not any(array.flags.writeable for array in seen.values())


def without(arrays, name):
    return {n: a for n, a in arrays.items() if n != name}


BAD = [
    (lambda a: without(a, "conv1/kernel"), "missing or unknown: conv1/kernel"),
    (lambda a: a | {"extra/kernel": np.zeros(3)}, "missing or unknown: extra/kernel"),
    (lambda a: {}, "missing or unknown: conv1/kernel, conv2/kernel, conv3/kernel, conv4/kernel"),
    (
        lambda a: a | {"conv2/kernel": a["conv2/kernel"][..., :1]},
        r"conv2/kernel: expected shape \(3, 3, 2, 4\); received \(3, 3, 2, 1\)",
    ),
    (lambda a: a | {"coordinates/bias": np.full(10, np.nan, "f4")}, "coordinates/bias: expected finite weights"),
    (lambda a: a | {"coordinates/bias": np.full(10, "x")}, "coordinates/bias: expected float32; received <U1"),
    (lambda a: a | {"positions/anchor": np.full((5, 2), np.inf, "f4")}, "positions/anchor: expected finite weights"),
]


@pytest.mark.parametrize(("spoil", "words"), BAD)
def test_weights_that_do_not_fit_are_refused_and_nothing_is_loaded(models, spoil, words):
    set_weights(models[0], noise(models[0], 1), "here")
    with pytest.raises(RunError, match=f"^here: .*{words}"):
        set_weights(models[0], spoil(noise(models[0], 2)), "here")
    assert equal(get_weights(models[0]), noise(models[0], 1))


def test_transfer_copies_what_fits_by_name_and_leaves_and_reports_the_rest(models):
    source, target = noise(models[0], 3), models[1]
    set_weights(target, noise(target, 4), "here")
    done = transfer(target, source)
    after, fresh = get_weights(target), noise(target, 4)
    assert set(done.copied) == {n for n in after if n.startswith(("conv", "norm"))}
    for name, array in after.items():
        np.testing.assert_array_equal(array, source[name] if name in done.copied else fresh[name])
    assert "dense1/kernel ((40, 4) there, (40, 6) here)" in done.fresh
    assert {text.partition(" ")[0] for text in done.fresh} == after.keys() - set(done.copied)
    assert done.values == sum(after[name].size for name in done.copied)
    assert done.total == sum(array.size for array in after.values())
    assert str(done) == f"20 arrays copied ({done.values:,} of {done.total:,} numbers), {len(done.fresh)} fresh"


def test_transfer_goes_by_name_not_by_order(models):
    arrays = {f"renamed/{name}": array for name, array in noise(models[0], 5).items()}
    set_weights(models[0], noise(models[0], 6), "here")
    done = transfer(models[0], arrays)
    assert (done.copied, done.values) == ((), 0)
    assert all(text.endswith("(not in the source)") for text in done.fresh)
    assert equal(get_weights(models[0]), noise(models[0], 6))


def test_copies_share_no_memory_with_their_source(models):
    source = noise(models[0], 7)
    transfer(models[0], source)
    source["conv1/kernel"][:] = 0
    assert (get_weights(models[0])["conv1/kernel"] != 0).all()
