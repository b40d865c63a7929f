"""Pieces of HTML. Every text from outside goes through `text`; scripts and styles are ours alone."""

import base64
import hashlib
import html
import json
from importlib.resources import files

from reports import theme
from reports.theme import MEMBERS, PAIR, TRUTH


def text(value):
    """`value` as HTML text or attribute value: markup in it stays text; what is not Unicode becomes `?`."""
    return html.escape(str(value).encode("utf-8", "replace").decode(), quote=True)


def json_block(name, value):
    """A block of JSON that a script reads. `<` is spelled out, so that no string can end the block."""
    coded = json.dumps(value, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    return f'<script type="application/json" id="{name}">{coded}</script>'


def asset(name):
    """Text of a file that lies beside this one."""
    return files("reports").joinpath(name).read_text("utf-8")


def document(title, body, scripts):
    """A whole page that may run only `scripts`, and may load nothing at all: its own policy forbids both."""
    hashes = " ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'"
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {hashes}"
    code = "".join(f"<script>{script}</script>\n" for script in scripts)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f'<link rel="icon" href="data:,">\n<title>{text(title)}</title>\n<style>{_style()}</style>\n</head>\n'
        f"<body>\n{body}\n{code}</body>\n</html>\n"
    )


def _digest(script):
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _style():
    colours = {name: style.colour for name, style in MEMBERS.items()} | {"truth": TRUTH.colour}
    colours |= {"ink": theme.INK, "muted": theme.MUTED, "hairline": theme.HAIRLINE, "quiet": theme.QUIET}
    colours |= {"accent": theme.ACCENT, "font": theme.FONT}
    return ":root{" + ";".join(f"--{name}:{value}" for name, value in colours.items()) + "}\n" + asset("page.css")


# The shapes of theme.MEMBERS, drawn the same in legends and on faces.
SHAPES = (
    '<svg width="0" height="0" style="position:absolute" aria-hidden="true"><defs>'
    '<symbol id="mark-circle" viewBox="-1 -1 2 2" overflow="visible"><circle r=".8"/></symbol>'
    '<symbol id="mark-square" viewBox="-1 -1 2 2" overflow="visible">'
    '<rect x="-.72" y="-.72" width="1.44" height="1.44"/></symbol>'
    '<symbol id="mark-triangle" viewBox="-1 -1 2 2" overflow="visible"><path d="M0-.95 .95.75H-.95z"/></symbol>'
    '<symbol id="mark-cross" viewBox="-1 -1 2 2" overflow="visible">'
    '<path d="M-.22-1H.22V-.22H1V.22H.22V1H-.22V.22H-1V-.22H-.22z"/></symbol></defs></svg>'
)


def mark(name):
    """The mark of a member, or of "truth", as an inline picture."""
    style = ({"truth": TRUTH} | MEMBERS | PAIR)[name]
    return (
        f'<svg viewBox="0 0 14 14" aria-hidden="true"><use href="#mark-{style.marker}" '
        f'class="mark {name}" width="14" height="14"/></svg>'
    )


def legend(names):
    """A list of marks with what they stand for."""
    items = (f"<li>{mark(n)}{text((TRUTH if n == 'truth' else MEMBERS[n]).label)}</li>" for n in names)
    return f'<ul class="legend">{"".join(items)}</ul>'


def tiles(entries, main):
    """Large figures side by side; `entries` are (label, value, note), the first one that of the member `main`."""
    cells = (
        f'<div class="card tile{"" if place else f" main {main}"}"><dt>{text(label)}</dt>'
        f"<dd><strong>{text(value)}</strong><span>{text(note)}</span></dd></div>"
        for place, (label, value, note) in enumerate(entries)
    )
    return f'<dl class="tiles">{"".join(cells)}</dl>'


def chart_card(name, title, note, description, extra=""):
    """A place for the chart `name`, with words above it and a description for those who do not see it."""
    return (
        f'<figure class="card"><figcaption><h3>{text(title)}</h3><p>{text(note)}</p></figcaption>'
        f"{place(name, description)}{extra}</figure>"
    )


def place(name, description):
    """Where the chart `name` will be, with a description for those who do not see it."""
    return f'<div class="chart" id="chart-{name}" role="group" aria-label="{text(description)}"></div>'


def table(head, rows):
    """A table of texts whose columns after the first are numbers, aligned right."""
    top = "".join(f'<th scope="col"{" class=number" if i else ""}>{text(name)}</th>' for i, name in enumerate(head))
    body = (
        f'<tr><th scope="row">{text(row[0])}</th>'
        + "".join(f'<td class="number">{text(cell)}</td>' for cell in row[1:])
        for row in rows
    )
    return f"<table><thead><tr>{top}</tr></thead><tbody>{'</tr>'.join(body)}</tr></tbody></table>"


def picture(image, alt, lossless=False):
    """`image` uint8 [H, W, C], C of 1 or 3 (RGB), as an <img> that is part of the page; `alt` is what it shows."""
    import cv2

    shown = image if image.shape[2] == 1 else cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, coded = cv2.imencode(".webp", shown, [cv2.IMWRITE_WEBP_QUALITY, 101 if lossless else 80])
    uri = "data:image/webp;base64," + base64.b64encode(coded.tobytes()).decode()
    return f'<img src="{uri}" alt="{text(alt)}" width="{image.shape[1]}" height="{image.shape[0]}">'


def download(name, content, label):
    """A link that saves the text `content`, such as a CSV, as a file `name`; it is part of the page."""
    coded = base64.b64encode(content.encode("utf-8")).decode()
    return f'<a class="plain" download="{text(name)}" href="data:text/plain;base64,{coded}">{text(label)}</a>'
