// The error report's behaviour. Python has drawn what holds for all faces; this file answers the reader's choices.

let listening = true; // false while this file itself changes a chart's selection

function refresh(allAtOnce = false) {
  const rows = findRecords();
  drawStatus(rows);
  drawControls();
  return drawStages(charts && hasTruth ? [...lists, ...chartsOf(rows)] : lists, allAtOnce);
}

// What follows a choice: (ids of elements, function that draws them).
const lists = [[["gallery-box", "gallery-empty"], drawGallery], [["table-box"], drawTable]];

const chartsOf = (rows) => [
  [["chart-overall"], () => drawOverall(rows)],
  [["chart-rmse", "chart-coverage"], drawPoints],
  [["chart-curve", "chart-histogram"], drawDistribution],
  [["chart-vectors"], drawVectors],
  [page.attributes.map((attribute) => `chart-${attribute.key}`), drawAttributes],
  [["chart-calibration"], drawCalibration],
];

let turn = 0; // of choices: a newer one draws everything again, so an older one need not end

/** What is in sight first and at once, the rest a frame each: on a slow machine a choice answers several times sooner. */
async function drawStages(stages, allAtOnce) {
  const [mine, state] = [++turn, document.documentElement.dataset];
  const first = (stage) => allAtOnce || stage[0].some(inSight);
  const rest = stages.filter((stage) => !first(stage));
  state.busy = "true";
  for (const [, draw] of stages.filter(first)) quietly(draw);
  for (const [, draw] of rest) {
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    if (mine !== turn) return;
    quietly(draw);
  }
  delete state.busy;
}

function inSight(id) {
  const { top, bottom, height } = byId(id)?.getBoundingClientRect() ?? { height: 0 };
  return height > 0 && bottom > 0 && top < innerHeight;
}

function quietly(change) {
  listening = false;
  try { change(); } finally { listening = true; }
}

function drawStatus(rows) {
  const faces = `${whole(records.length)} of ${counted(page.faces, "face")}`;
  const score = hasTruth ? px(rootMeanSquare(rows, column[main])) : "";
  const rest = hasTruth ? ` · ${whole(rows.length)} of ${counted(page.values, "labelled point")} · RMSE ${score} px` : "";
  const lasso = choice.lasso ? ` · ${counted(choice.lasso.size, "error")} picked` : "";
  const picked = choice.faces ? ` · ${counted(choice.faces.size, "face")} picked` : "";
  byId("status").textContent = faces + rest + lasso + picked;
  byId("clear").disabled = !filtered();
}

function drawControls() {
  for (const chip of all("[data-chip]")) chip.setAttribute("aria-pressed", choice.points.has(Number(chip.dataset.chip)));
  for (const option of all("[data-convention]")) {
    const own = option.dataset.convention === "" ? null : Number(option.dataset.convention);
    option.setAttribute("aria-pressed", own === choice.convention);
  }
  if (!hasTruth) return;
  byId("low").value = choice.low > 0 ? Number(choice.low.toFixed(2)) : "";
  byId("high").value = choice.high < Infinity ? Number(choice.high.toFixed(2)) : "";
}

// ---- listening -------------------------------------------------------------------------------------------------

function choose(changes) {
  Object.assign(choice, changes);
  refresh();
}

function clearChoice() {
  choice.points.clear();
  choose({ convention: null, low: 0, high: Infinity, lasso: null, faces: null, from: null });
}

function togglePoint(point) {
  choice.points.has(point) ? choice.points.delete(point) : choice.points.add(point);
  refresh();
}

function typedRange() {
  const [low, high] = ["low", "high"].map((id) => parseFloat(byId(id).value));
  choose({ low: Number.isFinite(low) ? Math.max(low, 0) : 0, high: Number.isFinite(high) ? high : Infinity });
}

function listenToPage() {
  for (const chip of all("[data-chip]")) chip.addEventListener("click", () => togglePoint(Number(chip.dataset.chip)));
  for (const option of all("[data-convention]"))
    option.addEventListener("click", () =>
      choose({ convention: option.dataset.convention === "" ? null : Number(option.dataset.convention) }));
  on("low", "change", typedRange);
  on("high", "change", typedRange);
  on("clear", "click", clearChoice);
  listenToGallery();
  listenToLarge();
}

/** Call `act(rows)` when the reader selects something in the chart of a source. */
function whenChosen(name, act) {
  const selected = model(name)?.selected;
  selected?.properties.indices.change.connect(() => listening && act(Array.from(selected.indices)));
}

function listenToCharts() {
  whenChosen("points", (rows) => choose({ points: new Set(rows.map((row) => model("points").data.point[row])) }));
  if (!hasTruth) return;
  whenChosen("cells", (rows) => choose({ lasso: rows.length ? new Set(rows) : null, from: null }));
  whenChosen("bars", chooseBars);
  whenChosen("faces", (rows) => choose({ faces: rows.length ? new Set(rows) : null, from: null }));
  for (const attribute of page.attributes)
    whenChosen(`parts-${attribute.key}`, (rows) => chooseParts(attribute, rows));
  whenChosen("calibration-dots", chooseGroups);
  model("vectors").properties.inner_width.change.connect(() => quietly(drawVectors));
}

function chooseBars(bars) {
  const { left, right } = model("bars").data;
  const last = Math.max(...bars);
  const open = !bars.length || last === left.length - 1;
  choose({ low: bars.length ? left[Math.min(...bars)] : 0, high: open ? Infinity : right[last] });
}

function chooseParts(attribute, rows) {
  if (!rows.length) return choose({ faces: null, from: null });
  return choose({ faces: facesOfParts(attribute, rows), from: { source: `parts-${attribute.key}`, rows } });
}

function chooseGroups(rows) {
  if (!rows.length) return choose({ lasso: null, from: null });
  const lasso = new Set(rows.flatMap((row) => calibration.groups[row]));
  return choose({ lasso, from: { source: "calibration-dots", rows } });
}

whenDrawn.push(async () => {
  await byId("sheet").decode();
  listenToPage();
  if (charts) listenToCharts();
  return refresh(true);
});
