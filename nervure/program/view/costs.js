// Colours that say what something costs: work, bytes, or what a pass has changed.

const LEVELS = 24;

// What a box costs under a way of colouring; a group costs what is inside of it.
function costOf(box, way) {
  if (way === "bytes") {
    if (box.children) return box.bytes;
    return box.node.kernel === undefined ? (box.node.read || 0) + (box.node.out || 0) : 0;
  }
  return (box.children ? box.flops : box.node.flops) || 0;
}

// The share of a box in the whole graph.
function shareOf(box, root, way) { return costOf(box, way) / (costOf(root, way) || 1); }

function costText(box, root, way) {
  const share = (100 * shareOf(box, root, way)).toPrecision(2);
  const cost = way === "bytes" ? bytesText(costOf(box, way))
                               : `${countText(costOf(box, way))}FLOP`;
  return costOf(box, way) ? `${cost}, ${Number(share)} %` : "";
}

// The fill of a box: the more it costs beside what is shown, the warmer.
class Heat {
  constructor() { this.fills = new Map(); }

  forget() { this.fills.clear(); this.visible = null; }

  fill(box, shown, way, colour) {
    if (way === "changes") return this.ofChanges(box, colour);
    if (this.visible !== shown.visible || this.way !== way) {
      this.visible = shown.visible;
      this.way = way;
      const costs = shown.visible.filter((one) => !(one.children && one.open))
        .map((one) => costOf(one, way));
      this.most = costs.reduce((most, one) => Math.max(most, one), 0);
    }
    return this.mixed(this.most ? (costOf(box, way) / this.most) ** 0.45 : 0, colour);
  }

  mixed(part, colour) {
    const level = Math.round(part * LEVELS);
    if (!this.fills.has(level)) {
      const percent = (75 * level / LEVELS).toFixed(1);
      this.fills.set(level, `color-mix(in srgb, ${colour.hot} ${percent}%, ${colour.panel})`);
    }
    return this.fills.get(level);
  }

  ofChanges(box, colour) {
    const of = box.children ? box : box.node;
    if (of.gone) return colour.fill.update;
    return of.fresh ? colour.fill.forward : colour.panel;
  }
}
