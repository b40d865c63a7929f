"""The label page: what is wrong with the labels of a set, and how much better a network could get on them."""

import numpy as np

from reports import label_charts, label_words
from reports.frame import findings_list, footer_of, page_frame
from reports.label_doubts import KINDS, judge_rows
from reports.label_duplicates import pairs_of
from reports.label_noise import measure_noise
from reports.label_offsets import convention_differences, mirror_test
from reports.label_rows import as_csv, doubtful_rows
from reports.label_shown import MARKS, Shown
from reports.large import large_view
from reports.markup import asset, chart_card, table, text, tiles
from reports.theme import point_label
from reports.words import counted


def label_page(labels, predictions=None, title="What the labels are worth", file="labels.csv"):
    """The whole page.

    Args:
        labels: `Labels` of any number of faces.
        predictions: `Predictions` on held-out rows of them, or None.
        title: any text. file: name of the CSV that the page offers.

    Returns:
        (HTML, CSV text of the rows to look at).
    """
    doubts = judge_rows(labels)
    rows = doubtful_rows(labels, doubts)
    opening = {"lede": label_words.lede(labels), "synthetic": labels.source == "synthetic"}
    if not np.isfinite(labels.points).any():
        return page_frame(
            title, findings_list(label_words.findings(labels, doubts, None, None, [])), **opening
        ), as_csv([])
    noise = measure_noise(labels, doubts, predictions)
    mirror = mirror_test(labels, doubts.wrong, "regression")
    differences = convention_differences(labels, doubts.wrong)
    plots = label_charts.charts(labels, doubts, noise, mirror)
    shown = Shown(labels, doubts, rows)
    main = "".join(
        (
            tiles(label_words.tiles(labels, doubts, noise, mirror), "base"),
            findings_list(label_words.findings(labels, doubts, noise, mirror, differences)),
            _choice(labels, doubts),
            _rows_section(shown),
            _charts_section(labels, noise, plots),
            _duplicates_section(labels, shown, noise),
            _conventions_section(labels, differences),
        )
    )
    html = page_frame(
        title,
        main,
        **opening,
        after=_after(shown),
        plots=plots,
        data=shown.data() | {"csv": as_csv(rows), "file": file},
        scripts=("faces.js", "dialog.js", "labels.js"),
        footer=footer_of(label_words.footer(labels, noise)),
    )
    return html, as_csv(rows)


def _after(shown):
    """The large view, the pictures, and the look of what only this page has."""
    layers = [(name, mark(name) + text(MARKS[name].label)) for name in shown.layers]
    judge = MARKS[shown.layers[-1]].label
    dialog = large_view(layers, [("Label, px", ("x", "y")), ("Distance, px", (f"to {judge}",))], shown.uri)
    return f"<style>{asset('labels.css')}</style>{dialog}"


def mark(name):
    """The mark of `MARKS[name]` as an inline picture."""
    return (
        f'<svg viewBox="0 0 14 14" aria-hidden="true"><use href="#mark-{MARKS[name].marker}" class="mark {name}" '
        'width="14" height="14"/></svg>'
    )


def legend(entries):
    """A list of (inline picture, any text)."""
    return f'<ul class="legend">{"".join(f"<li>{picture}{text(words)}</li>" for picture, words in entries)}</ul>'


def _choice(labels, doubts):
    kinds = [kind for kind in KINDS if kind in doubts.kind]
    named = [k for k in range(len(labels.schema.conventions)) if (labels.convention == k).any()]
    known = np.flatnonzero(np.isfinite(labels.points).all(-1).any(0))
    lines = [("kind", "What is wrong", [("", "anything"), *((kind, KINDS[kind]) for kind in kinds)])]
    if len(named) > 1:
        names = [("", "any"), *((k, labels.schema.conventions[k].name) for k in named)]
        lines.append(("convention", "Labelling", names))
    groups = "".join(
        f'<span class="group" role="group" aria-label="{text(title)}"><span class="caption">{text(title)}</span>'
        f"{''.join(_chip(key, value, name, not i) for i, (value, name) in enumerate(options))}</span>"
        for key, title, options in lines
    )
    points = "".join(_chip("point", p, point_label(labels.schema.points[p])) for p in known)
    return (
        '<section class="card filters" aria-label="Choose what to look at"><h2>Choose what to look at</h2>'
        f'<div class="line">{groups}</div><div class="chips" role="group" aria-label="Points">{points}</div></section>'
        f'<div class="chosen"><span id="status" role="status">{text(counted(doubts.look, "row"))} to look at</span>'
        '<span class="group"><button type="button" id="download">Download as CSV</button>'
        '<button type="button" id="clear" disabled>Show all</button></span></div>'
    )


def _chip(kind, value, name, pressed=False):
    state = str(bool(pressed)).lower()
    return (
        f'<button type="button" class="chip" data-{kind}="{text(value)}" aria-pressed="{state}">{text(name)}</button>'
    )


