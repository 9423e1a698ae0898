// Lines between neurons as pixels. A browser without a GPU takes 5 to 15 ms for 400
// dashed curves whose colours change in each picture, which leaves no time for the rest;
// here what does not change (where each curve runs, and its dashes) is worked out once.
//
// A curve has one sample for each column of pixels that it crosses. What part of a pixel
// it covers follows from the distance along the column: a line of thickness t and slope s
// covers t * sqrt(1 + s²) of a column, blurred by the s that it climbs within the column.

const DASH = 9;
const PERIOD = 10; // a dash and the gap after it

/** Where a curve runs: from the left end to the right one, level at both. */
export interface Ends {
  x1: number;
  y1: number;
  x2: number;
  y2: number;
}

interface Curve {
  first: number; // column
  middles: Float32Array;
  lengths: Float32Array; // of the curve within each column
  shares: Float32Array; // parts of the columns that dashes cover
}

/** Pixels with an alpha channel, as `ImageData` holds them. */
export interface Pixels {
  data: Uint32Array;
  width: number;
  height: number;
}

/** Return the length of the dashes up to a place on the curve. */
function dashed(place: number): number {
  const whole = Math.floor(place / PERIOD);
  return whole * DASH + Math.min(place - whole * PERIOD, DASH);
}

/** Sample a curve; `scale` is the number of pixels in a pixel of the page. */
function sampled({ x1, y1, x2, y2 }: Ends, scale: number): Curve {
  const [left, wide, high] = [x1 * scale, (x2 - x1) * scale, (y2 - y1) * scale];
  const first = Math.floor(left);
  const count = Math.max(0, Math.ceil(left + wide) - first);
  const curve = {
    first,
    middles: new Float32Array(count),
    lengths: new Float32Array(count),
    shares: new Float32Array(count),
  };
  let place = 0;
  let t = 0;
  for (let at = 0; at < count; at += 1) {
    const [from, to] = [Math.max(first + at, left), Math.min(first + at + 1, left + wide)];
    const along = ((from + to) / 2 - left) / wide;
    // A cubic whose control points lie in the middle: x = 1.5 t - 1.5 t² + t³.
    for (let step = 0; step < 4; step += 1) {
      t -= (t * (1.5 - t * (1.5 - t)) - along) / (1.5 - t * (3 - 3 * t));
    }
    const slope = ((high / wide) * 6 * t * (1 - t)) / (1.5 - t * (3 - 3 * t));
    const length = Math.sqrt(1 + slope * slope);
    const next = place + (length * (to - from)) / scale;
    curve.middles[at] = y1 * scale + high * t * t * (3 - 2 * t);
    curve.lengths[at] = length;
    curve.shares[at] = ((dashed(next) - dashed(place)) / (next - place)) * (to - from);
    place = next;
  }
  return curve;
}

/** All curves of a network, drawn as often as their weights change. */
export class Strokes {
  private readonly curves: Curve[];

  constructor(ends: Ends[], private readonly scale: number) {
    this.curves = ends.map((one) => sampled(one, scale));
  }

  /** Draw a curve; `thickness` in pixels of the page, `tint` as 0xbbggrr. */
  draw(pixels: Pixels, number: number, thickness: number, tint: number): void {
    const curve = this.curves[number];
    if (!curve) return;
    const { first, middles, lengths, shares } = curve;
    const thick = thickness * this.scale;
    for (let at = 0; at < middles.length; at += 1) {
      const length = lengths[at]!;
      const covered = thick * length;
      const blur = Math.max(1, Math.sqrt(length * length - 1));
      const most = Math.min(1, covered / blur) * shares[at]! * 255;
      const outer = (covered + blur) / 2;
      const rise = (shares[at]! * 255) / blur;
      const middle = middles[at]! - 0.5;
      const top = Math.max(0, Math.ceil(middle - outer));
      const bottom = Math.min(pixels.height - 1, Math.floor(middle + outer));
      for (let y = top; y <= bottom; y += 1) {
        const alpha = Math.min(most, (outer - Math.abs(y - middle)) * rise) | 0;
        if (alpha > 0) blend(pixels.data, y * pixels.width + first + at, tint, alpha);
      }
    }
  }
}

/** Put a colour over a pixel. */
function blend(data: Uint32Array, at: number, tint: number, alpha: number): void {
  const below = data[at]!;
  if (below === 0) {
    data[at] = (alpha << 24) | tint;
    return;
  }
  const kept = ((below >>> 24) * (255 - alpha)) / 255;
  const both = alpha + kept;
  const part = alpha / both;
  const [blue, green, red] = [(below >> 16) & 255, (below >> 8) & 255, below & 255];
  data[at] =
    ((both + 0.5) << 24) |
    ((blue + (((tint >> 16) & 255) - blue) * part) << 16) |
    ((green + (((tint >> 8) & 255) - green) * part) << 8) |
    (red + ((tint & 255) - red) * part);
}
