// The faces as pictures, worst or best first, in a box that holds any number of them.

const gallery = { order: "worst", list: [], of: null };
const GAP = 12; // px between faces, as page.css has it
const CAPTION = 88; // px of height of the words under a face

const THUMB = new Set(page.paired ? ["labelled", "truth", ...page.members] : hasTruth ? ["labelled", "truth", main] : [main, "radius0"]);

function inOrder() {
  const known = records.filter((r) => !isNaN(r.score));
  return gallery.order === "worst" ? [...known, ...records.filter((r) => isNaN(r.score))] : known.reverse();
}

function scoreText(record) {
  if (isNaN(record.score)) return "no label";
  if (page.paired) return `${signed(record.score)} px`;
  return hasTruth ? `${px(record.score)} px` : `± ${px(record.score)} px`;
}

function galleryGrid() {
  const width = byId("gallery").clientWidth;
  const columns = Math.max(Math.floor((width + GAP) / 148), 2);
  const cell = (width - GAP * (columns - 1)) / columns;
  return { columns, height: Math.round((cell * page.height) / page.width) + CAPTION + GAP };
}

function drawGallery() {
  gallery.list = inOrder();
  gallery.of ??= virtualList(byId("gallery-box"), galleryGrid, fillGallery);
  gallery.of.show(gallery.list.length);
  byId("gallery-empty").hidden = gallery.list.length > 0;
  byId("gallery-box").hidden = gallery.list.length === 0;
  for (const button of all("[data-order]"))
    button.setAttribute("aria-pressed", button.dataset.order === gallery.order);
}

function fillGallery(first, last, above, below) {
  const { columns, height } = galleryGrid();
  const grid = byId("gallery");
  const had = document.activeElement?.dataset?.face;
  Object.assign(grid.style, { paddingTop: `${above}px`, paddingBottom: `${below}px` });
  Object.assign(grid.style, { gridTemplateColumns: `repeat(${columns}, minmax(0, 1fr))`, gridAutoRows: `${height - GAP}px` });
  grid.replaceChildren(...gallery.list.slice(first, last).map((record, i) => thumbnail(record, first + i)));
  if (had !== undefined) grid.querySelector(`[data-face="${had}"]`)?.focus({ preventScroll: true });
}

function thumbnail(record, rank) {
  const worst = record.point === null ? "" : page.points[record.point];
  const description = `Face ${idOf(record.face)}, ${scoreText(record)}${worst && `, most at ${worst}`}`;
  const unit = page.width / 96;
  const layers = record.count || !hasTruth ? THUMB : new Set([main]);
  const points = choice.points.size ? choice.points : null;
  return node(
    "button",
    { type: "button", class: "face", "data-face": record.face, "data-rank": rank, onclick: () => openLarge(gallery.list, rank) },
    faceArt(record.face, { layers, mark: 3.6 * unit, stroke: 1.1 * unit, points, description }),
    node("span", { class: "score" }, scoreText(record)),
    node("span", { class: "name" }, `face ${idOf(record.face)}`),
    node("span", { class: "name two" }, worst),
  );
}

/** Arrow keys lead from face to face, also to those that are not in sight yet. */
function moveInGallery(event) {
  const rank = Number(event.target.dataset?.rank);
  const { columns } = galleryGrid();
  const by = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: columns, ArrowUp: -columns }[event.key];
  const next = event.key === "Home" ? 0 : event.key === "End" ? gallery.list.length - 1 : rank + by;
  if (!Number.isFinite(next) || next < 0 || next >= gallery.list.length) return;
  event.preventDefault();
  gallery.of.reach(next);
  byId("gallery").querySelector(`[data-rank="${next}"]`)?.focus({ preventScroll: true });
}

function orderGallery(order) {
  gallery.order = order;
  drawGallery();
}

function listenToGallery() {
  on("gallery", "keydown", moveInGallery);
  for (const button of all("[data-order]")) button.addEventListener("click", () => orderGallery(button.dataset.order));
  for (const link of all("[data-jump]"))
    link.addEventListener("click", () => {
      orderGallery(link.dataset.jump);
      byId("faces-title").scrollIntoView({ behavior: "instant", block: "start" });
    });
}
