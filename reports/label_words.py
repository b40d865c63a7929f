"""What the label page says in words: what is wrong with the labels, how noisy they are, and what is left to win."""

import numpy as np

from reports.label_charts import pair_label, shares, slot_label
from reports.label_doubts import KINDS, LOOK, WRONG
from reports.label_offsets import NOTABLE, sure
from reports.theme import MEMBERS, point_label
from reports.words import counted, percent, sentence, span

JUDGES = {"base": "base network", "regression": "quick regression"}


def lede(labels):
    """What was looked at, in one line."""
    known = int(np.isfinite(labels.points).all(-1).sum())
    groups = len(np.unique(labels.group))
    source = "drawn by the synthetic source" if labels.source == "synthetic" else f"from {labels.source}"
    text = f"{counted(len(labels), 'face')} {source}, {counted(known, 'label')}"
    return f"{text}, {counted(groups, 'group')} of faces with one person or picture." if len(labels) else f"{text}."


def figure(interval):
    """`1.44 px`, or a dash."""
    return f"{interval.value:.2f} px" if np.isfinite(interval.value) else "–"


def interval_note(interval):
    return f"95 % interval {span(interval)} px" if np.isfinite(interval.low) else "too few for an interval"


def tiles(labels, doubts, noise, mirror):
    """List of (label, value, note) for the top of the page."""
    wrong = int(doubts.wrong.sum())
    share = f"{100 * wrong / len(labels):.1f} % of all; {counted(doubts.look, 'row')} worth a look in all"
    found = [("Rows likely wrong", f"{wrong:,}", share)]
    twice, shared, rest = (noise.overall.get(name) for name in ("duplicates", "shared", "rest"))
    if np.isfinite(twice.value):
        found.append(("Noise, by duplicates", figure(twice), interval_note(twice)))
    if shared and np.isfinite(shared.value):
        found.append(("Noise, by shared error", f"≤ {figure(shared)}", interval_note(shared)))
        found.append(
            ("Left to win", figure(rest), f"of an RMSE of {figure(noise.overall['error'])} without wrong rows")
        )
    if np.isfinite(mirror.all.value):
        way = "right" if mirror.all.value >= 0 else "left"
        note = f"95 % interval {mirror.all.low:+.2f} to {mirror.all.high:+.2f} px".replace("-", "−")
        found.append((f"All labels lie to the {way} by", f"{abs(mirror.all.value):.2f} px", note))
    return found


def findings(labels, doubts, noise, mirror, differences):
    """List of (lead, sentence), most important first."""
    if not np.isfinite(labels.points).any():
        return [("No labels", "None of these faces carries a label, so there is nothing to check.")]
    found = [("Wrong labels", _wrong(labels, doubts)), ("Noise", _noise(noise))]
    found += [("Left to win", _left(noise)), ("Leaning labels", _leaning(labels, mirror))]
    return [*found, ("Conventions", _conventions(labels, differences))]


def _wrong(labels, doubts):
    count = int(doubts.wrong.sum())
    more = doubts.look - count
    others = f" {counted(more, 'more row')} {'is' if more == 1 else 'are'} worth a look." if more else ""
    if not count:
        return f"No row deviates {WRONG:g} times as far as is usual from what the {JUDGES[labels.judge]} says.{others}"
    kinds = [doubts.kind[row] for row in np.flatnonzero(doubts.wrong)]
    listed = ", ".join(f"{KINDS[kind]} ({kinds.count(kind)})" for kind in KINDS if kind in kinds)
    verb = "is" if count == 1 else "are"
    return f"{counted(count, 'row')} ({100 * count / len(labels):.1f} %) {verb} likely wrong: {listed}.{others}"


def _noise(noise):
    twice, shared = noise.overall["duplicates"], noise.overall.get("shared")
    said = []
    if np.isfinite(twice.value):
        said.append(f"Whoever labels the same picture again is off by {figure(twice)} per coordinate ({_span(twice)}).")
    else:
        said.append("Too few pictures were labelled twice to tell the noise from them.")
    if shared and np.isfinite(shared.value):
        said.append(
            f"By what the {MEMBERS[noise.member].label} and the quick regression get wrong alike on held-out faces, it "
            f"is at most {figure(shared)} ({_span(shared)}): that counts what all labels of a face share, too."
        )
    if noise.copies:
        said.append(f"{counted(noise.copies, 'pair')} of duplicates carry the very same numbers and were not counted.")
    return " ".join(said)


def _span(interval):
    return f"95 % interval {span(interval)}" if np.isfinite(interval.low) else "no interval"


def _left(noise):
    if not noise.member or not np.isfinite(noise.overall["shared"].value):
        return "That takes a network's answers on faces that it did not train on: open the page of a run."
    error, shared, rest = (noise.overall[name] for name in ("error", "shared", "rest"))
    text = (
        f"Without the rows that are likely wrong, the {MEMBERS[noise.member].label} is off by {figure(error)} RMSE. "
        f"At most {shares(noise)[-1]:.0f} % of that squared error is noise of the labels: a perfect network would "
        f"score {figure(shared)} or less on them, so at least {figure(rest)} ({_span(rest)}) are left to win."
    )
    if noise.split[-1, 0] > 0.01:
        text += f" The likely wrong rows make {percent(noise.split[-1, 0])} of all squared error."
    return text


