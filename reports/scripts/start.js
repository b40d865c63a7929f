// The last script of every page: draws the charts, calls who waits for them, and says that the page is ready.

async function drawAllCharts() {
  if (!page.charts) return;
  const item = { docid: "page", roots: page.charts.roots, root_ids: Object.keys(page.charts.roots) };
  await Bokeh.embed.embed_items({ page: page.charts.document }, [item]);
  charts = Bokeh.documents.at(-1);
  // A finger that drags across a chart means to scroll; its tools are a tap on the toolbar away.
  if (matchMedia("(pointer: coarse)").matches)
    for (const figure of charts.roots()) if (figure.toolbar?.gestures) figure.toolbar.gestures.pan.active &&= null;
}

async function start() {
  await drawAllCharts();
  for (const act of whenDrawn) await act();
  document.documentElement.dataset.ready = "true";
}

start();
