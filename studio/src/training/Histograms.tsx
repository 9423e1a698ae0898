// Histograms of one weight or gradient over the steps, the last one in front.

import { short } from "./LineChart";

export interface Histogram {
  step: number;
  low: number;
  high: number;
  columns: number[];
}

const WIDTH = 300;
const HEIGHT = 170;
const SHOWN = 12;

export function Histograms({ tag, list }: { tag: string; list: Histogram[] }) {
  const every = Math.max(1, Math.ceil(list.length / SHOWN));
  const shown = list.filter((_, at) => (list.length - 1 - at) % every === 0);
  const low = Math.min(...shown.map((one) => one.low));
  const high = Math.max(...shown.map((one) => one.high));
  // Columns of different widths: what is drawn is how dense the numbers are.
  const density = (one: Histogram) => {
    const width = (one.high - one.low) / one.columns.length || 1;
    return one.columns.map((count) => count / width);
  };
  const most = Math.max(...shown.flatMap(density), 1e-12);
  const shift = (at: number) => ((at + 1) / shown.length) * 60;
  const x = (value: number) => 8 + ((value - low) / (high - low || 1)) * (WIDTH - 16);
  const last = shown.at(-1);
  return (
    <figure class="panel chart">
      <figcaption>{tag}</figcaption>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`Histogram of ${tag}, from ${short(last?.low ?? 0)} to ${short(last?.high ?? 0)} at step ${last?.step}`}
      >
        {shown.map((one, at) => {
          const base = 80 + shift(at);
          const width = (one.high - one.low) / one.columns.length;
          const points = density(one).map(
            (value, column) =>
              `${x(one.low + (column + 0.5) * width).toFixed(1)},${(base - (value / most) * 70).toFixed(1)}`,
          );
          const ends = `${x(one.low)},${base} ${points.join(" ")} ${x(one.high)},${base}`;
          return (
            <polygon class="ridge" key={one.step} points={ends}>
              <title>step {one.step}</title>
            </polygon>
          );
        })}
        <text x="8" y={HEIGHT - 8}>{short(low)}</text>
        <text x={WIDTH - 8} y={HEIGHT - 8} text-anchor="end">{short(high)}</text>
        <text x={WIDTH / 2} y={HEIGHT - 8} text-anchor="middle">
          {`steps ${shown[0]?.step} … ${last?.step}`}
        </text>
      </svg>
    </figure>
  );
}
