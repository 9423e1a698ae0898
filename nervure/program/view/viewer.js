// The page: drawing, moving, choosing, searching.

const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const canvas = element("graph"), tip = element("tip");
const trees = {};
const view = { mode: "after", way: "role", scale: 1, x: 0, y: 0, chosen: null,
               hovered: null, results: [], result: -1 };
const tree = () => trees[view.mode];
const heat = new Heat();

// --- words -----------------------------------------------------------------------------

function bytesText(bytes) {
  let size = bytes, unit = "B";
  for (const next of ["KB", "MB", "GB", "TB"]) {
    if (size < 1024) break;
    size /= 1024;
    unit = next;
  }
  return unit === "B" ? `${Math.round(size)} B` : `${size.toFixed(size < 10 ? 2 : 1)} ${unit}`;
}

function countText(count) {
  for (const [power, prefix] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) {
    if (count >= power) return `${(count / power).toPrecision(3)} ${prefix}`;
  }
  return `${count} `;
}

function nameOf(box) {
  if (!box) return "";
  if (box.node) return `${box.node.op} ${box.node.name || `%${box.node.id}`}`;
  return `${box.kind} ${box.label}`;
}

function summary(box) {
  const of = box.node || box.kernel;
  const lines = [nameOf(box)];
  if (of) {
    lines.push(of.type);
    if (of.flops) lines.push(`${countText(of.flops)}FLOP`);
    lines.push(`reads ${bytesText(of.read || 0)}, writes ${bytesText(of.out || 0)}`);
    if (of.layer) lines.push(`layer ${of.layer}`);
    if (of.part) lines.push(`part of ${of.part}`);
    if (of.site) lines.push(of.site + (data.code[of.site] ? `: ${data.code[of.site]}` : ""));
    if (of.saved) lines.push("kept for going backward");
    if (of.recomputed) lines.push("computed a second time");
  } else {
    lines.push(`${box.count} nodes, ${countText(box.flops)}FLOP`);
  }
  return lines.join("\n");
}

// --- colours ---------------------------------------------------------------------------

let palette = null;

function colours() {
  if (palette) return palette;
  const style = getComputedStyle(document.documentElement);
  const get = (name) => style.getPropertyValue(`--${name}`).trim();
  palette = { fill: {}, line: {} };
  for (const name of ["page", "panel", "ink", "faint", "rule", "edge", "mark", "group",
                      "again", "saved", "live", "hot"]) palette[name] = get(name);
  for (const role of ["forward", "backward", "update", "other"]) {
    palette.fill[role] = get(role);
    palette.line[role] = get(`${role}-line`);
  }
  return palette;
}

function roleOf(box) {
  if (box.node) return box.node.role;
  if (box.kernel) return box.kernel.role;
  for (const one of around(box)) if (one.kind === "role") return one.label;
  return "forward";  // a graph of one role has no boxes for roles
}

// --- drawing ---------------------------------------------------------------------------

let pending = false;

function redraw() {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => { pending = false; draw(); });
}

function draw() {
  const ratio = window.devicePixelRatio || 1;
  const width = canvas.clientWidth, height = canvas.clientHeight;
  if (canvas.width !== Math.round(width * ratio) ||
      canvas.height !== Math.round(height * ratio)) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
  const ctx = canvas.getContext("2d"), colour = colours();
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.fillStyle = colour.page;
  ctx.fillRect(0, 0, width, height);
  ctx.setTransform(ratio * view.scale, 0, 0, ratio * view.scale,
                   ratio * view.x, ratio * view.y);
  const seen = { left: -view.x / view.scale, top: -view.y / view.scale,
                 right: (width - view.x) / view.scale,
                 bottom: (height - view.y) / view.scale };
  const shown = tree().visible.filter((one) => meets(one, seen));
  for (const box of shown) if (box.children && box.open) drawGroup(ctx, box, colour);
  drawEdges(ctx, seen, colour);
  for (const box of shown) if (!(box.children && box.open)) drawBox(ctx, box, colour);
  if (view.chosen) outline(ctx, view.chosen, colour.mark, 2.5);
}

function meets(box, seen) {
  return box.x <= seen.right && box.x + box.width >= seen.left &&
         box.y <= seen.bottom && box.y + box.height >= seen.top;
}

