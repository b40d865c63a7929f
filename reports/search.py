"""A page about a search for settings: what was tried, what it gave, and which settings mattered."""

from pathlib import Path

from reports import search_charts as charts
from reports.frame import findings_list, footer_of, page_frame
from reports.markup import chart_card, place, text
from reports.theme import point_label
from reports.words import counted

FIGURES = {"val_trimmed": "trimmed validation RMSE", "val_rmse": "validation RMSE"}
MATTERS = 0.1  # share of variance that the forest must guess right before its ranking is told as a finding


def build_search(results, path):
    """Write the page of a search to `path` as one HTML file that works offline.

    Args:
        results: dict of name, kind, tuner, objective, source, epochs, space, trials, importance and confirmed, as
            tuning/results.py writes them to search.json. Any number of trials, failed and running ones too.
        path: the file, written atomically. Its folder must exist.

    Returns:
        The path.
    """
    from data.storage import write_text

    write_text(path, search_page(results))
    return Path(path)


def search_page(results):
    """The whole page as HTML; see `build_search`."""
    objective = results["objective"]
    known = [row for row in results["trials"] if objective in row]
    title = f"Search: {point_label(results['name'])}"
    frame = {"lede": lede(results, known), "synthetic": results["source"] == "synthetic"}
    found = findings_list(findings(results, known))
    if not known:
        return page_frame(title, found + _table(results, []), **frame)
    plots = charts.search_charts(results, known)
    main = found + _bar(known) + _cards(results, known, plots) + _table(results, known)
    data = {"trials": [row["trial"] for row in known], "axes": len(charts.axes(results, known))}
    return page_frame(title, main, plots=plots, data=data, scripts=("search.js",), footer=_footer(results), **frame)


def lede(results, known):
    """A sentence: what was searched, how, on what."""
    faces = f" on {known[0]['validation_rows']:,} held-out faces" if known else ""
    tried = counted(len(results["trials"]), "trial")
    return (
        f"{tried} of the {results['kind']} by {results['tuner']} search, {counted(results['epochs'], 'epoch')} each at "
        f"most; {FIGURES[results['objective']]}{faces} of the source “{results['source']}”."
    )


def findings(results, known):
    """List of (lead, sentence), most important first."""
    objective = results["objective"]
    failed = sum(row["status"] == "FAILED" for row in results["trials"])
    if not known:
        return [("Nothing yet", f"No trial has a score; {failed} failed.")]
    best, first = min(known, key=lambda row: row[objective]), known[0]
    found = [("Best", f"Trial {best['trial']}: {best[objective]:.3f} px{_against(best, first, objective)}.")]
    found.append(("What it changes", charts.changed(best, results["space"]) or "Nothing: the defaults are best."))
    found += [("On a fresh fold", _confirmed(results["confirmed"], objective))] if results["confirmed"] else []
    found += [("What mattered", _mattered(results["importance"]))] if results["importance"] else []
    found += [("Failed", f"{counted(failed, 'trial')}; see the table.")] if failed else []
    return found


def _against(best, first, objective):
    if first["trial"] != 0 or best is first:
        return ""
    return f"; the defaults (trial 0) {first[objective]:.3f} px. The lowest of many is too good"


def _confirmed(found, objective):
    value, low, high = found[objective]["difference"]
    side = "better" if found["wins"] else "worse" if low > 0 else "neither better nor worse beyond chance"
    people = f"{found['faces']:,} faces of {counted(found['persons'], 'person')}"
    return f"{value:+.3f} px ({low:+.3f} to {high:+.3f}) against the defaults, {people}: {side}."


def _mattered(found):
    share = found["explained"][0]
    if share < MATTERS:
        return f"Nothing that a forest could learn from these trials: it explains {max(share, 0):.0%} of the variance."
    clear = [s for s in found["settings"] if s["low"] > 0][:3] or found["settings"][:1]
    return ", ".join(f"{s['name']} ({s['value']:.3f} px)" for s in clear) + f"; {share:.0%} of the variance explained."


def _bar(known):
    status = text(counted(len(known), "trial") + " with a score")
    return (
        f'<div class="chosen alone"><span id="status" role="status">{status}</span>'
        '<button type="button" id="clear" disabled>Show all</button></div>'
    )


