// From -1 over 0 to 1: orange, grey, blue, as in the original playground. Both ends differ
// in lightness and hue for all common kinds of colour blindness.
const LOW = [245, 147, 34] as const;
const MIDDLE = [232, 234, 235] as const;
const HIGH = [8, 119, 189] as const;

const TABLE = new Uint32Array(256);
for (let at = 0; at < 256; at += 1) {
  const [r, g, b] = mixed((at - 127.5) / 127.5);
  TABLE[at] = (255 << 24) | (b << 16) | (g << 8) | r;
}

function mixed(value: number): [number, number, number] {
  const end = value < 0 ? LOW : HIGH;
  const part = Math.min(1, Math.abs(value));
  const mix = (at: 0 | 1 | 2) => Math.round(MIDDLE[at] + (end[at] - MIDDLE[at]) * part);
  return [mix(0), mix(1), mix(2)];
}

export function color(value: number): string {
  return `rgb(${mixed(value).join(",")})`;
}

/** Draw bytes from 0 (-1) to 255 (1) on a canvas of the same size. */
export function drawMap(
  canvas: HTMLCanvasElement,
  values: Uint8Array,
  side: number,
  discrete = false,
): void {
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const context = canvas.getContext("2d");
  if (!context || values.length < side * side) return;
  const image = context.createImageData(side, side);
  const pixels = new Uint32Array(image.data.buffer);
  for (let at = 0; at < side * side; at += 1) {
    const value = values[at] ?? 0;
    pixels[at] = TABLE[discrete ? (value < 128 ? 0 : 255) : value] ?? 0;
  }
  context.putImageData(image, 0, 0);
}
