"""The training page: curves of all networks of a run, what they cost, and what each specialist took from its base."""

from pathlib import Path

import numpy as np

from reports import training_charts as charts
from reports.frame import findings_list, footer_of, page_frame
from reports.markup import chart_card, text
from reports.training import KINDS, read_moves, read_trainings
from reports.words import counted

PAGE = "training.html"
TITLE = "How the networks trained"
FEW = 8  # specialists whose names fit side by side on a phone
LATE = 0.95  # share of the epochs after which a best epoch says that more of them might help


def build_training_page(run, path=None):
    """Write RUN/training.html, or `path`, from the run's histories and weights, and return its path.

    Raises:
        RunError: the run has no network, or none that ended an epoch.
    """
    from data.storage import write_text

    trainings, problems = read_trainings(run)
    moves = read_moves(run, trainings)
    path = Path(path or Path(run) / PAGE)
    write_text(path, training_page(trainings, moves, problems))
    return path


def training_page(trainings, moves=None, problems=(), title=TITLE):
    """The whole page as HTML.

    Args:
        trainings: list of `Training`, bases first. moves: `Moves` or None.
        problems: texts: what could not be read. title: any text.
    """
    trainings = [one for one in trainings if one.epochs]
    found = charts.measures(trainings) if trainings else []
    if not found:
        nothing = [("Nothing to show", "No network of this run has ended an epoch."), *_problems(problems)]
        return page_frame(title, findings_list(nothing))
    transfers = transfer_rows(trainings)
    plots = charts.training_charts(trainings, found)
    plots |= {"transfer": charts.transfer_chart(transfers)} if transfers else {}
    plots |= {"moves": charts.moves_chart(moves)} if moves else {}
    parts = (findings_list([*findings(trainings, transfers), *_problems(problems)]), _controls(trainings, found))
    parts += (_curves(trainings, plots), _table(trainings), _transfer(trainings, transfers, moves))
    return page_frame(
        title,
        "".join(parts),
        lede=_lede(trainings),
        synthetic=any(one.source == "synthetic" for one in trainings),
        plots=plots,
        data={"measures": found, "labels": [one.label for one in trainings]},
        scripts=("training.js",),
        footer=footer_of(NOTES),
    )


NOTES = (
    "RMSE is that of the held-out faces, in px of the face image, x and y counted one by one; the trimmed one leaves "
    "out the 2 % of the points with the largest errors, and chooses the best epoch. The loss is in px of what a "
    "network sees: a specialist sees its part of the face enlarged, so losses of base and specialists do not compare.",
    "A specialist’s scores here are of its own answers alone, on the face as it is; its base’s are those that it looks "
    "around, averaged with the mirrored face. Memory is the most that the whole process had held by then.",
    "Teachers are networks like the base that train before it, for fewer epochs: their answers stand in for labels "
    "that are missing.",
    "A student is taught what the ensemble answers, so its loss is its distance from these answers; its RMSE is that "
    "from the labels, like the others’.",
)


def _problems(problems):
    return [("Not read", line) for line in problems]


def _lede(trainings):
    kinds = {noun: sum(one.kind == kind for one in trainings) for kind, noun in KINDS.items()}
    words = ", ".join(counted(n, noun) for noun, n in kinds.items() if n)
    epochs = sum(len(one.epochs) for one in trainings)
    return f"{words}, {counted(epochs, 'epoch')}, {minutes(sum(one.seconds for one in trainings))} in all."


