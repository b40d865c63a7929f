"""The augmentation page: what a network sees of a face in training."""

import dataclasses

import numpy as np

from data.augment import AugmentSettings
from data.errors import RunError
from reports.augmentation_views import MEANINGS, extreme_views, random_views, share_outside, sides_kept
from reports.frame import findings_list, footer_of, page_frame
from reports.gallery import sprite_sheet
from reports.markup import asset, table, text
from reports.theme import point_label
from reports.words import counted

FACES = 4  # that the page shows, of all conventions in turn
SHOWN = 14  # random draws at first: two full lines
SIDES = {"left": ("left (the person's)", "circle"), "right": ("right", "square"), "middle": ("neither", "cross")}


def settings_of(stored, where):
    """`AugmentSettings` from the JSON object in a run's settings; what it does not name did not exist then: 0.

    Raises:
        RunError: naming the file, where it is none.
    """
    known = {field.name for field in dataclasses.fields(AugmentSettings)}
    if not isinstance(stored, dict) or not stored.keys() <= known:
        unknown = sorted(stored.keys() - known) if isinstance(stored, dict) else [type(stored).__name__]
        raise RunError(f"{where}: expected the settings of augmentation; received {', '.join(map(str, unknown))}")
    if not all(isinstance(v, int | float) and np.isfinite(v) and not isinstance(v, bool) for v in stored.values()):
        raise RunError(f"{where}: expected numbers as settings of augmentation; received {stored}")
    return AugmentSettings(**{name: stored.get(name, 0) for name in known})


def augmentation_page(predictions, settings, seed=0, title="What a network sees in training"):
    """The whole page as HTML.

    Args:
        predictions: `Predictions`, of which images, labels, ids and conventions are used.
        settings: `AugmentSettings`. seed: int, of the random draws.
        title: any text.
    """
    rows = chosen_faces(predictions)
    synthetic = str(predictions.info.get("source")) == "synthetic"
    if not len(rows):
        found = [("Nothing to show", "There is no face with a label to show transforms on.")]
        return page_frame(title, findings_list(found) + _settings(settings), synthetic=synthetic)
    shown = [Face(predictions, row, settings, [seed, at]) for at, row in enumerate(rows)]
    main = "".join(
        (
            findings_list(findings(predictions, settings, shown)),
            _choice(shown, predictions.schema),
            *(face.html(at) for at, face in enumerate(shown)),
            _settings(settings),
        )
    )
    return page_frame(
        title,
        main,
        lede=f"{counted(len(shown), 'face')} of {len(predictions):,}, by the settings of the base network's training.",
        synthetic=synthetic,
        after=f"<style>{asset('augmentation.css')}</style>",
        scripts=("augmentation.js",),
        footer=footer_of(NOTES),
    )


NOTES = (
    "All geometry of a view is one matrix and one warp; what lies outside of the picture repeats its border. Points go "
    "through the same matrix as the picture. In a mirrored view left and right points change places, so that the left "
    "eye's label still lies on the person's left eye.",
    "Only faces that a network trains on are augmented; those shown here serve as examples.",
)


def chosen_faces(predictions):
    """Rows of FACES faces, of the conventions in turn, those with the most labels and the surest first."""
    counted_labels = np.isfinite(predictions.truth).all(-1).sum(1)
    off = predictions.errors() if "ensemble" in predictions.points else np.zeros((len(predictions), 1))
    errors = np.nan_to_num(off, nan=0).max(1, initial=0)  # a wrong label would show nothing
    order = [int(row) for row in np.lexsort((errors, -counted_labels)) if counted_labels[row]]
    queues = [[r for r in order if predictions.convention[r] == kind] for kind in np.unique(predictions.convention)]
    chosen = []
    while len(chosen) < FACES and any(queues):
        chosen += [queue.pop(0) for queue in queues if queue]
    return chosen[:FACES]


