"""The pages of searches and sweeps: words, hostile names, few trials, and in a browser brushes and choices."""

import time

import numpy as np
import pytest
from chromium import Page, in_browser

from reports import search_charts
from reports.search import build_search, search_page
from reports.sweep import arm_figures, build_sweep, sweep_page

HOSTILE = "</script><img src=x onerror=alert(1)> $$x$$"
SPACE = [
    {"name": "train.learning_rate", "choices": [], "low": 1e-4, "high": 1e-1, "scale": "log", "when": []},
    {"name": "augment.rotation", "choices": [], "low": 0.0, "high": 30.0, "scale": "linear", "when": []},
    {"name": "train.optimizer", "choices": ["adam", "sgd"], "low": None, "high": None, "scale": "linear", "when": []},
    {"name": "train.momentum", "choices": [], "low": 0.5, "high": 0.9, "scale": "linear", "when": []},
]
DEFAULTS = {"train.learning_rate": 0.002, "augment.rotation": 20.0, "train.optimizer": "adam", "train.momentum": 0.9}
SPACE = [setting | {"default": DEFAULTS[setting["name"]]} for setting in SPACE]


def trial(number, generator, **more):
    rate, kind = float(f"{10 ** generator.uniform(-4, -1):.3g}"), ("adam", "sgd")[number % 2]
    values = {"train.learning_rate": rate, "augment.rotation": round(generator.uniform(0, 30), 1)}
    values |= {"train.optimizer": kind} | ({"train.momentum": 0.7} if kind == "sgd" else {})
    values = {k: v for k, v in DEFAULTS.items() if k != "train.momentum"} if number == 0 else values
    figures = {"val_trimmed": 2 + abs(np.log10(rate / 3e-3)), "val_rmse": 4.0, "epochs": 6, "seconds": 8.5}
    figures["val_trimmed"] += 0.001 * number
    return {"trial": number, "values": values, "status": "COMPLETED", "validation_rows": 304, **figures, **more}


def results(count, failed=(), **more):
    generator = np.random.default_rng([5])
    rows = [trial(i, generator) for i in range(count)]
    for i in failed:
        rows[i] = {k: rows[i][k] for k in ("trial", "values")} | {"status": "FAILED", "why": "loss <nan>"}
    about = {"name": "nose_tip", "kind": "specialist", "tuner": "bayesian", "objective": "val_trimmed"}
    about |= {"source": "kaggle", "epochs": 6, "space": SPACE, "trials": rows, "importance": None, "confirmed": None}
    return about | more


def importance(share=0.4):
    settings = [
        {"name": s["name"], "value": 0.3 - 0.1 * i, "low": 0.2 - 0.1 * i, "high": 0.5} for i, s in enumerate(SPACE)
    ]
    return {"settings": settings, "explained": [share, share - 0.2, share + 0.1]}


def confirmed(value, low, high, won):
    figures = {"default": [2.0, 1.8, 2.2], "best": [2.0 + value, 1.7, 2.1], "difference": [value, low, high]}
    about = {"fold": 1, "faces": 300, "persons": 24, "seeds": 1, "trial": 3, "wins": won}
    return about | {"val_trimmed": figures, "val_rmse": figures}


CASES = [
    (results(0), ["0 trials of the specialist", "No trial has a score; 0 failed."], 0),
    (results(3, (0, 1, 2)), ["No trial has a score; 3 failed.", "failed: loss &lt;nan&gt;"], 0),
    (results(1), ["Trial 0: ", "Nothing: the defaults are best.", "Too few trials"], 2),
    (results(6, (4,)), ["1 trial; see the table.", "the defaults (trial 0)", "failed: loss &lt;nan&gt;"], 2),
    (
        results(30, importance=importance(), confirmed=confirmed(-0.05, -0.09, -0.01, True)),
        ["-0.050 px (-0.090 to -0.010) against the defaults, 300 faces of 24 persons: better.", "(0.300 px)"],
        2,
    ),
    (
        results(30, importance=importance(0.05), confirmed=confirmed(-0.05, -0.09, 0.01, False)),
        ["neither better nor worse beyond chance", "Nothing that a forest could learn", "explains 5% of"],
        2,
    ),
    (results(30, confirmed=confirmed(0.05, 0.02, 0.09, False)), ["persons: worse."], 2),
    (results(2, source="synthetic"), ["SYNTHETIC drawn faces, not photos"], 2),
]


