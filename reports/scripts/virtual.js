// Long lists in a box that scrolls: only the rows in sight are in the page, so thousands of faces cost what a few do.

/** Keep `box` filled with the rows in sight.
 *
 *  @param box element that scrolls.
 *  @param measure () => {columns, height}: entries side by side, and px of a row.
 *  @param fill (first, last, above, below) => void: put entries first..last in, with so many px free above and below.
 */
function virtualList(box, measure, fill) {
  const list = { count: 0, range: [-1, -1] };
  const draw = (anew) => {
    const { columns, height } = measure();
    const rows = Math.ceil(list.count / columns);
    const top = Math.min(Math.max(Math.floor(box.scrollTop / height) - 1, 0), Math.max(rows - 1, 0));
    const bottom = Math.min(Math.ceil((box.scrollTop + box.clientHeight) / height) + 1, rows);
    const range = [top * columns, Math.min(bottom * columns, list.count)];
    if (!anew && range[0] === list.range[0] && range[1] === list.range[1]) return;
    list.range = range;
    fill(...range, top * height, Math.max(rows - bottom, 0) * height);
  };
  box.addEventListener("scroll", () => draw(false), { passive: true });
  new ResizeObserver(() => draw(true)).observe(box);
  return {
    show: (count) => { list.count = count; box.scrollTop = 0; draw(true); },
    redraw: () => draw(true),
    /** Bring an entry into sight. */
    reach: (index) => {
      const { columns, height } = measure();
      const top = Math.floor(index / columns) * height;
      if (top < box.scrollTop) box.scrollTop = top;
      else if (top + height > box.scrollTop + box.clientHeight) box.scrollTop = top + height - box.clientHeight;
      draw(false);
    },
  };
}
