// The network page: draws the chosen layer's kernels and feature maps on the chosen face, and the heat maps.

const shown = { face: 0, layer: 0, heat: "all" };
const DEAD = [213, 94, 0]; // theme.py's vermillion: no colour of the palettes
const palette = Array.from({ length: 256 }, (_, i) => [0, 2, 4].map((at) => parseInt(page.palette.slice(6 * i + at, 6 * i + at + 2), 16)));

/** {shape, values} of what Python packed; each is unpacked once. */
function unpacked(packed, Kind = Uint8Array) {
  if (packed.values) return packed;
  const text = atob(packed.bytes);
  packed.values = new Kind(text.length);
  for (let i = 0; i < text.length; i++) packed.values[i] = text.charCodeAt(i);
  return packed;
}

const kernelOf = (layer) => unpacked(layer.kernel, Int8Array);
const size = (shape) => shape.reduce((a, b) => a * b, 1);

/** The stored number from which on a weight has its full colour: all but the largest hundredth are below it. */
function fullColour(layer) {
  const kernel = kernelOf(layer);
  kernel.full ??= Math.max(1, [...kernel.values].map(Math.abs).sort((a, b) => a - b)[Math.floor(0.99 * (kernel.values.length - 1))]);
  return kernel.full;
}

/** Blue for weights below 0, orange above, white for 0. */
function weightColour(value, full) {
  const [r, g, b] = value < 0 ? [0, 114, 178] : [213, 94, 0];
  const t = Math.min(1, Math.abs(value) / full);
  return [255 + (r - 255) * t, 255 + (g - 255) * t, 255 + (b - 255) * t];
}

/** A picture of width x height pixels; `colour(x, y)` gives each as [r, g, b], or null for none. */
function picture(width, height, colour, description, hidden = false) {
  const canvas = node("canvas", hidden ? { "aria-hidden": "true" } : { role: "img", "aria-label": description });
  [canvas.width, canvas.height] = [width, height];
  const image = new ImageData(width, height);
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const seen = colour(x, y);
      if (seen) image.data.set([...seen, 255], 4 * (y * width + x));
    }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

function tile(canvas, lead, note, dead = false) {
  const words = [node("b", {}, lead), " ", node("span", {}, note)];
  return node("figure", { class: `tilemap${dead ? " dead" : ""}` }, canvas, node("figcaption", {}, ...words));
}

// ---- kernels ---------------------------------------------------------------------------------------------------

/** One filter with its inputs side by side. */
function filterTile(layer, filter) {
  const { values, shape: [, inputs, h, w] } = kernelOf(layer);
  const [width, full] = [inputs * (w + 1) - 1, fullColour(layer)];
  const at = (x, y) => {
    const [input, column] = [Math.floor(x / (w + 1)), x % (w + 1)];
    return column === w ? null : weightColour(values[((filter * inputs + input) * h + y) * w + column], full);
  };
  const dead = layer.dead.includes(filter);
  const name = `filter ${filter + 1} of ${layer.name}${dead ? ", dead" : ""}`;
  return tile(picture(width, h, at, name), String(filter + 1), dead ? "dead" : "", dead);
}

const tiled = (layer) => {
  const [, inputs, h, w] = layer.kernel.shape;
  return inputs <= 3 && h * w > 1;
};

/** All stored filters in one picture: filters from left to right, their inputs from top to bottom. */
function kernelPicture(layer) {
  const { values, shape: [filters, inputs, h, w] } = kernelOf(layer);
  const gap = h * w > 1 ? 1 : 0;
  const [width, height] = [filters * (w + gap) - gap, inputs * (h + gap) - gap + 2];
  const [dead, full] = [new Set(layer.dead), fullColour(layer)];
  const at = (x, y) => {
    const [filter, column] = [Math.floor(x / (w + gap)), x % (w + gap)];
    if (y < 2) return dead.has(filter) && column < w ? DEAD : null; // a mark above the column
    const [input, row] = [Math.floor((y - 2) / (h + gap)), (y - 2) % (h + gap)];
    if (column === w || row === h) return null;
    return weightColour(values[((filter * inputs + input) * h + row) * w + column], full);
  };
  const canvas = picture(width, height, at, `weights of ${filters} filters of ${layer.name} for ${inputs} inputs`);
  canvas.style.width = `${width * Math.max(1, Math.min(8, Math.floor(640 / width)))}px`;
  return canvas;
}

function drawKernel(layer) {
  byId("kernel-part").hidden = !layer.kernel;
  if (!layer.kernel) return;
  const [filters, inputs, h, w] = layer.kernel.shape;
  const part = filters < layer.channels ? `the first ${filters} of ${layer.channels} filters` : counted(filters, "filter");
  const of = layer.inputs ? ` of ${layer.inputs}` : "";
  const side = h * w > 1 ? `, patches of ${h}×${w}` : "";
  const scale = `full colour from ±${((layer.largest * fullColour(layer)) / 127).toPrecision(2)} on`;
  byId("kernel-note").textContent = tiled(layer)
    ? `${sentence(part)}, for ${counted(inputs, "input")}${side}; ${scale}.`
    : `${sentence(part)} from left to right, for ${inputs}${of} inputs from top to bottom${side}; ${scale}.`;
  const box = byId("kernel");
  box.className = tiled(layer) ? "maps" : "scroll";
  box.replaceChildren(...(tiled(layer) ? Array.from({ length: filters }, (_, f) => filterTile(layer, f)) : [kernelPicture(layer)]));
}

