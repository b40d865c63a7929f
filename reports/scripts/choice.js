// What the reader has chosen, and which labelled points and faces pass it. One choice, many views: each view shows
// what passes every filter but its own.

const hasTruth = page.values > 0;
const choice = { points: new Set(), convention: null, low: 0, high: Infinity, lasso: null, faces: null, from: null };
// `lasso` holds numbers of values, `faces` of faces; `from` = {source, rows} is the chart where those were chosen.

const column = hasTruth ? valueColumns() : {}; // one row per labelled point: face, point, dx, dy, errors, within

function valueColumns() {
  const count = page.values;
  const own = { face: new Int32Array(count), point: new Uint16Array(count) };
  [own.dx, own.dy, own.within] = [new Float32Array(count), new Float32Array(count), new Int8Array(bytesOf(page.within))];
  for (const member of page.members) own[member] = new Float32Array(bytesOf(page.errors[member]));
  let row = 0;
  for (let i = 0; i < page.faces * pointCount; i++) {
    if (truth[2 * i] === MISSING || found[main][2 * i] === MISSING) continue;
    [own.face[row], own.point[row]] = [Math.floor(i / pointCount), i % pointCount];
    own.dx[row] = (found[main][2 * i] - truth[2 * i]) * page.quantum;
    own.dy[row] = (found[main][2 * i + 1] - truth[2 * i + 1]) * page.quantum;
    row += 1;
  }
  return own;
}

const ranged = () => choice.low > 0 || choice.high < Infinity;
const filtered = () => choice.points.size > 0 || choice.convention !== null || ranged() || choice.lasso || choice.faces;

/** Numbers of the labelled points that pass every filter but the one named `except`. */
function passing(except = null) {
  const errors = column[main];
  const points = except !== "points" && choice.points.size ? choice.points : null;
  const faces = except === "faces" ? null : choice.faces;
  const lasso = except === "lasso" ? null : choice.lasso;
  const [low, high] = except === "range" ? [0, Infinity] : [choice.low, choice.high];
  const kind = choice.convention;
  const rows = [];
  for (let i = 0; i < errors.length; i++) {
    if (errors[i] < low || errors[i] > high) continue;
    if (points && !points.has(column.point[i])) continue;
    if (faces && !faces.has(column.face[i])) continue;
    if (lasso && !lasso.has(i)) continue;
    if (kind === null || page.convention[column.face[i]] === kind) rows.push(i);
  }
  return rows;
}

function rootMeanSquare(rows, errors) {
  let [sum, count] = [0, 0];
  for (const i of rows) if (errors[i] === errors[i]) [sum, count] = [sum + errors[i] ** 2, count + 1];
  return count ? Math.sqrt(sum / count / 2) : NaN; // over coordinates, as Kaggle scores
}

/** Which of `rows` belong to each face: an array of lists, undefined where a face has none. */
function byFace(rows) {
  const own = new Array(page.faces);
  for (const i of rows) (own[column.face[i]] ??= []).push(i);
  return own;
}

/** One record per face with a passing point; with nothing filtered, faces without labels come last. */
function faceRecords(rows) {
  const list = [];
  byFace(rows).forEach((mine, face) => list.push(faceRecord(face, mine)));
  if (!filtered()) {
    const known = new Set(list.map((record) => record.face));
    for (let face = 0; face < page.faces; face++) if (!known.has(face)) list.push(unlabelled(face));
  }
  return list;
}

/** What a value counts for: its error; where two runs are compared, how much larger that has become. */
const gravity = (i) => (page.paired ? column[main][i] - column[page.members[0]][i] : column[main][i]);

function faceRecord(face, mine) {
  let worst = mine[0];
  for (const i of mine) if (gravity(i) > gravity(worst)) worst = i;
  const scores = Object.fromEntries(page.members.map((m) => [m, rootMeanSquare(mine, column[m])]));
  const score = page.paired ? scores[main] - scores[page.members[0]] : scores[main];
  return { face, count: mine.length, score, scores, point: column.point[worst], largest: gravity(worst) };
}

const unlabelled = (face) => ({ face, count: 0, score: NaN, scores: {}, point: null, largest: NaN });

/** Without truth a face is as uncertain as the median of its 50 % radii over the chosen points. */
function expectedRecords() {
  const points = choice.points.size ? [...choice.points] : page.points.map((_, j) => j);
  const faces = page.ids.map((_, face) => face);
  return faces.filter((f) => choice.convention === null || page.convention[f] === choice.convention).map((face) => {
    const known = points.filter((j) => Number.isFinite(radiusOf(1, face, j)));
    const point = known.length ? known.reduce((a, b) => (radiusOf(1, face, b) > radiusOf(1, face, a) ? b : a)) : null;
    const score = quantile(Float64Array.from(known, (j) => radiusOf(0, face, j)).sort(), 0.5);
    const largest = point === null ? NaN : radiusOf(1, face, point);
    return { face, count: known.length, score, scores: {}, point, largest };
  });
}

/** Of sorted numbers, interpolated as NumPy does. */
function quantile(sorted, share) {
  if (!sorted.length) return NaN;
  const place_ = share * (sorted.length - 1);
  const below = Math.floor(place_);
  return sorted[below] + (place_ - below) * ((sorted[below + 1] ?? sorted[below]) - sorted[below]);
}

/** Ends of the 95 % interval of a quantile of sorted values, from the ranks alone (Woodruff, 1952). `faces` are the
 *  faces behind the values: all values of a person (`page.groups`) or of a face are alike, so they count together. */
function quantileEnds(sorted, faces, share) {
  const n = sorted.length;
  const sums = new Map();
  const middle = quantile(sorted, share);
  for (let i = 0; i < n; i++) {
    const group = page.groups ? page.groups[faces[i]] : faces[i];
    sums.set(group, (sums.get(group) ?? 0) + (sorted[i] <= middle) - share);
  }
  if (sums.size < 6) return [NaN, NaN];
  let variance = 0;
  for (const sum of sums.values()) variance += sum * sum;
  const spread = 1.96 * Math.sqrt((variance * sums.size) / (sums.size - 1));
  return [-spread, spread].map((by) => sorted[Math.min(Math.max(Math.round(n * share + by), 0), n - 1)]);
}

const byScore = (a, b) =>
  (b.score > a.score) - (b.score < a.score) || isNaN(a.score) - isNaN(b.score) || a.face - b.face;

let records = []; // one per face that passes, worst first

function findRecords() {
  const rows = hasTruth ? passing() : [];
  records = (hasTruth ? faceRecords(rows) : expectedRecords()).sort(byScore);
  return rows;
}
