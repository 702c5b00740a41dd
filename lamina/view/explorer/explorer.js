/* The page: draws what `layout.js` places, and lets one look around. No library, no request.

   Names and configurations come from files of strangers. They are read as JSON and shown as text
   and harmless attributes, never as HTML. */

const $ = (id) => document.getElementById(id);
const [canvas, world, panel, find, found, map] =
  ["canvas", "world", "panel", "find", "found", "map"].map($);
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

function made(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes))
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value !== null && value !== false) element.setAttribute(name, value);
  element.append(...children.flat(Infinity).filter((child) => child));
  return element;
}
const h = (tag, attributes = {}, ...children) =>
  made(document.createElement(tag), attributes, children);
const s = (tag, attributes = {}, ...children) =>
  made(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

const n = (x) => Math.round(x * 10) / 10;
const count = (x) => x.toLocaleString("en-US");
const plural = (x, word) => `${count(x)} ${word}${x === 1 ? "" : "s"}`;
function scaled(x, base, units) {
  let unit = 0;
  for (; x >= base && unit < units.length - 1; unit++) x /= base;
  return (unit && x < 100 ? x.toPrecision(3) : Math.round(x)) + units[unit];
}
const short = (x) => scaled(x, 1000, ["", " k", " M", " G", " T"]);
const bytes = (x) => scaled(x, 1024, [" B", " KB", " MB", " GB", " TB"]);
const number = (x) =>
  x === 0 || (Math.abs(x) >= 1e-3 && Math.abs(x) < 1e6) ? String(Number(x.toPrecision(4))) : x.toExponential(2);
const called = ({ name, label }) => name || label;

/* --- drawing ------------------------------------------------------------------------------------ */

const layers = ["groups", "edges", "labels", "boxes"].map((name) => s("g", { class: name }));
const [groupLayer, edgeLayer, labelLayer, boxLayer] = layers;
world.append(...layers);
let drawn = new Map();  // what stands in the picture, by id
let pieces = [];  // all that is drawn, with its bounds
let lines = new Map();  // the elements of wires, by their numbers
let size = { width: 1, height: 1 };

/** Lay out and draw what is open now; what is ``kept`` stays where it is on the screen. */
function draw(kept = null) {
  const old = drawn.get(kept);
  [drawn, pieces, lines] = [new Map(), [], new Map()];
  layers.forEach((layer) => layer.replaceChildren());
  const root = arrange("");
  size = { width: Math.max(1, root.width), height: Math.max(1, root.height) };
  compose(root, 0, 0);
  if (old) {
    const now = drawn.get(kept);
    view.x += (old.x - now.x) * view.k;
    view.y += (old.y - old.height / 2 - now.y + now.height / 2) * view.k;
  }
  mark();
  chart();
  look();
}

function compose(arranged, left, top) {
  for (const wire of arranged.level.wires) {
    const { points, headed } = knots(arranged, wire);
    for (const point of points) { point[0] += left; point[1] += top; }
    const line = edge(points, headed), [xs, ys] = [0, 1].map((axis) => points.map((p) => p[axis]));
    lines.set(wire.id, line);
    keep(edgeLayer, line, Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys));
  }
  for (const { ref, label, inner, ...node } of arranged.nodes) {
    if (ref === null && !label) continue;
    // A box that feeds itself has room for the arrow at its right.
    const { height } = node, width = inner ? node.left + node.right : 2 * node.left;
    const x = left + node.x - node.left + width / 2, y = top + node.y;
    const item = { id: ref, open: Boolean(inner), x, y, width, height };
    const element = label ? chip(label, width, height) : inner ? frame(item) : box(item);
    element.setAttribute("transform", `translate(${n(x)} ${n(y)})`);
    const [w, t] = [width / 2, height / 2];
    keep(label ? labelLayer : inner ? groupLayer : boxLayer, element, x - w, y - t, x + w, y + t);
    if (!label) drawn.set(ref, { ...item, element });
    if (inner) compose(inner, x - w + inner.inset, y - t + inner.before);
  }
  for (const id of arranged.level.loops) {
    const { x, y, width } = drawn.get(id), side = n(x + width / 2);
    const arc = s("path", { d: `M${side} ${n(y + 8)}c22 0 22 -16 6 -16` });
    const line = s("g", {}, arc, s("path", { class: "head", d: `M${side} ${n(y - 8)}l8 -3.8v7.6Z` }));
    keep(edgeLayer, line, side, y - 12, side + 24, y + 12);
  }
}

