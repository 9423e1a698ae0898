// The graph as captured, after each pass, and as it runs.  Graphs share most of their
// nodes: `data.before` and `data.more` hold each one once, and `data.lists` their places.

// The passes that changed the graph; those after them belong to the executor.
function graphPasses() { return data.passes.filter((one) => one.graph); }

// Every graph that can be looked at: [name, title], in the order of the passes.
function stages() {
  const shown = graphPasses().map((one, at) =>
    [String(at), `${at + 1} ${one.name}: ${one.before} \u2192 ${one.after} nodes`]);
  return [["before", `captured: ${data.before.length} nodes`], ...shown,
          ["after", `as it runs: ${data.kernels.length} kernels`]];
}

function listOf(stage) {
  if (stage === "before") return data.before.map((one) => one.id);
  return data.lists[Number(stage)].nodes;
}

// The nodes of a stage, those marked that its pass has made and that the next will drop.
function nodesOf(stage) {
  if (stage === "after") return data.after;
  const own = listOf(stage), place = new Map(own.map((one, at) => [one, at]));
  const number = stage === "before" ? -1 : Number(stage);
  const old = number < 0 ? null : new Set(listOf(number ? String(number - 1) : "before"));
  const next = number + 1 < data.lists.length ? new Set(data.lists[number + 1].nodes) : null;
  const results = number < 0 ? null : new Set(data.lists[number].results);
  return own.map((one, at) => {
    const node = one < data.before.length ? data.before[one]
                                          : data.more[one - data.before.length];
    return { ...node, id: at, in: node.in.map((input) => place.get(input)),
             result: results ? results.has(one) : node.result,
             fresh: old !== null && !old.has(one), gone: next !== null && !next.has(one) };
  });
}

// What the pass of a stage did, and what the next one will do, in words.
function passWords(stage) {
  if (stage === "after") {
    return data.passes.filter((one) => !one.graph).map((one) => ["the executor's", one]);
  }
  const passes = graphPasses(), number = stage === "before" ? -1 : Number(stage);
  const found = [];
  if (number >= 0) found.push(["after the pass", passes[number]]);
  if (passes[number + 1]) found.push(["before the pass", passes[number + 1]]);
  return found;
}