function drawGroup(ctx, box, colour) {
  ctx.fillStyle = colour.group;
  ctx.strokeStyle = colour.line[roleOf(box)];
  ctx.lineWidth = 1 / Math.max(view.scale, 0.5);
  rounded(ctx, box, 8);
  ctx.fill();
  ctx.globalAlpha = 0.6;
  ctx.stroke();
  ctx.globalAlpha = 1;
  if (HEAD * view.scale > 7) {
    ctx.fillStyle = colour.faint;
    ctx.font = "600 12px system-ui, sans-serif";
    text(ctx, `\u25be ${box.label}`, box.x + 10, box.y + 17, box.width - 16);
  }
}

function drawBox(ctx, box, colour) {
  const role = roleOf(box), small = box.height * view.scale < 9;
  ctx.fillStyle = view.way === "role" ? colour.fill[role]
                                      : heat.fill(box, tree(), view.way, colour);
  ctx.strokeStyle = box.kernel && box.kernel.recomputed ? colour.again
    : box.kernel && box.kernel.saved ? colour.saved : colour.line[role];
  ctx.lineWidth = box.kernel && (box.kernel.saved || box.kernel.recomputed) ? 2 : 1;
  if (small) {
    if (view.way === "role") ctx.fillStyle = colour.line[role];
    ctx.fillRect(box.x, box.y, box.width, box.height);
    return;
  }
  rounded(ctx, box, box.pill ? 12 : 6);
  ctx.fill();
  ctx.stroke();
  ctx.fillStyle = colour.ink;
  ctx.font = box.children ? "600 12px system-ui, sans-serif"
                          : "12px system-ui, sans-serif";
  const label = box.children ? `\u25b8 ${box.label}` : box.label;
  const lines = box.pill ? [label] : [label, detail(box)];
  text(ctx, lines[0], box.x + 8, box.y + (box.pill ? 16 : 16), box.width - 14);
  if (lines[1] && view.scale > 0.45) {
    ctx.fillStyle = colour.faint;
    ctx.font = "10.5px system-ui, sans-serif";
    text(ctx, lines[1], box.x + 8, box.y + 31, box.width - 14);
  }
}

function detail(box) {
  if (view.way === "work" || view.way === "bytes") {
    const cost = costText(box, tree().root, view.way);
    if (cost) return cost;
  }
  if (box.node) return box.node.type;
  const parts = [`${box.count} nodes`];
  if (box.flops) parts.push(`${countText(box.flops)}FLOP`);
  return parts.join(", ");
}

function drawEdges(ctx, seen, colour) {
  const near = view.chosen;
  ctx.lineWidth = 1 / Math.max(view.scale, 0.6);
  ctx.strokeStyle = colour.edge;
  ctx.globalAlpha = near ? 0.45 : 0.8;
  ctx.beginPath();
  const marked = [];
  for (const edge of tree().shownEdges) {
    const [from, to] = edge;
    const x1 = from.x + from.width / 2, y1 = from.y + from.height;
    const x2 = to.x + to.width / 2, y2 = to.y;
    if (Math.min(x1, x2) > seen.right || Math.max(x1, x2) < seen.left ||
        Math.min(y1, y2) > seen.bottom || Math.max(y1, y2) < seen.top) continue;
    if (near && (within(from, near) || within(to, near))) marked.push(edge);
    else curve(ctx, x1, y1, x2, y2);
  }
  ctx.stroke();
  ctx.globalAlpha = 1;
  ctx.strokeStyle = colour.mark;
  ctx.lineWidth = 1.8 / Math.max(view.scale, 0.6);
  ctx.beginPath();
  for (const [from, to] of marked) {
    curve(ctx, from.x + from.width / 2, from.y + from.height,
          to.x + to.width / 2, to.y);
  }
  ctx.stroke();
}

function curve(ctx, x1, y1, x2, y2) {
  if (view.scale < 0.25) {  // bends and heads could not be seen
    ctx.moveTo(x1, y1);
    ctx.lineTo(x2, y2);
    return;
  }
  const bend = Math.max(14, Math.min(90, Math.abs(y2 - y1) / 2));
  ctx.moveTo(x1, y1);
  ctx.bezierCurveTo(x1, y1 + bend, x2, y2 - bend, x2, y2);
  ctx.lineTo(x2 - 3, y2 - 5);
  ctx.moveTo(x2, y2);
  ctx.lineTo(x2 + 3, y2 - 5);
}