function keep(layer, element, x0, y0, x1, y1) {
  layer.append(element);
  pieces.push({ element, x0, y0, x1, y1, shown: true });
}

/** A line along the ranks, an S between others; its head is a triangle whose tip touches the box. */
function edge(points, headed) {
  const [tip, before] = [points.at(-1), points.at(-2)], down = tip[1] >= before[1] ? 1 : -1;
  const ends = headed ? [...points.slice(0, -1), [tip[0], tip[1] - 6 * down]] : points;
  let d = `M${n(ends[0][0])} ${n(ends[0][1])}`;
  for (let i = 1; i < ends.length; i++) {
    const [[x0, y0], [x, y]] = [ends[i - 1], ends[i]], middle = n((y0 + y) / 2);
    d += Math.abs(x - x0) < 0.05 ? `V${n(y)}` : `C${n(x0)} ${middle} ${n(x)} ${middle} ${n(x)} ${n(y)}`;
  }
  const head = `M${n(tip[0])} ${n(tip[1])}l-3.8 ${-8 * down}h7.6Z`;
  return s("g", {}, s("path", { d }), headed && s("path", { class: "head", d: head }));
}

function text(content, x, y, kind = "") {
  return s("text", { x: n(x), y: n(y), class: kind }, content);
}

function chip(content, width, height) {
  const pill = { x: -width / 2, y: -height / 2, width, height, rx: height / 2 };
  return s("g", {}, s("rect", pill), text(content, 0, 3.8, "middle"));
}

/** A box as in Lamina's other drawings: name and class, a line, rows of facts. */
function box({ id, width, height }) {
  const { name, label, kind, rows, columns } = thing(id), folded = groups.has(id);
  const left = -width / 2, top = -height / 2, middle = top + gaps.head / 2;
  const plain = !rows.length && (kind === "input" || kind === "output");
  const area = { x: left, y: top, width, height, rx: plain ? gaps.head / 2 : 6 };
  const sheet = { ...area, class: "behind", x: left + 5, y: top + 5 };
  const title = text("", folded ? -9 : 0, middle + 5, "middle");
  title.append(s("tspan", { class: "name" }, called({ name, label })));
  if (name && label) title.append(s("tspan", { class: "label", dx: 7 }, label));
  return s("g", { class: `item ${kind}`, "data-id": id },
    folded && s("rect", sheet), s("rect", area), title,
    folded && toggle(id, width / 2 - 15, middle, "M-3 -5l6 5l-6 5"),
    rows.length > 0 && s("path", { d: `M${left} ${top + gaps.head}h${width}` }),
    rows.map(([key, value], index) => {
      const y = top + gaps.head + 9.2 + (index + 0.5) * gaps.row;
      return key ? [text(key, columns[0], y, "key"), text(value, columns[1], y)] : text(value, 0, y, "middle");
    }));
}

/** The area of what is open. */
function frame({ id, width, height }) {
  const left = -width / 2, top = -height / 2, depth = around(id).length % 3;
  return s("g", { class: `item group depth${depth}`, "data-id": id },
    s("rect", { x: left, y: top, width, height, rx: 10 }),
    toggle(id, left + 15, top + 13, "M-5 -3l5 6l5 -6"), text(groups.get(id).name, left + 27, top + 17.4, "name"));
}

function toggle(id, x, y, d) {
  const place = { class: "toggle", "data-toggle": id, transform: `translate(${n(x)} ${n(y)})` };
  return s("g", place, s("circle", { r: 10 }), s("path", { d }));
}

/* --- looking: pan, zoom, and what is in the window ------------------------------------------------ */

