"""A person's own set as COCO keypoint JSON (Lin et al. 2014): images, annotations and one category with keypoints.

The keypoints' names, their skeleton and the photos' names are in the file; mirror partners are told by "left" and
"right" in the names, or by a schema file beside it.
"""

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np

from data.photos import FARTHEST, Album, Shot, box_of, photo_in, refused
from data.schema_files import check_name, find_schema, read_schema, schema_file, schema_from

LIMIT = 512 << 20  # bytes
KINDS = {dict: "an object", list: "a list", str: "text", int: "a whole number", float: "a number"}


def find(folder):
    """Paths of the JSON files of this kind in a folder."""
    return [path for path in sorted(folder.glob("*.json")) if path.is_file() and is_coco(path)]


def is_coco(path):
    """Whether a JSON file looks like COCO's: by the names of its parts, without reading all of it."""
    with open(path, "rb") as file:
        head, size = file.read(1 << 16), path.stat().st_size
        file.seek(max(0, size - (1 << 16)))
        tail = file.read()
    return any(b'"annotations"' in part or b'"categories"' in part for part in (head, tail))


def read(path):
    """Read a COCO keypoint file; the photos lie beside it or in images/.

    Returns:
        Album; annotations of crowds, and those without a labelled keypoint or box, are left out.

    Raises:
        DataError: naming the file and the place in it, such as annotations[3].keypoints.
    """
    path = Path(path)
    tree = _tree(path)
    file = find_schema(path)
    category = _category(tree, path)
    names = _names(category, path)
    schema = read_schema(file) if file else _schema(category, names, path)
    if set(names) != set(schema.points):
        odd = sorted(set(names) ^ set(schema.points))[0]
        raise refused(f"{path}: categories: keypoints", f"those of {file.name}", f"{odd!r} in one of them only")
    order = [schema.points.index(name) for name in names]
    images = {_get(image, "id", int, where): (image, where) for where, image in _items(tree, "images", path)}
    shots = []
    for where, annotation in _items(tree, "annotations", path):
        if annotation.get("category_id") == category["id"] and not annotation.get("iscrowd"):
            shots.append(_shot(annotation, images, schema, order, path.parent, where))
    if not shots:
        raise refused(f"{path}: annotations", f"some of the category {category['id']}", "none")
    return Album(schema, "own", shots, (path, *([file] if file else [])))


def _tree(path):
    try:
        if path.stat().st_size > LIMIT:
            raise refused(path, f"at most {LIMIT >> 20} MB", f"{path.stat().st_size >> 20} MB")
        tree = json.loads(path.read_bytes())
    except OSError as error:
        raise refused(path, "a file that can be read", error.strerror) from error
    except json.JSONDecodeError as error:
        raise refused(f"{path}:{error.lineno}:{error.colno}", "JSON", error.msg) from error
    except (ValueError, RecursionError) as error:
        raise refused(path, "JSON", error) from error
    if not isinstance(tree, dict):
        raise refused(path, "an object with images, annotations and categories", type(tree).__name__)
    return tree


def _get(item, key, kind, where, joint="."):
    """item[key], which must be of a kind; a whole number is a number too, true and false are none."""
    value = item.get(key)
    kinds = (int, float) if kind is float else (kind,)
    if isinstance(value, bool) or not isinstance(value, kinds):
        raise refused(f"{where}{joint}{key}", KINDS[kind], "nothing" if value is None else repr(value)[:60])
    return value


def _items(tree, key, path):
    """(where, object) of a list of objects."""
    for i, item in enumerate(_get(tree, key, list, path, ": ")):
        if not isinstance(item, dict):
            raise refused(f"{path}: {key}[{i}]", "an object", repr(item)[:60])
        yield f"{path}: {key}[{i}]", item


def _category(tree, path):
    """The one category with keypoints."""
    found = [(where, item) for where, item in _items(tree, "categories", path) if item.get("keypoints")]
    if len(found) != 1:
        raise refused(f"{path}: categories", "one with keypoints", f"{len(found)}")
    where, category = found[0]
    _get(category, "id", int, where)
    for i, name in enumerate(_get(category, "keypoints", list, where)):
        if not isinstance(name, str):
            raise refused(f"{where}.keypoints[{i}]", "a name", repr(name)[:60])
    return category


