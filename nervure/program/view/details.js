// The column beside the graph: what is chosen, or the whole program.

function make(tag, words, ...children) {
  const made = document.createElement(tag);
  if (words) made.textContent = words;
  made.append(...children);
  return made;
}

function link(box, words) {
  const button = make("button", words || `${nameOf(box)} ${box.node ? box.node.type : ""}`);
  button.addEventListener("click", () => choose(box, true));
  return make("li", "", button);
}

function list(title, items) {
  if (!items.length) return [];
  const made = make("ul");
  made.className = "list";
  made.append(...items.slice(0, 60));
  if (items.length > 60) made.append(make("li", `and ${items.length - 60} more`));
  return [make("h3", title), made];
}

function pairs(rows) {
  const made = make("dl");
  for (const [name, value] of rows) {
    if (value === undefined || value === "" || value === null) continue;
    made.append(make("dt", name), make("dd", String(value)));
  }
  return made;
}

function showDetails(box) {
  const place = element("details");
  place.replaceChildren();
  if (!box) {
    place.append(...overview());
    return;
  }
  place.append(make("h2", box.node ? `%${box.node.id} ${box.node.op}` : nameOf(box)));
  const of = box.node || box.kernel;
  const kernel = box.kernel || (box.node && data.kernels[box.node.kernel]);
  const flags = make("div");
  const flag = (name, words) => {
    const made = make("span", words);
    made.className = `flag ${name}`;
    flags.append(made);
  };
  flag("role", roleOf(box));
  if (box.node && box.node.fresh) flag("role", "made by this pass");
  if (box.node && box.node.gone) flag("recomputed", "dropped by the next pass");
  if (kernel && view.mode === "after" && kernel.saved) flag("saved", "kept for backward");
  if (kernel && view.mode === "after" && kernel.recomputed) flag("recomputed", "recomputed");
  place.append(flags);
  if (of) place.append(pairs(facts(box, of, kernel)));
  else place.append(pairs([["nodes", box.count], ["work", costText(box, tree().root, "work")],
                           ["memory traffic", costText(box, tree().root, "bytes")]]));
  place.append(...neighbours(box));
}

function facts(box, of, kernel) {
  const rows = [
    ["name", of.name], ["type", of.type], ["layer", of.layer], ["part of", of.part],
    ["line", of.site], ["code", data.code[of.site]],
    ["work", of.flops ? `${countText(of.flops)}FLOP` : ""],
    ["reads", bytesText(of.read || 0)], ["writes", bytesText(of.out || 0)],
  ];
  if (kernel) {
    rows.push(["kernel", kernel.names.join(", ")], ["moment", kernel.moment],
              ["threads", kernel.parallel ? "all" : "one"]);
  }
  for (const [name, value] of of.attrs || []) rows.push([name, value]);
  if (box.node && box.node.result) rows.push(["result", "yes"]);
  return rows;
}

function neighbours(box) {
  const now = tree();
  if (box.node) {
    const constants = box.node.in.map((one) => now.nodes[one])
      .filter((one) => !now.leaves.has(one.id));
    const boxes = (ids) => [...new Set(ids)].map((one) => now.leaves.get(one))
      .filter(Boolean).map((one) => link(one));
    const written = (node) => (node.attrs || []).map(([, value]) => value).join(" ");
    return [
      ...list("reads", [...boxes(box.node.in),
                        ...constants.map((one) => make("li", written(one)))]),
      ...list("is read by", boxes(now.users[box.node.id])),
    ];
  }
  const buffers = box.kernel ? box.kernel.writes.map((one) => data.memory.buffers[one]) : [];
  return [
    ...list("writes", buffers.map((one) =>
      make("li", `${one.name} ${one.type} ${bytesText(one.bytes)}, moments ` +
                 `${one.birth} to ${one.death}`))),
    ...list("holds", box.children.map((one) => link(one))),
  ];
}

function overview() {
  const { memory } = data, shown = new Map(stages()).get(view.mode);
  const heavy = [...data.kernels].sort((a, b) => b.flops - a.flops).slice(0, 12);
  return [
    make("h2", data.title),
    pairs([
      ["executor", data.executor], ["shown", shown],
      ["before", `${data.before.length} nodes`],
      ["after", `${data.kernels.length} kernels, ${data.after.length} nodes`],
      ["peak", `${bytesText(memory.peak)} (${memory.peak} bytes)`],
      ["outside", `${bytesText(memory.outside)} of inputs and results`],
      ["Nervure", data.version],
    ]),
    ...passWords(view.mode).flatMap(([when, pass]) => [
      make("h3", `${when} ${pass.name}: ${pass.before} \u2192 ${pass.after}`),
      ...pass.changes.map((words) => make("p", words)),
    ]),
    ...list("most work", heavy.map((kernel) => {
      const button = make("button",
        `${kernel.id} ${kernel.op} ${countText(kernel.flops)}FLOP ${kernel.layer || ""}`);
      button.addEventListener("click", () => showKernel(kernel));
      return make("li", "", button);
    })),
  ];
}
