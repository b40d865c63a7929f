"""Schemas from a person's own small file, JSON or TOML:

name = "glove"                                   # one word; optional
points = ["tip", "left_cuff", "right_cuff"]      # in the order of the labels
mirror = [["left_cuff", "right_cuff"]]           # optional: else "left" and "right" in the names tell
lines = [["left_cuff", "tip", "right_cuff"]]     # optional: what drawings join
[groups]                                         # optional: else words such as eye or mouth in the names tell
cuffs = ["left_cuff", "right_cuff"]
"""

import json
import tomllib
from difflib import get_close_matches
from pathlib import Path

from data.keypoints import MOST_POINTS, POINT_NAME, SCHEMAS, Convention, Schema
from data.photos import refused

NAMES = ("schema.json", "schema.toml")  # looked for beside a set
FIELDS = ("name", "points", "mirror", "lines", "groups")
LIMIT = 1 << 20  # bytes


def read_schema(path):
    """Schema from a JSON or TOML file. Raises DataError naming file and place."""
    tree = _tree(Path(path))
    for key in tree:
        if key not in FIELDS:
            near = get_close_matches(key, FIELDS, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise refused(path, f"one of {', '.join(FIELDS)}", f"{key!r}{hint}")
    points = _names(tree.get("points"), f"{path}: points", set())
    lines = tuple(_known(line, points, f"{path}: lines[{i}]") for i, line in enumerate(_list(tree, "lines", path)))
    mirror = tree.get("mirror")
    pairs = None if mirror is None else _pairs(_list(tree, "mirror", path), points, path)
    name = tree.get("name", Path(path).parent.name if Path(path).name in NAMES else Path(path).stem)
    if not isinstance(name, str) or not name or not name.isprintable():
        raise refused(f"{path}: name", "a word", repr(name))
    return schema_from(points, path, name, lines, pairs, _groups(tree, points, path))


def schema_from(points, where, name="own", lines=(), pairs=None, regions=None):
    """A schema; that of SCHEMAS which has these points, in whatever order, and this name or none. Raises DataError."""
    same = next((s for s in SCHEMAS.values() if set(s.points) == set(points) and name in (s.name, "own")), None)
    if same:
        return same
    made = Schema(name, points, (Convention("all", points),), lines, pairs, regions)
    for point in points:
        partner = made.partner(point)
        if partner not in points:
            wanted = f"{partner} too, the mirror partner of {point}, or a schema file that says mirror = [[A, B], ...]"
            raise refused(where, wanted, "no such point")
    return made


def schema_file(schema):
    """dict of file name to text: the schema file that a set of these points needs beside it."""
    if SCHEMAS.get(schema.name) == schema:
        return {}
    return {NAMES[0]: json.dumps(schema_json(schema), indent=1) + "\n"}


def find_schema(data):
    """Path of the schema file beside a set, which is a file or a folder: SET.schema.json, schema.json, or as TOML."""
    data = Path(data)
    folder = data if data.is_dir() else data.parent
    own = [] if data.is_dir() else [folder / f"{data.stem}.schema{end}" for end in (".json", ".toml")]
    return next((path for path in [*own, *(folder / name for name in NAMES)] if path.is_file()), None)


def schema_json(schema):
    """What a schema file says of a schema, as a JSON object."""
    pairs = [[a, b] for a in schema.points if schema.points.index(b := schema.partner(a)) > schema.points.index(a)]
    groups = {name: list(points) for name, points in schema.groups.items()}
    own = {"name": schema.name, "points": list(schema.points), "mirror": pairs}
    return {**own, "lines": [list(line) for line in schema.lines], "groups": groups}


def _tree(path):
    try:
        content = path.read_bytes()[: LIMIT + 1]
        if len(content) > LIMIT:
            raise refused(path, f"a schema of at most {LIMIT >> 20} MB", "more")
        text = content.decode("utf-8-sig")
        tree = tomllib.loads(text) if path.suffix.lower() == ".toml" else json.loads(text)
    except OSError as error:
        raise refused(path, "a schema file that can be read", error.strerror) from error
    except (ValueError, RecursionError) as error:
        raise refused(path, f"a schema in {'TOML' if path.suffix.lower() == '.toml' else 'JSON'}", error) from error
    if not isinstance(tree, dict):
        raise refused(path, f"an object with {', '.join(FIELDS)}", type(tree).__name__)
    return tree


def _list(tree, key, path):
    value = tree.get(key) or []
    if not isinstance(value, list):
        raise refused(f"{path}: {key}", "a list of lists of points", repr(value)[:60])
    return value


def _names(value, where, taken):
    """A tuple of names, each of its own."""
    if not isinstance(value, list) or not 1 <= len(value) <= MOST_POINTS:
        raise refused(where, f"a list of 1 to {MOST_POINTS} names", "none" if value is None else repr(value)[:60])
    for i, name in enumerate(value):
        check_name(name, f"{where}[{i}]")
        if name.lower() in taken:
            raise refused(f"{where}[{i}]", "each name once", f"{name!r} again")
        taken.add(name.lower())
    return tuple(value)


def check_name(name, where):
    """Raise DataError where a point cannot be called so: its specialist's folder has that name."""
    if not isinstance(name, str) or not POINT_NAME.fullmatch(name):
        raise refused(where, "a name of up to 64 letters, digits, _ and -", repr(name)[:80])


def _known(value, points, where):
    if not isinstance(value, list) or not value:
        raise refused(where, "a list of points", repr(value)[:60])
    for name in value:
        if name not in points:
            near = get_close_matches(str(name), points, 1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise refused(where, "one of the points", f"{name!r}{hint}")
    return tuple(value)


def _pairs(value, points, path):
    pairs, taken = [], set()
    for i, pair in enumerate(value):
        pair = _known(pair, points, f"{path}: mirror[{i}]")
        if len(pair) != 2 or pair[0] == pair[1] or taken & set(pair):
            raise refused(f"{path}: mirror[{i}]", "two points that stand in no other pair", ", ".join(pair))
        taken |= set(pair)
        pairs.append(pair)
    return tuple(pairs)


def _groups(tree, points, path):
    groups = tree.get("groups")
    if groups is None:
        return None
    if not isinstance(groups, dict):
        raise refused(f"{path}: groups", "an object of lists of points", repr(groups)[:60])
    for name in groups:
        check_name(name, f"{path}: groups")
        if name in points:
            raise refused(f"{path}: groups", "names that no point has", repr(name))
    return tuple((name, _known(group, points, f"{path}: groups.{name}")) for name, group in groups.items())