def _names(category, path):
    """The keypoints' names as points have them, in the file's order."""
    where = f"{path}: categories: keypoints"
    points = tuple(name.strip().replace(" ", "_") for name in category["keypoints"])
    for i, name in enumerate(points):
        check_name(name, f"{where}[{i}]")
    if len(set(points)) < len(points):
        raise refused(where, "each name once", "repeats")
    return points


def _schema(category, points, path):
    where, lines = f"{path}: categories", []
    for i, pair in enumerate(category.get("skeleton") or []):
        if not (isinstance(pair, list) and len(pair) == 2 and all(k in range(1, len(points) + 1) for k in pair)):
            raise refused(f"{where}: skeleton[{i}]", f"two numbers from 1 to {len(points)}", repr(pair)[:60])
        lines.append(tuple(points[k - 1] for k in pair))
    return schema_from(points, where, lines=tuple(lines))


def _shot(annotation, images, schema, order, folder, where):
    image_id = _get(annotation, "image_id", int, where)
    if image_id not in images:
        raise refused(f"{where}.image_id", "the id of an image", repr(image_id))
    image, there = images[image_id]
    name = _get(image, "file_name", str, there)
    photo = photo_in(folder if (folder / name).is_file() else folder / "images", name, f"{there}.file_name")
    size = None
    if "width" in image and "height" in image:
        size = (_get(image, "width", int, there), _get(image, "height", int, there))
    box = None
    if annotation.get("bbox"):
        box = box_of(_numbers(annotation, "bbox", 4, where), f"{where}.bbox")
    names = [convention.name for convention in schema.conventions]
    kind = annotation.get("convention", names[0])
    if kind not in names:
        raise refused(f"{where}.convention", f"one of {', '.join(names)}", repr(kind)[:60])
    person = annotation.get("person", "")
    points = np.empty((len(schema), 2))
    points[order] = _points(annotation, schema, where)
    return Shot(photo, name, points, where, box, str(person), size, names.index(kind))


def _points(annotation, schema, where):
    values = np.array(_numbers(annotation, "keypoints", 3 * len(schema), where)).reshape(-1, 3)
    unknown = np.flatnonzero(~np.isin(values[:, 2], (0, 1, 2)))
    if len(unknown):
        at = 3 * unknown[0] + 2
        raise refused(f"{where}.keypoints[{at}]", "a visibility of 0, 1 or 2", f"{values[unknown[0], 2]:g}")
    return np.where(values[:, 2:] > 0, values[:, :2], np.nan)  # 0 = not labelled; 1 = labelled, but hidden


def _numbers(item, key, count, where):
    values = _get(item, key, list, where)
    if len(values) != count:
        raise refused(f"{where}.{key}", f"{count} numbers", f"{len(values)}")
    for i, value in enumerate(values):
        good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        if not (good and abs(value) <= FARTHEST):
            raise refused(f"{where}.{key}[{i}]", "a number", repr(value)[:60])
    return [float(value) for value in values]


def write(album, folder, put):
    """Write an album as faces.json with images/; `put` as for `data.youtube.write`."""
    from data.pictures import shot_size

    schema, images, annotations = album.schema, {}, []
    for i, shot in enumerate(album.shots, 1):
        name = put(shot, folder / "images")
        width, height = shot_size(shot.photo)
        image = images.setdefault(name, {"id": len(images) + 1, "file_name": name, "width": width, "height": height})
        known = np.isfinite(shot.points).all(1)
        values = np.column_stack([np.where(known[:, None], shot.points, 0), 2 * known]).ravel().tolist()
        own = {"id": i, "image_id": image["id"], "category_id": 1, "iscrowd": 0, "keypoints": values}
        own |= {"num_keypoints": int(known.sum()), "convention": schema.conventions[shot.convention].name}
        own |= ({"person": shot.person} if shot.person else {}) | ({"bbox": list(shot.box)} if shot.box else {})
        annotations.append(own)
    pairs = [[schema.points.index(a) + 1, schema.points.index(b) + 1] for a, b in _joined(schema)]
    category = {"id": 1, "name": schema.name, "keypoints": list(schema.points), "skeleton": pairs}
    tree = {"images": list(images.values()), "annotations": annotations, "categories": [category]}
    return {"faces.json": json.dumps(tree) + "\n", **schema_file(schema)}


def _joined(schema):
    return list(dict.fromkeys((a, b) for line in schema.lines for a, b in pairwise(line)))
