// Places the boxes of one group in rows, operands above their readers.
//
// `boxes` have `width`, `height` and an `order` that no edge runs against, but for those
// of what is called several times; such an edge is drawn, and moves nothing.  `edges`
// are pairs of places.  Returns the size of the whole; boxes get `x` and `y`.

const GAP_X = 18, GAP_Y = 34, ROW_LIMIT = 14, SWEEPS = 6;

function placeBoxes(boxes, edges) {
  const above = boxes.map(() => []), below = boxes.map(() => []);
  for (const [from, to] of edges) {
    if (boxes[from].order < boxes[to].order) {
      above[to].push(from);
      below[from].push(to);
    }
  }
  const rows = orderedRows(boxes, rowsOf(boxes, above, below), above, below);
  return coordinates(boxes, rows, above, below);
}

function rowsOf(boxes, above, below) {
  const order = boxes.map((_, place) => place)
    .sort((a, b) => boxes[a].order - boxes[b].order);
  const rank = new Array(boxes.length).fill(0);
  for (const place of order) {
    for (const one of above[place]) rank[place] = Math.max(rank[place], rank[one] + 1);
  }
  // What needs nothing stands right above its first reader.
  for (const place of order) {
    if (!above[place].length && below[place].length) {
      rank[place] = Math.max(0, Math.min(...below[place].map((one) => rank[one])) - 1);
    }
  }
  const byRank = new Map();
  for (const place of order) {
    if (!byRank.has(rank[place])) byRank.set(rank[place], []);
    byRank.get(rank[place]).push(place);
  }
  const rows = [];
  for (const number of [...byRank.keys()].sort((a, b) => a - b)) {
    const members = byRank.get(number);
    const parts = Math.ceil(members.length / ROW_LIMIT);
    const length = Math.ceil(members.length / parts);
    for (let start = 0; start < members.length; start += length) {
      rows.push(members.slice(start, start + length));
    }
  }
  return rows;
}

function orderedRows(boxes, rows, above, below) {
  const place = new Array(boxes.length).fill(0);
  const renumber = (row) => row.forEach((one, at) => { place[one] = at; });
  rows.forEach(renumber);
  const mean = (one, near) =>
    near.length ? near.reduce((sum, other) => sum + place[other], 0) / near.length
                : place[one];
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const down = sweep % 2 === 0;
    const near = down ? above : below;
    for (const row of down ? rows : [...rows].reverse()) {
      const wish = new Map(row.map((one) => [one, mean(one, near[one])]));
      row.sort((a, b) => wish.get(a) - wish.get(b) || boxes[a].order - boxes[b].order);
      renumber(row);
    }
  }
  return rows;
}

function coordinates(boxes, rows, above, below) {
  const centre = new Array(boxes.length).fill(0);
  for (const row of rows) {
    const width = row.reduce((sum, one) => sum + boxes[one].width + GAP_X, -GAP_X);
    let x = -width / 2;
    for (const one of row) {
      centre[one] = x + boxes[one].width / 2;
      x += boxes[one].width + GAP_X;
    }
  }
  for (let sweep = 0; sweep < SWEEPS; sweep += 1) {
    const near = sweep % 2 === 0 ? above : below;
    for (const row of sweep % 2 === 0 ? rows : [...rows].reverse()) {
      settle(boxes, row, centre, near);
    }
  }
  let y = 0, left = Infinity, right = -Infinity;
  for (const row of rows) {
    const height = Math.max(...row.map((one) => boxes[one].height));
    for (const one of row) {
      boxes[one].y = y + (height - boxes[one].height) / 2;
      left = Math.min(left, centre[one] - boxes[one].width / 2);
      right = Math.max(right, centre[one] + boxes[one].width / 2);
    }
    y += height + GAP_Y;
  }
  boxes.forEach((box, one) => { box.x = centre[one] - box.width / 2 - left; });
  return { width: Math.max(0, right - left), height: Math.max(0, y - GAP_Y) };
}

// Moves the boxes of a row towards their neighbours as far as their order allows: once
// pushed from the left, once from the right, and the middle of both.
function settle(boxes, row, centre, near) {
  const wish = row.map((one) => near[one].length
    ? near[one].reduce((sum, other) => sum + centre[other], 0) / near[one].length
    : centre[one]);
  const fromLeft = [], fromRight = [];
  let edge = -Infinity;
  row.forEach((one, at) => {
    fromLeft[at] = Math.max(wish[at], edge + boxes[one].width / 2);
    edge = fromLeft[at] + boxes[one].width / 2 + GAP_X;
  });
  edge = Infinity;
  for (let at = row.length - 1; at >= 0; at -= 1) {
    const half = boxes[row[at]].width / 2;
    fromRight[at] = Math.min(wish[at], edge - half);
    edge = fromRight[at] - half - GAP_X;
  }
  row.forEach((one, at) => { centre[one] = (fromLeft[at] + fromRight[at]) / 2; });
}