def _rows_section(shown):
    if not shown.rows:
        return '<h2>Rows to look at</h2><p class="card">None: no label is far from where others of its kind lie.</p>'
    heads = "".join(
        f'<th scope="col"{" class=number" if number else ""} aria-sort="{"descending" if key == "times" else "none"}">'
        f'<button type="button" data-column="{key}">{text(name)}</button></th>'
        for key, name, number in HEADS
    )
    marks = legend([(mark(name), MARKS[name].label) for name in shown.layers])
    return (
        f'<h2>Rows to look at</h2><p class="note">{text(ROWS_NOTE)}</p>{marks}'
        '<div class="wall" id="wall"></div><p id="wall-empty" class="card" hidden>No picture fits the choice.</p>'
        '<button type="button" class="plain" id="wall-more" hidden></button>'
        '<h3 id="rows-title">All of them</h3><div class="card table"><div class="scroll" tabindex="0" role="region" '
        f'aria-labelledby="rows-title"><table><thead><tr>{heads}</tr></thead><tbody id="rows"></tbody></table>'
        "</div></div>"
    )


HEADS = (
    ("id", "Row", False),
    ("times", "Times the usual", True),
    ("distance", "Off by, px", True),
    ("second", "Second opinion, px", True),
    ("what", "What is wrong", False),
    ("kind", "Kind", False),
    ("labelling", "Labelling", False),
    ("verdict", "Verdict", False),
)
ROWS_NOTE = (
    "The most doubtful first. Select one for a large view. The pictures of the worst rows are kept in this page; the "
    "table and the CSV have all rows."
)


def _charts_section(labels, noise, plots):
    cards = []
    cloud = chart_card("cloud", "Where the labels lie", CLOUD_NOTE, "All labels over the mean of all faces.")
    if "noise" in plots:
        looks = label_charts.noise_looks(noise.member)
        named = [(key, label_words.series(key, noise)) for key in looks if key != "error" or noise.member]
        key = legend([(_swatch(looks[k]["marker"], looks[k]["fill_color"]), words) for k, words in named])
        cards.append(
            chart_card("noise", "Noise and error by point", NOISE_NOTE, label_words.noise_alt(labels, noise), key)
        )
    if "split" in plots:
        key = legend([(_swatch("square", colour), words) for words, colour, _ in label_charts.SPLIT.values()])
        cards.append(
            chart_card("split", "How much of the error is left", SPLIT_NOTE, label_words.split_alt(noise), key)
        )
    if "mirror" in plots:
        key = legend(
            [(_swatch(look["marker"], look["fill_color"]), words) for words, look, _ in label_charts.MIRROR.values()]
        )
        cards.append(chart_card("mirror", "The mirror test", MIRROR_NOTE, "Offsets of pairs of points, in px.", key))
    return f'<h2>Labels, noise and what is left to win</h2><div class="charts even">{cloud}{"".join(cards)}</div>'


CLOUD_NOTE = (
    "One dot per label of the points and labelling chosen above; crosses are labels to look at. Zoom with the toolbar."
)
NOISE_NOTE = "Bands are 95 % intervals. Where the error reaches the noise, no network can do better."
SPLIT_NOTE = "Squared error on held-out faces without rows that are likely wrong. What noise costs, no network can win."
MIRROR_NOTE = (
    "Labels against opinions that cannot lean to a side. Bands are 95 % intervals; off the line is the labels' own."
)


def _swatch(marker, colour):
    shape = {"diamond": "M7 1 13 7 7 13 1 7z", "triangle": "M7 1 13 12H1z", "square": "M2 2H12V12H2z"}.get(marker)
    inner = f'<path d="{shape}" fill="{colour}"/>' if shape else f'<circle cx="7" cy="7" r="5.5" fill="{colour}"/>'
    return f'<svg viewBox="0 0 14 14" aria-hidden="true">{inner}</svg>'


def _duplicates_section(labels, shown, noise):
    pairs = len(pairs_of(labels.image))
    if not pairs:
        return '<h2>Duplicates</h2><p class="card">No picture comes twice, byte by byte.</p>'
    copies = f" {counted(noise.copies, 'pair')} of them carry the same numbers." if noise.copies else ""
    note = f"{counted(pairs, 'row')} repeat an earlier row's picture.{copies} The pairs that disagree most:"
    key = legend([(mark(n), MARKS[n].label) for n in ("truth", "twin")])
    body = (
        f'{key}<div class="wall" id="pairs"></div>'
        if shown.pairs
        else '<p class="card">No pair labels a point twice.</p>'
    )
    return f'<h2>Duplicates</h2><p class="note">{text(note)}</p>{body}'


def _conventions_section(labels, differences):
    if not differences:
        return ""
    rows = [label_words.difference_row(labels, difference) for difference in differences]
    return (
        f'<h2 id="conventions-title">The conventions apart</h2><p class="note">{text(CONVENTIONS_NOTE)}</p>'
        '<div class="card table"><div class="scroll" tabindex="0" role="region" aria-labelledby="conventions-title">'
        f"{table(label_words.DIFFERENCE_HEADS, rows)}</div></div>"
    )


CONVENTIONS_NOTE = (
    "How a further convention draws a point, against the first one, with 95 % intervals: on the same faces, by what "
    "the quick regression answers for both, where the schema keeps them apart; else by how the labels of both deviate "
    "from one answer. The cost is the RMSE that no network avoids which answers both alike."
)
