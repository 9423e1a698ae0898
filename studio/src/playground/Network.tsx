// The network as one sees it: features, neurons with their maps, and lines as thick as
// the weights. Lines and maps are drawn straight from frames onto one canvas, without
// Preact between; what is clicked lies above it and stays as it is.

import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { classColor, drawMap } from "../common/colors";
import { FEATURES, type Feature, MOST_LAYERS, MOST_NEURONS } from "./choices";
import { type Frame, offsets } from "./connection";
import { featureMap } from "./features";
import { type Line, type Place, Plan } from "./plan";

const SIZE = 36; // of a neuron, in pixels
const EDGE = 2; // of its frame
const ROW = 46;
const TOP = 56;
const COLUMN = 92;
const OUTPUT_ROW = 30;
const MOST_SCALE = 2; // pixels of the screen in a pixel of the page

export interface Edit {
  layer: number;
  target: number;
  source: number | null;
}

interface Props {
  features: Feature[];
  hidden: number[];
  outputs: number;
  classes: string[];
  frames: FrameSource;
  onFeatures(features: Feature[]): void;
  onHidden(hidden: number[]): void;
  onEdit(edit: Edit): void;
  onLook(neuron: number | null): void;
}

/** Where frames come from: those who draw subscribe. */
export interface FrameSource {
  last: Frame | null;
  subscribe(draw: (frame: Frame) => void): () => void;
}

interface Weight extends Line {
  layer: number;
  source: number;
  target: number;
  path: string;
}

const ALL = Object.keys(FEATURES) as Feature[];

