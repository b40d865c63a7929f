// The page of a search: brushes on parallel axes, and one choice of trials in all charts and the table.

const brushes = new Map(); // place of an axis -> [lowest, highest] height

const trialRows = () => all("#table-body tr");

/** Trials that cross every brush. */
function brushed() {
  const { ys } = model("trials").data;
  const within = (line) => [...brushes].every(([axis, [low, high]]) => line[axis] >= low && line[axis] <= high);
  return [...ys.keys()].filter((i) => within(ys[i]));
}

function drawBrushes() {
  const found = [...brushes];
  model("brushes").data = {
    x: found.map(([axis]) => axis),
    low: found.map(([, [low]]) => low),
    high: found.map(([, [, high]]) => high),
  };
  const chosen = brushes.size ? brushed() : [];
  model("trials").selected.indices = chosen;
  drawChosen(brushes.size > 0);
}

/** A box over the axes: a brush on each of them, or on the nearest where it covers none. A click takes one away. */
function brush({ x0, x1, y0, y1 }) {
  const [left, right] = [Math.min(x0, x1), Math.max(x0, x1)];
  const [low, high] = [Math.min(y0, y1), Math.max(y0, y1)];
  let covered = Array.from({ length: page.axes }, (_, axis) => axis).filter((axis) => axis >= left && axis <= right);
  if (!covered.length) covered = [Math.min(page.axes - 1, Math.max(0, Math.round((left + right) / 2)))];
  for (const axis of covered) high - low < 0.01 ? brushes.delete(axis) : brushes.set(axis, [low, high]);
  drawBrushes();
}

function drawChosen(narrowed = false) {
  const chosen = [...model("trials").selected.indices].sort((a, b) => a - b);
  for (const row of trialRows()) {
    const here = row.dataset.row !== "" && chosen.includes(Number(row.dataset.row));
    row.querySelector("button")?.setAttribute("aria-pressed", here);
    row.hidden = narrowed && !here;
  }
  const numbers = chosen.map((i) => page.trials[i]);
  const said = chosen.length > 12 ? `${chosen.length} of them` : numbers.join(", ");
  const none = narrowed && !chosen.length;
  byId("status").textContent =
    `${counted(page.trials.length, "trial")} with a score` + (chosen.length ? ` · chosen: ${said}` : none ? " · none crosses there" : "");
  byId("clear").disabled = !chosen.length && !brushes.size;
}

function toggleTrial(place) {
  const { selected } = model("trials");
  const chosen = new Set(selected.indices);
  chosen.has(place) ? chosen.delete(place) : chosen.add(place);
  selected.indices = [...chosen];
}

whenDrawn.push(() => {
  model("trials").selected.properties.indices.change.connect(() => drawChosen(brushes.size > 0));
  model("parallel").on_event("selectiongeometry", (event) => event.final && event.geometry.type === "rect" && brush(event.geometry));
  for (const button of all("[data-trial]")) button.addEventListener("click", () => toggleTrial(Number(button.dataset.trial)));
  on("clear", "click", () => {
    brushes.clear();
    drawBrushes();
  });
});
