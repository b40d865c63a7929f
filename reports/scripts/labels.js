// The label page: which doubtful rows pass the choice, their pictures, table and large view, and the CSV.

const FIRST = 21; // pictures, before the reader asks for more
const wanted = { kind: "", convention: "", points: new Set(), pictures: FIRST };
const sorting = { column: "times", falling: true };
const PAIR_LAYERS = new Set(["truth", "twin"]);
view.layers = new Set(["truth", "twin", ...page.members]);
const unit = page.width / 96;
const csv = splitCsv(page.csv);

/** Records of a CSV text. Quoted cells may hold line ends; ours hold none outside of quotes. */
function splitCsv(text) {
  const lines = [];
  let [start, quoted] = [0, false];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '"') quoted = !quoted;
    else if (text[i] === "\n" && !quoted) [lines[lines.length], start] = [text.slice(start, i + 1), i + 1];
  }
  return lines;
}

// ---- the choice ------------------------------------------------------------------------------------------------

function passes(row) {
  if (wanted.kind && row.key !== wanted.kind) return false;
  if (wanted.convention !== "" && row.convention !== Number(wanted.convention)) return false;
  return !wanted.points.size || row.points.some((point) => wanted.points.has(point));
}

const chosenRows = () => page.rows.filter(passes);
const isChosen = () => wanted.kind !== "" || wanted.convention !== "" || wanted.points.size > 0;

function sorted(rows) {
  const sign = sorting.falling ? -1 : 1;
  const value = (row) => row[sorting.column] ?? -Infinity;
  const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  const numeric = (a, b) => (isNaN(a) || isNaN(b) ? order(a, b) : order(Number(a), Number(b)));
  return [...rows].sort((a, b) => sign * (sorting.column === "id" ? numeric(a.id, b.id) : order(value(a), value(b))));
}

function drawChoice() {
  const rows = chosenRows();
  byId("status").textContent = `${counted(rows.length, "row")} to look at${isChosen() ? ` of ${whole(page.rows.length)}` : ""}`;
  byId("clear").disabled = !isChosen();
  byId("download").disabled = rows.length === 0;
  for (const chip of all("[data-kind]")) chip.setAttribute("aria-pressed", chip.dataset.kind === wanted.kind);
  for (const chip of all("[data-convention]"))
    chip.setAttribute("aria-pressed", chip.dataset.convention === wanted.convention);
  for (const chip of all("[data-point].chip"))
    chip.setAttribute("aria-pressed", wanted.points.has(Number(chip.dataset.point)));
  drawWall(rows);
  drawTable(sorted(rows));
  drawCloud();
}

// ---- pictures, table and chart ---------------------------------------------------------------------------------

function card(face, score, name, layers, open) {
  const look = { layers, mark: 3.4 * unit, stroke: 0.6 * unit, description: `${score}. ${name}` };
  return node(
    "button", { type: "button", class: "face", onclick: open },
    faceArt(face, look), node("span", { class: "score" }, score), node("span", { class: "name" }, name),
  );
}

function drawWall(rows) {
  if (!byId("wall")) return;
  const pictured = rows.filter((row) => row.face >= 0);
  const layers = new Set(["truth", main]);
  byId("wall").replaceChildren(
    ...pictured.slice(0, wanted.pictures).map((row, rank) =>
      card(row.face, `row ${row.id}`, `${px(row.times, 1)}×: ${row.what}`, layers, () => openLarge(pictured, rank)),
    ),
  );
  const more = pictured.length - wanted.pictures;
  byId("wall-more").hidden = more <= 0;
  byId("wall-more").textContent = `Show ${counted(more, "more picture")}`;
  byId("wall-empty").hidden = pictured.length > 0;
}

function drawPairs() {
  const list = page.pairs.map((pair) => ({
    face: pair.face,
    title: `Rows ${pair.ids.join(" and ")}`,
    facts: `the same picture, labelled twice · ${px(pair.rms)} px RMS apart`,
    what: `${sentence(pair.point)}: ${px(pair.distance, 1)} px between the two labels.`,
  }));
  byId("pairs")?.replaceChildren(
    ...list.map((pair, rank) =>
      card(pair.face, pair.title.replace("Rows", "rows"), pair.what, PAIR_LAYERS, () => openLarge(list, rank)),
    ),
  );
}