const view = { x: 0, y: 0, k: 1 }, FAR = 0.3, SMALLEST = 0.002, LARGEST = 4;
let waiting = false, gliding = 0;

function look() {
  if (!waiting) requestAnimationFrame(show);
  waiting = true;
}

/** Move the picture, and hide what is not in the window: a browser is slow with what it has. */
function show() {
  waiting = false;
  const { x, y, k } = view, margin = 40 / k;
  world.setAttribute("transform", `translate(${x.toFixed(2)} ${y.toFixed(2)}) scale(${k.toFixed(4)})`);
  canvas.classList.toggle("far", k < FAR);
  const left = -x / k - margin, right = (canvas.clientWidth - x) / k + margin;
  const top = -y / k - margin, bottom = (canvas.clientHeight - y) / k + margin;
  for (const piece of pieces) {
    const shown = piece.x1 > left && piece.x0 < right && piece.y1 > top && piece.y0 < bottom;
    if (shown !== piece.shown) piece.element.toggleAttribute("hidden", !shown);
    piece.shown = shown;
  }
  follow();
}

function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
  const k = Math.min(LARGEST, Math.max(SMALLEST, view.k * factor));
  view.x = x - ((x - view.x) * k) / view.k;
  view.y = y - ((y - view.y) * k) / view.k;
  view.k = k;
  look();
}