function within(box, other) {
  for (const one of around(box)) if (one === other) return true;
  return false;
}

function rounded(ctx, box, radius) {
  ctx.beginPath();
  ctx.roundRect(box.x, box.y, box.width, box.height, radius);
}

function outline(ctx, box, colour, width) {
  ctx.strokeStyle = colour;
  ctx.lineWidth = width / view.scale;
  ctx.beginPath();
  ctx.roundRect(box.x - 2, box.y - 2, box.width + 4, box.height + 4, 8);
  ctx.stroke();
}

function text(ctx, words, x, y, room) {
  let shown = words;
  if (ctx.measureText(shown).width > room) {
    const fits = Math.max(1, Math.floor(shown.length * room /
                                        ctx.measureText(shown).width) - 1);
    shown = `${shown.slice(0, fits)}\u2026`;
  }
  ctx.fillText(shown, x, y);
}

// --- moving ----------------------------------------------------------------------------

function zoom(factor, x, y) {
  const before = view.scale;
  view.scale = Math.min(4, Math.max(0.02, view.scale * factor));
  view.x = x - (x - view.x) * view.scale / before;
  view.y = y - (y - view.y) * view.scale / before;
  redraw();
}

function middle() { return [canvas.clientWidth / 2, canvas.clientHeight / 2]; }

function fit(least = 0.02) {
  const { width, height } = tree().root;
  view.scale = Math.min(1.2, (canvas.clientWidth - 30) / width,
                        (canvas.clientHeight - 30) / height);
  view.scale = Math.max(least, view.scale);
  view.x = (canvas.clientWidth - width * view.scale) / 2;
  // What does not fit begins at its top.
  view.y = Math.max(0, (canvas.clientHeight - height * view.scale) / 2);
  redraw();
}

function centre(box) {
  view.scale = Math.min(1.6, Math.max(view.scale, 0.7));
  view.x = canvas.clientWidth / 2 - (box.x + box.width / 2) * view.scale;
  view.y = canvas.clientHeight / 2 -
           (box.y + Math.min(box.height / 2, 200)) * view.scale;
  redraw();
}

// Keeps a box where it is on the screen while the rest is laid out anew.
function holding(box, change) {
  const x = box.x * view.scale + view.x, y = box.y * view.scale + view.y;
  change();
  view.x = x - box.x * view.scale;
  view.y = y - box.y * view.scale;
  redraw();
}

// --- choosing --------------------------------------------------------------------------

function choose(box, moves) {
  view.chosen = box;
  if (box && moves) {
    tree().reveal(box);
    centre(box);
  }
  showDetails(box);
  element("said").textContent = box ? summary(box).replaceAll("\n", ", ") : "";
  redraw();
}

function step(box, key) {
  const now = tree();
  if (!box) return now.visible[0];
  const beside = (backward) => {
    const row = now.visible.filter((one) => !(one.children && one.open) &&
      one.y < box.y + box.height && one.y + one.height > box.y)
      .sort((a, b) => a.x - b.x);
    const at = row.indexOf(box) + (backward ? -1 : 1);
    return row[at];
  };
  if (key === "ArrowLeft") return beside(true);
  if (key === "ArrowRight") return beside(false);
  if (key === "Backspace") return box.parent === now.root ? null : box.parent;
  const up = key === "ArrowUp";
  const edges = now.shownEdges.filter(([from, to]) => within(up ? to : from, box) &&
                                                      !within(up ? from : to, box));
  return edges.length ? edges[0][up ? 0 : 1] : null;
}

// --- searching -------------------------------------------------------------------------

function search(words) {
  const wanted = words.trim().toLowerCase();
  view.results = [];
  view.result = -1;
  if (wanted) {
    const now = tree();
    const holds = (...texts) => texts.some((one) => one && one.toLowerCase().includes(wanted));
    for (const box of now.groups.values()) {
      const kernel = box.kernel;
      if (holds(box.label, kernel && kernel.name)) view.results.push(box);
    }
    for (const leaf of now.leaves.values()) {
      const one = leaf.node;
      if (holds(one.op, one.name, one.layer, one.part, one.site, one.type, `%${one.id}`)) {
        view.results.push(leaf);
      }
    }
  }
  view.results.sort((a, b) => a.order - b.order);
  const count = view.results.length;
  element("found").textContent = wanted ? `${count} found` : "";
  if (!wanted) { showDetails(view.chosen); return; }
  const place = element("details");
  place.replaceChildren(make("h2", `${count} found`),
    ...list("results", view.results.map((one) =>
      link(one, `${nameOf(one)} ${one.node ? one.node.layer || one.node.type : ""}`))));
}