function drawTable(rows) {
  if (!byId("rows")) return;
  const pictured = rows.filter((row) => row.face >= 0);
  byId("rows").replaceChildren(...rows.map((row) => tableRow(row, () => openLarge(pictured, pictured.indexOf(row)))));
  for (const button of all("[data-column]")) {
    const own = button.dataset.column === sorting.column;
    button.parentElement.setAttribute("aria-sort", own ? (sorting.falling ? "descending" : "ascending") : "none");
  }
}

function tableRow(row, open) {
  const name = row.face >= 0 ? node("button", { type: "button", class: "link", onclick: open }, row.id) : row.id;
  const numbers = [px(row.times, 1), px(row.distance, 1), px(row.second ?? NaN, 1)];
  const words = [row.kind, row.labelling, row.verdict];
  return node(
    "tr", {},
    node("th", { scope: "row" }, name),
    ...numbers.map((number) => node("td", { class: "number" }, number)),
    node("td", { class: "words" }, sentence(row.what)),
    ...words.map((word) => node("td", {}, word)),
  );
}

/** Only the labels of the chosen points and labelling are drawn. */
function drawCloud() {
  for (const name of ["dots", "doubts"]) {
    const { point, kind } = model(name).data;
    const rows = [];
    for (let i = 0; i < point.length; i++) {
      if (wanted.points.size && !wanted.points.has(point[i])) continue;
      if (wanted.convention === "" || kind[i] === Number(wanted.convention)) rows.push(i);
    }
    model(`${name}-view`).filter.indices = rows;
  }
}

// ---- the large view --------------------------------------------------------------------------------------------

function drawLarge() {
  const row = view.list[view.rank];
  const title = row.title ?? `Row ${row.id}`;
  byId("large-title").textContent = title;
  drawPlace();
  byId("large-facts").textContent = row.facts ?? factsOf(row);
  byId("large-more").textContent = `${sentence(row.what).replace(/[.]$/, "")}.`;
  const look = { layers: view.layers, mark: 2.2 * unit, stroke: 0.4 * unit, description: `${title}, large` };
  byId("large-art").replaceChildren(faceArt(row.face, look));
  byId("large-rows").replaceChildren(...page.points.map((_, point) => pointRow(row.face, point)).filter(Boolean));
}

function factsOf(row) {
  const facts = [row.verdict, `labelled “${row.labelling}”`, `${px(row.times, 1)} times the usual deviation`];
  if (row.second !== null) facts.push(`second opinion ${px(row.second, 1)} px away`);
  if (row.same) facts.push(`same picture as ${row.same}`);
  return facts.join(" · ");
}

function pointRow(face, point) {
  const [x, y] = place(truth, face, point);
  if (!Number.isFinite(x)) return null;
  const away = distance([x, y], place(found[main], face, point));
  return pointOfLarge(point, ...[px(x, 1), px(y, 1), px(away, 1)].map((value) => node("td", { class: "number" }, value)));
}

// ---- the CSV ---------------------------------------------------------------------------------------------------

/** The chosen rows as a file: the page makes it itself, so that it works from a disk as well. */
function download() {
  const lines = page.rows.flatMap((row, i) => (passes(row) ? [csv[i + 1]] : []));
  const file = new Blob([csv[0], ...lines], { type: "text/csv;charset=utf-8" });
  const link = node("a", { href: URL.createObjectURL(file), download: page.file });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

// ---- listening -------------------------------------------------------------------------------------------------

function choose(change) {
  return (event) => {
    change(event.currentTarget.dataset);
    drawChoice();
  };
}

function listen() {
  for (const key of ["kind", "convention"])
    for (const chip of all(`[data-${key}].chip`)) chip.addEventListener("click", choose((own) => (wanted[key] = own[key])));
  for (const chip of all("[data-point].chip"))
    chip.addEventListener("click", choose(({ point }) => {
      const index = Number(point);
      wanted.points[wanted.points.has(index) ? "delete" : "add"](index);
    }));
  for (const button of all("[data-column]"))
    button.addEventListener("click", choose(({ column }) => {
      sorting.falling = sorting.column === column ? !sorting.falling : ["times", "distance", "second"].includes(column);
      sorting.column = column;
    }));
  on("clear", "click", choose(() => Object.assign(wanted, { kind: "", convention: "", points: new Set() })));
  on("download", "click", download);
  on("wall-more", "click", choose(() => (wanted.pictures = Infinity)));
  listenToLarge();
}

whenDrawn.push(async () => {
  await byId("sheet").decode();
  listen();
  drawPairs();
  drawChoice();
});
