"""A page that compares networks: accuracy against cost, speed, and a table, linked with each other."""

import math
from pathlib import Path

from reports import comparison_charts as charts
from reports.bootstrap import RESAMPLES
from reports.markup import chart_card, document, json_block, text
from reports.words import counted

TITLE = "Networks compared"
NEARLY = 1.05  # times the best error: intervals do not tell, since all networks answer the same few persons


def build_comparison(rows, path, title=TITLE):
    """Write a comparison of networks to `path` as one HTML file that works offline.

    Args:
        rows: list of dicts, one per network: "network" and the figures of base_models.measure; a network without
            figures has "why", the words that stand in their place. Any number of rows of either kind.
        path: the file, written atomically. Its folder must exist.
        title: any text; markup in it is shown as text.

    Returns:
        The path.
    """
    from data.storage import write_text

    write_text(path, comparison_page(rows, title))
    return Path(path)


def comparison_page(rows, title):
    """The whole page as HTML; see `build_comparison`."""
    from reports.frame import bokeh_script, embedded
    from reports.markup import asset

    known = sorted((row for row in rows if "scores" in row), key=lambda row: charts.error(row)[0])
    failed = [row for row in rows if "scores" not in row]
    opening = _opening(rows, known, failed, title)
    if not known:
        return document(title, f"{opening}<main>{_failures(failed)}</main>", [])
    metrics = charts.metrics(known)
    drawn = sorted(known, key=lambda row: -row["parameters"])  # a small bubble lies on a large one
    plots = charts.comparison_charts(drawn, metrics)
    data = {"charts": embedded(plots), "metrics": metrics, "networks": [row["network"] for row in drawn]}
    main = "".join((_controls(known, metrics), _cards(known), _table(known, drawn), _failures(failed)))
    body = f"{opening}<main>{main}</main>{_footer(known)}"
    return document(title, body + json_block("comparison-data", data), [bokeh_script(), asset("comparison.js")])


def _opening(rows, known, failed, title):
    drawn = any(row["source"] == "synthetic" for row in known)
    badge = '<p class="badge">SYNTHETIC drawn faces, not photos</p>' if drawn else ""
    lines = "".join(f"<dt>{text(lead)}</dt><dd>{text(line)}</dd>" for lead, line in findings(known, failed))
    return (
        f'<header>{badge}<h1>{text(title)}</h1><p class="lede">{text(_lede(rows, known))}</p></header>'
        f'<dl class="card findings">{lines}</dl>'
        '<noscript><p class="note">The charts need JavaScript, which is part of this file.</p></noscript>'
    )


def _lede(rows, known):
    if not known:
        return f"{counted(len(rows), 'network')}, none with figures."
    first = known[0]
    source = "synthetic source" if first["source"] == "synthetic" else f"source “{first['source']}”"
    faces = f"trained on {first['rows']:,} faces, scored on {first['validation_rows']:,} held-out ones, of the {source}"
    tested = next((row["test_rows"] for row in known if "test_rows" in row), 0)
    test = f" The test is {counted(tested, 'other face')}, which nothing was chosen by." if tested else ""
    return f"{counted(len(known), 'network')}, all {faces}.{test}"


def findings(known, failed):
    """List of (lead, sentence): which network is the most accurate, which nearly so for less, and what is missing.

    Args:
        known: rows with figures, the most accurate first.
        failed: rows without.
    """
    found = [("Most accurate", _best(known[0]))] if known else [("Nothing to compare", "No network has figures.")]
    found += [("Nearly as good for less", line) for line in filter(None, [_thrifty(known)])]
    if len(known) > 1:
        quick = min(known, key=lambda row: row["ms_64"])
        score = charts.error(quick)[0]
        found.append(("Fastest", f"{quick['network']} takes {charts.ms(quick['ms_64'])} a face, at {score:.2f} px."))
    if failed:
        found.append(("Without figures", ", ".join(row["network"] for row in failed) + ": see the end of the page."))
    return found


def _best(row):
    score = f"{row['network']} is off by {charts.px(charts.error(row))} RMSE per coordinate without the largest errors"
    test = f"; {charts.px(row['test_scores']['all']['rmse'])} on the test faces" if "test_scores" in row else ""
    return f"{score}, {row['scores']['all']['rmse'][0]:.2f} px with them{test}."


