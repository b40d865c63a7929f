// Error vectors: a cell per point, every error a dot, with the mean error and the ellipse of two standard deviations.

const cells = { places: new Map(), side: 1, wide: 1, stretch: 1 };
const TITLE = 36; // px over a cell for its words
const NAME = 150; // px of width that a point's name takes
const LEAST_SIDE = 90; // px of a cell, however many there are
const TURNS = Array.from({ length: 49 }, (_, i) => (2 * Math.PI * i) / 48);

const shownPoints = () => (choice.points.size ? [...choice.points].sort((a, b) => a - b) : page.known);

/** As many columns as make the cells largest, for a height of at most 0.62 of the width, or a phone's. */
function layOut(points, width) {
  const fits = (columns) => {
    const rows = Math.ceil(points.length / columns);
    return Math.min(width / columns, Math.max(0.62 * width, 420) / rows - TITLE);
  };
  const most = Math.max(2, Math.floor(width / NAME));
  let columns = 1;
  for (let c = 2; c <= Math.min(points.length, most); c++) if (fits(c) > fits(columns)) columns = c;
  if (width < 560 && points.length > 1) columns = 2; // else names would not fit
  const wide = width / columns;
  const side = Math.floor(width < 560 ? wide : Math.min(Math.max(fits(columns), LEAST_SIDE), wide, 520));
  [cells.side, cells.wide] = [side, wide];
  cells.stretch = (side / 2 - 4) / page.limit;
  cells.places = new Map(points.map((point, i) => [
    point, { x: wide * (i % columns) + wide / 2, y: (side + TITLE) * Math.floor(i / columns) + TITLE + side / 2 },
  ]));
  return Math.ceil(points.length / columns) * (side + TITLE);
}

function drawVectors() {
  const plot = model("vectors");
  const width = Math.max(plot.inner_width ?? 0, 200);
  const height = layOut(shownPoints(), width);
  if (plot.height !== height + 32) plot.height = height + 32; // the toolbar
  plot.x_range.setv({ start: 0, end: width });
  plot.y_range.setv({ start: height, end: 0 });
  const key = `${width} ${[...cells.places.keys()]}`;
  if (key !== cells.key) drawRings();
  cells.key = key;
  drawDots(passing("lasso"));
  drawMoments(passing());
}

function drawRings() {
  const [xs, ys] = [[], []];
  for (const { x, y } of cells.places.values())
    for (const ring of page.rings) {
      xs.push(TURNS.map((turn) => x + ring * cells.stretch * Math.cos(turn)));
      ys.push(TURNS.map((turn) => y + ring * cells.stretch * Math.sin(turn)));
    }
  model("rings").data = { xs, ys };
}

/** A dot for each of `rows`; the others have no place. Far ones lie on the last ring. */
function drawDots(rows) {
  const count = page.values;
  const [x, y] = [new Float32Array(count).fill(NaN), new Float32Array(count).fill(NaN)];
  for (const i of rows) {
    const centre = cells.places.get(column.point[i]);
    if (!centre) continue;
    const shrink = cells.stretch * Math.min(1, page.limit / Math.max(column[main][i], 1e-9));
    [x[i], y[i]] = [centre.x + column.dx[i] * shrink, centre.y + column.dy[i] * shrink];
  }
  const source = model("cells");
  // A lasso moves no dot, and thousands of them take long to place.
  if (!same(x, source.data.x) || !same(y, source.data.y)) {
    source.selected.indices = [];
    source.data = { x, y, id: dotNames.id, point: dotNames.point, error: column[main] };
  }
  source.selected.indices = choice.lasso ? [...choice.lasso] : [];
}

/** Whether two typed arrays hold the same numbers, NaN where the other is NaN. */
const same = (a, b) => a.length === b.length && a.every((value, i) => Object.is(value, b[i]));

const dotNames = hasTruth
  ? { id: Array.from(column.face, idOf), point: Array.from(column.point, (point) => page.points[point]) }
  : {};

/** Mean and spread of the error vectors of each cell, those beyond the last ring left out. */
function moments(rows) {
  const sums = new Map([...cells.places.keys()].map((point) => [point, [0, 0, 0, 0, 0, 0]]));
  for (const i of rows) {
    const sum = sums.get(column.point[i]);
    if (!sum || column[main][i] > page.limit) continue;
    const [dx, dy] = [column.dx[i], column.dy[i]];
    [1, dx, dy, dx * dx, dx * dy, dy * dy].forEach((term, t) => (sum[t] += term));
  }
  return new Map([...sums].map(([point, [n, x, y, xx, xy, yy]]) => {
    const [mx, my] = [x / n, y / n];
    return [point, { n, mx, my, xx: xx / n - mx * mx, xy: xy / n - mx * my, yy: yy / n - my * my }];
  }));
}

function drawMoments(rows) {
  const [xs, ys, bias] = [[], [], { x0: [], y0: [], x1: [], y1: [] }];
  const found_ = moments(rows);
  for (const [point, m] of found_) {
    const { x, y } = cells.places.get(point);
    if (!m.n) continue;
    const ends = [x, y, x + m.mx * cells.stretch, y + m.my * cells.stretch];
    Object.keys(bias).forEach((key, i) => bias[key].push(ends[i]));
    const outline = m.n > 2 ? ellipse(m) : [];
    xs.push(outline.map(([dx]) => x + dx * cells.stretch));
    ys.push(outline.map(([, dy]) => y + dy * cells.stretch));
  }
  model("ellipses").data = { xs, ys };
  model("biases").data = bias;
  drawTitles(found_);
}

/** Points of the ellipse of two standard deviations around the mean: the square root of the covariance on a circle. */
function ellipse({ mx, my, xx, xy, yy }) {
  const a = 2 * Math.sqrt(Math.max(xx, 1e-12));
  const b = (4 * xy) / a;
  const c = Math.sqrt(Math.max(4 * yy - b * b, 0));
  return TURNS.map((turn) => [mx + a * Math.cos(turn), my + b * Math.cos(turn) + c * Math.sin(turn)]);
}

function drawTitles(found_) {
  const [titles, notes] = [{ x: [], y: [], text: [] }, { x: [], y: [], text: [] }];
  const put = (list, x, y, text) => { list.x.push(x); list.y.push(y); list.text.push(text); };
  for (const [point, { x, y }] of cells.places) {
    const top = y - cells.side / 2 - TITLE;
    put(titles, x, top + 3, fitting(page.points[point], cells.wide - 6));
    put(notes, x, top + 19, fitting(bias(found_.get(point)), cells.wide - 6));
  }
  model("titles").data = { ...titles, size: titles.x };
  model("notes").data = notes;
}

const ruler = document.createElement("canvas").getContext("2d");

/** `text`, shortened where it is wider than `room` px. */
function fitting(text, room) {
  ruler.font = `12.5px ${getComputedStyle(document.body).fontFamily}`;
  let shown = text;
  while (shown.length > 3 && ruler.measureText(shown).width > room) shown = `${shown.slice(0, -2)}…`;
  return shown;
}

function bias({ n, mx, my }) {
  if (!n) return "none";
  const arrow = ["→", "↘", "↓", "↙", "←", "↖", "↑", "↗"][Math.round((Math.atan2(my, mx) / Math.PI) * 4 + 8) % 8];
  return `${px(Math.hypot(mx, my))} px ${arrow}`;
}
