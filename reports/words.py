"""The figures in plain words: what was tested, where the model fails, and why as far as the figures tell."""

import numpy as np

from reports.figures import WORST
from reports.predictions import LEVELS
from reports.theme import MEMBERS, point_label

NOTABLE_OFFSET = 0.15  # share of a point's squared error; below, an offset is not worth a sentence
SURE = 4  # standard errors
# Merge and radii were fitted on the validation faces; specialists.ensemble measures the coverage with radii fitted
# without the faces that they are tried on.
FITTED = " The merge was fitted on these faces, so its gain is flattered a little; the radii were tried on others."
SLACK = 0.03  # coverage this near to what was promised counts as kept


def counted(number, noun):
    """`1 face`, `1,783 faces`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def span(interval):
    """`1.36–1.51`; a joiner after the dash keeps it on one line."""
    return f"{interval.low:.2f}–\u2060{interval.high:.2f}"


def px(interval):
    """`1.43 px (95 % interval 1.36–1.51)`, or `1.43 px` where there is no interval."""
    return f"{interval.value:.2f} px" + (f" (95 % interval {span(interval)})" if np.isfinite(interval.low) else "")


def sentence(text):
    """`text` with a capital first letter; the rest as it is."""
    return text[:1].upper() + text[1:]


def percent(share):
    return "–" if not np.isfinite(share) else f"{100 * share:.0f} %"


def is_synthetic(info):
    return str(info.get("source")) == "synthetic"


def tested(predictions, figures):
    """What was tested, in one line: which faces, how many, from where."""
    info = predictions.info
    kind = {"validation": "held-out validation face", "test": "test face", "training": "training face"}.get(
        str(info.get("faces")), "face"
    )
    source = (
        "drawn by the synthetic source" if is_synthetic(info) else f"from {info.get('source', 'an unnamed source')}"
    )
    labels = counted(figures.values, "labelled point") if figures.values else "no labels"
    calibrated = "; answers calibrated to how the set frames and draws faces" if info.get("calibrated") else ""
    return f"{counted(figures.faces, kind)} {source}, {labels}{calibrated}"


def findings(figures, schema):
    """List of (lead, sentence) pairs, most important first: where the model fails, and why."""
    if not figures.faces:
        return [("Nothing to show", "This predictions file holds no faces.")]
    if not figures.values:
        return [("No truth", _NO_TRUTH)]
    found = (_overall(figures), _anchors(figures), _hardest(figures, schema), _convention_gap(figures, schema))
    found += (_few_faces(figures), _systematic(figures, schema), _hard_faces(figures), _radius(figures))
    return [(lead, sentence(text)) for lead, text in filter(None, found)]


_NO_TRUTH = (
    "None of these faces carries a label, so there is nothing to measure against. "
    "The page draws the predictions with the error radius that the ensemble expects of them, least certain faces first."
)


def _overall(figures):
    verb = "are" if figures.main == "specialist" else "is"
    score = px(figures.overall[figures.main])
    text = f"The {MEMBERS[figures.main].label} {verb} off by {score} RMSE per coordinate."
    gain = figures.gain.get("base")
    if not gain:
        return "Overall", text
    base = figures.overall["base"].value
    if np.isfinite(gain.low) and gain.low <= 0 <= gain.high:
        return (
            "Overall",
            f"{text} The base network scores {base:.2f} px; on these faces the difference is within chance.",
        )
    change = "better" if gain.value > 0 else "worse"
    return "Overall", f"{text} That is {abs(gain.value):.2f} px {change} than the base network's {base:.2f} px."


def _anchors(figures):
    """How the main member stands against what the user gave to compare with."""
    if not figures.anchors:
        return None
    score = figures.overall[figures.main]
    kinds = {"better than": [], "about as good as": [], "worse than": []}
    for name, px in sorted(figures.anchors.items(), key=lambda item: item[1]):
        unsure = np.isfinite(score.low) and score.low <= px <= score.high
        kind = "about as good as" if unsure else "better than" if score.value < px else "worse than"
        kinds[kind].append(f"{point_label(name)} ({px:.2f} px)")
    told = "; ".join(f"{kind} {', '.join(names)}" for kind, names in kinds.items() if names)
    what = " “About” means within the 95 % interval." if kinds["about as good as"] else ""
    return "To compare with", f"{told}.{what}"


def _hard_faces(figures):
    """The attribute whose hardest part differs most from its easiest, beyond chance."""
    ratios = []
    for attribute, medians in figures.attributes:
        known = [(m, i) for i, m in enumerate(medians) if np.isfinite(m.low)]
        if len(known) > 1 and not attribute.names:
            (easy, _), (hard, place) = min(known), max(known)
            if hard.low > easy.high and easy.value > 0:
                ratios.append((hard.value / easy.value, attribute, place, hard, easy))
    if not ratios:
        return None
    _, attribute, place, hard, easy = max(ratios, key=lambda ratio: ratio[0])
    low, high = attribute.ends
    which = f"most {low}" if place == 0 else f"most {high}" if place == len(attribute.edges) - 2 else "middle"
    return "Hard faces", (
        f"the {which} fifth by {attribute.title.lower()} has a median face RMSE of {hard.value:.2f} px, "
        f"the easiest fifth {easy.value:.2f} px."
    )


def _hardest(figures, schema):
    scores = np.array([interval.value for interval in figures.points[figures.main]])
    if np.isfinite(scores).sum() < 2:
        only = schema.points[int(np.nanargmax(scores))]
        return "One point only", f"Only {point_label(only)} is both labelled and predicted here."
    worst, best = int(np.nanargmax(scores)), int(np.nanargmin(scores))
    text = f"{point_label(schema.points[worst])} is the hardest point at {scores[worst]:.2f} px"
    times = f", {scores[worst] / scores[best]:.1f} times the error" if scores[best] > 0 else ", against"
    return "Hardest point", f"{text}{times} of the easiest, {point_label(schema.points[best])} ({scores[best]:.2f} px)."


def _convention_gap(figures, schema):
    if len(figures.conventions) < 2:
        return None
    scores = {kind: own[figures.main] for kind, (_, _, own) in figures.conventions.items()}
    worst, best = max(scores, key=scores.get), min(scores, key=scores.get)
    names = [schema.conventions[kind].name for kind in (worst, best)]
    chance = scores[worst].low <= scores[best].high
    text = (
        f"Faces labelled by the “{names[0]}” convention score {scores[worst].value:.2f} px, "
        f"those by “{names[1]}” {scores[best].value:.2f} px{', a difference within chance' if chance else ''}."
    )
    own = [point_label(p) for p in schema.conventions[max(worst, best)].own]
    return "Labelling", text + (f" The two draw {' and '.join(own)} differently." if own else "")


def _few_faces(figures):
    if figures.faces <= 2 * WORST or not np.isfinite(figures.worst_share):
        return None
    fair = WORST / figures.faces
    text = (
        f"The worst {WORST} faces ({100 * fair:.1f} % of all) make {percent(figures.worst_share)} of the squared error"
    )
    if figures.worst_share < max(4 * fair, 0.1):
        return "Outliers", f"{text}: the error is spread over many faces, not made by a few."
    rest = f"Without them the RMSE is {figures.without_worst:.2f} px."
    return "Outliers", f"{text}: look at them first, for wrong labels as much as for failures. {rest}"


def _systematic(figures, schema):
    """The largest offset among those that explain much of their point's error and are no accident."""
    notable = [o for o in figures.offsets if o.share >= NOTABLE_OFFSET and o.sigmas >= SURE]
    if not notable:
        return None
    top = max(notable, key=lambda o: o.dx**2 + o.dy**2)
    where = f" in “{schema.conventions[top.convention].name}” faces" if len(figures.conventions) > 1 else ""
    more = len(notable) - 1
    also = f" {counted(more, 'more point')} {'has' if more == 1 else 'have'} an offset worth a look." if more else ""
    return "Systematic offset", (
        f"{point_label(schema.points[top.point])}{where} is found {direction(top.dx, top.dy)} on average; "
        f"that alone is {percent(top.share)} of its squared error there.{also}"
    )


def direction(dx, dy):
    """`0.80 px too low and 0.30 px too far right`; a part under a third of the other is left out."""
    size = max(abs(dx), abs(dy))
    parts = [(dy, "too low" if dy > 0 else "too high"), (dx, "too far right" if dx > 0 else "too far left")]
    return " and ".join(f"{abs(part):.2f} px {word}" for part, word in parts if abs(part) >= size / 3)


def _radius(figures):
    half, most = figures.coverage
    if not np.isfinite(most.value):
        return ("Error radius", "too few persons to tell whether it holds.") if figures.fitted else None
    text = f"the 50 % radius holds {percent(half.value)} of the points{_kept(half, LEVELS[0])}"
    return (
        "Error radius",
        f"{text}, the 90 % radius {percent(most.value)}{_kept(most, LEVELS[1])}.{FITTED * figures.fitted}",
    )


def _kept(share, promised):
    """A verdict on a radius, where there are enough faces for one."""
    if not np.isfinite(share.low):
        return ""
    if abs(share.value - promised) <= SLACK or share.low <= promised <= share.high:
        return " (as promised)"
    return " (wider than it need be)" if share.value > promised else " (too narrow)"
