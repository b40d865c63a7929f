// The training page: which measure the curves show, and which networks stand out.

const measureOf = (key) => page.measures.find((one) => one.key === key);
let measure = page.measures[0];

function show(key) {
  measure = measureOf(key);
  const { axis } = measure;
  for (const name of ["networks", "marks"]) {
    const source = model(name);
    source.data = { ...source.data, [name === "marks" ? "y" : "ys"]: source.data[key] };
  }
  model("range").setv({ start: axis.start, end: axis.end });
  const drawn = model("axis");
  drawn.major_label_overrides = new Map(axis.ticks.map((tick) => [tick, String(Number(tick.toPrecision(6)))]));
  drawn.ticker.ticks = axis.ticks;
  drawn.axis_label = axis.label;
  for (const chip of all("[data-measure]")) chip.setAttribute("aria-pressed", chip.dataset.measure === key);
  drawNames();
}

const chosen = () => [...model("networks").selected.indices].sort((a, b) => a - b);

/** The names of the chosen networks, at the ends of their lines. */
function drawNames() {
  const { xs, ys } = model("networks").data;
  const picked = chosen().length <= 6 ? chosen() : [];
  const last = (list) => list[list.length - 1];
  model("names").data = { x: picked.map((i) => last(xs[i])), y: picked.map((i) => last(ys[i])), text: picked.map((i) => page.labels[i]) };
}

function drawChoice() {
  const picked = chosen();
  const marks = model("marks");
  marks.selected.indices = Array.from(marks.data.network).flatMap((network, i) => (picked.includes(network) ? [i] : []));
  for (const button of all("[data-network]")) button.setAttribute("aria-pressed", picked.includes(Number(button.dataset.network)));
  const names = picked.length ? ` · chosen: ${picked.map((i) => page.labels[i]).join(", ")}` : "";
  byId("status").textContent = counted(page.labels.length, "network") + names;
  byId("clear").disabled = picked.length === 0;
  drawNames();
}

function toggle(network) {
  const picked = new Set(chosen());
  picked.has(network) ? picked.delete(network) : picked.add(network);
  model("networks").selected.indices = [...picked];
}

whenDrawn.push(() => {
  model("networks").selected.properties.indices.change.connect(drawChoice);
  for (const chip of all("[data-measure]")) chip.addEventListener("click", () => show(chip.dataset.measure));
  for (const button of all("[data-network]")) button.addEventListener("click", () => toggle(Number(button.dataset.network)));
  on("clear", "click", () => (model("networks").selected.indices = []));
});