@pytest.mark.parametrize(("given", "words", "scripts"), CASES)
def test_the_page_of_a_search_says_the_main_thing_in_words(given, words, scripts):
    page = search_page(given)
    assert [word for word in words if word not in page] == []
    assert page.count("<script>") == scripts


def test_markup_in_names_stays_text_and_equal_results_give_equal_pages():
    given = results(5, name=HOSTILE, source=HOSTILE, tuner=HOSTILE)
    given["trials"][2] = {"trial": 2, "values": {}, "status": "FAILED", "why": HOSTILE}
    page = search_page(given)
    assert page == search_page(given)
    assert "<img src=x" not in page
    swept = sweep_page(sweep(2, name=HOSTILE, words=HOSTILE, source=HOSTILE, label=HOSTILE))
    assert "<img src=x" not in swept


def test_lines_cross_an_axis_where_their_value_is():
    given = results(8)
    known = given["trials"]
    rate, rotation, optimizer, momentum, score = search_charts.axes(given, known)
    assert rotation["at"] == pytest.approx([row["values"]["augment.rotation"] / 30 for row in known])
    assert rate["at"] == pytest.approx([(np.log10(r["values"]["train.learning_rate"]) + 4) / 3 for r in known])
    assert optimizer["at"] == [row["trial"] % 2 if row["trial"] else 0 for row in known]
    assert [at == search_charts.UNUSED for at in momentum["at"]] == ["train.momentum" not in r["values"] for r in known]
    best = min(range(8), key=lambda i: known[i]["val_trimmed"])
    assert (score["at"][best], min(score["at"])) == (1.0, 0.0)


# ---- sweeps --------------------------------------------------------------------------------------------------------


def training(seed, value):
    curve = [value * (1 + 1 / epoch) for epoch in range(1, 6)]
    figures = {"val_trimmed": value, "val_rmse": 2 * value, "seconds": 10.0, "epochs": 5, "best_epoch": 5}
    return {"seed": seed, **figures, "curve": {"val_trimmed": curve, "val_rmse": curve}}


def sweep(seeds=2, name="rates", words="Which rate?", source="kaggle", label="0.01"):
    arms = {"default": 2.0, label: 1.9, "0.1": 2.6}
    made = [
        {"label": k, "trainings": [training(s, v + 0.05 * s * (1 if k == "0.1" else 2)) for s in range(seeds)]}
        for k, v in arms.items()
    ]
    made.append({"label": "1000", "trainings": [{"seed": 0, "why": "loss <nan>"}]})
    made.append({"label": "later", "trainings": []})
    made[0]["shows"] = "0.002"
    factor = {"goal": "resnet", "name": "train.learning_rate", "arms": made}
    about = {"rows": 700, "validation_rows": 240, "seeds": list(range(seeds))}
    return {"name": name, "words": words, "source": source, "factors": [factor], **about}


def test_arms_are_compared_with_the_default_of_the_same_seed():
    factor = sweep(3)["factors"][0]
    default, good, bad, failed, later = (arm_figures(factor, arm) for arm in factor["arms"])
    assert (default["label"], default["difference"]) == ("default (0.002)", None)
    assert good["trimmed"] == pytest.approx([2.0, 1.9, 2.1])
    assert good["difference"] == pytest.approx([-0.1, -0.1, -0.1])
    assert bad["difference"] == pytest.approx([0.55, 0.5, 0.6])
    assert (failed["trimmed"], failed["why"], later["count"]) == (None, "loss <nan>", 0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (sweep(), ["0.01 is best with 1.950 px, -0.100 px (-0.100 to -0.100: every seed agrees) from the default."]),
        (sweep(1), ["0.01 is best with 1.900 px, -0.100 px from the default.", "with 1 seed each"]),
        (sweep() | {"factors": []}, ["No training has figures."]),
        (sweep(0), ["No training has figures.", "failed: loss &lt;nan&gt;", "not yet"]),
    ],
)
def test_the_page_of_a_sweep_says_the_main_thing_in_words(given, words):
    page = sweep_page(given)
    assert [word for word in words if word not in page] == []


