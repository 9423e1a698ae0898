// The seven features as small maps, for their buttons.

import type { Feature } from "./choices";

const FUNCTIONS: Record<Feature, (x: number, y: number) => number> = {
  x: (x) => x,
  y: (_, y) => y,
  xSquared: (x) => x * x,
  ySquared: (_, y) => y * y,
  xTimesY: (x, y) => x * y,
  sinX: (x) => Math.sin(x),
  sinY: (_, y) => Math.sin(y),
};

export function featureMap(feature: Feature): Uint8Array {
  const side = 20;
  const values = new Uint8Array(side * side);
  for (let row = 0; row < side; row += 1) {
    for (let column = 0; column < side; column += 1) {
      const x = ((column + 0.5) / side) * 12 - 6;
      const y = 6 - ((row + 0.5) / side) * 12;
      const value = Math.max(-1, Math.min(1, FUNCTIONS[feature](x, y)));
      values[row * side + column] = Math.round((value + 1) * 127.5);
    }
  }
  return values;
}