/** All of the picture in the window, or as much of its upper end as can be read. */
function fit(readable = false) {
  const pad = 28, [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const across = (width - 2 * pad) / size.width, k = Math.min(across, (height - 2 * pad) / size.height, 1.25);
  view.k = Math.max(SMALLEST, readable ? Math.max(k, Math.min(0.75, across), 0.35) : k);
  view.x = (width - size.width * view.k) / 2;
  view.y = Math.max(pad, (height - size.height * view.k) / 2);
  look();
}

/** Bring a thing into the window, at a size that can be read. */
function reveal(id, centre) {
  const { x, y, width, height } = drawn.get(id), [w, t] = [canvas.clientWidth, canvas.clientHeight];
  const k = view.k < 0.5 ? 1 : view.k, tall = height * k > t - 80;
  const left = view.x + (x - width / 2) * k, top = view.y + (y - height / 2) * k;
  const inside = left > 20 && top > 20 && left + width * k < w - 20 && top + height * k < t - 20;
  if (inside && k === view.k && !centre) return;
  const to = { k, x: w / 2 - x * k, y: tall ? 40 - (y - height / 2) * k : t / 2 - y * k };
  const from = { ...view }, start = performance.now(), run = ++gliding;
  (function move(now) {
    if (run !== gliding) return;
    const share = still ? 1 : Math.min(1, Math.max(0, now - start) / 220), eased = 1 - (1 - share) ** 3;
    for (const key of ["x", "y", "k"]) view[key] = from[key] + (to[key] - from[key]) * eased;
    show();
    if (share < 1) requestAnimationFrame(move);
  })(start);
}

/* --- the small map of a large picture ------------------------------------------------------------- */

let scale = 1;

function chart() {
  const sheet = map.firstElementChild, ratio = devicePixelRatio || 1, pen = sheet.getContext("2d");
  scale = Math.min(150 / size.width, 260 / size.height);
  for (const side of ["width", "height"]) {
    const pixels = Math.max(12, size[side] * scale);
    sheet[side] = pixels * ratio;
    sheet.style[side] = `${pixels}px`;
  }
  pen.scale(ratio * scale, ratio * scale);
  const colours = new Map();
  for (const { id, open, x, y, width, height, element } of drawn.values()) {
    const { kind } = thing(id);
    if (!colours.has(kind)) colours.set(kind, getComputedStyle(element.querySelector("rect")).stroke);
    const [w, t] = [Math.max(width, 2 / scale), Math.max(height, 1.5 / scale)];
    pen.globalAlpha = open ? 0.12 : 0.8;
    pen.fillStyle = colours.get(kind);
    pen.fillRect(x - w / 2, y - t / 2, w, t);
  }
}

/** Keep the frame of the map on what the window shows; no map where that is all. */
function follow() {
  const { x, y, k } = view, { style } = $("frame");
  const [width, height] = [canvas.clientWidth / k, canvas.clientHeight / k];
  map.hidden = size.width < 1.15 * width && size.height < 1.15 * height;
  const left = Math.max(0, -x / k), right = Math.min(size.width, width - x / k);
  const top = Math.max(0, -y / k), bottom = Math.min(size.height, height - y / k);
  style.transform = `translate(${left * scale}px, ${top * scale}px)`;
  style.width = `${Math.max(6, (right - left) * scale)}px`;
  style.height = `${Math.max(6, (bottom - top) * scale)}px`;
}

function aim(event) {
  if (!event.buttons) return;
  const corner = map.firstElementChild.getBoundingClientRect();
  view.x = canvas.clientWidth / 2 - ((event.clientX - corner.left) / scale) * view.k;
  view.y = canvas.clientHeight / 2 - ((event.clientY - corner.top) / scale) * view.k;
  look();
}

/* --- what is open, and what is chosen -------------------------------------------------------------- */

let chosen = null, hits = new Set(), hit = 0;

function fold(id, opened = !open.has(id)) {
  open[opened ? "add" : "delete"](id);
  folded(id, `${called(groups.get(id))} is ${opened ? "open" : "folded"}`);
}

function foldAll(opened) {
  open.clear();
  if (opened) groups.forEach((_, id) => open.add(id));
  folded(null, opened ? "All is open" : "All is folded");
  fit(true);
}

function folded(kept, words) {
  if (chosen !== null) chosen = seen(chosen);
  draw(kept);
  tell();
  say(words);
}

function choose(id, centre = false) {
  chosen = id;
  const closed = id === null ? [] : around(id).filter((group) => !open.has(group));
  closed.forEach((group) => open.add(group));
  if (closed.length) draw();
  else mark();
  tell();
  if (id === null) return;
  reveal(id, centre || closed.length > 0);
  say(`${called(thing(id))}, ${thing(id).label}`);
}

/** Whether an edge's end is the chosen thing or inside it. */
const within = (end) => end === chosen || around(end).includes(chosen);

/** Mark what is chosen, its lines and neighbours, and what a search found. */
function mark() {
  const near = new Set(), lit = new Set();
  if (chosen !== null)
    for (const { source, target, way } of model.edges) {
      if (within(source) === within(target)) continue;
      near.add(seen(within(source) ? target : source));
      way.forEach((wire) => lit.add(wire));
    }
  for (const [id, { element }] of drawn) {
    element.classList.toggle("chosen", id === chosen);
    element.classList.toggle("near", near.has(id));
    element.classList.toggle("hit", hits.has(id));
  }
  for (const [wire, line] of lines) line.classList.toggle("lit", lit.has(wire));
  canvas.classList.toggle("searching", hits.size > 0);
}

/** Say something to a screen reader, or to all. */
function say(words, aloud = false) {
  $("said").textContent = words;
  $("said").classList.toggle("aloud", aloud);
}

/* --- the panel --------------------------------------------------------------------------------------- */

const row = (key, ...value) => h("tr", {}, h("th", { scope: "row" }, key), h("td", {}, ...value));
const table = (kind, rows) => h("table", { class: kind }, h("tbody", {}, rows));
const section = (title, ...parts) => h("section", {}, h("h3", {}, title), ...parts);
const swatch = (kind) => h("i", { class: `swatch ${kind}` });
const link = (id) => h("button", { class: "link", title: id, click: () => choose(id, true) }, called(thing(id)));

/** Show the facts of what is chosen, or of the model, and let the address say so. */
function tell() {
  panel.replaceChildren(...(chosen === null ? overview() : facts(thing(chosen))).flat(Infinity).filter((part) => part));
  panel.scrollTop = 0;
  document.body.classList.toggle("chosen", chosen !== null);
  const address = chosen === null ? location.href.split("#")[0] : `#layer=${encodeURIComponent(chosen)}`;
  try {
    history.replaceState(null, "", address);
  } catch { /* a page inside another page has no address of its own */ }
}

const KEYS = [["/", "search"], ["↑ ↓ ← →", "along the graph"], ["Tab", "next layer"], ["Enter", "open or fold"],
  ["+ −", "zoom"], ["f", "all of it"], ["t", "light or dark"], ["Esc", "close"]];

function overview() {
  const { params, trainable } = model, kinds = new Map(), boxes = model.boxes;
  for (const { kind, label } of boxes) {
    if (!kinds.has(kind)) kinds.set(kind, { kind, total: 0, labels: new Set() });
    kinds.get(kind).total++;
    kinds.get(kind).labels.add(label);
  }
  const legend = [...kinds.values()].sort((a, b) => b.total - a.total).map(({ kind, total, labels }) => {
    const names = [...labels].slice(0, 3).join(", ") + (labels.size > 3 ? ", …" : "");
    return h("tr", {}, h("td", {}, swatch(kind)), h("td", {}, names), h("td", { class: "number" }, count(total)));
  });
  const heavy = boxes.filter(({ facts }) => facts.params > 0);
  heavy.sort((a, b) => b.facts.params - a.facts.params);
  const bars = heavy.slice(0, 8).map(({ id, kind, facts }) => {
    const bar = h("i", { class: `bar ${kind}` });
    bar.style.width = `${(100 * facts.params) / heavy[0].facts.params}%`;
    return h("li", {}, link(id), h("span", { class: "number" }, short(facts.params)), bar);
  });
  const broken = boxes.filter(({ facts }) => facts.broken).slice(0, 20);
  return [
    h("h2", {}, model.name), h("p", { class: "quiet" }, model.label),
    model.note && h("p", { class: "note" }, model.note),
    broken.length > 0 && h("p", { class: "note wrong" }, "NaN or inf in ", broken.map(({ id }) => [link(id), " "])),
    params !== null && section("Parameters", table("", [
      row("all", count(params)), trainable < params && row("trained", count(trainable)), row("memory", bytes(model.bytes))])),
    bars.length > 0 && section("Largest layers", h("ul", { class: "bars" }, bars)),
    section("Layers", table("legend", legend)),
    section("Keys", table("keys", KEYS.map(([keys, does]) =>
      h("tr", {}, h("td", {}, keys.split(" ").map((key) => h("kbd", {}, key))), h("td", {}, does))))),
  ];
}

function facts({ id, name, label, kind, facts }) {
  const own = groups.has(id) ? things.filter((each) => each.parent === id) : [];
  const part = facts.params && model.params ? ` (${number((100 * facts.params) / model.params)} %)` : "";
  return [
    h("button", { class: "close", title: "Close (Esc)", "aria-label": "Close", click: () => choose(null) }, "×"),
    h("p", { class: "trail" }, swatch(kind), around(id).map((group) => [link(group), " / "]), label),
    h("h2", {}, called({ name, label })),
    own.length > 0 && h("button", { click: () => fold(id) }, open.has(id) ? "Fold" : "Open"),
    table("", [
      facts.params !== null && row("parameters", count(facts.params) + part),
      facts.trainable < facts.params && row("trained", count(facts.trainable)),
      facts.bytes > 0 && row("memory", bytes(facts.bytes)),
      facts.more.map(([key, value]) => row(key, value)),
    ]),
    connections("From", "source", "target"), connections("To", "target", "source"),
    own.length > 0 && section(plural(own.length, "part"), h("ul", {}, own.slice(0, 200).map((each) =>
      h("li", {}, swatch(each.kind), link(each.id), h("span", { class: "quiet" }, each.label))))),
    configuration(facts.config),
    facts.weights.length > 0 && section("Weights", facts.weights.map(weight)),
  ];
}

function connections(title, far, near) {
  const edges = model.edges.filter((edge) => within(edge[near]) && (!within(edge[far]) || edge.source === edge.target));
  return edges.length > 0 && section(title, h("ul", {}, edges.slice(0, 100).map((edge) =>
    h("li", {}, swatch(thing(edge[far]).kind), link(edge[far]), h("span", { class: "quiet" }, edge.shape)))));
}

function configuration(config) {
  const [given, usual] = [false, true].map((is) => config.filter((entry) => entry[2] === is));
  const rows = (entries) => table("", entries.map(([key, value]) => row(key, value)));
  const rest = h("details", { open: given.length ? null : "" }, h("summary", {}, plural(usual.length, "default")), rows(usual));
  return config.length > 0 && section("Configuration", given.length > 0 && rows(given), usual.length > 0 && rest);
}

function weight({ name, shape, dtype, size, trainable, stats }) {
  const note = (words) => h("p", { class: "quiet" }, words);
  const head = h("p", {}, h("b", {}, name), h("span", { class: "quiet" }, `${shape} ${dtype}${trainable ? "" : ", not trained"}`));
  if (!stats) return h("div", { class: "weight" }, head, note("No values yet: they are drawn when they are first read."));
  const figures = ["min", "max", "mean", "std"].filter((key) => (stats[key] ?? null) !== null).map((key) => [key, number(stats[key])]);
  figures.push(["zeros", `${number((100 * stats.zeros) / stats.read)} %`]);
  const wrong = ["nan", "inf"].filter((key) => stats[key]).map((key) => [key, count(stats[key])]);
  const figure = (kind) => ([key, value]) => h("div", { class: kind }, h("dt", {}, key), h("dd", {}, value));
  return h("div", { class: "weight" }, head, stats.counts.length > 0 && histogram(stats),
    h("dl", {}, figures.map(figure("")), wrong.map(figure("wrong"))),
    stats.read < size && note(`From ${count(stats.read)} of its ${count(size)} numbers.`));
}

function histogram({ counts, low, high }) {
  const width = 296, height = 60, most = Math.max(...counts), step = width / counts.length;
  const edges = counts.map((_, index) => low + ((high - low) * index) / counts.length);
  const bars = counts.map((amount, index) => {
    const tall = amount && Math.max(1, (amount / most) * height);
    const told = `${number(edges[index])} to ${number(edges[index + 1] ?? high)}: ${count(amount)}`;
    return s("rect", { x: n(index * step), y: n(height - tall), width: n(step - 1), height: n(tall) }, s("title", {}, told));
  });
  const zero = low < 0 && high > 0 && (-low / (high - low)) * width;
  return s("svg", { class: "histogram", viewBox: `0 0 ${width} ${height + 15}`, role: "img", "aria-label": "Histogram" },
    bars, zero && s("path", { d: `M${n(zero)} 0v${height + 3}` }),
    zero > 60 && zero < width - 60 && text("0", zero, height + 13, "middle"),
    text(number(low), 0, height + 13), text(number(high), width, height + 13, "end"));
}

/* --- search -------------------------------------------------------------------------------------------- */

function search() {
  const words = find.value.toLowerCase().split(/\s+/).filter(Boolean);
  const told = ({ id, name, label }) => `${name} ${label} ${id}`.toLowerCase();
  const matches = !words.length ? [] : things.filter((each) => words.every((word) => told(each).includes(word)));
  matches.sort((a, b) => told(b).startsWith(words[0]) - told(a).startsWith(words[0]));
  hits = new Set(matches.map(({ id }) => seen(id)));
  hit = 0;
  const options = matches.slice(0, 60).map(({ id, name, label, kind }, index) =>
    h("div", { role: "option", id: `hit${index}`, "data-id": id, "aria-selected": String(!index) },
      swatch(kind), h("b", {}, called({ name, label })), h("span", {}, label),
      h("em", {}, around(id).map((group) => called(groups.get(group))).join(" / "))));
  const rest = matches.length - options.length;
  found.replaceChildren(...options, matches.length ? "" : h("p", {}, "No layer is called so."),
    rest ? h("p", {}, `and ${count(rest)} more`) : "");
  found.hidden = !words.length;
  find.setAttribute("aria-expanded", String(!found.hidden));
  mark();
}

function endSearch(id) {
  hits = new Set();
  found.hidden = true;
  find.setAttribute("aria-expanded", "false");
  mark();
  if (id === undefined) return;
  canvas.focus({ preventScroll: true });
  if (id !== null) choose(id, true);
}

function searchKey(event) {
  const options = [...found.querySelectorAll("[role=option]")], by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.key === "Escape") {
    find.value = "";
    endSearch(null);
  } else if (event.key === "Enter" && options.length) endSearch(options[hit].dataset.id);
  else if (by && options.length) {
    hit = (hit + by + options.length) % options.length;
    options.forEach((option, index) => option.setAttribute("aria-selected", String(index === hit)));
    find.setAttribute("aria-activedescendant", options[hit].id);
    options[hit].scrollIntoView({ block: "nearest" });
  } else return;
  event.preventDefault();
  event.stopPropagation();
}