// ---- feature maps ----------------------------------------------------------------------------------------------

const spatial = (layer) => layer.shape.length === 3;

/** The layer's numbers on a face: a function of channel and place to 0..255. */
function answers(layer, face) {
  const { values, shape: [, channels, h, w] } = unpacked(layer.maps);
  return { channels, h, w, at: (channel, place) => values[(face * channels + channel) * h * w + place] };
}

/** `3.10`, `−0.0231`, `1240`. */
const inFigures = (value) =>
  (value === 0 ? "0" : Math.abs(value) < 1000 ? value.toPrecision(3) : value.toFixed(0)).replace("-", "−");

function mapTile(layer, face, channel) {
  const { h, w, at } = answers(layer, face);
  const dead = layer.dead.includes(channel);
  const [low, high] = layer.ranges[channel].map(inFigures);
  const name = `channel ${channel + 1} of ${layer.name} on face ${page.ids[face]}, ${dead ? `dead, always ${low}` : `from ${low} to ${high}`}`;
  const canvas = picture(w, h, (x, y) => palette[at(channel, y * w + x)], name);
  return tile(canvas, String(channel + 1), dead ? "dead" : `${low} to ${high}`, dead);
}

/** The units of a layer without places, as cells of one picture. */
function unitsPicture(layer, face) {
  const { channels, at } = answers(layer, face);
  const columns = Math.min(channels, 32);
  const dead = new Set(layer.dead);
  const colour = (x, y) => {
    const unit = y * columns + x;
    return unit >= channels ? null : dead.has(unit) ? DEAD : palette[at(unit, 0)];
  };
  const canvas = picture(columns, Math.ceil(channels / columns), colour, `${channels} units of ${layer.name} on face ${page.ids[face]}`);
  canvas.style.width = `${columns * 18}px`;
  return canvas;
}

function drawMaps(layer) {
  const { channels, h, w } = answers(layer, shown.face);
  const [full, word] = [layer.channels, spatial(layer) ? "channel" : "unit"];
  const part = channels < full ? `The first ${channels} of ${full} ${word}s` : sentence(counted(channels, word));
  const smaller = spatial(layer) && (h < layer.shape[0] || w < layer.shape[1]) ? `, drawn smaller at ${h}×${w}` : "";
  const marked = spatial(layer) ? "" : "; dead ones are orange";
  byId("maps-note").textContent = `${part} on face ${page.ids[shown.face]}, after ${layer.answer}${smaller}${marked}.`;
  const tiles = spatial(layer) ? Array.from({ length: channels }, (_, c) => mapTile(layer, shown.face, c)) : [unitsPicture(layer, shown.face)];
  byId("maps").className = spatial(layer) ? "maps" : "scroll";
  byId("maps").replaceChildren(...tiles);
}

/** What a layer sees of the face: the mean over its stored channels, each in its own units. */
function thumbnail(layer) {
  const { channels, h, w, at } = answers(layer, shown.face);
  const mean = new Float32Array(h * w);
  for (let c = 0; c < channels; c++) {
    const [low, high] = layer.ranges[c];
    for (let i = 0; i < h * w; i++) mean[i] += low + ((high - low) * at(c, i)) / 255;
  }
  const [low, high] = [Math.min(...mean), Math.max(...mean)];
  return picture(w, h, (x, y) => palette[Math.round((255 * (mean[y * w + x] - low)) / (high - low || 1))], "", true);
}

function drawThumbnails() {
  for (const [i, layer] of page.layers.entries())
    all(`[data-row="${i}"] .sees`)[0].replaceChildren(...(spatial(layer) ? [thumbnail(layer)] : []));
}

/** The photos on the buttons that choose a face. */
function drawFaces() {
  const [, height, width] = page.faces.shape;
  for (const chip of all("[data-face]"))
    chip.prepend(picture(width, height, (x, y) => dimmed(Number(chip.dataset.face), x, y, 1), "", true));
}

// ---- heat maps -------------------------------------------------------------------------------------------------

/** Pixel (x, y) of a stored face as [r, g, b], dimmed. */
function dimmed(face, x, y, share) {
  const { values, shape: [, , w, c] } = unpacked(page.faces);
  const start = (face * size(page.faces.shape.slice(1, 3)) + y * w + x) * c;
  return [0, 1, 2].map((i) => values[start + (c === 1 ? 0 : i)] * share);
}

