// The error report's behaviour. Python has drawn everything for all faces; this file answers the reader's choices.
// One choice, many views: each view shows the labelled points that pass every filter but its own.
"use strict";
(() => {
  const byId = (id) => document.getElementById(id);
  const read = (id) => JSON.parse(byId(id).textContent);
  const report = read("report-data");
  const hasTruth = report.values > 0;
  const main = report.members.at(-1);
  const MISSING = -32768; // as gallery.py packs a coordinate that is not there
  const PAGE = { gallery: 24, table: 50 };
  const SVG = new Set(["svg", "use", "line", "circle", "path", "title"]);

  const choice = { points: new Set(), convention: null, low: 0, high: Infinity, lasso: null };
  const shown = { order: "worst", gallery: PAGE.gallery, table: PAGE.table, sort: "score", falling: true };
  let charts = null; // the Bokeh document, once it is drawn
  let records = []; // one per face that passes, worst first
  let listening = true; // false while this file itself changes a chart's selection

  // ---- small helpers -------------------------------------------------------------------------------------------

  /** A DOM node. Text always enters as text, so that no name or id can become markup. */
  function node(tag, attributes = {}, ...children) {
    const made = SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children);
    return made;
  }

  function unpack(base64) {
    const text = atob(base64);
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
    return new Int16Array(bytes.buffer);
  }

  const px = (value, digits = 2) => (Number.isFinite(value) ? value.toFixed(digits) : "–");
  const whole = (value) => value.toLocaleString("en-US");
  const counted = (value, noun) => `${whole(value)} ${noun}${value === 1 ? "" : "s"}`;
  const sentence = (text) => text[0].toUpperCase() + text.slice(1);
  const median = (list) => (list.length ? [...list].sort((a, b) => a - b)[Math.floor((list.length - 1) / 2)] : NaN);

  // ---- the faces -----------------------------------------------------------------------------------------------

  const pointCount = report.points.length;
  const truth = unpack(report.truth);
  const radius = unpack(report.radius);
  const found = Object.fromEntries(report.members.map((member) => [member, unpack(report.found[member])]));

  const length = (packed, index) => (packed[index] === MISSING ? NaN : packed[index] * report.quantum);
  const place = (packed, face, point) => {
    const index = 2 * (face * pointCount + point);
    return [length(packed, index), length(packed, index + 1)];
  };
  const radiusOf = (level, face, point) => length(radius, (level * report.faces + face) * pointCount + point);
  const distance = ([ax, ay], [bx, by]) => Math.hypot(ax - bx, ay - by);
  const idOf = (face) => report.ids[face];
  const conventionOf = (face) => report.conventions[report.convention[face]];

  function drawPhoto(canvas, face) {
    const { columns, width, height } = report.sheet;
    const [left, top] = [(face % columns) * width, Math.floor(face / columns) * height];
    [canvas.width, canvas.height] = [width, height];
    canvas.getContext("2d").drawImage(byId("sheet"), left, top, width, height, 0, 0, width, height);
  }

  /** A face with marks: `layers` names what to draw, `mark` is a mark's size and `stroke` a line's width in image px. */
  function faceArt(face, { layers, mark, stroke, points = null, description }) {
    const canvas = node("canvas", { "aria-hidden": "true" });
    drawPhoto(canvas, face);
    const box = `-0.5 -0.5 ${report.width} ${report.height}`; // (0, 0) is the centre of the first pixel
    const art = node("svg", { viewBox: box, role: "img", "aria-label": description });
    for (let point = 0; point < pointCount; point++) {
      const faint = points && !points.has(point) ? " faint" : "";
      drawPoint(art, face, point, layers, mark, stroke, faint);
    }
    return node("span", { class: "art" }, canvas, art);
  }

  function drawPoint(art, face, point, layers, mark, stroke, faint) {
    const at = place(found[main], face, point);
    const label = place(truth, face, point);
    if (layers.has("labelled") && !Number.isFinite(label[0])) return;
    const dot = ([x, y], member, size) =>
      Number.isFinite(x) &&
      art.append(
        node("use", {
          href: `#mark-${report.marks[member]}`, class: `mark ${member}${faint}`, "data-point": point,
          x: x - size / 2, y: y - size / 2, width: size, height: size,
        }),
      );
    for (const level of [0, 1]) {
      const r = radiusOf(level, face, point);
      if (!layers.has(`radius${level}`) || !Number.isFinite(r + at[0])) continue;
      const look = { class: `radius level${level}${faint}`, "stroke-width": stroke, "data-point": point };
      art.append(node("circle", { cx: at[0], cy: at[1], r, ...look }));
    }
    if (layers.has("truth") && layers.has(main) && Number.isFinite(label[0] + at[0])) {
      const ends = { x1: label[0], y1: label[1], x2: at[0], y2: at[1] };
      art.append(node("line", { ...ends, class: `error${faint}`, "stroke-width": stroke }));
    }
    for (const member of report.members) if (layers.has(member)) dot(place(found[member], face, point), member, mark);
    if (layers.has("truth")) dot(label, "truth", mark * 1.25);
  }

  // ---- what passes the choice ----------------------------------------------------------------------------------

  const source = (name) => charts.get_model_by_name(name);
  let column = {}; // of the values: face, point, x, y, within and one error column per member

  /** Whether labelled point `i` passes every filter but the one named `except`. */
  function passes(i, except) {
    if (except !== "points" && choice.points.size && !choice.points.has(column.point[i])) return false;
    if (choice.convention !== null && report.convention[column.face[i]] !== choice.convention) return false;
    const error = column[main][i];
    if (except !== "range" && !(error >= choice.low && error <= choice.high)) return false;
    return except === "lasso" || !choice.lasso || choice.lasso.has(i);
  }

  function passing(except = null) {
    const rows = [];
    for (let i = 0; i < column.face.length; i++) if (passes(i, except)) rows.push(i);
    return rows;
  }

  const filtered = () =>
    choice.points.size > 0 || choice.convention !== null || choice.low > 0 || choice.high < Infinity || choice.lasso;

  function rootMeanSquare(rows, errors) {
    let [sum, count] = [0, 0];
    for (const i of rows) if (Number.isFinite(errors[i])) [sum, count] = [sum + errors[i] ** 2, count + 1];
    return count ? Math.sqrt(sum / count / 2) : NaN; // over coordinates, as Kaggle scores
  }

  /** One record per face with a passing point; with nothing filtered, faces without labels come last. */
  function faceRecords(rows) {
    const own = new Map();
    for (const i of rows) own.has(column.face[i]) ? own.get(column.face[i]).push(i) : own.set(column.face[i], [i]);
    const list = [...own].map(([face, mine]) => {
      const worst = mine.reduce((a, b) => (column[main][b] > column[main][a] ? b : a));
      const scores = Object.fromEntries(report.members.map((m) => [m, rootMeanSquare(mine, column[m])]));
      const point = column.point[worst];
      return { face, count: mine.length, score: scores[main], scores, point, largest: column[main][worst] };
    });
    if (!filtered()) for (let f = 0; f < report.faces; f++) if (!own.has(f)) list.push(unlabelled(f));
    return list;
  }

  const unlabelled = (face) => ({ face, count: 0, score: NaN, scores: {}, point: null, largest: NaN });

  /** Without truth a face is as uncertain as the median of its 50 % radii over the chosen points. */
  function expectedRecords() {
    const points = choice.points.size ? [...choice.points] : report.points.map((_, j) => j);
    const faces = report.ids.map((_, face) => face);
    const kept = faces.filter((f) => choice.convention === null || report.convention[f] === choice.convention);
    return kept.map((face) => {
      const known = points.filter((j) => Number.isFinite(radiusOf(1, face, j)));
      const point = known.length ? known.reduce((a, b) => (radiusOf(1, face, b) > radiusOf(1, face, a) ? b : a)) : null;
      const score = median(known.map((j) => radiusOf(0, face, j)));
      return { face, count: known.length, score, scores: {}, point, largest: point === null ? NaN : radiusOf(1, face, point) };
    });
  }

  // ---- views ---------------------------------------------------------------------------------------------------

  function refresh() {
    const rows = hasTruth ? passing() : [];
    records = hasTruth ? faceRecords(rows) : expectedRecords();
    records.sort((a, b) => (b.score > a.score) - (b.score < a.score) || isNaN(a.score) - isNaN(b.score) || a.face - b.face);
    shown.gallery = PAGE.gallery;
    shown.table = PAGE.table;
    drawStatus(rows);
    drawControls();
    drawGallery();
    drawTable();
    if (hasTruth && charts) quietly(drawCharts);
  }

  function quietly(change) {
    listening = false;
    try { change(); } finally { listening = true; }
  }

  function drawStatus(rows) {
    const faces = `${whole(records.length)} of ${counted(report.faces, "face")}`;
    const score = px(rootMeanSquare(rows, column[main] ?? []));
    const rest = hasTruth ? ` · ${whole(rows.length)} of ${counted(report.values, "labelled point")} · RMSE ${score} px` : "";
    const lasso = choice.lasso ? ` · ${counted(choice.lasso.size, "error vector")} lassoed` : "";
    byId("status").textContent = faces + rest + lasso;
    byId("clear").disabled = !filtered();
  }

  function drawControls() {
    for (const chip of document.querySelectorAll("[data-chip]"))
      chip.setAttribute("aria-pressed", choice.points.has(Number(chip.dataset.chip)));
    for (const option of document.querySelectorAll("[data-convention]")) {
      const own = option.dataset.convention === "" ? null : Number(option.dataset.convention);
      option.setAttribute("aria-pressed", own === choice.convention);
    }
    if (!hasTruth) return;
    byId("low").value = choice.low > 0 ? Number(choice.low.toFixed(2)) : "";
    byId("high").value = choice.high < Infinity ? Number(choice.high.toFixed(2)) : "";
  }

  const inOrder = () => {
    const known = records.filter((r) => !isNaN(r.score));
    return shown.order === "worst" ? [...known, ...records.filter((r) => isNaN(r.score))] : known.reverse();
  };

  function scoreText(record) {
    if (isNaN(record.score)) return "no label";
    return hasTruth ? `${px(record.score)} px` : `± ${px(record.score)} px`;
  }

  const THUMB = new Set(hasTruth ? ["labelled", "truth", main] : [main, "radius0"]);

  function drawGallery() {
    const list = inOrder();
    const cells = list.slice(0, shown.gallery).map((record, rank) => thumbnail(record, rank, list));
    byId("gallery").replaceChildren(...cells);
    byId("gallery-empty").hidden = list.length > 0;
    showMore("gallery", list.length);
    for (const button of document.querySelectorAll("[data-order]"))
      button.setAttribute("aria-pressed", button.dataset.order === shown.order);
  }

  function thumbnail(record, rank, list) {
    const worst = record.point === null ? "" : report.points[record.point];
    const description = `Face ${idOf(record.face)}, ${scoreText(record)}${worst && `, worst at ${worst}`}`;
    const unit = report.width / 96;
    const look = { layers: record.count || !hasTruth ? THUMB : new Set([main]), mark: 3.6 * unit, stroke: 1.1 * unit };
    const points = choice.points.size ? choice.points : null;
    return node(
      "button",
      { type: "button", class: "face", "data-face": record.face, onclick: () => openFace(list, rank) },
      faceArt(record.face, { ...look, points, description }),
      node("span", { class: "score" }, scoreText(record)),
      node("span", { class: "name" }, `face ${idOf(record.face)}`),
      node("span", { class: "name" }, worst),
    );
  }

  function showMore(view, total) {
    const button = byId(`${view}-more`);
    button.hidden = total <= shown[view];
    button.textContent = `Show ${Math.min(PAGE[view], total - shown[view])} more of ${whole(total)}`;
  }

  const COLUMNS = [
    { key: "id", name: "Face", of: (r) => idOf(r.face), text: true },
    report.conventions.length > 1 && { key: "convention", name: "Labelling", of: (r) => conventionOf(r.face), text: true },
    { key: "count", name: hasTruth ? "Labelled" : "Points", of: (r) => r.count, show: whole },
    { key: "score", name: hasTruth ? "RMSE, px" : "Median 50 % radius, px", of: (r) => r.score },
    ...report.members.slice(0, hasTruth ? -1 : 0).map((member) => (
      { key: member, name: `${sentence(report.labels[member])}, px`, of: (r) => r.scores[member] ?? NaN }
    )),
    { key: "point", name: hasTruth ? "Worst point" : "Least certain point", of: (r) => report.points[r.point] ?? "–", text: true },
    { key: "largest", name: hasTruth ? "Its error, px" : "Its 90 % radius, px", of: (r) => r.largest },
  ].filter(Boolean);

  function drawTable() {
    const by = COLUMNS.find((c) => c.key === shown.sort);
    const sign = shown.falling ? -1 : 1;
    const compare = (a, b) => {
      const [x, y] = [by.of(a), by.of(b)];
      if (by.text) return sign * x.localeCompare(y, "en", { numeric: true });
      return isNaN(x) - isNaN(y) || sign * (x - y) || 0;
    };
    const list = [...records].sort((a, b) => compare(a, b) || a.face - b.face);
    byId("table-head").replaceChildren(...COLUMNS.map(headCell));
    byId("table-body").replaceChildren(...list.slice(0, shown.table).map((record, rank) => tableRow(record, rank, list)));
    showMore("table", list.length);
  }

  function headCell(column_) {
    const own = shown.sort === column_.key;
    const sort = () => {
      shown.falling = own ? !shown.falling : !column_.text;
      shown.sort = column_.key;
      drawTable();
      byId("table-head").querySelector(`[data-sort="${column_.key}"]`).focus();
    };
    const arrow = own ? (shown.falling ? " ↓" : " ↑") : "";
    const button = node("button", { type: "button", "data-sort": column_.key, onclick: sort }, column_.name + arrow);
    const state = own ? (shown.falling ? "descending" : "ascending") : "none";
    return node("th", { scope: "col", "aria-sort": state, class: column_.text ? "" : "number" }, button);
  }

  function tableRow(record, rank, list) {
    const open = () => openFace(list, rank);
    const cells = COLUMNS.map((c) => {
      const value = c.of(record);
      if (c.key === "id") return node("td", {}, node("button", { type: "button", class: "link", onclick: open }, value));
      return node("td", { class: c.text ? "" : "number" }, c.text ? value : (c.show ?? px)(value));
    });
    return node("tr", { "data-face": record.face }, ...cells);
  }

  // ---- charts --------------------------------------------------------------------------------------------------

  function drawCharts() {
    const points = source("points");
    const rows = Array.from(points.data.point);
    const chosen = rows.map((point, row) => (choice.points.has(point) ? row : -1)).filter((row) => row >= 0);
    drawPoints(points, rows);
    points.selected.indices = chosen;
    drawVectors();
    drawDistribution();
  }

  let untouched = null; // the intervals and the axis's end as Python drew them: they hold for all faces only

  function drawPoints(points, order) {
    const axis = source("rmse-range");
    untouched ??= { low: points.data.low, high: points.data.high, end: axis.end };
    const groups = order.map(() => []);
    const rowOf = new Map(order.map((point, row) => [point, row]));
    for (const i of passing("points")) groups[rowOf.get(column.point[i])].push(i);
    const data = { ...points.data };
    for (const member of report.members) data[member] = groups.map((group) => rootMeanSquare(group, column[member]));
    const all = order.map((_, row) => report.members.map((m) => data[m][row]).filter(Number.isFinite));
    data.left = all.map((list) => (list.length ? Math.min(...list) : NaN));
    data.right = all.map((list) => (list.length ? Math.max(...list) : NaN));
    data.count = groups.map((group) => group.length);
    data.half = groups.map((group) => within(group, 2));
    data.most = groups.map((group) => within(group, 1));
    const others = choice.convention !== null || choice.lasso || choice.low > 0 || choice.high < Infinity;
    [data.low, data.high] = others ? [order.map(() => NaN), order.map(() => NaN)] : [untouched.low, untouched.high];
    points.data = data;
    axis.end = Math.max(untouched.end, 1.05 * Math.max(...data.right.filter(Number.isFinite)));
  }

  function within(rows, level) {
    const known = rows.filter((i) => column.within[i] >= 0);
    return known.length ? (100 * known.filter((i) => column.within[i] >= level).length) / known.length : NaN;
  }

  function drawVectors() {
    source("view").filter.indices = passing("lasso");
    source("values").selected.indices = choice.lasso ? [...choice.lasso] : [];
    let [dx, dy, count] = [0, 0, 0];
    for (const i of passing()) {
      const stretch = column[main][i] / (Math.hypot(column.x[i], column.y[i]) || 1); // far vectors were drawn in
      [dx, dy, count] = [dx + column.x[i] * stretch, dy + column.y[i] * stretch, count + 1];
    }
    source("mean").data = { x: count ? [dx / count] : [], y: count ? [dy / count] : [] };
  }

  function drawDistribution() {
    const rows = passing("range");
    const curve = source("curve");
    const data = { x: curve.data.x };
    for (const member of report.members) data[member] = cumulative(rows.map((i) => column[member][i]), curve.data.x);
    curve.data = data;
    const bars = source("bars");
    const counts = new Array(bars.data.left.length).fill(0);
    for (const i of rows) counts[barOf(column[main][i], counts.length)] += 1;
    bars.data = { ...bars.data, count: counts };
    const ranged = choice.low > 0 || choice.high < Infinity;
    const inside = counts.map((_, bar) => bar).filter((bar) => touches(bars.data, bar, counts.length));
    bars.selected.indices = ranged ? inside : [];
  }

  const barOf = (error, bars) => Math.min(Math.floor(error * Math.fround((bars - 1) / report.limit)), bars - 1);
  const touches = (data, bar, bars) =>
    (bar === bars - 1 || data.right[bar] > choice.low + 1e-6) && data.left[bar] < choice.high - 1e-6;

  function cumulative(errors, steps) {
    const known = Float64Array.from(errors.filter(Number.isFinite)).sort();
    let reached = 0;
    return Array.from(steps, (step) => {
      while (reached < known.length && known[reached] <= step) reached += 1;
      return known.length ? (100 * reached) / known.length : 0;
    });
  }

  // ---- the large view ------------------------------------------------------------------------------------------

  const view = { list: [], rank: 0, layers: new Set(["truth", ...report.members, "radius1"]) };

  function openFace(list, rank) {
    [view.list, view.rank] = [list, rank];
    drawLarge();
    if (!byId("large").open) byId("large").showModal();
  }

  function step(by) {
    view.rank = Math.min(Math.max(view.rank + by, 0), view.list.length - 1);
    drawLarge();
  }

  function drawLarge() {
    const record = view.list[view.rank];
    const { face } = record;
    const unit = report.width / 96;
    const look = { layers: view.layers, mark: 2 * unit, stroke: 0.35 * unit };
    const points = choice.points.size ? choice.points : null;
    byId("large-title").textContent = `Face ${idOf(face)}`;
    byId("large-facts").textContent = facts(record);
    byId("large-art").replaceChildren(faceArt(face, { ...look, points, description: `Face ${idOf(face)}, large` }));
    byId("large-rows").replaceChildren(...report.points.map((_, point) => pointRow(face, point)).filter(Boolean));
    byId("large-place").textContent = `${whole(view.rank + 1)} of ${whole(view.list.length)}`;
    byId("previous").disabled = view.rank === 0;
    byId("next").disabled = view.rank === view.list.length - 1;
  }

  function facts(record) {
    const kind = report.conventions.length > 1 ? [`labelled “${conventionOf(record.face)}”`] : [];
    if (!hasTruth) return [...kind, `median 50 % radius ${px(record.score)} px`, "no truth"].join(" · ");
    const score = record.count ? [`RMSE ${px(record.score)} px over ${counted(record.count, "point")}`] : ["no label"];
    const others = report.members.slice(0, -1).filter((m) => Number.isFinite(record.scores[m]));
    return [...kind, ...score, ...others.map((m) => `${report.labels[m]} ${px(record.scores[m])} px`)].join(" · ");
  }

  function pointRow(face, point) {
    const label = place(truth, face, point);
    const errors = report.members.map((member) => distance(place(found[member], face, point), label));
    const radii = [radiusOf(0, face, point), radiusOf(1, face, point)];
    if (![...errors, ...radii].some(Number.isFinite)) return null;
    const light = (on) => () => {
      for (const mark of byId("large-art").querySelectorAll(`[data-point="${point}"]`)) mark.classList.toggle("lit", on);
    };
    const cell = (value, kind) => node("td", { class: `number ${kind}` }, px(value));
    const missed = errors.at(-1) > radii[1] ? "missed" : "";
    return node(
      "tr", { onmouseenter: light(true), onmouseleave: light(false) },
      node("th", { scope: "row" }, report.points[point]),
      ...(hasTruth ? errors.map((error, m) => cell(error, m === errors.length - 1 ? missed : "")) : []),
      ...radii.map((r) => cell(r, "")),
    );
  }

  // ---- listening -----------------------------------------------------------------------------------------------

  const on = (id, event, act) => byId(id)?.addEventListener(event, act);

  function clearChoice() {
    Object.assign(choice, { convention: null, low: 0, high: Infinity, lasso: null });
    choice.points.clear();
    refresh();
  }

  function togglePoint(point) {
    choice.points.has(point) ? choice.points.delete(point) : choice.points.add(point);
    refresh();
  }

  function typedRange() {
    const [low, high] = ["low", "high"].map((id) => parseFloat(byId(id).value));
    choice.low = Number.isFinite(low) ? Math.max(low, 0) : 0;
    choice.high = Number.isFinite(high) ? high : Infinity;
    refresh();
  }

  function listenToPage() {
    for (const chip of document.querySelectorAll("[data-chip]"))
      chip.addEventListener("click", () => togglePoint(Number(chip.dataset.chip)));
    for (const option of document.querySelectorAll("[data-convention]"))
      option.addEventListener("click", () => {
        choice.convention = option.dataset.convention === "" ? null : Number(option.dataset.convention);
        refresh();
      });
    for (const button of document.querySelectorAll("[data-order]"))
      button.addEventListener("click", () => {
        [shown.order, shown.gallery] = [button.dataset.order, PAGE.gallery];
        drawGallery();
      });
    on("low", "change", typedRange);
    on("high", "change", typedRange);
    on("clear", "click", clearChoice);
    on("gallery-more", "click", () => { shown.gallery += PAGE.gallery; drawGallery(); });
    on("table-more", "click", () => { shown.table += PAGE.table; drawTable(); });
    listenToLarge();
  }

  function listenToLarge() {
    on("previous", "click", () => step(-1));
    on("next", "click", () => step(1));
    on("close", "click", () => byId("large").close());
    on("large", "click", (event) => event.target === byId("large") && byId("large").close());
    on("large", "keydown", (event) => {
      if (event.key === "ArrowLeft") step(-1);
      if (event.key === "ArrowRight") step(1);
    });
    for (const box of document.querySelectorAll("[data-layer]")) {
      box.checked = view.layers.has(box.dataset.layer);
      box.addEventListener("change", () => {
        view.layers[box.checked ? "add" : "delete"](box.dataset.layer);
        drawLarge();
      });
    }
  }

  function listenToCharts() {
    const chosen = (name, act) => {
      const { selected } = source(name);
      selected.properties.indices.change.connect(() => listening && act(Array.from(selected.indices)));
    };
    chosen("points", (rows) => {
      choice.points = new Set(rows.map((row) => source("points").data.point[row]));
      refresh();
    });
    if (!hasTruth) return;
    chosen("values", (rows) => {
      choice.lasso = rows.length ? new Set(rows) : null;
      refresh();
    });
    chosen("bars", (bars) => {
      const { left, right } = source("bars").data;
      const last = Math.max(...bars);
      choice.low = bars.length ? left[Math.min(...bars)] : 0;
      choice.high = bars.length && last < left.length - 1 ? right[last] : Infinity;
      refresh();
    });
    // A finger that drags across a chart means to scroll; its tools are a tap on the toolbar away.
    if (matchMedia("(pointer: coarse)").matches)
      for (const figure of charts.roots()) figure.toolbar.gestures.pan.active &&= null;
  }

  async function start() {
    listenToPage();
    const item = { docid: "report", roots: report.charts.roots, root_ids: Object.keys(report.charts.roots) };
    const [views] = await Promise.all([
      Bokeh.embed.embed_items({ report: report.charts.document }, [item]),
      byId("sheet").decode(),
    ]);
    charts = Bokeh.documents.at(-1);
    if (hasTruth) column = source("values").data;
    listenToCharts();
    refresh();
    document.documentElement.dataset.ready = String(views.length > 0);
  }

  start();
})();