/* --- keys, mouse, touch ----------------------------------------------------------------------------------- */

const leaves = () => [...drawn.values()].filter((item) => !item.open);

/** The layer to go to: up and down along an edge where there is one, else the nearest one there. */
function neighbour([dx, dy]) {
  const here = drawn.get(chosen), others = leaves().filter(({ id }) => id !== chosen);
  if (!here) return others[0]?.id;
  const joined = new Set();
  for (const { source, target } of dy ? model.edges : []) {
    const [from, to] = dy > 0 ? [source, target] : [target, source];
    if (within(from)) joined.add(seen(to));
  }
  const ahead = ({ x, y }) => (x - here.x) * dx + (y - here.y) * dy;
  const cost = (item) => Math.abs(ahead(item)) + 3 * Math.abs((item.x - here.x) * dy + (item.y - here.y) * dx);
  const direct = others.filter(({ id }) => joined.has(id));
  const among = direct.length ? direct : others.filter((item) => ahead(item) > 1);
  return among.sort((a, b) => cost(a) - cost(b))[0]?.id;
}

/** The layer after or before the chosen one, from top to bottom. */
function next(by) {
  const order = leaves().sort((a, b) => a.y - b.y || a.x - b.x).map(({ id }) => id), at = order.indexOf(chosen);
  return order[at < 0 && by < 0 ? order.length - 1 : at + by];
}