/** A slot's map, in the image's px: `strength(cell)` is 0..255. On a face it lies over the face. */
function heatPicture(strength, h, w, face, name) {
  const [left, top, right, bottom] = page.heat.box;
  const [, height, width] = page.faces.shape;
  const step = Math.max(1, Math.max(height, width) / 96); // drawn no finer than it need be
  const [across, down] = [Math.round((right - left) / step), Math.round((bottom - top) / step)];
  const edge = (at, end) => at === -1 || at === end;
  const colour = (x, y) => {
    const heat = strength(Math.floor((y * h) / down) * w + Math.floor((x * w) / across));
    const [px, py] = [Math.floor(left + 0.5 + (x + 0.5) * step), Math.floor(top + 0.5 + (y + 0.5) * step)];
    const inside = px >= 0 && py >= 0 && px < width && py < height;
    if (!inside && (edge(px, width) || edge(py, height)) && px >= -1 && py >= -1 && px <= width && py <= height) return [255, 255, 255];
    if (face === null) return palette[heat];
    const under = inside ? dimmed(face, px, py, 0.75) : [0, 0, 0];
    const share = Math.min(1, heat / 160);
    return under.map((value, i) => value + (palette[heat][i] - value) * share);
  };
  return picture(across, down, colour, name);
}

function heatTile(slot) {
  const { slots, peaks } = page.heat;
  const together = shown.heat === "all";
  const packed = unpacked(together ? page.heat.mean : page.heat.maps);
  const [h, w] = packed.shape.slice(-2);
  const start = ((together ? 0 : shown.face * slots.length) + slot) * h * w;
  const where = together ? "all faces" : `face ${page.ids[shown.face]}`;
  const peak = (100 * peaks[together ? peaks.length - 1 : shown.face][slot]).toFixed(1);
  const name = `heat map of ${slots[slot]} on ${where}, ${peak} % of the weight in its highest cell`;
  return tile(heatPicture((cell) => packed.values[start + cell], h, w, together ? null : shown.face, name), slots[slot], `${peak}\u00a0%`);
}

function drawHeat() {
  if (page.heat) byId("heat").replaceChildren(...page.heat.slots.map((_, slot) => heatTile(slot)));
}

// ---- the choice ------------------------------------------------------------------------------------------------

function drawLayer() {
  const layer = page.layers[shown.layer];
  byId("layer-name").textContent = layer.name;
  byId("layer-facts").textContent = `${sentence(layer.kind)}, ${layer.shape.join(" × ")}` + (layer.weights ? `, ${whole(layer.weights)} weights` : "");
  const dead = byId("layer-dead");
  dead.hidden = layer.dead.length === 0;
  dead.textContent = `Dead: ${layer.dead.length} of ${layer.channels}, ${layer.dead.slice(0, 40).map((c) => c + 1).join(", ")}${layer.dead.length > 40 ? " …" : ""}`;
  drawKernel(layer);
  drawMaps(layer);
  for (const button of all("[data-layer]")) button.setAttribute("aria-pressed", Number(button.dataset.layer) === shown.layer);
  const [row] = all(`[data-row="${shown.layer}"]`);
  const list = row.closest(".scroll");
  if (row.offsetTop < list.scrollTop + 40 || row.offsetTop + 44 > list.scrollTop + list.clientHeight) list.scrollTop = row.offsetTop - 80;
  byId("previous").disabled = shown.layer === 0;
  byId("next").disabled = shown.layer === page.layers.length - 1;
  byId("status").textContent = `Face ${page.ids[shown.face]} · ${layer.name}, layer ${shown.layer + 1} of ${page.layers.length}`;
}

function turnTo(layer) {
  shown.layer = Math.max(0, Math.min(page.layers.length - 1, layer));
  drawLayer();
}

function press(selector, chosen) {
  for (const chip of all(selector)) chip.setAttribute("aria-pressed", chip === chosen);
}

function listen() {
  for (const chip of all("[data-face]"))
    chip.addEventListener("click", () => {
      press("[data-face]", chip);
      shown.face = Number(chip.dataset.face);
      drawLayer();
      drawThumbnails();
      if (shown.heat === "face") drawHeat();
    });
  for (const chip of all("[data-heat]"))
    chip.addEventListener("click", () => {
      press("[data-heat]", chip);
      shown.heat = chip.dataset.heat;
      drawHeat();
    });
  for (const button of all("[data-layer]")) button.addEventListener("click", () => turnTo(Number(button.dataset.layer)));
  on("previous", "click", () => turnTo(shown.layer - 1));
  on("next", "click", () => turnTo(shown.layer + 1));
}

whenDrawn.push(() => {
  listen();
  drawFaces();
  const first = page.layers.find((layer) => layer.kernel);
  if (first) {
    const few = first.kernel.shape[1] <= 3;
    byId("first").replaceChildren(...(few ? Array.from({ length: first.kernel.shape[0] }, (_, f) => filterTile(first, f)) : [kernelPicture(first)]));
  }
  drawLayer();
  drawThumbnails();
  drawHeat();
});
