// The faces as a table that sorts by any column.

const table = { sort: "score", falling: true, list: [], of: null };
const ROW = 34; // px of height of a row, as page.css has it

const scoreColumns = page.paired
  ? [
      { key: "score", name: "Change, px", of: (r) => r.score, show: signed },
      ...page.members.map((member) => ({ key: member, name: `${page.labels[member]}, px`, of: (r) => r.scores[member] })),
      { key: "point", name: "Most worsened point", of: (r) => page.points[r.point] ?? "–", text: true },
      { key: "largest", name: "By, px", of: (r) => r.largest, show: signed },
    ]
  : [
      { key: "score", name: hasTruth ? "RMSE, px" : "Median 50 % radius, px", of: (r) => r.score },
      ...page.members.slice(0, hasTruth ? -1 : 0).map((member) => (
        { key: member, name: `${sentence(page.labels[member])}, px`, of: (r) => r.scores[member] ?? NaN }
      )),
      { key: "point", name: hasTruth ? "Worst point" : "Least certain point", of: (r) => page.points[r.point] ?? "–", text: true },
      { key: "largest", name: hasTruth ? "Its error, px" : "Its 90 % radius, px", of: (r) => r.largest },
    ];

const COLUMNS = [
  { key: "id", name: "Face", of: (r) => idOf(r.face), text: true },
  page.conventions.length > 1 && { key: "convention", name: "Labelling", of: (r) => conventionOf(r.face), text: true },
  { key: "count", name: hasTruth ? "Labelled" : "Points", of: (r) => r.count, show: whole },
  ...scoreColumns,
].filter(Boolean);

const collator = new Intl.Collator("en", { numeric: true });

function compareBy(by) {
  const sign = table.falling ? -1 : 1;
  return (a, b) => {
    const [x, y] = [by.of(a), by.of(b)];
    const order = by.text ? sign * collator.compare(x, y) : isNaN(x) - isNaN(y) || sign * (x - y) || 0;
    return order || a.face - b.face;
  };
}

function drawTable() {
  table.list = [...records].sort(compareBy(COLUMNS.find((c) => c.key === table.sort)));
  byId("table-head").replaceChildren(...COLUMNS.map(headCell));
  table.of ??= virtualList(byId("table-box"), () => ({ columns: 1, height: ROW }), fillTable);
  table.of.show(table.list.length);
}

function fillTable(first, last, above, below) {
  const free = (height) => (height ? [node("tr", { "aria-hidden": "true", style: `height:${height}px` })] : []);
  const rows = table.list.slice(first, last).map((record, i) => tableRow(record, first + i));
  byId("table-body").replaceChildren(...free(above), ...rows, ...free(below));
}

function headCell(own) {
  const sorted = table.sort === own.key;
  const sort = () => {
    table.falling = sorted ? !table.falling : !own.text;
    table.sort = own.key;
    drawTable();
    byId("table-head").querySelector(`[data-sort="${own.key}"]`).focus();
  };
  const arrow = sorted ? (table.falling ? " ↓" : " ↑") : "";
  const button = node("button", { type: "button", "data-sort": own.key, onclick: sort }, own.name + arrow);
  const state = sorted ? (table.falling ? "descending" : "ascending") : "none";
  return node("th", { scope: "col", "aria-sort": state, class: own.text ? "" : "number" }, button);
}

function tableRow(record, rank) {
  const open = () => openLarge(table.list, rank);
  const cells = COLUMNS.map((c) => {
    const value = c.of(record);
    if (c.key === "id") return node("td", {}, node("button", { type: "button", class: "link", onclick: open }, value));
    return node("td", { class: c.text ? "" : "number" }, c.text ? value : (c.show ?? px)(value));
  });
  return node("tr", { "data-face": record.face }, ...cells);
}