export function Network(props: Props) {
  const { features, hidden, outputs, classes, frames } = props;
  const box = useRef<HTMLDivElement>(null);
  const canvas = useRef<HTMLCanvasElement>(null);
  const [width, setWidth] = useState(0);
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    setWidth(element.clientWidth);
    return () => observer.disconnect();
  }, []);

  const sizes = [features.length, ...hidden, outputs];
  const columns = hidden.length + 1;
  const wide = Math.max(width, 70 + columns * COLUMN);
  const xOf = (column: number) => 88 + (column * (wide - 96)) / columns;
  const yOf = (row: number) => TOP + row * ROW + SIZE / 2;
  const rowOfFeature = (index: number) => ALL.indexOf(features[index] ?? "x");
  const outputY = (number: number) => yOf(2.5) + (number - (outputs - 1) / 2) * OUTPUT_ROW;
  const key = `${features}|${hidden}|${outputs}|${wide}`;
  const lines = useMemo(() => {
    const places = offsets(sizes);
    const found: Weight[] = [];
    places.forEach(({ kernel }, layer) => {
      const targets = sizes[layer + 1] ?? 0;
      for (let source = 0; source < (sizes[layer] ?? 0); source += 1) {
        for (let target = 0; target < targets; target += 1) {
          const x1 = layer === 0 ? xOf(0) - 6 : xOf(layer) - 4;
          const y1 = yOf(layer === 0 ? rowOfFeature(source) : source);
          const isLast = layer === hidden.length;
          const x2 = isLast ? wide - 2 : xOf(layer + 1) - SIZE - 4;
          const y2 = isLast ? outputY(target) : yOf(target);
          const bend = (x2 - x1) / 2;
          const path = `M${x1},${y1}C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}`;
          const weight = kernel + source * targets + target;
          found.push({ layer, source, target, weight, path, x1, y1, x2, y2 });
        }
      }
    });
    return found;
  }, [key]);

  const rows = Math.max(ALL.length, ...hidden);
  const height = TOP + rows * ROW + 14;
  const scale = Math.min(MOST_SCALE, devicePixelRatio || 1);
  const pixels = { width: Math.ceil(wide * scale), height: Math.ceil(height * scale) };

  useLayoutEffect(() => {
    if (!canvas.current) return undefined;
    const places: Place[] = hidden.flatMap((size, layer) =>
      Array.from({ length: size }, (_, row) => ({
        x: xOf(layer + 1) - SIZE - 4 + EDGE,
        y: TOP + row * ROW + EDGE,
      })),
    );
    const plan = new Plan(canvas.current, lines, places, SIZE - 2 * EDGE, scale);
    const draw = (frame: Frame) => plan.draw(frame.weights, frame.neurons, frame.small);
    if (frames.last) draw(frames.last);
    return frames.subscribe(draw);
  }, [lines, frames, pixels.width, pixels.height]);

  let number = 0;
  // Outputs are counted after the hidden neurons.
  const looked = (index: number) => ({
    onMouseEnter: () => props.onLook(index),
    onMouseLeave: () => props.onLook(null),
    onFocus: () => props.onLook(index),
    onBlur: () => props.onLook(null),
  });
  return (
    <div class="network" ref={box} role="group" aria-label="Network">
      <div class="network-plan" style={{ width: `${wide}px`, height: `${height}px` }}>
        <canvas
          ref={canvas}
          {...pixels}
          style={{ width: `${pixels.width / scale}px`, height: `${pixels.height / scale}px` }}
          aria-hidden="true"
        />
        <svg width={wide} height={height} aria-hidden="true">
          {lines.map((line) => (
            <path
              class="touch"
              d={line.path}
              key={line.path}
              onClick={() => props.onEdit(line)}
            >
              <title>Click to edit this weight</title>
            </path>
          ))}
        </svg>
        <span class="column-title" style={{ left: "0px" }}>Features</span>
        {ALL.map((one, row) => (
          <FeatureButton
            key={one}
            feature={one}
            on={features.includes(one)}
            y={TOP + row * ROW}
            onToggle={() => {
              const on = features.includes(one);
              const next = ALL.filter((other) => (other === one ? !on : features.includes(other)));
              if (next.length > 0) props.onFeatures(next);
            }}
          />
        ))}
        {hidden.map((size, layer) => (
          <div key={layer}>
            <SizeButtons
              x={xOf(layer + 1) - SIZE - 16}
              layer={layer}
              size={size}
              onSize={(next) => props.onHidden(hidden.map((one, at) => (at === layer ? next : one)))}
            />
            {Array.from({ length: size }, (_, row) => {
              const index = number++;
              return (
                <button
                  key={row}
                  class="neuron"
                  style={{ left: `${xOf(layer + 1) - SIZE - 4}px`, top: `${TOP + row * ROW}px` }}
                  aria-label={`Neuron ${row + 1} of hidden layer ${layer + 1}: edit its weights`}
                  title="Click to edit its weights and bias"
                  onClick={() => props.onEdit({ layer, target: row, source: null })}
                  {...looked(index)}
                />
              );
            })}
          </div>
        ))}
        {Array.from({ length: outputs }, (_, target) => (
          <button
            key={`output${target}`}
            class="output-neuron"
            style={{
              left: `${wide - 18}px`,
              top: `${outputY(target) - 9}px`,
              ...(outputs > 1 && { background: classColor(target) }),
            }}
            aria-label={
              outputs > 1
                ? `Output neuron of ${classes[target] ?? target}: edit its weights`
                : "Output neuron: edit its weights"
            }
            title={`${classes[target] ?? "Output"}: click to edit its weights and bias`}
            onClick={() => props.onEdit({ layer: hidden.length, target, source: null })}
            {...looked(number + target)}
          />
        ))}
        <div class="layer-buttons" role="group" aria-label="Hidden layers">
          <button
            aria-label="Remove the last hidden layer"
            disabled={hidden.length === 0}
            onClick={() => props.onHidden(hidden.slice(0, -1))}
          >
            −
          </button>
          <span>
            {hidden.length} hidden {hidden.length === 1 ? "layer" : "layers"}
          </span>
          <button
            aria-label="Add a hidden layer"
            disabled={hidden.length >= MOST_LAYERS}
            onClick={() => props.onHidden([...hidden, 2])}
          >
            +
          </button>
        </div>
      </div>
    </div>
  );
}

function FeatureButton(props: { feature: Feature; on: boolean; y: number; onToggle(): void }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    if (canvas.current) drawMap(canvas.current, featureMap(props.feature), 20);
  }, [props.feature]);
  return (
    <button
      class="feature"
      style={{ top: `${props.y}px` }}
      aria-pressed={props.on}
      onClick={props.onToggle}
    >
      <span>{FEATURES[props.feature]}</span>
      <canvas ref={canvas} width="20" height="20" aria-hidden="true" />
    </button>
  );
}

function SizeButtons(props: { x: number; layer: number; size: number; onSize(size: number): void }) {
  const name = `hidden layer ${props.layer + 1}`;
  return (
    <div class="size-buttons" style={{ left: `${props.x}px` }}>
      <button
        aria-label={`Remove a neuron of ${name}`}
        disabled={props.size <= 1}
        onClick={() => props.onSize(props.size - 1)}
      >
        −
      </button>
      <span aria-label={`${props.size} neurons`} role="img">{props.size}</span>
      <button
        aria-label={`Add a neuron to ${name}`}
        disabled={props.size >= MOST_NEURONS}
        onClick={() => props.onSize(props.size + 1)}
      >
        +
      </button>
    </div>
  );
}
