"""The network page: kernels and feature maps of every layer, dead filters, and where a heat-map head looks."""

import base64
from pathlib import Path

import numpy as np

from data.errors import RunError
from data.runs import Part
from reports.features import FEATURES, Features
from reports.frame import findings_list, footer_of, page_frame
from reports.markup import text
from reports.words import counted, percent

PAGE = "network.html"
TITLE = "What the network sees"
MANY = 0.05  # share of dead filters from which a layer is worth a sentence


def build_network_page(run, path=None):
    """Write RUN/network.html, or `path`, from RUN/features.npz and return its path.

    Raises:
        RunError: the features file is missing, damaged, or of another base than the run's.
    """
    from data.storage import write_text

    path = Path(path or Path(run) / PAGE)
    write_text(path, network_page(load_features(run)))
    return path


def load_features(run):
    """The `Features` of a run's base. Raises RunError where they are missing, damaged, or of another base."""
    source = Path(run) / FEATURES
    if not source.is_file():
        raise RunError(f"{source}: expected what python -m base_models.features --run {run} writes; received no file")
    features, base = Features.load(source), Part(Path(run) / "base")
    if base.finished and features.about["base"] != base.fingerprint():
        raise RunError(
            f"{source}: expected features of the base in {base.folder}; received those of another: "
            f"run python -m base_models.features --run {run} again"
        )
    return features


def network_page(features, title=TITLE):
    """The whole page as HTML.

    Args:
        features: `Features`.
        title: any text.
    """
    about, layers = features.about, features.layers
    parts = (findings_list(findings(features)), _controls(features), _first(features), _browser(features))
    return page_frame(
        title,
        "".join((*parts, _heat(features))) if len(features.faces) else findings_list(findings(features)),
        lede=_lede(features),
        synthetic=about.get("source") == "synthetic",
        data=page_data(features),
        scripts=("network.js",) if len(features.faces) and layers else (),
        footer=footer_of(NOTES, {"network": about["network"], "base, SHA-256 of its weights": about["base"]}),
    )


NOTES = (
    "A layer’s answer is what it gives on after its batch norm, ReLU and pooling, where these follow. A filter is dead "
    "where its answer was the same number at every place of every face that was looked at: it takes time and memory, "
    "and tells the later layers nothing.",
    "Feature maps are drawn from each channel’s lowest to its highest value over the stored faces, so a faint channel "
    "looks as strong as a loud one; its range stands beside it. Of large layers the first channels and inputs are "
    "stored, and large maps are made smaller.",
)


def _lede(features):
    weights = sum(layer.weights for layer in features.layers)
    looked = counted(features.about["looked"], "held-out face")
    return f"The {features.about['network']} base, {weights:,} numbers in its kernels, looking at {looked}."


def findings(features):
    """List of (lead, sentence): dead filters, where the weights are, what the first layer and the head do."""
    layers = [layer for layer in features.layers if layer.weights]
    if not layers or not len(features.faces):
        return [("Nothing to show", "This file holds no layer or no face.")]
    found = [("Dead filters", _dead(layers, features.about["looked"]))]
    largest = max(layers, key=lambda layer: layer.weights)
    share = largest.weights / sum(layer.weights for layer in layers)
    found.append(("Weights", f"{largest.name} ({largest.kind}) has {percent(share)} of the numbers in all kernels."))
    first = layers[0]
    size = "×".join(str(side) for side in first.kernel_shape[:2])
    found.append(("First layer", f"{first.name} has {counted(first.channels, 'filter')} of {size} px."))
    return [*found, ("Head", _head(features))]


def _dead(layers, looked):
    dead, filters = sum(len(layer.dead) for layer in layers), sum(layer.channels for layer in layers)
    if not dead:
        return f"None of {filters:,}: every filter answers differently somewhere on the {counted(looked, 'face')}."
    worst = sorted((one for one in layers if one.dead), key=lambda one: -len(one.dead) / one.channels)[:3]
    where = ", ".join(f"{one.name} ({len(one.dead)} of {one.channels})" for one in worst)
    word = "most of them in" if sum(len(one.dead) for one in worst) < dead else "in"
    many = " The network could be narrower there." if len(worst[0].dead) / worst[0].channels >= MANY else ""
    return f"{dead:,} of {filters:,} answered the same on all {counted(looked, 'face')}, {word} {where}.{many}"


def _head(features):
    heat = features.heat
    if not heat:
        return "It tells coordinates, not heat maps: there is no map of where it looks for a point."
    own = heat.peaks[:-1].mean(0)
    sharp, vague = int(own.argmax()), int(own.argmin())
    return (
        f"One heat map per point. On the stored faces the one of {_slot(heat.slots[sharp])} is the sharpest "
        f"({percent(own[sharp])} of the weight in one cell), that of {_slot(heat.slots[vague])} the most spread out "
        f"({percent(own[vague])})."
    )


def _slot(name):
    """An output slot as people write it: `nose tip (four)` where a convention draws the point its own way."""
    point, _, convention = name.replace("_", " ").partition("@")
    return f"{point} ({convention})" if convention else point


def _controls(features):
    chips = "".join(
        f'<button type="button" class="chip seen" data-face="{i}" aria-pressed="{str(i == 0).lower()}">'
        f"<span><b>face {text(name)}</b><br>{text(words)}</span></button>"
        for i, (name, words) in enumerate(zip(features.ids, features.words, strict=True))
    )
    return (
        '<section class="card filters" aria-label="Choose what to look at"><h2>Choose a face</h2>'
        f'<div class="chips" role="group" aria-label="Faces">{chips}</div></section>'
        '<div class="chosen"><span id="status" role="status"></span><span class="group">'
        '<button type="button" id="previous" aria-label="layer before">← Before</button>'
        '<button type="button" id="next" aria-label="next layer">Next →</button></span></div>'
    )