function nextResult(backward) {
  const count = view.results.length;
  if (!count) return;
  view.result = (view.result + (backward ? -1 : 1) + count) % count;
  choose(view.results[view.result], true);
  element("found").textContent = `${view.result + 1} of ${count}`;
}

// --- the page --------------------------------------------------------------------------

function show(mode) {
  view.mode = mode;
  if (!trees[mode]) trees[mode] = new Tree(nodesOf(mode), mode === "after" ? data.kernels : []);
  for (const name of ["before", "after"]) {
    element(name).setAttribute("aria-pressed", String(name === mode));
  }
  element("stage").value = mode;
  view.chosen = null;
  showDetails(null);
  if (element("search").value) search(element("search").value);
  fit(0.6);
}

// The graph before or after the pass of this one.
function showBeside(by) {
  const names = stages().map(([name]) => name);
  const next = names[names.indexOf(view.mode) + by];
  if (next) show(next);
}

function colourBy(way) {
  view.way = way;
  element("colour").value = way;
  heat.forget();
  redraw();
}

function showPeak() {
  const peak = peakOf(memoryView.inUse(data.memory.peakMoment));
  const sentences = peakSentences(peak);
  memoryView.moment = peak.moment;
  memoryView.draw();
  element("said").textContent = sentences.join(" ");
  const shown = make("div", "", make("h2", "Why the peak"),
    ...sentences.map((words) => make("p", words)),
    ...list("what is alive then", peak.rows.slice(0, PEAK_ROWS).map((row) => {
      if (!row.writer) return make("li", peakRow(row));
      const button = make("button", peakRow(row));
      button.addEventListener("click", () => showKernel(row.writer));
      return make("li", "", button);
    })));
  shown.className = "peak";
  element("details").replaceChildren(shown);
}

function showKernel(kernel) {
  if (view.mode !== "after") show("after");
  choose([...tree().groups.values()].find((one) => one.kernel === kernel), true);
}

function showTip(words, event) {
  tip.hidden = !words;
  if (!words) return;
  tip.textContent = words;
  const { width, height } = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - width - 8))}px`;
  tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - height - 8))}px`;
}

function point(event) {
  const box = canvas.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
}

function under(event) {
  const [x, y] = point(event);
  return tree().at((x - view.x) / view.scale, (y - view.y) / view.scale);
}

const pointers = new Map();
let moved = 0, pinch = 0;

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, point(event));
  moved = 0;
  pinch = 0;
  canvas.classList.add("moving");
});
canvas.addEventListener("pointermove", (event) => {
  const before = pointers.get(event.pointerId), now = point(event);
  if (!before) {
    const box = under(event);
    showTip(box ? summary(box) : "", event);
    return;
  }
  pointers.set(event.pointerId, now);
  if (pointers.size === 2) {
    const [a, b] = [...pointers.values()];
    const distance = Math.hypot(a[0] - b[0], a[1] - b[1]);
    if (pinch) zoom(distance / pinch, (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
    pinch = distance;
    moved = 100;
    return;
  }
  view.x += now[0] - before[0];
  view.y += now[1] - before[1];
  moved += Math.abs(now[0] - before[0]) + Math.abs(now[1] - before[1]);
  showTip("", event);
  redraw();
});
const release = (event) => {
  if (pointers.delete(event.pointerId) && moved < 5 && event.type === "pointerup") {
    choose(under(event), false);
  }
  if (!pointers.size) canvas.classList.remove("moving");
};
canvas.addEventListener("pointerup", release);
canvas.addEventListener("pointercancel", release);
canvas.addEventListener("pointerleave", (event) => showTip("", event));
canvas.addEventListener("dblclick", (event) => unfold(under(event)));
canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  const lines = event.deltaMode === 1 ? 24 : 1;
  zoom(Math.exp(-event.deltaY * lines * 0.0016), ...point(event));
}, { passive: false });

function unfold(box) {
  if (!box || !box.children) return;
  holding(box, () => tree().toggle(box));
  showDetails(view.chosen);
}

