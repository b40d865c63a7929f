// The faces of a page: where their points are, and how they are drawn. Points and radii come packed from gallery.py.

const MISSING = -32768; // as gallery.py packs a coordinate that is not there
const pointCount = page.points.length;
const main = page.members.at(-1); // the member that the page is about

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes.buffer;
}

const unpack = (base64) => new Int16Array(bytesOf(base64));
const truth = unpack(page.truth);
const radius = unpack(page.radius);
const found = Object.fromEntries(page.members.map((member) => [member, unpack(page.found[member])]));

const length = (packed, index) => (packed[index] === MISSING ? NaN : packed[index] * page.quantum);
const place = (packed, face, point) => {
  const index = 2 * (face * pointCount + point);
  return [length(packed, index), length(packed, index + 1)];
};
const radiusOf = (level, face, point) => length(radius, (level * page.faces + face) * pointCount + point);
const distance = ([ax, ay], [bx, by]) => Math.hypot(ax - bx, ay - by);
const idOf = (face) => page.ids[face];
const conventionOf = (face) => page.conventions[page.convention[face]];

function drawPhoto(canvas, face) {
  const { columns, width, height } = page.sheet;
  const [left, top] = [(face % columns) * width, Math.floor(face / columns) * height];
  [canvas.width, canvas.height] = [width, height];
  canvas.getContext("2d").drawImage(byId("sheet"), left, top, width, height, 0, 0, width, height);
}

/** A face with marks. `layers` names what to draw; `mark` is a mark's size and `stroke` a line's width in image px;
 *  points that are not in `points` are faint. */
function faceArt(face, { layers, mark, stroke, points = null, description }) {
  const canvas = node("canvas", { "aria-hidden": "true" });
  drawPhoto(canvas, face);
  const box = `-0.5 -0.5 ${page.width} ${page.height}`; // (0, 0) is the centre of the first pixel
  const art = node("svg", { viewBox: box, role: "img", "aria-label": description });
  for (let point = 0; point < pointCount; point++) {
    if (layers.has("labelled") && !Number.isFinite(place(truth, face, point)[0])) continue;
    const faint = points && !points.has(point) ? " faint" : "";
    drawPoint(art, face, point, { layers, mark, stroke, faint });
  }
  return node("span", { class: "art" }, canvas, art);
}

function drawPoint(art, face, point, look) {
  const { layers, mark } = look;
  drawRadii(art, face, point, look);
  if (layers.has("truth") && layers.has(main)) drawError(art, face, point, look);
  for (const member of page.members)
    if (layers.has(member)) drawMark(art, place(found[member], face, point), member, point, mark, look);
  if (layers.has("truth")) drawMark(art, place(truth, face, point), "truth", point, mark * 1.25, look);
}

function drawMark(art, [x, y], member, point, size, { faint }) {
  if (!Number.isFinite(x)) return;
  const box = { x: x - size / 2, y: y - size / 2, width: size, height: size };
  const look = { href: `#mark-${page.marks[member]}`, class: `mark ${member}${faint}`, "data-point": point };
  art.append(node("use", { ...look, ...box }));
}

function drawRadii(art, face, point, { layers, stroke, faint }) {
  const [cx, cy] = place(found[main], face, point);
  for (const level of [0, 1]) {
    const r = radiusOf(level, face, point);
    if (!layers.has(`radius${level}`) || !Number.isFinite(r + cx)) continue;
    const look = { class: `radius level${level}${faint}`, "stroke-width": stroke, "data-point": point };
    art.append(node("circle", { cx, cy, r, ...look }));
  }
}

function drawError(art, face, point, { stroke, faint }) {
  const [[x1, y1], [x2, y2]] = [place(truth, face, point), place(found[main], face, point)];
  if (!Number.isFinite(x1 + x2)) return;
  art.append(node("line", { x1, y1, x2, y2, class: `error${faint}`, "stroke-width": stroke }));
}
