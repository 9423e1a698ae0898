// Curves of several runs: lines, axes, a legend, and the same numbers as a table.

import { useMemo } from "preact/hooks";

export type Curve = [number, number | null][];

const WIDTH = 420;
const HEIGHT = 220;
const LEFT = 52;
const BOTTOM = 26;

interface Props {
  title: string;
  curves: Record<string, Curve>;
  colors: Record<string, string>;
  smooth: number;
  logarithmic: boolean;
}

export function LineChart({ title, curves, colors, smooth, logarithmic }: Props) {
  const lines = useMemo(
    () =>
      Object.entries(curves).map(([name, curve]) => ({
        name,
        points: smoothed(curve, smooth).filter(([, y]) => !logarithmic || y > 0),
      })),
    [curves, smooth, logarithmic],
  );
  const all = lines.flatMap((line) => line.points);
  const scale = (y: number) => (logarithmic ? Math.log10(y) : y);
  const [x0, x1] = range(all.map(([x]) => x));
  const [y0, y1] = range(all.map(([, y]) => scale(y)));
  const px = (x: number) => LEFT + ((x - x0) / (x1 - x0)) * (WIDTH - LEFT - 10);
  const py = (y: number) => HEIGHT - BOTTOM - ((scale(y) - y0) / (y1 - y0)) * (HEIGHT - BOTTOM - 10);
  const yTicks = ticks(y0, y1).map((tick) => (logarithmic ? 10 ** tick : tick));
  return (
    <figure class="panel chart">
      <figcaption>{title}</figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={`${title}: ${spoken(lines)}`}>
        {yTicks.map((tick) => (
          <g key={`y${tick}`}>
            <line class="grid" x1={LEFT} x2={WIDTH - 10} y1={py(tick)} y2={py(tick)} />
            <text x={LEFT - 6} y={py(tick) + 4} text-anchor="end">{short(tick)}</text>
          </g>
        ))}
        {ticks(x0, x1).map((tick) => (
          <text key={`x${tick}`} x={px(tick)} y={HEIGHT - 8} text-anchor="middle">{short(tick)}</text>
        ))}
        {lines.map(({ name, points }) => (
          <g key={name} style={{ stroke: colors[name], fill: colors[name] }}>
            <polyline
              class="line"
              points={points.map(([x, y]) => `${px(x).toFixed(1)},${py(y).toFixed(1)}`).join(" ")}
            />
            {points.length < 40 &&
              points.map(([x, y]) => (
                <circle key={x} cx={px(x)} cy={py(y)} r="2.5">
                  <title>{`${name}, step ${x}: ${short(y)}`}</title>
                </circle>
              ))}
          </g>
        ))}
      </svg>
    </figure>
  );
}

function spoken(lines: { name: string; points: [number, number][] }[]): string {
  return lines
    .map(({ name, points }) => `${name} is ${short(points.at(-1)?.[1] ?? NaN)} at last`)
    .join("; ");
}

function smoothed(curve: Curve, part: number): [number, number][] {
  let mean: number | null = null;
  const found: [number, number][] = [];
  for (const [step, value] of curve) {
    if (value === null) continue;
    mean = mean === null ? value : mean * part + value * (1 - part);
    found.push([step, mean]);
  }
  return found;
}

function range(values: number[]): [number, number] {
  if (values.length === 0) return [0, 1];
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const around = Math.abs(low) / 5 || 0.5;
  return low === high ? [low - around, high + around] : [low, high];
}

/** Four to seven round numbers between two ends. */
function ticks(low: number, high: number): number[] {
  const raw = (high - low) / 5;
  const unit = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((one) => one * unit >= raw) ?? 10) * unit;
  const found: number[] = [];
  for (let at = Math.ceil(low / step); at * step <= high + step * 1e-6; at += 1) {
    found.push(Number((at * step).toPrecision(12)));
  }
  return found;
}

export function short(value: number): string {
  if (!Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e5)) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}
