// The comparison's behaviour. Python has drawn everything; this file switches the measure, links table and charts, and
// finds a place for every name.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const page = JSON.parse(byId("comparison-data").textContent);
  const LINE = 15; // px, height of a name
  const GAP = 3; // px between bubble and name

  let charts = null;
  const model = (name) => charts.get_model_by_name(name);
  const counted = (value, noun) => `${value} ${noun}${value === 1 ? "" : "s"}`;

  // ---- the measure ---------------------------------------------------------------------------------------------

  function show(metric) {
    const source = model("networks");
    const data = { ...source.data };
    for (const end of ["value", "low", "high", "text"]) data[end] = data[`${metric.key}-${end}`];
    source.data = data;
    const plot = model("bubbles");
    plot.y_range.setv({ start: metric.axis.start, end: metric.axis.end });
    const axis = model("error-axis");
    axis.major_label_overrides = new Map(metric.axis.ticks.map((tick) => [tick, String(Number(tick.toPrecision(6)))]));
    axis.ticker.ticks = metric.axis.ticks;
    axis.axis_label = metric.axis.label;
    for (const chip of document.querySelectorAll("[data-metric]"))
      chip.setAttribute("aria-pressed", chip.dataset.metric === metric.key);
    placeNames();
  }

  // ---- names beside bubbles ------------------------------------------------------------------------------------

  const ruler = document.createElement("canvas").getContext("2d");

  /** Where data lie in the chart, px from its upper left corner, and back. */
  function scale(plot) {
    const [w, h] = [plot.inner_width, plot.inner_height];
    const [x0, x1] = [Math.log(plot.x_range.start), Math.log(plot.x_range.end)];
    const [y0, y1] = [Math.log(plot.y_range.start), Math.log(plot.y_range.end)];
    return {
      w, h,
      to: (x, y) => [((Math.log(x) - x0) / (x1 - x0)) * w, (1 - (Math.log(y) - y0) / (y1 - y0)) * h],
      from: (x, y) => [Math.exp(x0 + (x / w) * (x1 - x0)), Math.exp(y0 + (1 - y / h) * (y1 - y0))],
    };
  }

  const shared = (a, b) =>
    Math.max(0, Math.min(a.right, b.right) - Math.max(a.left, b.left)) *
    Math.max(0, Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top));

  const inside = (box, w, h) => box.left >= 0 && box.right <= w && box.top >= 0 && box.bottom <= h;

  /** Boxes where a name of `width` may stand around a bubble, the nearest ones first. */
  function* candidates(dot, width) {
    for (let away = 0; away <= 150; away += 10)
      for (let turn = 0; turn < 16; turn++) {
        const angle = (turn * Math.PI) / 8;
        const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
        const reach = dot.r + GAP + away;
        const x = dot.x + cos * reach + (cos * width) / 2;
        const y = dot.y + sin * (reach + LINE / 2);
        const box = { left: x - width / 2, right: x + width / 2, top: y - LINE / 2, bottom: y + LINE / 2 };
        yield { ...box, away, turn, line: leader(dot, box) };
      }
  }

  /** From the bubble's edge to the nearest place of the box, as points along it. */
  function leader(dot, box) {
    const x = Math.min(Math.max(dot.x, box.left), box.right);
    const y = Math.min(Math.max(dot.y, box.top), box.bottom);
    const far = Math.hypot(x - dot.x, y - dot.y) || 1;
    const start = [dot.x + ((x - dot.x) / far) * dot.r, dot.y + ((y - dot.y) / far) * dot.r];
    return { start, end: [x, y], long: far - dot.r };
  }

  const along = ({ start, end }) =>
    [0.1, 0.3, 0.5, 0.7, 0.9].map((t) => [start[0] + t * (end[0] - start[0]), start[1] + t * (end[1] - start[1])]);

  const holds = (box, [x, y]) => x > box.left && x < box.right && y > box.top && y < box.bottom;

  function cost(place, dot, dots, taken) {
    let sum = place.away + (place.turn % 4 ? 1 : 0); // beside, above or below reads best
    const line = along(place.line);
    for (const other of taken) {
      sum += 60 * shared(place, other) + 200 * line.filter((at) => holds(other, at)).length;
      sum += 200 * along(other.line).filter((at) => holds(place, at)).length;
    }
    for (const other of dots) {
      sum += 0.5 * shared(place, other) + 0.6 * shared(place, other.whisker);
      if (other !== dot) sum += 12 * line.filter((at) => holds(other, at)).length;
    }
    return sum;
  }

  function best(dot, dots, taken, { w, h }) {
    let [found, least] = [null, Infinity];
    for (const place of candidates(dot, dot.width)) {
      if (place.away >= least) break;
      if (!inside(place, w, h)) continue;
      const sum = cost(place, dot, dots, taken);
      if (sum < least) [found, least] = [place, sum];
    }
    return found;
  }

  function bubbles(plot, source, at) {
    const shrink = Math.min(1, Math.max(0.55, plot.inner_width / 900));
    const size = source.data.full.map((full) => Math.max(7, full * shrink));
    source.data = { ...source.data, size };
    ruler.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    return page.networks.flatMap((network, index) => {
      const { value, low, high, multiply_adds } = source.data;
      if (!Number.isFinite(value[index])) return [];
      const [x, y] = at.to(multiply_adds[index], value[index]);
      const r = size[index] / 2;
      const box = { left: x - r, right: x + r, top: y - r, bottom: y + r };
      const [top, bottom] = [high[index], low[index]].map((v) => (Number.isFinite(v) ? at.to(1, v)[1] : y));
      return [{ ...box, x, y, r, index, network, width: ruler.measureText(network).width, whisker: { left: x - 1, right: x + 1, top, bottom } }];
    });
  }

  /** Names in turn, each where it disturbs least; twice more, since the first ones knew nothing of the last. */
  function placeNames() {
    const [plot, source] = [model("bubbles"), model("networks")];
    if (!plot.inner_width) return;
    const at = scale(plot);
    const dots = bubbles(plot, source, at);
    const places = new Map();
    for (let round = 0; round < 3; round++)
      for (const dot of dots) {
        places.delete(dot);
        const place = best(dot, dots, [...places.values()], at);
        if (place) places.set(dot, place);
      }
    drawNames(places, at, new Set(source.selected.indices));
  }

  function drawNames(places, at, chosen) {
    const names = { x: [], y: [], text: [], alpha: [] };
    const leaders = { x0: [], y0: [], x1: [], y1: [], alpha: [] };
    const push = (columns, values) => Object.keys(columns).forEach((key, i) => columns[key].push(values[i]));
    for (const [dot, place] of places) {
      const alpha = !chosen.size || chosen.has(dot.index) ? 1 : 0.25;
      push(names, [...at.from(place.left, (place.top + place.bottom) / 2), dot.network, alpha]);
      if (place.line.long > GAP + 6)
        push(leaders, [...at.from(...place.line.start), ...at.from(...place.line.end), alpha]);
    }
    model("names").data = names;
    model("leaders").data = leaders;
  }

  // ---- choice and hover ----------------------------------------------------------------------------------------

  const rows = () => [...document.querySelectorAll("#table-body tr")];

  function drawChoice() {
    const chosen = [...model("networks").selected.indices].sort((a, b) => a - b);
    for (const row of rows()) row.querySelector("button").setAttribute("aria-pressed", chosen.includes(Number(row.dataset.row)));
    const names = chosen.length ? ` · chosen: ${chosen.map((i) => page.networks[i]).join(", ")}` : "";
    byId("status").textContent = counted(page.networks.length, "network") + names;
    byId("clear").disabled = chosen.length === 0;
    placeNames();
  }

  function toggle(index) {
    const { selected } = model("networks");
    const chosen = new Set(selected.indices);
    chosen.has(index) ? chosen.delete(index) : chosen.add(index);
    selected.indices = [...chosen];
  }

  function listenToCharts() {
    const source = model("networks");
    source.selected.properties.indices.change.connect(drawChoice);
    source.inspect.connect(() => {
      const near = new Set(source.inspected.indices);
      for (const row of rows()) row.classList.toggle("near", near.has(Number(row.dataset.row)));
    });
    for (const side of ["inner_width", "inner_height"]) model("bubbles").properties[side].change.connect(placeNames);
  }

  /** A row under the pointer lights its bubble and bars. */
  function light(index) {
    const source = model("networks");
    source.inspected = new source.inspected.constructor({ indices: index === null ? [] : [index] });
  }

  // ---- the table -----------------------------------------------------------------------------------------------

  function sortBy(column) {
    const head = byId("table-head").children[column];
    const falling = head.getAttribute("aria-sort") === "ascending";
    const value = (row) => row.children[column].dataset.value;
    const numbers = rows().every((row) => value(row) === "nan" || Number.isFinite(Number(value(row))));
    const compare = (a, b) => {
      if (!numbers) return value(a).localeCompare(value(b), "en", { numeric: true });
      const [x, y] = [Number(value(a)), Number(value(b))];
      return isNaN(x) || isNaN(y) ? 0 : x - y;
    };
    const unknown = (row) => numbers && value(row) === "nan";
    const sorted = rows().sort((a, b) => unknown(a) - unknown(b) || (falling ? -1 : 1) * compare(a, b) || a.dataset.row - b.dataset.row);
    byId("table-body").replaceChildren(...sorted);
    for (const other of byId("table-head").children) other.setAttribute("aria-sort", "none");
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
  }

  function listenToPage() {
    for (const chip of document.querySelectorAll("[data-metric]"))
      chip.addEventListener("click", () => show(page.metrics.find((m) => m.key === chip.dataset.metric)));
    for (const button of document.querySelectorAll("[data-column]"))
      button.addEventListener("click", () => sortBy(Number(button.dataset.column)));
    for (const row of rows()) {
      const index = Number(row.dataset.row);
      row.querySelector("button").addEventListener("click", () => toggle(index));
      row.addEventListener("mouseenter", () => light(index));
      row.addEventListener("mouseleave", () => light(null));
    }
    byId("clear").addEventListener("click", () => (model("networks").selected.indices = []));
  }

  async function start() {
    const item = { docid: "comparison", roots: page.charts.roots, root_ids: Object.keys(page.charts.roots) };
    const views = await Bokeh.embed.embed_items({ comparison: page.charts.document }, [item]);
    charts = Bokeh.documents.at(-1);
    listenToCharts();
    listenToPage();
    placeNames();
    document.documentElement.dataset.ready = String(views.length > 0);
  }

  start();
})();
