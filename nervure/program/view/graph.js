// The tree of boxes that a graph is shown as: roles, layers, composites or kernels, and
// nodes at its leaves.  A folded group is one box; an unfolded one is laid out inside.

const HEAD = 24, PAD = 12, CHAR = 7.2, BOX_HEIGHT = 38, PILL_HEIGHT = 24;
const FIRST_BOXES = 48, MOST_FIRST_BOXES = 160;

class Tree {
  constructor(nodes, kernels) {
    this.nodes = nodes;
    this.kernels = kernels;
    this.root = this.group(null, "", "");
    this.root.open = true;
    this.leaves = new Map();
    this.groups = new Map();
    this.users = nodes.map(() => []);
    for (const node of nodes) {
      for (const one of node.in) this.users[one].push(node.id);
    }
    this.addAll();
    this.edges = this.leafEdges();
    this.connect();
    this.openFirst();
    this.arrange();
  }

  group(parent, label, kind) {
    const made = { serial: this.fresh(), parent, label, kind, children: [], open: false,
                   order: Infinity, count: 0, flops: 0, bytes: 0, fresh: 0, gone: 0,
                   edges: [], dirty: true };
    if (parent) parent.children.push(made);
    return made;
  }

  addAll() {
    const paths = new Array(this.nodes.length);
    const roles = new Set(this.nodes.map((one) => one.role));
    for (const node of this.nodes) {
      const path = roles.size > 1 ? [["role", node.role]] : [];
      const kernel = node.kernel === undefined ? null : this.kernels[node.kernel];
      const of = kernel || node;
      if (kernel) path.splice(0, 1, ...(path.length ? [["role", kernel.role]] : []));
      if (of.layer) path.push(...of.layer.split("/").map((one) => ["layer", one]));
      // A kernel may span composites; it stands in that of its main operation.
      if (of.part) path.push(...of.part.split("/").map((one) => ["part", one]));
      if (kernel) path.push(["kernel", kernel.id]);
      paths[node.id] = path;
    }
    for (const node of this.nodes) {
      // Inputs and views stand with those who read them first.
      const alone = node.op === "input" || node.op === "buffer" ||
        (this.kernels.length > 0 && node.kernel === undefined);
      const user = this.firstUser(node.id);
      if (!alone || user === null) continue;
      const path = paths[user], last = path[path.length - 1];
      const leaf = node.op === "input" || node.op === "buffer";
      paths[node.id] = leaf && last && last[0] === "kernel" ? path.slice(0, -1) : path;
    }
    for (const node of this.nodes) {
      if (node.op === "const" && this.users[node.id].length) continue;
      let parent = this.root, key = "";
      for (const [kind, name] of paths[node.id]) {
        key += `/${kind}:${name}`;
        if (!this.groups.has(key)) {
          this.groups.set(key, this.group(parent, this.title(kind, name), kind));
          this.groups.get(key).key = key;
          if (kind === "kernel") this.groups.get(key).kernel = this.kernels[name];
        }
        parent = this.groups.get(key);
      }
      const leaf = { serial: this.fresh(), parent, node, order: node.id,
                     label: node.name || node.op };
      leaf.pill = node.op === "input" || node.op === "buffer";
      leaf.width = Math.max(64, 16 + CHAR * Math.min(26, Math.max(
        leaf.label.length, leaf.pill ? 0 : node.type.length * 0.86)));
      leaf.height = leaf.pill ? PILL_HEIGHT : BOX_HEIGHT;
      parent.children.push(leaf);
      this.leaves.set(node.id, leaf);
      const bytes = node.kernel === undefined ? (node.read || 0) + (node.out || 0) : 0;
      for (let one = parent; one; one = one.parent) {
        // Inputs are listed first, whenever they are needed.
        if (!leaf.pill) one.order = Math.min(one.order, node.id);
        one.count += 1;
        one.flops += node.flops || 0;
        one.bytes += bytes;
        one.fresh += node.fresh ? 1 : 0;
        one.gone += node.gone ? 1 : 0;
      }
    }
    // What kernels compute in between is never in memory: theirs are the bytes.
    for (const box of this.groups.values()) {
      if (!box.kernel) continue;
      for (const one of around(box)) one.bytes += box.kernel.read + box.kernel.out;
    }
  }

  title(kind, name) {
    if (kind !== "kernel") return name;
    const kernel = this.kernels[name];
    return `${kernel.id} ${kernel.op}`;
  }

  firstUser(id) {
    let at = id;
    for (let step = 0; step < 32; step += 1) {
      const users = this.users[at];
      if (!users.length) return at === id ? null : at;
      at = users[0];
      const node = this.nodes[at];
      if (!this.kernels.length || node.kernel !== undefined) return at;
    }
    return at;
  }