class Face:
    """One face of the page with all its views."""

    def __init__(self, predictions, row, settings, seed):
        self.schema, self.name = predictions.schema, str(predictions.ids[row])
        self.kind = predictions.schema.conventions[predictions.convention[row]].name
        image, points = predictions.images[row], predictions.truth[row]
        self.extremes = extreme_views(image, points, self.schema, settings)
        self.random = random_views(image, points, self.schema, settings, seed)
        self.plain = self.extremes[""][0]

    def html(self, at):
        """The section of this face; all but the first are hidden until they are chosen."""
        groups = "".join(
            f'<section class="views"><h3>{text((name or "the face").capitalize())}</h3>'
            f'<div class="wall">{"".join(self._card(view) for view in views)}</div></section>'
            for name, views in self.extremes.items()
        )
        draws = "".join(self._card(view, rank >= SHOWN) for rank, view in enumerate(self.random))
        more = f'<button type="button" class="plain" data-more="{at}">Show {len(self.random) - SHOWN} more</button>'
        return (
            f'<div data-view="{at}"{" hidden" if at else ""}><h2>Each transform at its extremes</h2>'
            f'<p class="note">One at a time; the training draws from between them, all at once.</p>'
            f'<div class="extremes">{groups}</div>{self._swap()}'
            f'<h2>As the training draws them</h2><div class="wall">{draws}</div>{more}</div>'
        )

    def _card(self, view, hidden=False):
        return (
            f'<figure class="face"{" hidden" if hidden else ""}>{art(view, self.schema, self.name)}'
            f'<figcaption class="name">{text(view.title)}</figcaption></figure>'
        )

    def _swap(self):
        """The table of what a mirror does to each point."""
        if "flip" not in self.extremes:
            return ""
        flipped = self.extremes["flip"][0]
        rows = [
            (point_label(point), *_place(self.plain.points[p]), *_place(flipped.points[p]), self._origin(p))
            for p, point in enumerate(self.schema.points)
            if np.isfinite(self.plain.points[p]).all() or np.isfinite(flipped.points[p]).all()
        ]
        heads = ("Point", "x, px", "y, px", "x mirrored", "y mirrored", "its label was that of")
        return (
            '<details><summary>What a mirror does to each point</summary><div class="card table"><div class="scroll" '
            f'tabindex="0" role="region" aria-label="Points in the mirror">{table(heads, rows)}</div></div></details>'
        )

    def _origin(self, point):
        return point_label(self.schema.points[int(self.schema.mirror[point])])


def _place(point):
    return [f"{value:.1f}" if np.isfinite(value) else "–" for value in point]


def side_of(point, schema):
    """ "left", "right" or "middle" of a point's index: the first of a pair of mirror partners is told by its name."""
    partner = int(schema.mirror[point])
    if partner == point:
        return "middle"
    name = schema.points[point]
    if "left" in name or "right" in name:
        return "left" if "left" in name else "right"
    return "left" if point > partner else "right"


def art(view, schema, name):
    """A view as a picture with its points: HTML of one `.art`."""
    height, width = view.image.shape[:2]
    unit = width / 96
    marks = "".join(
        _mark(schema, p, x, y, 4 * unit) for p, (x, y) in enumerate(view.points.tolist()) if x == x and y == y
    )
    lines = "".join(_line(view.points, [schema.points.index(p) for p in line], unit) for line in schema.lines)
    known = int(np.isfinite(view.points).all(-1).sum())
    label = text(f"Face {name}, {view.title}, with {counted(known, 'point')}")
    return (
        f'<span class="art"><img alt="" src="{sprite_sheet(view.image[None])["uri"]}">'
        f'<svg viewBox="-0.5 -0.5 {width} {height}" role="img" aria-label="{label}">{lines}{marks}</svg></span>'
    )


def _mark(schema, point, x, y, size):
    side = side_of(point, schema)
    return (
        f'<use href="#mark-{SIDES[side][1]}" class="mark {side}" data-point="{point}" x="{x - size / 2:.2f}" '
        f'y="{y - size / 2:.2f}" width="{size:g}" height="{size:g}"/>'
    )


