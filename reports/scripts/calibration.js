// Calibration: values of like expected radius together, the radius they were promised against the one that holds.

const calibration = { groups: [], count: 0 };
const GROUPS = 10; // of equally many values
const LEAST = 10; // values in a group

const LEVELS = [
  { share: 0.5, level: 0, name: "50 % radius", fill: "#ffffff" },
  { share: 0.9, level: 1, name: "90 % radius", fill: "#1f2933" },
];

/** Values that have radii, in the order of each radius: found once, since sorting takes longest. */
const byRadius = LEVELS.map(({ level }) => {
  if (!hasTruth) return { order: [], radii: [] };
  const radii = Float32Array.from(column.face, (face, i) => radiusOf(level, face, column.point[i]));
  const order = Uint32Array.from(radii.keys()).filter((i) => column.within[i] >= 0);
  return { order: order.sort((a, b) => radii[a] - radii[b]), radii };
});

function drawCalibration() {
  if (!model("calibration")) return;
  const source = model("calibration-dots");
  const data = { x: [], y: [], low: [], high: [], fill: [], level: [], count: [] };
  const kept = new Uint8Array(page.values);
  const own = choice.from?.source === "calibration-dots"; // its own choice does not empty a chart
  for (const i of passing(own ? "lasso" : null)) kept[i] = 1;
  calibration.groups = [];
  LEVELS.forEach((level, l) => {
    for (const rows of alike(byRadius[l].order.filter((i) => kept[i]))) addGroup(data, level, rows, byRadius[l].radii);
  });
  source.selected.indices = [];
  source.data = data;
  source.selected.indices = own ? choice.from.rows : [];
  const marks = Math.max(0.1, ...data.x, ...data.y);
  const end = 1.08 * Math.min(Math.max(marks, ...data.high.filter(Number.isFinite)), 1.25 * marks);
  for (const range of [model("calibration").x_range, model("calibration").y_range]) range.setv({ start: 0, end });
}

/** Groups of equally many of the sorted values. */
function alike(rows) {
  const groups = Math.max(1, Math.min(GROUPS, Math.floor(rows.length / LEAST)));
  const cut = (g) => Math.round((g * rows.length) / groups);
  return rows.length ? Array.from({ length: groups }, (_, g) => rows.subarray(cut(g), cut(g + 1))) : [];
}

function addGroup(data, { share, name, fill }, rows, radii) {
  const sorted = Uint32Array.from(rows).sort((a, b) => column[main][a] - column[main][b]);
  const errors = Float32Array.from(sorted, (i) => column[main][i]);
  const [low, high] = quantileEnds(errors, Array.from(sorted, (i) => column.face[i]), share);
  data.x.push(radii[rows[Math.floor(rows.length / 2)]]);
  data.y.push(quantile(errors, share));
  data.low.push(low);
  data.high.push(high);
  data.fill.push(fill);
  data.level.push(name);
  data.count.push(rows.length);
  calibration.groups.push(Array.from(rows));
}