def minutes(seconds):
    """`48 s`, `12 min`, `3 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    whole = round(seconds / 60)
    return f"{whole} min" if whole < 90 else f"{whole // 60} h {whole % 60:02d} min"


def findings(trainings, transfers):
    """List of (lead, sentence): the base, what stopped early or late, time, memory, and what transfer gave."""
    found = []
    base = next((one for one in trainings if one.kind == "base" and one.best >= 0), None)
    if base:
        found.append(("Base", _best(base)))
    found += filter(None, [_ended(trainings), _late(trainings)])
    longest = max(trainings, key=lambda one: one.seconds)
    per = float(np.nanmedian(longest.column("seconds")))
    found.append(("Time", f"{longest.label} took {minutes(longest.seconds)}, the longest; {per:.1f} s an epoch."))
    peak = max((one.peak_mb for one in trainings if np.isfinite(one.peak_mb)), default=None)
    kept = (
        "these histories do not tell it; those of newer trainings do." if peak is None else f"{peak:,.0f} MB at most."
    )
    found.append(("Memory", kept[:1].upper() + kept[1:]))
    return [*found, *filter(None, [_gain(transfers)])]


def _best(base):
    score = base.column("val_trimmed")[base.best]
    full = base.column("val_rmse")[base.best]
    where = f"epoch {base.best + 1} of {len(base.epochs)}"
    return f"Best in {where}: trimmed RMSE {score:.2f} px, {full:.2f} px with the largest errors."


def _ended(trainings):
    early = [one for one in trainings if one.ended == "patience"]
    going = [one.label for one in trainings if one.ended == "training"]
    if going:
        return "Still training", f"{', '.join(going)}: the curves end where they are now."
    if not early:
        return "Early stopping", "No network was stopped early: all went through all of their epochs."
    names = ", ".join(one.label for one in early[:6]) + (" and others" if len(early) > 6 else "")
    verb = "was" if len(early) == 1 else "were"
    return "Early stopping", f"{len(early)} of {counted(len(trainings), 'network')} {verb} stopped early: {names}."


def _late(trainings):
    late = [one.label for one in trainings if one.ended == "epochs" and one.best + 1 > LATE * len(one.epochs) > 3]
    if not late:
        return None
    names = ", ".join(late[:4]) + (" and others" if len(late) > 4 else "")
    return "Best at the end", f"{names}: the last epochs were the best, so more of them might help."


def transfer_rows(trainings):
    """List of dicts, one per finished specialist: label, start, base, end, in px of trimmed RMSE; NaN = not kept."""
    rows = []
    for one in trainings:
        if one.kind == "specialist" and one.finished and one.best >= 0:
            kept = {name: (one.summary.get(name) or {}).get("val_trimmed") for name in ("start", "base")}
            known = {name: np.nan if value is None else value for name, value in kept.items()}
            rows.append({"label": one.label, "end": one.column("val_trimmed")[one.best], **known, "training": one})
    return rows


def _gain(transfers):
    known = [row for row in transfers if np.isfinite(row["base"])]
    if not known:
        return None
    better = sum(row["end"] < row["base"] for row in known)
    change = np.mean([row["end"] - row["base"] for row in known])
    word = "below" if change < 0 else "above"
    return "Transfer", (
        f"{better} of {counted(len(known), 'specialist')} {'ends' if better == 1 else 'end'} with a lower trimmed RMSE "
        f"on their point than the base; on average {abs(change):.2f} px {word} it."
    )


def _controls(trainings, found):
    chips = "".join(
        f'<button type="button" class="chip" data-network="{i}" aria-pressed="false">{text(one.label)}</button>'
        for i, one in enumerate(trainings)
    )
    kinds = "".join(
        f'<button type="button" class="chip" data-measure="{one["key"]}" aria-pressed="{str(not i).lower()}">'
        f"{one['label']}</button>"
        for i, one in enumerate(found)
    )
    return (
        '<section class="card filters" aria-label="Choose what to look at"><h2>Choose what to look at</h2>'
        f'<div class="line"><span class="group" role="group" aria-label="Measure">{kinds}</span></div>'
        f'<div class="chips" role="group" aria-label="Networks">{chips}</div></section>'
        f'<div class="chosen"><span id="status" role="status">{text(counted(len(trainings), "network"))}</span>'
        '<button type="button" id="clear" disabled>Show all</button></div>'
    )


CARDS = {
    "rate": ("Learning rate", "As it was in each epoch."),
    "dropout": ("Dropout", "What all dropout rates were multiplied by."),
    "seconds": ("Time per epoch", "With validation."),
    "memory": ("Memory", "The most that the process had held by the end of the epoch."),
}


def _curves(trainings, plots):
    words = "; ".join(f"{one.label} {_last(one)}" for one in trainings)
    small = "".join(
        chart_card(name, title, note, f"{title} in each epoch of {counted(len(trainings), 'network')}.")
        for name, (title, note) in CARDS.items()
        if name in plots
    )
    note = "Tap lines or names to choose networks; the charts below follow."
    return (
        f"<h2>Epoch by epoch</h2>{_marks(trainings)}<div class='charts single'>"
        f"{chart_card('curves', 'Error and loss', note, f'Trimmed validation RMSE of each network: {words}.')}</div>"
        f"<div class='charts even'>{small}</div>"
    )


def _last(one):
    return f"{one.column('val_trimmed')[one.best]:.2f} px in epoch {one.best + 1}" if one.best >= 0 else "no score"


SHAPES = {
    "best": '<circle cx="7" cy="7" r="5"/>',
    "patience": '<path d="M2 2h10v10H2zM2 2l10 10M12 2 2 12"/>',
    "epochs": '<path d="M1 7h12"/>',
    "training": '<path d="M7 2 12 12H2z"/>',
}


def _marks(trainings):
    """A legend of lines and of the marks that occur."""
    words = {"base": "base network", "teacher": "teachers", "specialist": "specialists", "student": "student"}
    lines = "".join(
        f'<li><svg viewBox="0 0 14 14" aria-hidden="true"><path d="M0 7h14" stroke="{charts.LINES[kind][0]}" '
        f'stroke-width="3"/></svg>{words[kind]}</li>'
        for kind in KINDS
        if any(one.kind == kind for one in trainings)
    )
    ends = [why for why in charts.ENDS if why == "best" or any(one.ended == why for one in trainings)]
    marks = "".join(
        f'<li><svg viewBox="0 0 14 14" aria-hidden="true" fill="#fff" stroke="currentColor" stroke-width="2">'
        f"{SHAPES[why]}</svg>{charts.ENDS[why]}</li>"
        for why in ends
    )
    return f'<ul class="legend">{lines}{marks}</ul>'


HEAD = ("Network", "Faces", "Epochs", "Best", "Ended by", "Loss", "RMSE", "Trimmed", "s an epoch", "In all", "MB")
WHY = {"patience": "patience", "epochs": "its epochs", "training": "goes on"}


def _table(trainings):
    head = "".join(f'<th scope="col"{" class=number" if i else ""}>{name}</th>' for i, name in enumerate(HEAD))
    body = "".join(_row(i, one) for i, one in enumerate(trainings))
    return (
        '<h2 id="table-title">Figures</h2><p class="note">Scores in px, of the best epoch. Select a name to see it in '
        'the charts.</p><div class="card table figures"><div class="scroll" tabindex="0" role="region" '
        f'aria-labelledby="table-title"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></div>'
    )


def _row(place, one):
    faces = one.summary.get("rows")
    scores = [one.column(name)[one.best] if one.best >= 0 else np.nan for name in ("loss", "val_rmse", "val_trimmed")]
    cells = [
        f"{faces:,}" if isinstance(faces, int) else "–",
        f"{len(one.epochs)} of {one.most}",
        _or_dash(one.best + 1),
    ]
    cells += [WHY[one.ended], *(_or_dash(score, "{:.3f}") for score in scores)]
    cells += [
        _or_dash(np.nanmedian(one.column("seconds")), "{:.1f}"),
        minutes(one.seconds),
        _or_dash(one.peak_mb, "{:,.0f}"),
    ]
    button = (
        f'<button type="button" class="link" data-network="{place}" aria-pressed="false">{text(one.label)}</button>'
    )
    shown = "".join(f'<td class="number">{text(cell)}</td>' for cell in cells)
    return f'<tr data-row="{place}"><th scope="row">{button}</th>{shown}</tr>'


def _or_dash(value, form="{:.0f}"):
    return form.format(value) if value and np.isfinite(value) else "–"


def _transfer(trainings, transfers, moves):
    if not transfers:
        why = "are still training" if any(one.kind == "specialist" for one in trainings) else "were not trained"
        return f"<h2>Transfer</h2><p class='card'>Specialists {why}, so there is nothing to tell of what they took.</p>"
    kept = any(np.isfinite(row["start"]) for row in transfers)
    note = "White: with the weights that it copied and a fresh last layer, before its first epoch. " if kept else ""
    note += "Orange: at its best epoch. Blue: its base on the same faces and point. Left is better."
    gone = "" if kept else " These trainings did not keep their scores before the first epoch, nor their base’s."
    words = ", ".join(f"{row['label']} {row['end']:.2f} px" for row in transfers)
    cards = chart_card("transfer", "Before and after", note + gone, f"Trimmed RMSE of each specialist: {words}.")
    if moves:
        told = (
            "Each layer’s kernel against the base’s. Pale: hardly moved, or frozen. Hatched: not copied, since name or "
        )
        told += "shape differ."
        alt = f"How far {len(moves.kernels)} kernels of {counted(len(moves.points), 'specialist')} moved."
        card = chart_card("moves", "How far the copied weights moved", told, alt)
        cards += f'<div class="broad">{card}</div>' if len(moves.points) > FEW else card
    return (
        "<h2>Transfer</h2><p class='note'>A specialist starts from its base’s weights, layer by layer, where name and "
        f"shape agree; the others start fresh.</p><div class='charts uneven'>{cards}</div>{_copies(transfers)}"
    )


def _copies(transfers):
    """What was copied, per specialist."""
    head = ("Specialist", "Base", "Copied weights", "Trained", "Against base", "What was copied", "Fresh")
    top = "".join(f'<th scope="col"{" class=number" if 0 < i < 5 else ""}>{name}</th>' for i, name in enumerate(head))
    body = "".join(_copied(row) for row in transfers)
    return (
        '<h3 id="copied-title" style="margin-top:24px">What each one took</h3><p class="note">Trimmed RMSE in px.</p>'
        '<div class="card table figures"><div class="scroll" tabindex="0" role="region" aria-labelledby="copied-title">'
        f"<table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div></div>"
    )


def _copied(row):
    summary = row["training"].summary
    change = row["end"] - row["base"]
    numbers = [_or_dash(row[name], "{:.3f}") for name in ("base", "start", "end")]
    numbers.append(f"{change:+.3f}".replace("-", "−") if np.isfinite(change) else "–")
    cells = "".join(f'<td class="number">{cell}</td>' for cell in numbers)
    fresh = [str(name) for name in summary.get("fresh") or ()]
    names = "".join(f"<li>{text(name)}</li>" for name in fresh)
    listed = (
        f"<details><summary>{counted(len(fresh), 'array')}</summary><ul>{names}</ul></details>" if fresh else "none"
    )
    copied = str(summary.get("transfer") or "–").partition(", ")[0]
    whole = str(summary.get("transfer") or "").partition("(")[2].partition(" numbers")[0]
    told = f"{copied.partition(' (')[0]}, {whole}" if whole else copied
    return f'<tr><th scope="row">{text(row["label"])}</th>{cells}<td>{text(told)}</td><td>{listed}</td></tr>'
