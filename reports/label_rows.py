"""The rows to look at as a table of plain values: for the page, and for the CSV that is mailed to whoever labelled."""

import csv
import io

from reports.label_doubts import KINDS, LOOK, WRONG

COLUMNS = (
    "row,convention,verdict,kind,what,point,times_the_usual,distance_px,second_opinion_px,"
    "held_out,same_picture_as,label_x,label_y,opinion_x,opinion_y"
).split(",")


def doubtful_rows(labels, doubts):
    """Dicts with COLUMNS as keys, most doubtful first; `point` and the four coordinates are of the worst point."""
    twins = twins_of(labels.image)
    there = labels.schema.from_slots(labels.opinions[labels.judge], labels.convention)
    return [_row(labels, doubts, twins, there, int(row)) for row in doubts.order if doubts.score[row] >= LOOK]


def _row(labels, doubts, twins, there, row):
    point = int(doubts.point[row])
    (x, y), (own_x, own_y) = (positions[row, point].tolist() for positions in (labels.points, there))
    return {
        "row": plain(labels.ids[row]),
        "convention": labels.schema.conventions[labels.convention[row]].name,
        "verdict": "likely wrong" if doubts.score[row] >= WRONG else "worth a look",
        "kind": KINDS[doubts.kind[row]],
        "what": doubts.words[row],
        "point": labels.schema.points[point],
        "times_the_usual": float(doubts.score[row]),
        "distance_px": float(doubts.distance[row, point]),
        "second_opinion_px": float(doubts.second[row]),
        "held_out": "yes" if labels.held[row] else "no",
        "same_picture_as": " ".join(str(labels.ids[t]) for t in twins.get(int(labels.image[row]), ()) if t != row),
        **{"label_x": x, "label_y": y, "opinion_x": own_x, "opinion_y": own_y},
    }


def twins_of(image):
    """dict of `Labels.image` value to all rows with that picture, where there are several."""
    rows = {}
    for row, first in enumerate(image.tolist()):
        rows.setdefault(first, []).append(row)
    return {first: same for first, same in rows.items() if len(same) > 1}


def plain(name):
    """A row's id as int or str."""
    return name.item() if hasattr(name, "item") else name


def as_csv(rows):
    """`doubtful_rows` as CSV text (RFC 4180)."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    writer.writerows([cell(row[name]) for name in COLUMNS] for row in rows)
    return out.getvalue()


def cell(value):
    """A CSV cell: numbers with two decimals, "" for none, and no text that a spreadsheet would run as a formula."""
    if isinstance(value, float):
        return "" if value != value else f"{value:.2f}"
    text = str(value)
    return f"'{text}" if text[:1] in tuple("=+-@\t\r") and not isinstance(value, int) else text