def _cards(results, known, plots):
    said = f"{FIGURES[results['objective']]} of trials 0 to {known[-1]['trial']}."
    history = chart_card("history", "In order", HISTORY, said)
    wide = f'<div class="scroll"><div style="min-width:{66 * len(charts.axes(results, known))}px">'
    parallel = (
        f'<figure class="card"><figcaption><h3>All settings at once</h3><p>{text(PARALLEL)}</p></figcaption>'
        f"{wide}{place('parallel', 'One line per trial through its values.')}</div></div></figure>"
    )
    parts = [f'<h2>Trials</h2><div class="charts single">{history}{parallel}</div>']
    parts += ["<h2>What matters</h2>", _importance(results["importance"], plots)]
    small = "".join(
        f'<div class="panel"><h4>{text(setting["name"])}</h4>{place(f"setting{i}", "Scores of its values.")}</div>'
        for i, setting in enumerate(charts.unique(results["space"]))
    )
    parts.append(f'<h2>One by one</h2><p class="note">{text(ONE_BY_ONE)}</p><div class="card panels">{small}</div>')
    return "".join(parts)


HISTORY = "A dot per trial; the line is the best so far, the dashes the defaults (trial 0). Crosses failed."
PARALLEL = (
    "A line per trial, the better the darker. Drag over an axis to keep the trials that cross there; on several axes, "
    "those that cross all. Right of them all is the score, the best on top."
)
ONE_BY_ONE = "Every trial at its value of one setting; the ring is the best. Tap dots to choose trials everywhere."
IMPORTANCE = (
    "How much worse a random forest guesses the score of trials that it has not seen when a setting's values are "
    "shuffled, with the 95 % range over resamples of the trials."
)


def _importance(found, plots):
    if "importance" not in plots:
        return f'<p class="card">{text(TOO_FEW)}</p>'
    share, low, high = found["explained"]
    note = f"{IMPORTANCE} The forest explains {share:.0%} ({low:.0%} to {high:.0%}) of the variance."
    names = ", ".join(s["name"] for s in found["settings"])
    return f'<div class="charts single">{chart_card("importance", "Importance", note, f"In order: {names}.")}</div>'


TOO_FEW = "Too few trials with different scores yet to say which settings matter."


def _table(results, known):
    """All trials; search.js chooses and sorts."""
    names = ["trial", "px*", "px", "epochs", "seconds", "what it changes"]
    head = "".join(
        f'<th scope="col"{" class=number" if 0 < i < 5 else ""}>{text(name)}</th>' for i, name in enumerate(names)
    )
    places = {row["trial"]: place for place, row in enumerate(known)}
    order = sorted(results["trials"], key=lambda row: (row.get(results["objective"], float("inf")), row["trial"]))
    body = "".join(_row(row, places.get(row["trial"]), results["space"]) for row in order)
    return (
        '<h2 id="table-title">Table of trials</h2><p class="note">The best first. px*: without the worst 2 % of the '
        'errors.</p><div class="card table"><div class="scroll" tabindex="0" role="region" '
        f'aria-labelledby="table-title"><table><thead><tr>{head}</tr></thead><tbody id="table-body">{body}</tbody>'
        "</table></div></div>"
    )


def _row(row, at, space):
    number = text(row["trial"])
    if at is not None:
        number = f'<button type="button" class="link" aria-pressed="false" data-trial="{at}">{number}</button>'
    figures = [f"{row[k]:.3f}" if k in row else "–" for k in ("val_trimmed", "val_rmse")]
    figures += [str(row.get("epochs", "–")), f"{row['seconds']:.0f}" if "seconds" in row else "–"]
    cells = "".join(f'<td class="number">{text(cell)}</td>' for cell in figures)
    told = f"failed: {row['why']}" if "why" in row else charts.changed(row, space) or "the defaults"
    told = "running" if row["status"] == "RUNNING" else told
    heading = f'<tr data-row="{"" if at is None else at}"><th scope="row">{number}</th>'
    return f"{heading}{cells}<td>{text(told)}</td></tr>"


def _footer(results):
    notes = [
        "RMSE is the root of the mean squared error over all coordinates of the held-out faces, x and y counted one by "
        "one. Trimmed: without the 2 % of the points with the largest errors, where wrong labels are. Each trial "
        "counts at its best epoch.",
        "A search looks for low figures on the faces that it measures on, so that its best one is too good; only a "
        "fold that no choice was made by says what the settings are worth.",
    ]
    return footer_of(notes, {"tuner": results["tuner"], "source": results["source"]})