def _thrifty(known):
    """The cheapest network that is nearly as accurate as the best, where it is much cheaper."""
    if len(known) < 2:
        return None
    best = known[0]
    near = [row for row in known if charts.error(row)[0] <= NEARLY * charts.error(best)[0]]
    cheap = min(near, key=lambda row: row["multiply_adds"])
    times = best["multiply_adds"] / max(cheap["multiply_adds"], 1)
    if times < 1.5:
        return None
    score = charts.error(cheap)[0]
    less = f"{times:.1f} times fewer multiply-adds, within {100 * (NEARLY - 1):.0f} % of the best."
    return f"{cheap['network']}: {score:.2f} px with {less}"


def _controls(known, metrics):
    chips = "".join(
        f'<button type="button" class="chip" data-metric="{text(m["key"])}" aria-pressed="{str(not i).lower()}">'
        f"{text(m['label'])}</button>"
        for i, m in enumerate(metrics)
    )
    return (
        '<section class="card filters" aria-label="Choose what to look at"><h2>Choose what to look at</h2>'
        f'<div class="chips" role="group" aria-label="Accuracy">{chips}</div></section>'
        f'<div class="chosen"><span id="status" role="status">{text(counted(len(known), "network"))}</span>'
        '<button type="button" id="clear" disabled>Show all</button></div>'
    )


def _cards(known):
    heads = list(dict.fromkeys(row["head"] for row in known))
    items = "".join(
        f'<li><svg viewBox="0 0 14 14" aria-hidden="true"><circle cx="7" cy="7" r="6" fill="{charts.colour(head)}"/>'
        "</svg>"
        f"{text(charts.HEADS.get(head, (head,))[0])}</li>"
        for head in heads
    )
    words = ", ".join(f"{row['network']} {charts.error(row)[0]:.2f} px" for row in known)
    words = f"Trimmed RMSE of each network: {words}."
    return (
        "<h2>Accuracy and cost</h2>"
        f'<ul class="legend">{items}</ul><div class="charts single">'
        f"{chart_card('bubbles', 'Error against multiply-adds', BUBBLES_NOTE, words)}</div>"
        '<h2>Time</h2><div class="charts even">'
        f"{chart_card('epochs', 'Time per epoch', EPOCHS_NOTE, 'Seconds per epoch of each network.')}"
        f"{chart_card('speed', 'Time per face', SPEED_NOTE, 'Milliseconds per face of each network.')}</div>"
    )


BUBBLES_NOTE = (
    "Down and left is better. A bubble's area is the number of parameters, the line its 95 % interval; both axes are "
    "logarithmic. Tap bubbles, bars or names to choose networks."
)
EPOCHS_NOTE = "Median over the epochs, with validation. The most accurate network on top."
SPEED_NOTE = "At prediction, on the machine that wrote this page. Filled: asked one by one; pale: 64 at once."

COLUMNS = (
    ("Network", None),
    ("Head", None),
    ("Trimmed", lambda row: charts.error(row)[0]),
    ("95 % interval", None),
    ("RMSE", lambda row: row["scores"]["all"]["rmse"][0]),
    ("Parameters", lambda row: row["parameters"]),
    ("Multiply-adds", lambda row: row["multiply_adds"]),
    ("Epochs", lambda row: row["epochs"]),
    ("Training", lambda row: row["seconds"]),
    ("Per epoch", lambda row: row["epoch_seconds"]),
    ("1 face", lambda row: row["ms_1"]),
    ("64 faces", lambda row: row["ms_64"]),
)