const ARROWS = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] };
const COMMANDS = {
  "/": () => find.focus(), Escape: () => (chosen === null ? canvas.blur() : choose(null)), "+": () => zoom(1.25), "=": () => zoom(1.25),
  "-": () => zoom(0.8), f: () => fit(), t: () => turn(),
};

function key(event) {
  const { target } = event, free = target === canvas || target === document.body;
  if (event.ctrlKey || event.metaKey || event.altKey || target === find) return;
  if (event.key in COMMANDS) COMMANDS[event.key]();
  else if (free && event.key in ARROWS) choose(neighbour(ARROWS[event.key]) ?? chosen);
  else if (free && (event.key === "Enter" || event.key === " ") && groups.has(chosen)) fold(chosen);
  else if (target === canvas && event.key === "Tab") {
    const id = next(event.shiftKey ? -1 : 1);
    if (id === undefined) return;  // past the last one: on to the buttons
    choose(id);
  } else return;
  event.preventDefault();
}

const fingers = new Map();
let pressed = null;

function press(event) {
  if (event.button) return;
  fingers.set(event.pointerId, event);
  pressed = { x: event.clientX, y: event.clientY, target: event.target, moved: false };
  gliding++;
}

function drag(event) {
  const before = fingers.get(event.pointerId);
  if (!before || !pressed) return;
  pressed.moved ||= Math.hypot(event.clientX - pressed.x, event.clientY - pressed.y) > 4;
  if (!pressed.moved) return;
  canvas.setPointerCapture(event.pointerId);
  canvas.classList.add("moving");
  fingers.set(event.pointerId, event);
  const other = [...fingers.values()].find(({ pointerId }) => pointerId !== event.pointerId);
  if (other) {
    const apart = (finger) => Math.hypot(finger.clientX - other.clientX, finger.clientY - other.clientY) + 1;
    const corner = canvas.getBoundingClientRect();
    zoom(apart(event) / apart(before), other.clientX - corner.left, other.clientY - corner.top);
  } else {
    view.x += event.clientX - before.clientX;
    view.y += event.clientY - before.clientY;
    look();
  }
}

