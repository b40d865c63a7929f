"""A page about a sweep: one factor at a time, its curves over the epochs, and where they end, over several seeds."""

from pathlib import Path

import numpy as np

from reports import sweep_charts as charts
from reports.frame import findings_list, footer_of, page_frame
from reports.markup import chart_card, table, text
from reports.theme import point_label
from reports.words import counted


def build_sweep(results, path):
    """Write the page of a sweep to `path` as one HTML file that works offline.

    Args:
        results: dict of name, words, source, factors, rows, validation_rows and seeds, as tuning/sweep.py writes them
            to sweep.json. A factor has goal, name and arms, the default first; an arm label and trainings, which may
            be missing or have failed.
        path: the file, written atomically. Its folder must exist.

    Returns:
        The path.
    """
    from data.storage import write_text

    write_text(path, sweep_page(results))
    return Path(path)


def sweep_page(results):
    """The whole page as HTML; see `build_sweep`."""
    lede = (
        f"{results['words']} Trained on {results['rows']:,} faces with {counted(len(results['seeds']), 'seed')} each, "
        f"scored on {results['validation_rows']:,} held-out ones, of the source “{results['source']}”."
    )
    main, plots = [findings_list(findings(results))], {}
    for i, factor in enumerate(results["factors"]):
        figures = [arm_figures(factor, arm) for arm in factor["arms"]]
        known = [(arm, f) for arm, f in zip(factor["arms"], figures, strict=True) if f["trimmed"]]
        main.append(f"<h2>{text(_title(results, factor))}</h2>")
        if known:
            plots |= charts.factor_charts(i, known)
            main.append(_cards(i, [f for _, f in known]))
        main.append(_table(figures))
    frame = {"lede": lede, "synthetic": results["source"] == "synthetic", "plots": plots, "footer": _footer()}
    return page_frame(f"Sweep: {results['name']}", "".join(main), **frame)


def _title(results, factor):
    several = len({factor["goal"] for factor in results["factors"]}) > 1
    return f"{point_label(factor['goal'])}: {factor['name']}" if several else factor["name"]


def arm_figures(factor, arm):
    """What the trainings of an arm reached, over its seeds.

    Returns:
        dict of label; count, of trainings with figures; trimmed and rmse: [mean, lowest, highest] in px, None without;
        difference: the same of the trimmed RMSE minus that of the default with the same seed; seconds: mean of a
        training; why: of the first one that failed.
    """
    known = [t for t in arm["trainings"] if "why" not in t]
    default = {t["seed"]: t["val_trimmed"] for t in factor["arms"][0]["trainings"] if "why" not in t}
    pairs = [t["val_trimmed"] - default[t["seed"]] for t in known if t["seed"] in default]
    itself = arm is factor["arms"][0]
    shows = f" ({arm['shows']})" if arm.get("shows") else ""
    return {
        "label": arm["label"] + shows,
        "count": len(known),
        "trimmed": _span([t["val_trimmed"] for t in known]),
        "rmse": _span([t["val_rmse"] for t in known]),
        "difference": None if itself else _span(pairs),
        "seconds": float(np.mean([t["seconds"] for t in known])) if known else 0.0,
        "why": next((t["why"] for t in arm["trainings"] if "why" in t), None),
    }


def _span(values):
    return [float(np.mean(values)), float(min(values)), float(max(values))] if values else None


def findings(results):
    """List of (lead, sentence): of each factor, what was best, and whether all seeds agree."""
    found = []
    for factor in results["factors"]:
        figures = [f for f in (arm_figures(factor, arm) for arm in factor["arms"]) if f["trimmed"]]
        if figures:
            found.append((_title(results, factor), _best(figures, len(results["seeds"]))))
    return found or [("Nothing yet", "No training has figures.")]


def _best(figures, seeds):
    best = min(figures, key=lambda f: f["trimmed"][0])
    told = f"{best['label']} is best with {best['trimmed'][0]:.3f} px"
    if best["difference"] is None:
        second = min((f for f in figures if f is not best), key=lambda f: f["trimmed"][0], default=None)
        return (
            f"{told}." if second is None else f"{told}; next {second['label']}, {_apart(second['difference'], seeds)}."
        )
    return f"{told}, {_apart(best['difference'], seeds)} from the default."


def _apart(difference, seeds):
    if difference is None:
        return "without a default beside it"
    value, low, high = difference
    if seeds < 2:
        return f"{value:+.3f} px"
    agree = "every seed agrees" if low > 0 or high < 0 else "the seeds do not agree"
    return f"{value:+.3f} px ({low:+.3f} to {high:+.3f}: {agree})"


CURVES = "Trimmed validation RMSE over the epochs: the mean over the seeds, and from lowest to highest. Tap to choose."
FINALS = "At the best epoch: every seed, and the mean as a bar. Left is better."


def _cards(i, figures):
    said = ", ".join(f"{f['label']} {f['trimmed'][0]:.2f} px" for f in figures)
    curves = chart_card(f"curves{i}", "While training", CURVES, "Validation error over the epochs.")
    return f'<div class="charts">{curves}{chart_card(f"finals{i}", "In the end", FINALS, said)}</div>'


def _table(figures):
    head = ["", "trimmed px", "lowest – highest", "– default", "lowest – highest", "px", "seconds", "seeds"]
    rows = [_cells(f) for f in figures]
    return f'<div class="card table" style="margin-top:16px"><div class="scroll">{table(head, rows)}</div></div>'


def _cells(f):
    if not f["trimmed"]:
        return [f["label"], f"failed: {f['why']}" if f["why"] else "not yet", *[""] * 6]
    value, low, high = f["trimmed"]
    difference = ["–", "–"]
    if f["difference"]:
        difference = [f"{f['difference'][0]:+.3f}", f"{f['difference'][1]:+.3f} – {f['difference'][2]:+.3f}"]
    ends = [f"{f['rmse'][0]:.3f}", f"{f['seconds']:.0f}", str(f["count"])]
    return [f["label"], f"{value:.3f}", f"{low:.3f} – {high:.3f}", *difference, *ends]


def _footer():
    return footer_of(
        [
            "RMSE is the root of the mean squared error over all coordinates of the held-out faces, x and y counted "
            "one by one. Trimmed: without the 2 % of the points with the largest errors, where wrong labels are.",
            "A seed decides initial weights, order and augmentation; the held-out faces are the same for all. "
            "Differences are taken between trainings of the same seed.",
        ]
    )
