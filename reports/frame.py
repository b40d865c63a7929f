"""The frame that every page shares: policy, look, title, charts, footer. A page is one file that asks for nothing."""

from reports.markup import SHAPES, asset, document, json_block, text

SYNTHETIC = '<p class="badge">SYNTHETIC drawn faces, not photos</p>'
NO_SCRIPT = '<noscript><p class="note">Charts and faces need JavaScript, which is part of this file.</p></noscript>'


def page_frame(title, main, *, lede="", synthetic=False, after="", plots=None, data=None, scripts=(), footer=""):
    """A whole page as HTML; it needs no other file and no network.

    Args:
        title: any text.
        main: HTML of the page, in which each chart has a place (`markup.chart_card`) by the name it has in `plots`.
        lede: a sentence below the title, any text.
        synthetic: say that the faces are drawn.
        after: HTML outside of the page's flow: dialogs, pictures that scripts draw from.
        plots: dict of name to Bokeh figure. They may share sources; equal plots give equal pages.
        data: JSON values that the scripts read as `page`.
        scripts: names of files in reports/scripts. They share one closure with frame.js, which says what it offers.
        footer: HTML, such as `footer_of`.
    """
    heading = f"<h1>{text(title)}</h1>" + (f'<p class="lede">{text(lede)}</p>' if lede else "")
    body = f"{SHAPES}<header>{SYNTHETIC if synthetic else ''}{heading}</header><main>{main}</main>{after}{footer}"
    if not plots and not scripts:
        return document(title, body, [])
    block = json_block("page-data", (data or {}) | {"charts": embedded(plots) if plots else None})
    code = [bokeh_script()] if plots else []
    return document(title, body + NO_SCRIPT + block, [*code, joined(("frame.js", *scripts, "start.js"))])


def footer_of(notes=(), facts=None):
    """The end of a page: paragraphs of words, then what the file says about itself.

    Args:
        notes: texts. facts: dict of name to text or number; other values are left out.
    """
    words = "".join(f"<p>{text(note)}</p>" for note in notes)
    plain = sorted((key, value) for key, value in (facts or {}).items() if isinstance(value, str | int | float))
    lines = "".join(f"<dt>{text(key)}</dt><dd>{text(value)}</dd>" for key, value in plain)
    return f"<footer>{words}{f'<dl>{lines}</dl>' if lines else ''}</footer>"


def findings_list(found):
    """What a page tells in words: `found` are (lead, sentence), most important first."""
    lines = "".join(f"<dt>{text(lead)}</dt><dd>{text(line)}</dd>" for lead, line in found)
    return f'<dl class="card findings">{lines}</dl>'


def joined(names):
    """The scripts of `names` as one, in a closure of its own."""
    code = "\n".join(asset(f"scripts/{name}") for name in names)
    return f'"use strict";\n(() => {{\n{code}}})();\n'


def bokeh_script():
    """Bokeh's own script, for pages that load nothing."""
    from bokeh.resources import Resources

    # A browser reads "\r" as "\n", and would then refuse the script for its checksum.
    return Resources(mode="inline", components=["bokeh"]).js_raw[0].replace("\r", "")


def embedded(plots):
    """`plots` as JSON for `Bokeh.embed.embed_items`; equal plots give equal JSON, in whatever process."""
    from bokeh.document import Document

    page = Document()
    with page.models.freeze():  # or each plot makes it look through all of them again
        for plot in plots.values():
            page.add_root(plot)
    names = {}
    made = _renamed(page.to_json(deferred=False), names)
    return {"document": made, "roots": {names[plot.id]: f"chart-{name}" for name, plot in plots.items()}}


def _renamed(value, names):
    """JSON with Bokeh's ids, which count up over a process, counted from one; `names` collects old to new."""
    if isinstance(value, list | tuple):
        return [_renamed(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    renamed = {key: _renamed(item, names) for key, item in value.items()}
    if isinstance(value.get("id"), str):
        renamed["id"] = names.setdefault(value["id"], f"m{len(names) + 1}")
    return renamed