function release(event) {
  fingers.delete(event.pointerId);
  canvas.classList.remove("moving");
  if (!pressed || fingers.size) return;
  const { moved, target } = pressed;
  pressed = null;
  if (moved || event.type === "pointercancel") return;
  const sign = target.closest("[data-toggle]"), item = target.closest("[data-id]");
  if (sign) fold(sign.dataset.toggle);
  else choose(item ? item.dataset.id : null);
}

function wheel(event) {
  event.preventDefault();
  gliding++;
  const unit = [1, 20, 400][event.deltaMode], corner = canvas.getBoundingClientRect();
  const [dx, dy] = event.shiftKey ? [event.deltaY, event.deltaX] : [event.deltaX, event.deltaY];
  if (event.ctrlKey || event.metaKey) {
    const by = Math.max(-60, Math.min(60, event.deltaY * unit));
    zoom(Math.exp(-by / 120), event.clientX - corner.left, event.clientY - corner.top);
  } else {
    view.x -= dx * unit;
    view.y -= dy * unit;
    look();
  }
}

function turn(to) {
  const { dataset } = document.documentElement, system = matchMedia("(prefers-color-scheme: dark)").matches;
  const dark = dataset.theme ? dataset.theme === "dark" : system;
  dataset.theme = to ?? (dark ? "light" : "dark");
  chart();
}