def _line(points, indices, unit):
    """The line through points of a part of the face, as far as they are labelled."""
    known = [points[i] for i in indices if np.isfinite(points[i]).all()]
    if len(known) < 2:
        return ""
    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in known)
    return f'<path class="outline" d="M{path}" stroke-width="{0.5 * unit:.2f}"/>'


def findings(predictions, settings, shown):
    """List of (lead, sentence)."""
    flipped = [(v, face) for face in shown for v in (*face.extremes.get("flip", ()), *face.random) if v.flipped]
    kept, pairs = np.sum([sides_kept(v, face.plain, face.schema) for v, face in flipped], axis=0) if flipped else (0, 0)
    found = [("Mirrored views", _mirrored(settings, len(flipped), int(kept), int(pairs)))]
    outside = share_outside(predictions.images, predictions.truth, settings)
    if np.isfinite(outside):
        found.append(("Points outside", f"A random view moves {100 * outside:.1f} % of the labels out of the picture."))
    off = [name for name, value in dataclasses.asdict(settings).items() if not value]
    if off:
        found.append(("Turned off", ", ".join(off) + "."))
    return found


def _mirrored(settings, views, kept, pairs):
    if not settings.flip:
        return "This training mirrors no face."
    text = f"{100 * settings.flip:.0f} % of the views are mirrored."
    if not pairs:
        return f"{text} No pair of left and right points is labelled on these faces."
    verdict = "as on the face itself" if kept == pairs else "which is not as it should be"
    return (
        f"{text} In the {views} mirrored views here, {kept} of {pairs} labelled pairs have the left point on the "
        f"person's left, {verdict}."
    )


def _choice(shown, schema):
    faces = "".join(
        f'<button type="button" class="chip" data-face="{at}" aria-pressed="{str(not at).lower()}">'
        f"face {text(face.name)}, “{text(face.kind)}”</button>"
        for at, face in enumerate(shown)
    )
    labelled = np.any([np.isfinite(face.plain.points).all(-1) for face in shown], 0)
    points = "".join(
        f'<button type="button" class="chip" data-lit="{p}" aria-pressed="false">{text(point_label(point))}</button>'
        for p, point in enumerate(schema.points)
        if labelled[p]
    )
    marks = "".join(
        f'<li><svg viewBox="0 0 14 14" aria-hidden="true"><use href="#mark-{mark}" class="mark {side}" width="14" '
        f'height="14"/></svg>{text(words)}</li>'
        for side, (words, mark) in SIDES.items()
    )
    return (
        '<section class="card filters" aria-label="Choose what to look at"><h2>Choose what to look at</h2>'
        f'<div class="line"><span class="group" role="group" aria-label="Face"><span class="caption">Face</span>{faces}'
        f'</span></div><div class="chips" role="group" aria-label="Points to follow">{points}</div></section>'
        '<div class="chosen"><span id="status" role="status">All points</span>'
        '<button type="button" id="clear" disabled>Show all</button></div>'
        f'<ul class="legend">{marks}</ul>'
    )


def _settings(settings):
    rows = [(name, f"{value:g}", MEANINGS[name]) for name, value in dataclasses.asdict(settings).items()]
    lines = "".join(
        f'<tr><th scope="row">{text(name)}</th><td class="number">{text(value)}</td>'
        f'<td class="words">{text(words)}</td></tr>'
        for name, value, words in rows
    )
    return (
        '<h2 id="settings-title">Settings</h2><div class="card table"><div class="scroll" tabindex="0" role="region" '
        'aria-labelledby="settings-title"><table><thead><tr><th scope="col">Transform</th>'
        '<th scope="col" class="number">Setting</th><th scope="col">Meaning</th></tr></thead>'
        f"<tbody>{lines}</tbody></table></div></div>"
    )