  leafEdges() {
    const edges = [];
    for (const node of this.nodes) {
      const to = this.leaves.get(node.id);
      if (!to) continue;
      for (const one of new Set(node.in)) {
        const from = this.leaves.get(one);
        if (from) edges.push([from, to]);
      }
    }
    return edges;
  }

  // Each edge also connects two siblings: the boxes around its ends that first differ.
  connect() {
    const known = new Set();
    for (const [from, to] of this.edges) {
      const left = [...around(from)].reverse(), right = [...around(to)].reverse();
      let depth = 0;
      while (left[depth] === right[depth]) depth += 1;
      const a = left[depth], b = right[depth];
      if (!a || !b) continue;
      const key = `${a.serial} ${b.serial}`;
      if (known.has(key)) continue;
      known.add(key);
      a.parent.edges.push([a, b]);
    }
  }

  // Unfolds roles and models, and then level by level while there is room for it.
  openFirst() {
    const groups = (boxes) => boxes.flatMap((one) => one.children)
      .filter((one) => one.children && one.kind !== "kernel");
    let level = [this.root], shown = this.root.children.length;
    while (level.length) {
      const next = groups(level);
      const outer = next.filter((one) => one.kind === "role" ||
        one.children.some((child) => child.kind === "layer"));
      const gain = next.reduce((sum, one) => sum + one.children.length, 0);
      const opened = shown + gain <= FIRST_BOXES ? next : outer;
      for (const one of opened) {
        one.open = true;
        shown += one.children.length;
      }
      level = opened;
      if (shown > MOST_FIRST_BOXES) break;
    }
  }

  foldAll() {
    for (const one of this.groups.values()) { one.open = false; one.dirty = true; }
    this.root.dirty = true;
    this.arrange();
  }

  unfoldLevel() {
    const visible = [];
    const walk = (box) => {
      for (const child of box.children) {
        if (!child.children) continue;
        if (child.open) walk(child); else visible.push(child);
      }
    };
    walk(this.root);
    for (const one of visible) { one.open = true; touch(one); }
    this.arrange();
  }

  toggle(box, open) {
    if (!box.children || box === this.root) return;
    box.open = open === undefined ? !box.open : open;
    touch(box);
    this.arrange();
  }

  reveal(box) {
    for (let one = box.parent; one; one = one.parent) {
      if (!one.open) { one.open = true; touch(one); }
    }
    this.arrange();
  }

  arrange() {
    this.size(this.root);
    this.settle(this.root, 0, 0);
    this.visible = [];
    this.listVisible(this.root);
    const pairs = new Map();
    for (const [from, to] of this.edges) {
      const a = shownAs(from), b = shownAs(to);
      if (a === b) continue;
      const key = `${a.serial} ${b.serial}`;
      const known = pairs.get(key);
      if (known) known[2] += 1; else pairs.set(key, [a, b, 1]);
    }
    this.shownEdges = [...pairs.values()];
  }

  fresh() {
    this.counter = (this.counter || 0) + 1;
    return this.counter;
  }

  size(box) {
    if (!box.children) return;
    if (!box.open) {
      box.width = Math.max(96, 30 + CHAR * Math.min(30, box.label.length + 4));
      box.height = BOX_HEIGHT + 4;
      box.dirty = false;
      return;
    }
    for (const child of box.children) this.size(child);
    if (!box.dirty) return;
    const place = new Map(box.children.map((one, at) => [one, at]));
    const edges = box.edges.map(([a, b]) => [place.get(a), place.get(b)]);
    const inner = placeBoxes(box.children, edges);
    box.inner = box.children.map((one) => [one.x, one.y]);
    box.width = Math.max(inner.width + 2 * PAD, 40 + CHAR * (box.label.length + 6));
    box.height = inner.height + HEAD + 2 * PAD;
    box.shift = (box.width - inner.width) / 2;
    box.dirty = false;
  }

  settle(box, x, y) {
    box.x = x;
    box.y = y;
    if (!box.children || !box.open) return;
    box.children.forEach((child, at) => {
      const [dx, dy] = box.inner[at];
      this.settle(child, x + box.shift + dx, y + HEAD + PAD + dy);
    });
  }

  listVisible(box) {
    if (box !== this.root) this.visible.push(box);
    if (box.children && box.open) for (const child of box.children) this.listVisible(child);
  }

  at(x, y) {
    let found = null, box = this.root;
    while (box && box.children && box.open) {
      box = box.children.find((one) => x >= one.x && x <= one.x + one.width &&
                                       y >= one.y && y <= one.y + one.height);
      if (box) found = box;
    }
    return found;
  }
}

function* around(box) {
  for (let one = box; one; one = one.parent) yield one;
}

function touch(box) {
  for (const one of around(box)) one.dirty = true;
}

// The outermost folded box around a box, or itself.
function shownAs(box) {
  let found = box;
  for (const one of around(box.parent)) if (!one.open) found = one;
  return found;
}