/** Go to the layer that the address names, by its path or its name. */
function visit() {
  const asked = new URLSearchParams(location.hash.slice(1)).get("layer");
  if (asked === null || asked === chosen) return;
  const id = thing(asked)?.id ?? things.find(({ name }) => name === asked)?.id;
  if (id === undefined) say(`There is no layer “${asked}” here.`, true);
  else choose(id, true);
}

/* --- begin ------------------------------------------------------------------------------------------------- */

document.querySelector("h1").textContent = model.name;
document.querySelector("#what p").textContent = [plural(boxes.size, "layer"),
  ...(model.params === null ? [] : [`${short(model.params)} parameters`, bytes(model.bytes)])].join(" · ");
for (const id of ["fold", "unfold"]) $(id).hidden = !groups.size;
if (boxes.size <= 60) groups.forEach((_, id) => open.add(id));

const on = (target, handlers) => {
  for (const [names, handler] of Object.entries(handlers))
    for (const name of names.split(" ")) target.addEventListener(name, handler, { passive: false });
};
on(canvas, { pointerdown: press, pointermove: drag, "pointerup pointercancel": release, wheel });
on(canvas, { dblclick: ({ target }) => {
  const id = target.closest("[data-id]")?.dataset.id;
  if (groups.has(id) && !target.closest("[data-toggle]")) fold(id);
} });
on(map, { pointerdown: (event) => { map.setPointerCapture(event.pointerId); aim(event); }, pointermove: aim });
on(find, { "input focus": search, keydown: searchKey, blur: () => endSearch() });
on(found, { pointerdown: (event) => {
  event.preventDefault();
  const option = event.target.closest("[role=option]");
  if (option) endSearch(option.dataset.id);
} });
const BUTTONS = { in: () => zoom(1.25), out: () => zoom(0.8), fit: () => fit(), theme: () => turn(),
  fold: () => foldAll(false), unfold: () => foldAll(true) };
for (const [id, does] of Object.entries(BUTTONS)) $(id).addEventListener("click", does);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", chart);
on(window, { keydown: key, hashchange: visit });
let width = canvas.clientWidth;
new ResizeObserver(() => {  // what stands in the middle stays there
  view.x += (canvas.clientWidth - width) / 2;
  width = canvas.clientWidth;
  look();
}).observe(canvas);

if (model.theme) turn(model.theme);
draw();
fit(true);
visit();
if (chosen === null) tell();
