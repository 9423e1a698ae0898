// The map of the output with the points on it, the losses, and their curves.

import { useEffect, useRef } from "preact/hooks";
import { classColor, color, drawClasses, drawMap } from "../common/colors";
import type { Frame, Ready } from "./connection";
import type { Looks } from "./choices";
import type { FrameSource } from "./Network";

const SIDE = 300; // of the map, in pixels of the page
const REACH = 6;

interface Props {
  frames: FrameSource;
  ready: Ready | null;
  looks: Looks;
  neuron: number | null;
}

export function Output({ frames, ready, looks, neuron }: Props) {
  const map = useRef<HTMLCanvasElement>(null);
  const points = useRef<HTMLCanvasElement>(null);
  const text = useRef<HTMLDListElement>(null);
  const right = useRef<HTMLParagraphElement>(null);

  useEffect(() => {
    const draw = (frame: Frame) => {
      // Outputs are counted after the hidden neurons.
      const hidden = frame.neurons.length;
      const one = neuron ?? hidden;
      if (map.current) {
        if (neuron === null && frame.outputs.length > 1) {
          drawClasses(map.current, frame.outputs, frame.side, looks.discrete);
        } else if (one < hidden) {
          drawMap(map.current, frame.neurons[one]!, frame.small, looks.discrete);
        } else {
          const shown = frame.outputs[one - hidden];
          if (shown) drawMap(map.current, shown, frame.side, looks.discrete);
        }
      }
      if (right.current) right.current.textContent = partsRight(frame);
      const cells = text.current?.querySelectorAll("dd");
      if (cells && cells.length === 3) {
        cells[0]!.textContent = frame.trainLoss.toFixed(3);
        cells[1]!.textContent = frame.testLoss.toFixed(3);
        cells[2]!.textContent = frame.speed > 0 ? Math.round(frame.speed).toLocaleString("en") : "–";
      }
    };
    if (frames.last) draw(frames.last);
    return frames.subscribe(draw);
  }, [frames, looks.discrete, neuron, ready]);

  useEffect(() => {
    if (points.current && ready) drawPoints(points.current, ready, looks.showTest);
  }, [ready, looks.showTest]);

  const classes = ready?.classes ?? [];
  return (
    <div class="output">
      <dl class="losses" ref={text}>
        <div><dt>Training loss</dt><dd data-testid="train-loss">–</dd></div>
        <div><dt>Test loss</dt><dd data-testid="test-loss">–</dd></div>
        <div><dt>Samples a second</dt><dd data-testid="speed">–</dd></div>
      </dl>
      <Curves frames={frames} />
      <p class="right" ref={right} data-testid="right" />
      <div
        class="map"
        role="img"
        aria-label={
          classes.length > 0
            ? `The most likely class over the plane, with the points: ${classes.join(", ")}`
            : "Output of the network over the plane, with the points: orange is minus one, blue is one"
        }
      >
        <canvas class="plane" ref={map} width="60" height="60" />
        <canvas class="points" ref={points} width={2 * SIDE} height={2 * SIDE} />
      </div>
      {classes.length > 0 ? (
        <ul class="classes">
          {classes.map((name, at) => (
            <li key={name}>
              <span class="dot" style={{ background: classColor(at) }} /> {name}
            </li>
          ))}
        </ul>
      ) : (
        <div class="scale">
          <span>−1</span>
          <span class="bar" aria-hidden="true" />
          <span>1</span>
        </div>
      )}
      <p class="axes">
        {ready && ready.axes[0] !== "x₁" ? `Across: ${ready.axes[0]}; up: ${ready.axes[1]}` : ""}
      </p>
    </div>
  );
}

function partsRight(frame: Frame): string {
  if (Number.isNaN(frame.trainRight)) return "";
  const percent = (part: number) => `${(100 * part).toFixed(0)} %`;
  return `Right: ${percent(frame.trainRight)} of training, ${percent(frame.testRight)} of test`;
}

function drawPoints(canvas: HTMLCanvasElement, ready: Ready, showTest: boolean): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  context.clearRect(0, 0, canvas.width, canvas.height);
  const place = (value: number) => ((value + REACH) / (2 * REACH)) * canvas.width;
  const draw = (list: Ready["train"], edge: string) => {
    for (const [x, y, target] of list) {
      context.beginPath();
      context.arc(place(x), canvas.width - place(y), 6, 0, 2 * Math.PI);
      context.fillStyle = ready.classes.length > 0 ? classColor(target) : color(target);
      context.strokeStyle = edge;
      context.lineWidth = 1.5;
      context.fill();
      context.stroke();
    }
  };
  draw(ready.train, "#fff");
  if (showTest) draw(ready.test, "#000");
}

const MOST = 2000; // points of a curve; then every second is left out

function Curves({ frames }: { frames: FrameSource }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    let train: number[] = [];
    let test: number[] = [];
    let last = -1;
    const draw = (frame: Frame) => {
      if (frame.epoch < last || frame.epoch === 0) [train, test] = [[], []];
      if (frame.epoch === last) return;
      last = frame.epoch;
      train.push(frame.trainLoss);
      test.push(frame.testLoss);
      if (train.length > MOST) {
        train = train.filter((_, at) => at % 2 === 0);
        test = test.filter((_, at) => at % 2 === 0);
      }
      if (canvas.current) drawCurves(canvas.current, train, test);
    };
    return frames.subscribe(draw);
  }, [frames]);
  return (
    <div class="curves">
      <canvas ref={canvas} width="600" height="120" role="img" aria-label="Curves of both losses" />
      <p><span class="key train" /> training <span class="key test" /> test</p>
    </div>
  );
}

function drawCurves(canvas: HTMLCanvasElement, train: number[], test: number[]): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const style = getComputedStyle(canvas);
  const { width, height } = canvas;
  context.clearRect(0, 0, width, height);
  const finite = [...train, ...test].filter(Number.isFinite);
  const high = Math.max(...finite, 1e-6);
  const one = (values: number[], name: string) => {
    context.beginPath();
    values.forEach((value, at) => {
      const x = values.length > 1 ? (at / (values.length - 1)) * width : 0;
      const y = height - 4 - (value / high) * (height - 8);
      if (at === 0) context.moveTo(x, y);
      else context.lineTo(x, y);
    });
    context.strokeStyle = style.getPropertyValue(name);
    context.lineWidth = 3;
    context.stroke();
  };
  one(train, "--train");
  one(test, "--test");
}
