"""The faces that the label page draws, and what its scripts read."""

import numpy as np

from reports.gallery import pack, quantum, sprite_sheet
from reports.label_doubts import KINDS, LOOK
from reports.label_duplicates import disagreements
from reports.theme import ACCENT, TRUTH, Style, point_label

PAIRS = 12  # duplicates that are shown
MARKS = {  # as labels.css colours them
    "truth": TRUTH,
    "twin": Style("label of the other row with this picture", "#cc79a7", "circle"),
    "regression": Style("quick regression", "#009e73", "triangle"),
    "base": Style("base network", ACCENT, "square"),
}


class Shown:
    """The faces that the page draws: doubtful rows whose picture is kept, then pairs of duplicates.

    Args:
        labels: `Labels`. doubts: `Doubts`. rows: `doubtful_rows` of them.
    """

    def __init__(self, labels, doubts, rows):
        self.labels, self.doubts, self.rows = labels, doubts, rows
        kept = {int(labels.image[row]): at for at, row in enumerate(labels.pictured)}
        self.looked = [int(row) for row in doubts.order if doubts.score[row] >= LOOK]
        drawn = [row for row in self.looked if int(labels.image[row]) in kept]
        self.place = {row: at for at, row in enumerate(drawn)}
        self.pairs = [p for p in disagreements(labels) if p.shared and int(labels.image[p.first]) in kept][:PAIRS]
        self.row = np.array([*drawn, *(pair.first for pair in self.pairs)], int)
        self.twin = np.array([*(self._twin(row) for row in drawn), *(pair.second for pair in self.pairs)], int)
        self.sheet = sprite_sheet(labels.pictures[[kept[int(labels.image[row])] for row in self.row]])
        self.uri = self.sheet.pop("uri")

    def _twin(self, row):
        """Another row with the same picture, or -1."""
        same = np.flatnonzero(self.labels.image == self.labels.image[row])
        return int(same[same != row][0]) if len(same) > 1 else -1

    @property
    def layers(self):
        """Names of what can be drawn on a face."""
        return [name for name in MARKS if name in ("truth", "twin") or name in self.labels.opinions]

    def data(self):
        """JSON values for faces.js and labels.js."""
        labels, (height, width) = self.labels, self.labels.size
        step, kinds = quantum(height, width), labels.convention[self.row]
        found = {"twin": np.where((self.twin < 0)[:, None, None], np.nan, labels.points[self.twin])}
        for name in self.layers[2:]:
            found[name] = labels.schema.from_slots(labels.opinions[name][self.row], kinds)
        return {
            **{"quantum": step, "height": height, "width": width, "faces": len(self.row), "sheet": self.sheet},
            "members": list(found),
            "points": [point_label(point) for point in labels.schema.points],
            "conventions": [convention.name for convention in labels.schema.conventions],
            "convention": kinds.astype(int).tolist(),
            "ids": [str(name) for name in labels.ids[self.row]],
            "truth": pack(labels.points[self.row], step),
            "found": {name: pack(points, step) for name, points in found.items()},
            "radius": "",
            "marks": {name: style.marker for name, style in MARKS.items()},
            "names": {name: style.label for name, style in MARKS.items()},
            "rows": [self._record(row, entry) for row, entry in zip(self.looked, self.rows, strict=True)],
            "pairs": [self._pair(at, pair) for at, pair in enumerate(self.pairs)],
        }

    def _record(self, row, entry):
        times = np.nan_to_num(self.doubts.times[row])
        second = entry["second_opinion_px"]
        return {
            **{"id": str(entry["row"]), "face": self.place.get(row, -1), "what": entry["what"]},
            **{"key": self.doubts.kind[row], "kind": KINDS[self.doubts.kind[row]], "verdict": entry["verdict"]},
            **{"convention": int(self.labels.convention[row]), "labelling": entry["convention"]},
            "points": np.flatnonzero(times >= LOOK).tolist(),
            "times": round(entry["times_the_usual"], 2),
            "distance": round(entry["distance_px"], 2),
            "second": round(second, 2) if np.isfinite(second) else None,
            "held": entry["held_out"] == "yes",
            "same": entry["same_picture_as"],
        }

    def _pair(self, at, pair):
        labels = self.labels
        return {
            "face": len(self.place) + at,
            "ids": [str(labels.ids[pair.first]), str(labels.ids[pair.second])],
            "distance": round(pair.distance, 2),
            "rms": round(pair.rms, 2),
            "point": point_label(labels.schema.points[pair.point]),
        }