def _leaning(labels, mirror):
    if not np.isfinite(mirror.all.value):
        return "Too few labels for the mirror test."
    way = "right" if mirror.all.value > 0 else "left"
    size = f"{abs(mirror.all.value):.2f} px"
    if mirror.all.low * mirror.all.high <= 0:
        said = "Labels and their mirror images agree as a whole."
    elif not sure(mirror.all):
        said = f"As a whole, labels lie {size} to the {way} of what their mirror images say: hardly anything."
    else:
        said = f"As a whole, labels lie {size} to the {way} of what their mirror images say."
    largest = sorted(mirror.notable, key=lambda side: -abs(side.x.value) if sure(side.x) else -abs(side.y.value))
    if not largest:
        return f"{said} No point is off by more than {NOTABLE:g} px beyond chance."
    top = largest[0]
    side = f"{top.x.value:+.2f} px in x" if sure(top.x) else f"{top.y.value:+.2f} px in y"
    return f"{said} The most of all points: {pair_label(labels.schema, top)}, {side}.".replace("-0", "−0")


def _conventions(labels, differences):
    kinds = [labels.schema.conventions[k].name for k in np.unique(labels.convention)]
    if len(kinds) < 2:
        return f"All rows are labelled by one convention, “{kinds[0]}”."
    own = [d for d in differences if d.own]
    parts = [f"{point_label(labels.schema.points[d.point])} {_moved(d)}" for d in own]
    name = labels.schema.conventions[own[0].convention].name if own else kinds[1]
    text = (
        f"“{name}” draws {' and '.join(parts)} than “{kinds[0]}”." if own else f"{', '.join(kinds)} draw points alike."
    )
    if own:
        dear = max(own, key=lambda d: d.cost)
        name = point_label(labels.schema.points[dear.point])
        text += f" A network that answers both alike cannot do better than {dear.cost:.1f} px on {name}."
    odd = [point_label(labels.schema.points[d.point]) for d in differences if not d.own and (sure(d.dx) or sure(d.dy))]
    if not odd:
        return f"{text} The other points agree."
    return f"{text} {sentence(', '.join(odd))} should agree, and {'does' if len(odd) == 1 else 'do'} not."


def _moved(difference):
    dx, dy = difference.dx.value, difference.dy.value
    if abs(dy) >= abs(dx):
        return f"{abs(dy):.1f} px {'lower' if dy > 0 else 'higher'}"
    return f"{abs(dx):.1f} px further {'right' if dx > 0 else 'left'}"


def series(key, noise):
    """What a series of the noise chart is."""
    names = {"duplicates": "noise, by duplicates", "shared": "noise at most, by shared error"}
    return names.get(key) or f"RMSE of the {MEMBERS[noise.member].label}"


def noise_alt(labels, noise):
    """The noise chart for those who do not see it."""
    told = []
    for slot in range(len(noise.duplicates)):
        own = {"duplicates": noise.duplicates, "shared error": noise.shared, "RMSE": noise.error}
        known = [f"{name} {found[slot].value:.2f} px" for name, found in own.items() if np.isfinite(found[slot].value)]
        told += [f"{slot_label(labels.schema, slot)}: {', '.join(known)}"] if known else []
    return "; ".join(told)


def split_alt(noise):
    """The chart of shares for those who do not see it."""
    return f"Over all points, at most {shares(noise)[-1]:.0f} % of the squared error is noise of the labels."


DIFFERENCE_HEADS = ("Point", "Labels", "x, px", "y, px", "Cost, px")


def difference_row(labels, difference):
    """Cells of a row of the table of conventions."""
    schema, d = labels.schema, difference
    names = [schema.conventions[k].name for k in (0, d.convention)]
    counts = f"{d.counts[0]:,} “{names[0]}”, {d.counts[1]:,} “{names[1]}”"
    axes = [f"{i.value:+.2f} ({i.low:+.2f} to {i.high:+.2f})".replace("-", "−") for i in (d.dx, d.dy)]
    kept = "" if d.own else " (should agree)"
    return [f"{point_label(schema.points[d.point])}{kept}", counts, *axes, f"{d.cost:.2f}"]


def footer(labels, noise):
    """Paragraphs: how the figures were made, and what they assume."""
    judge = (
        "Labels are held against the base network's answers, averaged with those on the mirrored face; it trained on "
        "most of these rows, so a wrong label that it learned by heart would not show. The second opinion never did. "
        if labels.judge == "base"
        else ""
    )
    found = [
        f"{judge}The quick regression is ridge regression from gradient histograms; what it says of a row was learned "
        f"from other groups' rows only. A deviation counts in times the median deviation of that point: from {LOOK:g} "
        f"times on a row is worth a look, from {WRONG:g} on it is likely wrong.",
        "Duplicates: half the mean squared difference of two labels of the same picture. It assumes that both were set "
        "independently, and does not see what both share, such as an annotator's habits.",
        "The mirror test assumes that the faces look left as often as right, and are lit so. Where they are not, a "
        "part of an offset hides in what the network learns from that, and where faces were cut out by their labels, "
        "an offset moved the picture too: what is found is a lower end. An offset that is its own mirror image, such "
        "as both eyes too high, cannot show.",
    ]
    if noise.member:
        relatives = noise.overall.get("relatives")
        known = relatives and np.isfinite(relatives.value)
        related = f" (Base and specialists, relatives, share {figure(relatives)}.)" if known else ""
        found.append(
            "Shared error: the covariance of two residuals of one label, from opinions that know nothing of each "
            "other. It is the label noise's variance if they err independently; where they fail on the same faces it "
            f"is more, so the noise is at most this, and at least as much is left to win.{related} Intervals: 1,000 "
            "bootstrap resamples of whole groups."
        )
    return found
