// The picture of a network: its lines and the maps of its neurons on one canvas, so that
// the browser has one thing to take over and not one for each neuron and line.

import { SHADES, shadeOf } from "../common/colors";
import { type Ends, Strokes } from "./strokes";

/** Where a weight is drawn, and which one of a frame it is. */
export interface Line extends Ends {
  weight: number;
}

export interface Place {
  x: number;
  y: number;
}

/** Two neighbours of each pixel of a map that is drawn larger, and how near they are. */
interface Steps {
  from: number; // the side of the small map
  before: Uint8Array;
  after: Uint8Array;
  parts: Float32Array;
}

function steps(from: number, to: number): Steps {
  const found = {
    from,
    before: new Uint8Array(to),
    after: new Uint8Array(to),
    parts: new Float32Array(to),
  };
  for (let at = 0; at < to; at += 1) {
    const place = Math.min(from - 1, Math.max(0, ((at + 0.5) * from) / to - 0.5));
    found.before[at] = Math.floor(place);
    found.after[at] = Math.min(from - 1, Math.floor(place) + 1);
    found.parts[at] = place - Math.floor(place);
  }
  return found;
}

export class Plan {
  private readonly image: ImageData;
  private readonly data: Uint32Array;
  private readonly strokes: Strokes;
  private readonly side: number;
  private readonly rows: Float32Array;
  private steps: Steps = steps(1, 1);

  /** Sizes are in pixels of the page, of which each has `scale` x `scale` own ones. */
  constructor(
    private readonly canvas: HTMLCanvasElement,
    private readonly lines: Line[],
    private readonly places: Place[],
    side: number,
    private readonly scale: number,
  ) {
    this.image = new ImageData(canvas.width, canvas.height);
    this.data = new Uint32Array(this.image.data.buffer);
    this.strokes = new Strokes(lines, scale);
    this.side = Math.round(side * scale);
    this.rows = new Float32Array(256 * this.side);
  }

  /** Draw lines for weights, and maps of `from` x `from` bytes. */
  draw(weights: Float32Array, maps: Uint8Array[], from: number): void {
    this.data.fill(0);
    const pixels = { data: this.data, width: this.image.width, height: this.image.height };
    this.lines.forEach((line, at) => {
      const weight = weights[line.weight] ?? 0;
      const thickness = Math.min(9, 0.6 + 2.2 * Math.abs(weight));
      this.strokes.draw(pixels, at, thickness, shadeOf(weight));
    });
    if (this.steps.from !== from || this.steps.parts.length !== this.side) {
      this.steps = steps(from, this.side);
    }
    this.places.forEach((place, at) => {
      const map = maps[at];
      if (map) this.drawMap(map, place);
    });
    this.canvas.getContext("2d")?.putImageData(this.image, 0, 0);
  }

  private drawMap(map: Uint8Array, place: Place): void {
    const { side, rows, data } = this;
    const { from, before, after, parts } = this.steps;
    for (let row = 0; row < from; row += 1) {
      for (let x = 0; x < side; x += 1) {
        const left = map[row * from + before[x]!]!;
        rows[row * side + x] = left + (map[row * from + after[x]!]! - left) * parts[x]!;
      }
    }
    const start = Math.round(place.y * this.scale) * this.image.width + Math.round(place.x * this.scale);
    for (let y = 0; y < side; y += 1) {
      const [upper, lower] = [before[y]! * side, after[y]! * side];
      const to = start + y * this.image.width;
      for (let x = 0; x < side; x += 1) {
        const above = rows[upper + x]!;
        data[to + x] = SHADES[(above + (rows[lower + x]! - above) * parts[y]! + 0.5) | 0]!;
      }
    }
  }
}
