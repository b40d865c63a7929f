// What the scripts of all pages share. Files of one page stand in one closure, this one first and start.js last:
// what one file declares, the later ones see.

const byId = (id) => document.getElementById(id);
const page = JSON.parse(byId("page-data").textContent); // what Python told this page
const SVG = new Set(["svg", "use", "line", "circle", "path", "title"]);

let charts = null; // the Bokeh document, once it is drawn
const model = (name) => charts.get_model_by_name(name);
const whenDrawn = []; // functions to call, in order, once the charts are there

/** A DOM node. Text always enters as text, so that no name or id can become markup. */
function node(tag, attributes = {}, ...children) {
  const made = SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

const on = (id, event, act) => byId(id)?.addEventListener(event, act);
const all = (selector, root = document) => [...root.querySelectorAll(selector)];

// ---- numbers in words ------------------------------------------------------------------------------------------

const px = (value, digits = 2) => (Number.isFinite(value) ? value.toFixed(digits) : "–");
const signed = (value) => (Number.isFinite(value) ? `${value > 0 ? "+" : value < 0 ? "−" : ""}${px(Math.abs(value))}` : "–");
const whole = (value) => value.toLocaleString("en-US");
const counted = (value, noun) => `${whole(value)} ${noun}${value === 1 ? "" : "s"}`;
const sentence = (text) => text.slice(0, 1).toUpperCase() + text.slice(1);