def _table(known, drawn):
    """The figures of all networks; comparison.js sorts it by `data-value`."""
    kinds, tested = charts.kinds(known)[1:], charts.kinds(known, "test_scores")
    names = [name for name, _ in COLUMNS]
    names[5:5] = [f"“{kind}”" for kind in kinds] + [
        name for kind in tested for name in (_test_name(kind), "95 % interval")
    ]
    head = "".join(_heading(i, name) for i, name in enumerate(names))
    body = "".join(_row(drawn.index(row), row, kinds, tested) for row in known)
    return (
        '<h2 id="table-title">Figures</h2><p class="note">Errors in px, times in s, times per face in ms. '
        "Select a heading to sort by it.</p>"
        '<div class="card table figures"><div class="scroll" tabindex="0" role="region" aria-labelledby="table-title">'
        f'<table><thead><tr id="table-head">{head}</tr></thead><tbody id="table-body">{body}</tbody></table>'
        "</div></div>"
    )


def _test_name(kind):
    return "Test RMSE" if kind == "all" else f"Test “{kind}”"


def _heading(place, name):
    order = ' aria-sort="ascending"' if name == "Trimmed" else ' aria-sort="none"'
    kind = ' class="number"' if place > 1 else ""
    return f'<th scope="col"{order}{kind}><button type="button" data-column="{place}">{text(name)}</button></th>'


def _row(place, row, kinds, tested):
    """One line; every cell carries the number or text that it is sorted by."""
    trimmed, name = charts.error(row), row["network"]
    score = row["scores"]["all"]["rmse"][0]
    own = [row["scores"].get(kind, {"rmse": [math.nan]})["rmse"][0] for kind in kinds]
    cells = [(row["head"], row["head"]), (trimmed[0], f"{trimmed[0]:.3f}")]
    cells += [(_width(trimmed), charts.span(trimmed)), (score, f"{score:.3f}")]
    cells += [(value, _number(value)) for value in own]
    test = [row.get("test_scores", {}).get(kind, {"rmse": [math.nan, None, None]})["rmse"] for kind in tested]
    cells += [cell for one in test for cell in ((one[0], _number(one[0])), (_width(one), charts.span(one)))]
    cells += [(row[key], charts.short(row[key])) for key in ("parameters", "multiply_adds")]
    cells += [(row["epochs"], f"{row['epochs']}"), (row["seconds"], f"{row['seconds']:,.0f}")]
    cells += [(row["epoch_seconds"], charts.digits(row["epoch_seconds"]))]
    cells += [(row[key], charts.digits(row[key])) for key in ("ms_1", "ms_64")]
    shown = "".join(
        f'<td{" class=number" if i else ""} data-value="{text(value)}">{text(cell)}</td>'
        for i, (value, cell) in enumerate(cells)
    )
    button = f'<button type="button" class="link" aria-pressed="false" data-network="{place}">{text(name)}</button>'
    return f'<tr data-row="{place}"><th scope="row" data-value="{text(name)}">{button}</th>{shown}</tr>'


def _number(value):
    return f"{value:.3f}" if math.isfinite(value) else "–"


def _width(interval):
    """What an interval is sorted by."""
    return math.nan if interval[1] is None else interval[2] - interval[1]


def _failures(failed):
    if not failed:
        return ""
    lines = "".join(f"<dt>{text(row['network'])}</dt><dd>{text(row['why'])}</dd>" for row in failed)
    return f'<h2>Without figures</h2><dl class="card findings failures">{lines}</dl>'


def _footer(known):
    views = ["its mirror image"] * any(row.get("flip") for row in known)
    views += ["shifted views of it"] * any(row.get("shifts") for row in known)
    told = f"Every answer is the mean of those for the face and for {' and for '.join(views)}; "
    looks = f"{told}times per face are of one look. " if views else ""
    if any(row.get("calibrated") for row in known):
        bare = ", ".join(row["network"] for row in known if not row["calibrated"])
        looks += f"Answers are calibrated to how the set frames and draws faces{f', but for {bare}' if bare else ''}. "
    return (
        "<footer><p>RMSE is the root of the mean squared error over all coordinates of the held-out faces, x and y "
        f"counted one by one, as Kaggle scores it. Intervals are percentiles of {RESAMPLES:,} bootstrap resamples of "
        "whole persons, or of single faces where it is not known who they show. Trimmed: without the 2 % of the "
        "points with the largest errors, where wrong labels are. "
        f"{text(looks)}"
        "The epoch shown is the one with the lowest trimmed RMSE on the held-out faces, so all figures of these are "
        "a little too good, alike for all networks.</p></footer>"
    )
