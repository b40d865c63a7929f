// One face, large, with everything that is known of it.

view.layers = new Set(["truth", ...page.members, "radius1"]);

function drawLarge() {
  const record = view.list[view.rank];
  const { face } = record;
  const unit = page.width / 96;
  const look = { layers: view.layers, mark: 2 * unit, stroke: 0.35 * unit, description: `Face ${idOf(face)}, large` };
  const points = choice.points.size ? choice.points : null;
  byId("large-title").textContent = `Face ${idOf(face)}`;
  byId("large-facts").textContent = facts(record);
  byId("large-more").textContent = likeness(face);
  byId("large-art").replaceChildren(faceArt(face, { ...look, points }));
  byId("large-rows").replaceChildren(...page.points.map((_, point) => pointRow(face, point)).filter(Boolean));
  drawPlace();
}

function facts(record) {
  const kind = page.conventions.length > 1 ? [`labelled “${conventionOf(record.face)}”`] : [];
  if (page.paired) {
    const scores = page.members.map((m) => `${page.labels[m]} ${px(record.scores[m])} px`);
    return [...kind, `change ${signed(record.score)} px RMSE over ${counted(record.count, "point")}`, ...scores].join(" · ");
  }
  if (!hasTruth) return [...kind, `median 50 % radius ${px(record.score)} px`, "no truth"].join(" · ");
  const score = record.count ? [`RMSE ${px(record.score)} px over ${counted(record.count, "point")}`] : ["no label"];
  const others = page.members.slice(0, -1).filter((m) => Number.isFinite(record.scores[m]));
  return [...kind, ...score, ...others.map((m) => `${page.labels[m]} ${px(record.scores[m])} px`)].join(" · ");
}

/** What the face is like: how sharp, bright, turned. */
function likeness(face) {
  const told = (page.attributes ?? []).filter((a) => !a.names.length && Number.isFinite(a.values[face]));
  const unit = { turn: "°", roll: "°" };
  return told.map((a) => `${a.key} ${a.values[face].toFixed(a.digits).replace("-", "−")}${unit[a.key] ?? ""}`).join(" · ");
}

function pointRow(face, point) {
  const label = place(truth, face, point);
  const errors = page.members.map((member) => distance(place(found[member], face, point), label));
  const radii = [radiusOf(0, face, point), radiusOf(1, face, point)];
  if (![...errors, ...radii].some(Number.isFinite)) return null;
  const cell = (value, kind) => node("td", { class: `number ${kind}` }, px(value));
  const missed = errors.at(-1) > radii[1] ? "missed" : "";
  return pointOfLarge(
    point,
    ...(hasTruth ? errors.map((error, m) => cell(error, m === errors.length - 1 ? missed : "")) : []),
    ...radii.map((r) => cell(r, "")),
  );
}
