// The augmentation page: which face is shown, and which points are followed through its views.

const followed = new Set();

function showFace(at) {
  for (const chip of all("[data-face]")) chip.setAttribute("aria-pressed", chip.dataset.face === at);
  for (const view of all("[data-view]")) view.hidden = view.dataset.view !== at;
}

function follow() {
  for (const mark of all(".art [data-point]")) {
    const own = followed.has(Number(mark.dataset.point));
    mark.classList.toggle("faint", followed.size > 0 && !own);
    mark.classList.toggle("lit", own);
  }
  const chips = all("[data-lit]");
  for (const chip of chips) chip.setAttribute("aria-pressed", followed.has(Number(chip.dataset.lit)));
  const names = chips.filter((chip) => followed.has(Number(chip.dataset.lit))).map((chip) => chip.textContent);
  byId("status").textContent = names.length ? `Following ${names.join(", ")}` : "All points";
  byId("clear").disabled = followed.size === 0;
}

whenDrawn.push(() => {
  for (const chip of all("[data-face]")) chip.addEventListener("click", () => showFace(chip.dataset.face));
  for (const chip of all("[data-lit]"))
    chip.addEventListener("click", () => {
      const point = Number(chip.dataset.lit);
      followed[followed.has(point) ? "delete" : "add"](point);
      follow();
    });
  on("clear", "click", () => {
    followed.clear();
    follow();
  });
  for (const button of all("[data-more]"))
    button.addEventListener("click", () => {
      const section = button.closest("[data-view]");
      for (const figure of all("figure.face[hidden]", section)) figure.hidden = false;
      button.remove();
    });
});
