"""Which settings mattered, as far as few noisy trials can tell.

A random forest learns the score from the settings (Hutter et al. 2014, ICML, use one for the same question); a setting
matters as much as the forest's guess gets worse when its values are shuffled (Breiman 2001). All of it is done again on
resamples of the trials, with the trials that a resample leaves out as its test: the spread of the results is the
uncertainty, of the forest and of the trials together.
"""

import math

import numpy as np

FOREST = {"n_estimators": 60, "min_samples_leaf": 2, "max_features": 0.5}
RESAMPLES, SHUFFLES = 20, 5
FEWEST = 10  # trials with a score


def importance(rows, space, objective, seed=0):
    """How much each setting mattered.

    Args:
        rows: of `tuning.trials.trial_rows`.
        space: list of dicts, each with name, choices, scale and default: see `tuning.search.space_of`.
        objective: figure of the trials, px.
        seed: of forests and resamples.

    Returns:
        dict fit for JSON: settings, a list of {"name", "value", "low", "high"} in px, the most important first;
        explained: [value, low, high], the share of the variance that the forest guesses right of trials it has not
        seen. None where there are fewer than FEWEST trials with a score, or all have the same.
    """
    known = [row for row in rows if row["status"] == "COMPLETED"]
    y = np.array([row[objective] for row in known])
    if len(known) < FEWEST or not np.ptp(y) > 0:
        return None
    x = np.array([[encoded(row["values"].get(s["name"], s["default"]), s) for s in space] for row in known])
    samples = [_one(x, y, np.random.default_rng([seed, 8, i])) for i in range(RESAMPLES)]
    shares, drops = np.array([s for s, _ in samples]), np.array([d for _, d in samples])
    settings = [{"name": s["name"], **_summary(drops[:, i])} for i, s in enumerate(space)]
    explained = _summary(shares)
    return {"settings": sorted(settings, key=lambda s: -s["value"]), "explained": list(explained.values())}


def encoded(value, setting):
    """A number for a value: a choice's place, a number's logarithm where that is its scale."""
    if setting["choices"]:
        return setting["choices"].index(value) if value in setting["choices"] else -1
    return math.log(value) if setting["scale"] == "log" else value


def _one(x, y, generator):
    """(share of variance explained, drop in px of each setting) of one resample, on the trials it leaves out."""
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.inspection import permutation_importance

    drawn = generator.integers(0, len(y), len(y))
    left = np.setdiff1d(np.arange(len(y)), drawn)
    number = int(generator.integers(1 << 31))
    forest = RandomForestRegressor(random_state=number, **FOREST).fit(x[drawn], y[drawn])
    off = np.mean((forest.predict(x[left]) - y[left]) ** 2)
    share = 1 - off / max(np.mean((y[drawn].mean() - y[left]) ** 2), 1e-12)
    own = {"scoring": "neg_root_mean_squared_error", "n_repeats": SHUFFLES, "random_state": number}
    return share, permutation_importance(forest, x[left], y[left], **own).importances_mean


def _summary(samples):
    low, high = np.percentile(samples, (2.5, 97.5))
    return {"value": float(np.mean(samples)), "low": float(low), "high": float(high)}
