"""The large view of one face, which every page with faces has; scripts/dialog.js fills it in."""

from string import Template

from reports.markup import asset, text

RADII = ("Radius, px", ("50 %", "90 %"))  # the group of columns that pages with radii have last
RADIUS_LAYERS = [("radius0", "50 % radius"), ("radius1", "90 % radius")]


def large_view(layers, groups, sheet):
    """The closed dialog, and the picture that its faces are cut from, as HTML.

    Args:
        layers: list of (name, HTML): what can be drawn on a face, each with a box to leave it out.
        groups: list of (heading, names of its columns): the numbers of each point; without columns it is left out.
        sheet: address of the picture of all faces, such as a data: one.
    """
    groups = [(heading, columns) for heading, columns in groups if columns]
    columns = [column for _, own in groups for column in own]
    heads = (f'<th scope="colgroup" colspan="{len(own)}">{text(heading)}</th>' for heading, own in groups)
    slots = {
        "layers": "".join(f'<label><input type="checkbox" data-layer="{key}">{shown}</label>' for key, shown in layers),
        "groups": "".join(heads),
        "columns": "".join(f'<th scope="col" class="number">{text(column)}</th>' for column in columns),
    }
    return Template(asset("large.html")).substitute(slots, sheet=sheet)
