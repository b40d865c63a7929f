// Two runs compared: the reader's choices, and the charts that follow them.

const [FIRST, SECOND] = page.members;
const [BETTER, WORSE] = ["#0072b2", "#d55e00"]; // as theme.py has them
let listening = true; // false while this file itself changes a chart's selection

function refresh() {
  const rows = findRecords();
  drawStatus(rows);
  for (const chip of all("[data-chip]")) chip.setAttribute("aria-pressed", choice.points.has(Number(chip.dataset.chip)));
  for (const option of all("[data-convention]")) {
    const own = option.dataset.convention === "" ? null : Number(option.dataset.convention);
    option.setAttribute("aria-pressed", own === choice.convention);
  }
  drawGallery();
  drawTable();
  listening = false;
  try { drawChanges(); drawFaces(); } finally { listening = true; }
}

function drawStatus(rows) {
  const scores = page.members.map((m) => rootMeanSquare(rows, column[m]));
  const faces = `${whole(records.length)} of ${counted(page.faces, "face")}`;
  const picked = choice.faces ? ` · ${counted(choice.faces.size, "face")} picked` : "";
  const change = `RMSE ${px(scores[0])} → ${px(scores[1])} px (${signed(scores[1] - scores[0])})`;
  byId("status").textContent = `${faces} · ${counted(rows.length, "labelled point")} · ${change}${picked}`;
  byId("clear").disabled = !filtered();
}

let drawn = null; // the changes, intervals and axis as Python drew them, for all faces

function drawChanges() {
  const points = model("points");
  const axis = model("change-range");
  drawn ??= { ...points.data, end: axis.end };
  const order = Array.from(points.data.point);
  const data = { ...points.data, value: drawn.value, low: drawn.low, high: drawn.high };
  if (choice.convention !== null || choice.faces) {
    const groups = new Map(order.map((point) => [point, []]));
    for (const i of passing("points")) groups.get(column.point[i]).push(i);
    data.value = order.map((point) => rootMeanSquare(groups.get(point), column[SECOND]) - rootMeanSquare(groups.get(point), column[FIRST]));
    data.low = data.high = order.map(() => NaN);
  }
  points.data = data;
  points.selected.indices = order.flatMap((point, row) => (choice.points.has(point) ? [row] : []));
  const end = Math.max(drawn.end, ...Array.from(data.value).filter(Number.isFinite).map((value) => 1.1 * Math.abs(value)));
  axis.setv({ start: -end, end });
}

function drawFaces() {
  const [x, y] = [new Float64Array(page.faces).fill(NaN), new Float64Array(page.faces).fill(NaN)];
  byFace(passing("faces")).forEach((mine, face) => {
    [x[face], y[face]] = page.members.map((m) => Math.max(rootMeanSquare(mine, column[m]), 0.01));
  });
  const change = x.map((value, face) => y[face] - value);
  const colour = Array.from(change, (value) => (value > 0 ? WORSE : BETTER));
  const faces = model("faces");
  faces.data = { x, y, id: page.ids, change, colour };
  faces.selected.indices = choice.faces ? [...choice.faces] : [];
  const known = [...x, ...y].filter(Number.isFinite).sort((a, b) => a - b);
  if (!known.length) return;
  const ends = { start: 0.85 * known[0], end: 1.18 * known.at(-1) };
  for (const range of [model("pair-faces").x_range, model("pair-faces").y_range]) range.setv(ends);
}

function choose(changes) {
  Object.assign(choice, changes);
  refresh();
}

function togglePoint(point) {
  choice.points.has(point) ? choice.points.delete(point) : choice.points.add(point);
  refresh();
}

function clearChoice() {
  choice.points.clear();
  choose({ convention: null, faces: null });
}

function whenChosen(name, act) {
  const { selected } = model(name);
  selected.properties.indices.change.connect(() => listening && act(Array.from(selected.indices)));
}

whenDrawn.push(async () => {
  await byId("sheet").decode();
  for (const chip of all("[data-chip]")) chip.addEventListener("click", () => togglePoint(Number(chip.dataset.chip)));
  for (const option of all("[data-convention]"))
    option.addEventListener("click", () =>
      choose({ convention: option.dataset.convention === "" ? null : Number(option.dataset.convention) }));
  on("clear", "click", clearChoice);
  listenToGallery();
  listenToLarge();
  whenChosen("points", (rows) => choose({ points: new Set(rows.map((row) => model("points").data.point[row])) }));
  whenChosen("faces", (rows) => choose({ faces: rows.length ? new Set(rows) : null }));
  refresh();
});