# ---- in a browser --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    given = results(30, (7,), importance=importance(), confirmed=confirmed(-0.05, -0.09, 0.01, False))
    return build_search(given, tmp_path_factory.mktemp("page") / "search.html")


@pytest.fixture
def page(browser, drawn):
    yield Page(browser, drawn)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def narrow(page, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    page.wait(f"Math.abs(innerWidth - {width}) < 2")
    time.sleep(0.3)


@in_browser
@pytest.mark.parametrize("width", [1280, 390])
def test_pages_fit_and_ask_for_nothing(page, drawn, width, tmp_path):
    narrow(page, width)
    assert page.run("return document.documentElement.scrollWidth") <= width
    assert page.complaints() == []
    assert page.requests() == ([], [drawn.as_uri()])
    other = Page(page.driver, build_sweep(sweep(), tmp_path / "sweep.html"))
    narrow(other, width)
    assert other.run("return document.documentElement.scrollWidth") <= width
    assert other.complaints() == []


# A drag over the axes from `from` to `to`, in places and heights of the chart.
DRAG = """
const plot = Bokeh.documents.at(-1).get_model_by_name("parallel");
document.getElementById("chart-parallel").scrollIntoView({block: "center"});
const frame = Bokeh.index.find_one(plot).canvas_view.events_el.getBoundingClientRect();
const view = Bokeh.index.find_one(plot).frame;
const at = (x, y) => [frame.left + view.x_scale.compute(x), frame.top + view.y_scale.compute(y)];
return [...at(arguments[0], arguments[1]), ...at(arguments[2], arguments[3])];
"""


def drag(page, *ends):
    from selenium.webdriver.common.action_chains import ActionChains

    x0, y0, x1, y1 = map(round, page.run(DRAG, *ends))
    chain = ActionChains(page.driver, duration=100)
    chain.w3c_actions.pointer_action.move_to_location(x0, y0)
    chain.w3c_actions.pointer_action.pointer_down()
    chain.w3c_actions.pointer_action.move_to_location(x1, y1)
    chain.w3c_actions.pointer_action.pointer_up()
    chain.perform()
    time.sleep(0.3)


@in_browser
def test_brushes_on_axes_keep_the_trials_that_cross_all_of_them(page):
    given = results(30, (7,))["trials"]
    drag(page, 0.8, 0.5, 1.2, 1.05)  # rotation of 15 to 30
    expected = [row["trial"] for row in given if row["values"]["augment.rotation"] >= 15 and row["trial"] != 7]
    chosen = "return Bokeh.documents.at(-1).get_model_by_name('trials').selected.indices.map(i => "
    chosen += "Bokeh.documents.at(-1).get_model_by_name('trials').data.trial[i])"
    assert sorted(page.run(chosen)) == expected
    drag(page, 1.8, 0.5, 2.2, 1.05)  # SGD
    both = [n for n in expected if n % 2]
    assert sorted(page.run(chosen)) == both
    shown = "return [...document.querySelectorAll('#table-body tr')].filter(r => !r.hidden)"
    shown += ".map(r => r.cells[0].textContent)"
    assert sorted(map(int, page.run(shown))) == both
    page.click("#clear")
    assert page.run(chosen) == []
    assert len(page.run(shown)) == 30


@in_browser
def test_choosing_in_the_table_is_a_choice_in_every_chart(page):
    page.click("#table-body tr:nth-child(2) button")
    number = page.run("return document.querySelector('#table-body tr:nth-child(2) button').textContent")
    assert page.status == f"29 trials with a score · chosen: {number}"
    page.click("#clear")
    assert page.status == "29 trials with a score"