const actions = {
  "+": () => zoom(1.25, ...middle()),
  "=": () => zoom(1.25, ...middle()),
  "-": () => zoom(0.8, ...middle()),
  "0": () => fit(),
  "/": () => element("search").focus(),
  b: () => show(view.mode === "after" ? "before" : "after"),
  "[": () => showBeside(-1),
  "]": () => showBeside(1),
  p: () => showPeak(),
  e: () => { tree().unfoldLevel(); fit(0.25); },
  c: () => { tree().foldAll(); view.chosen = null; showDetails(null); fit(); },
  m: () => toggleMemory(),
  t: () => toggleTheme(),
  "?": () => element("keys").showModal(),
  Escape: () => choose(null, false),
  Enter: () => unfold(view.chosen),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || element("keys").open) return;
  if (event.target instanceof HTMLSelectElement) return;
  if (event.target === element("search")) {
    if (event.key === "Enter") nextResult(event.shiftKey);
    if (event.key === "Escape") { event.target.value = ""; search(""); canvas.focus(); }
    return;
  }
  const isButton = event.target instanceof HTMLButtonElement;
  if (isButton && (event.key === "Enter" || event.key === " ")) return;
  if (event.key.startsWith("Arrow") || event.key === "Backspace") {
    if (event.target !== canvas) return;
    event.preventDefault();
    const next = step(view.chosen, event.key);
    if (next) {
      view.chosen = next;
      centre(next);
      choose(next, false);
    }
    return;
  }
  const action = actions[event.key];
  if (action) { event.preventDefault(); action(); }
});

function toggleTheme() {
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = document.documentElement.dataset.theme || (dark ? "dark" : "light");
  document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
  repaint();
}

function repaint() {
  palette = null;
  heat.forget();
  redraw();
  memoryView.draw();
}

function toggleMemory() {
  const place = element("memory"), button = element("memory-toggle");
  place.hidden = !place.hidden;
  place.style.display = place.hidden ? "none" : "";
  button.textContent = place.hidden ? "show" : "hide";
  button.setAttribute("aria-expanded", String(!place.hidden));
  memoryView.draw();
  redraw();
}

function onMemory(kind, buffer, moment, event) {
  if (!kind) { tip.hidden = true; return; }
  if (kind === "hover") {
    showTip(buffer ? `${buffer.name} ${buffer.type}\n${buffer.kind}, ` +
      `${bytesText(buffer.bytes)}\nmoments ${buffer.birth} to ${buffer.death}` : "", event);
    return;
  }
  const writer = buffer && data.kernels.find((one) => one.writes.includes(buffer.id));
  if (writer) { showKernel(writer); return; }
  const inUse = memoryView.inUse(moment);
  const words = `moment ${moment}: ${bytesText(data.memory.live[moment] || 0)} in use`;
  element("said").textContent = words;
  element("details").replaceChildren(make("h2", words), ...list("largest first",
    inUse.map((one) => make("li", `${bytesText(one.space)} ${one.name} ${one.type}`))));
}

const memoryView = new MemoryView(element("memory"), data.memory, colours, onMemory);

for (const name of ["before", "after"]) {
  element(name).addEventListener("click", () => show(name));
}
element("stage").append(...stages().map(([name, words]) => {
  const option = make("option", words);
  option.value = name;
  return option;
}));
element("stage").addEventListener("change", (event) => show(event.target.value));
element("colour").addEventListener("change", (event) => colourBy(event.target.value));
element("peak").addEventListener("click", showPeak);
element("search").addEventListener("input", (event) => search(event.target.value));
element("unfold").addEventListener("click", actions.e);
element("fold").addEventListener("click", actions.c);
element("fit").addEventListener("click", actions["0"]);
element("theme").addEventListener("click", toggleTheme);
element("help").addEventListener("click", actions["?"]);
element("close").addEventListener("click", () => element("keys").close());
element("memory-toggle").addEventListener("click", toggleMemory);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
new ResizeObserver(() => { redraw(); memoryView.draw(); }).observe(canvas);

element("memory-text").textContent =
  `${data.memory.arena === null ? "no arena, values" : "arena"} ` +
  `${bytesText(data.memory.peak)}, at most ` +
  `${bytesText(Math.max(0, ...data.memory.live))} in use`;
show("after");
memoryView.draw();
