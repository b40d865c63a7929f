// The large view: which of a list it shows and how the reader goes on. The page's own drawLarge() fills it in.

const view = { list: [], rank: 0, layers: new Set() };

function openLarge(list, rank) {
  [view.list, view.rank] = [list, rank];
  drawLarge();
  if (!byId("large").open) byId("large").showModal();
}

function step(by) {
  view.rank = Math.min(Math.max(view.rank + by, 0), view.list.length - 1);
  drawLarge();
}

function drawPlace() {
  byId("large-place").textContent = `${whole(view.rank + 1)} of ${whole(view.list.length)}`;
  byId("previous").disabled = view.rank === 0;
  byId("next").disabled = view.rank === view.list.length - 1;
}

/** A row of the table of points; its point lights up on the face while the mouse is on the row. */
function pointOfLarge(point, ...cells) {
  const light = (lit) => () => {
    for (const mark of all(`[data-point="${point}"]`, byId("large-art"))) mark.classList.toggle("lit", lit);
  };
  const name = node("th", { scope: "row" }, page.points[point]);
  return node("tr", { onmouseenter: light(true), onmouseleave: light(false) }, name, ...cells);
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
  for (const box of all("[data-layer]")) {
    box.checked = view.layers.has(box.dataset.layer);
    box.addEventListener("change", () => {
      view.layers[box.checked ? "add" : "delete"](box.dataset.layer);
      drawLarge();
    });
  }
}