SIGNED = (
    '<p class="scale"><span>−</span><i class="ramp signed" aria-hidden="true"></i><span>+</span>'
    "<span>weight, white is 0; each layer has a scale of its own</span></p>"
)
AMOUNT = (
    '<p class="scale"><span>lowest</span><i class="ramp amount" aria-hidden="true"></i><span>highest</span>'
    "<span>of the channel, over the stored faces</span></p>"
)


def _first(features):
    first = next((layer for layer in features.layers if layer.kernel is not None), None)
    if first is None:
        return ""
    return (
        f"<h2>First layer</h2><p class='note'>The kernels of {text(first.name)}, {text(first.kind)}: what each of its "
        f"filters looks for in the image.</p><div class='card'>{SIGNED}<div class='maps' id='first'></div></div>"
    )


def _browser(features):
    rows = "".join(_row(i, layer) for i, layer in enumerate(features.layers))
    head = "".join(
        f'<th scope="col"{" class=number" if i > 2 else ""}>{name}</th>'
        for i, name in enumerate(("Sees", "Layer", "Answer", "Weights", "Dead"))
    )
    return (
        '<h2 id="layers-title">Layer by layer</h2><p class="note">“Sees” is the mean of a layer’s channels on the '
        "chosen face. Select a layer for its kernels and feature maps.</p>"
        '<div class="layers-side"><div class="card table"><div class="scroll" tabindex="0" role="region" '
        f'aria-labelledby="layers-title"><table><thead><tr>{head}</tr></thead><tbody id="layers">{rows}</tbody></table>'
        '</div></div><section class="card" aria-labelledby="layer-name"><h3 id="layer-name"></h3>'
        '<p class="note" id="layer-facts"></p><p class="missed" id="layer-dead" hidden></p>'
        f'<div id="kernel-part"><h4>Kernels</h4><p class="note" id="kernel-note"></p>{SIGNED}'
        '<div id="kernel"></div></div><h4>Feature maps</h4><p class="note" id="maps-note"></p>'
        f'{AMOUNT}<div class="maps" id="maps"></div></section></div>'
    )


def _row(place, layer):
    button = f'<button type="button" class="link" data-layer="{place}" aria-pressed="false">{text(layer.name)}</button>'
    size = " × ".join(str(side) for side in layer.shape)
    weights, dead = (f"{layer.weights:,}", str(len(layer.dead))) if layer.weights else ("–", "–")
    return (
        f'<tr data-row="{place}"><td class="sees"></td><th scope="row">{button}<br>'
        f'<small>{text(layer.kind)}</small></th><td>{size}</td><td class="number">{weights}</td>'
        f'<td class="number{" missed" if layer.dead else ""}">{dead}</td></tr>'
    )


def _heat(features):
    if not features.heat:
        return (
            "<h2>Heat maps</h2><p class='card'>This network’s head tells coordinates directly, so there are no heat "
            "maps. A network with <code>network.head=heatmap</code> has one per point.</p>"
        )
    modes = (("all", f"all {features.about['looked']} faces together"), ("face", "the chosen face"))
    chips = "".join(
        f'<button type="button" class="chip" data-heat="{name}" aria-pressed="{str(name == "all").lower()}">'
        f"{words}</button>"
        for name, words in modes
    )
    return (
        "<h2>Heat maps</h2><p class='note'>Where the head looks for each point: its weight per cell, accumulated over "
        "all the faces that were looked at, or on one. The white frame is the image’s edge; maps may reach beyond it."
        "</p>"
        f'<div class="bar"><span class="group" role="group" aria-label="Heat maps of">{chips}</span></div>'
        f'<div class="card"><p class="scale"><span>0</span><i class="ramp amount" aria-hidden="true"></i>'
        "<span>the map’s highest cell, whose share of the weight stands below it</span></p>"
        '<div class="maps heat" id="heat"></div></div>'
    )


def page_data(features):
    """Everything that network.js reads, as JSON values."""
    from bokeh.palettes import Cividis256

    heat = features.heat
    return {
        "palette": "".join(colour[1:] for colour in Cividis256),
        "ids": [str(name) for name in features.ids],
        "faces": _packed(features.faces),
        "layers": [_layer_data(layer) for layer in features.layers],
        "heat": heat
        and {
            "slots": [_slot(name) for name in heat.slots],
            "maps": _packed(heat.maps),
            "mean": _packed(heat.mean),
            "peaks": np.round(heat.peaks.astype(float), 5).tolist(),
            "box": heat.box,
        },
    }


def _layer_data(layer):
    own = {name: getattr(layer, name) for name in ("name", "kind", "answer", "shape", "dead", "largest", "weights")}
    own |= {"channels": layer.channels, "maps": _packed(layer.maps)}
    own["ranges"] = [[float(f"{end:.3g}") for end in ends] for ends in layer.ranges.astype(float)]
    own["kernel"] = None if layer.kernel is None else _packed(layer.kernel)
    own["inputs"] = layer.kernel_shape[2] if len(layer.kernel_shape) == 4 else None
    return own


def _packed(array):
    """Bytes of an array of one byte a number, with its shape."""
    return {"shape": list(array.shape), "bytes": base64.b64encode(array.tobytes()).decode()}
