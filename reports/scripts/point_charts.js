// Error by point, overall, and how errors are distributed, for whatever is chosen.

let untouched = null; // the intervals and the axis's end as Python drew them: they hold for all faces only

const onlyPoints = () => choice.convention === null && !choice.lasso && !choice.faces && !ranged();

function drawPoints() {
  const points = model("points");
  const axis = model("rmse-range");
  const order = Array.from(points.data.point);
  untouched ??= { low: points.data.low, high: points.data.high, end: axis.end };
  const groups = order.map(() => []);
  const rowOf = new Map(order.map((point, row) => [point, row]));
  for (const i of passing("points")) groups[rowOf.get(column.point[i])].push(i);
  const data = { ...points.data, ...pointFigures(groups) };
  const nothing = order.map(() => NaN);
  [data.low, data.high] = onlyPoints() ? [untouched.low, untouched.high] : [nothing, nothing];
  points.data = data;
  points.selected.indices = order.flatMap((point, row) => (choice.points.has(point) ? [row] : []));
  axis.end = Math.max(untouched.end, 1.05 * Math.max(...data.right.filter(Number.isFinite)));
}

function pointFigures(groups) {
  const data = {};
  for (const member of page.members) data[member] = groups.map((group) => rootMeanSquare(group, column[member]));
  const scores = groups.map((_, row) => page.members.map((m) => data[m][row]).filter(Number.isFinite));
  data.left = scores.map((list) => (list.length ? Math.min(...list) : NaN));
  data.right = scores.map((list) => (list.length ? Math.max(...list) : NaN));
  data.count = groups.map((group) => group.length);
  data.half = groups.map((group) => within(group, 2));
  data.most = groups.map((group) => within(group, 1));
  return data;
}

function within(rows, level) {
  let [inside, known] = [0, 0];
  for (const i of rows) {
    if (column.within[i] >= 0) known += 1;
    if (column.within[i] >= level) inside += 1;
  }
  return known ? (100 * inside) / known : NaN;
}

let overall = null; // as Python drew it, for all faces

function drawOverall(rows) {
  const source = model("overall");
  const axis = model("overall-range");
  overall ??= { ...source.data, end: axis.end };
  const chosen = filtered();
  const value = overall.key.map((key, i) => (key && chosen ? rootMeanSquare(rows, column[key]) : overall.value[i]));
  const interval = (ends) => overall.key.map((_, i) => (chosen ? NaN : ends[i]));
  const text = value.map((v) => px(v));
  source.data = { ...source.data, value, text, low: interval(overall.low), high: interval(overall.high) };
  axis.end = Math.max(overall.end, 1.15 * Math.max(...value.filter(Number.isFinite)));
}

function drawDistribution() {
  const rows = passing("range");
  const curve = model("curve");
  const data = { x: curve.data.x };
  for (const member of page.members) data[member] = cumulative(rows.map((i) => column[member][i]), curve.data.x);
  curve.data = data;
  const bars = model("bars");
  const counts = new Array(bars.data.left.length).fill(0);
  for (const i of rows) counts[barOf(column[main][i], counts.length)] += 1;
  bars.data = { ...bars.data, count: counts };
  bars.selected.indices = ranged() ? counts.flatMap((_, bar) => (touches(bars.data, bar, counts.length) ? [bar] : [])) : [];
}

const barOf = (error, bars) => Math.min(Math.floor(error * Math.fround((bars - 1) / page.limit)), bars - 1);
const touches = (data, bar, bars) =>
  (bar === bars - 1 || data.right[bar] > choice.low + 1e-6) && data.left[bar] < choice.high - 1e-6;

function cumulative(errors, steps) {
  const known = Float64Array.from(errors.filter(Number.isFinite)).sort();
  let reached = 0;
  return Array.from(steps, (step_) => {
    while (reached < known.length && known[reached] <= step_) reached += 1;
    return known.length ? (100 * reached) / known.length : 0;
  });
}
