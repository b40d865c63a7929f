// Error against what faces are like: one chart per attribute, faces as dots, parts of them as bars.

for (const attribute of page.attributes) {
  attribute.values = new Float32Array(bytesOf(attribute.values));
  attribute.drawn = attribute.values.map((value, face) => onAxis(attribute, value) + spread(attribute, face));
}

/** A value beyond the axis lies on its end. */
function onAxis({ edges }, value) {
  return Math.min(Math.max(value, edges[0]), edges.at(-1));
}

/** Kinds have one value for all of their faces: these stand side by side, always the same ones. */
function spread({ names }, face) {
  return names.length ? 0.7 * (((face * 0.618034) % 1) - 0.5) : 0;
}

function drawAttributes() {
  if (!page.attributes.length) return;
  const scores = new Float64Array(page.faces).fill(NaN);
  byFace(passing("faces")).forEach((mine, face) => (scores[face] = rootMeanSquare(mine, column[main])));
  const end = scoreAxis(scores);
  const data = { y: scores.map((s) => Math.min(s, end)), id: page.ids, error: scores };
  for (const attribute of page.attributes) data[attribute.key] = attribute.drawn;
  const faces = model("faces");
  faces.data = data;
  faces.selected.indices = choice.faces ? [...choice.faces] : [];
  for (const attribute of page.attributes) drawPanel(attribute, scores, end);
}

/** The axis ends where nearly all faces are. */
function scoreAxis(scores) {
  const far = quantile(scores.filter(Number.isFinite).sort(), 0.97) || 1;
  const step_ = 10 ** Math.floor(Math.log10(far)) / 2;
  return Math.ceil(far / step_) * step_;
}

function drawPanel(attribute, scores, end) {
  const own = choice.from?.source === `parts-${attribute.key}`; // its own choice does not empty a chart
  const parts = partFaces(attribute, scores, own ? null : choice.faces);
  const sorted = parts.map((faces) => Float64Array.from(faces, (face) => scores[face]));
  const medians = sorted.map((list) => quantile(list, 0.5));
  const ends = sorted.map((list, i) => quantileEnds(list, parts[i], 0.5));
  const [low, high] = [0, 1].map((side) => ends.map((pair) => pair[side]));
  const left = Array.from(attribute.edges.slice(0, -1));
  const right = Array.from(attribute.edges.slice(1));
  const middle = left.map((edge, i) => (edge + right[i]) / 2);
  const source = model(`parts-${attribute.key}`);
  source.data = { left, right, middle, top: medians, low, high, count: parts.map((list) => list.length) };
  source.selected.indices = own ? choice.from.rows : [];
  // An interval may leave the axis: few faces and one freak would squeeze all others together.
  model(`panel-${attribute.key}`).y_range.setv({ start: 0, end: Math.max(1.05 * end, ...medians.filter(Number.isFinite)) });
}

function partOf(attribute, face) {
  const value = attribute.values[face];
  if (!Number.isFinite(value)) return -1;
  let part = 0;
  while (part < attribute.edges.length - 2 && value >= attribute.edges[part + 1]) part += 1;
  return part;
}

/** Faces of each part that have a score, lowest first. */
function partFaces(attribute, scores, only) {
  const parts = Array.from({ length: attribute.edges.length - 1 }, () => []);
  scores.forEach((score, face) => {
    if (Number.isFinite(score) && (!only || only.has(face))) parts[partOf(attribute, face)]?.push(face);
  });
  return parts.map((faces) => faces.sort((a, b) => scores[a] - scores[b]));
}

function facesOfParts(attribute, parts) {
  const faces = new Set();
  for (let face = 0; face < page.faces; face++) if (parts.includes(partOf(attribute, face))) faces.add(face);
  return faces;
}
