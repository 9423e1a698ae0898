// From -1 over 0 to 1: orange, grey, blue, as in the original playground. Both ends differ
// in lightness and hue for all common kinds of colour blindness.
const LOW = [245, 147, 34] as const;
const MIDDLE = [232, 234, 235] as const;
const HIGH = [8, 119, 189] as const;

/** Colours of the bytes from 0 (-1) to 255 (1), as pixels of `ImageData`. */
export const SHADES = new Uint32Array(256);
for (let at = 0; at < 256; at += 1) {
  const [r, g, b] = mixed((at - 127.5) / 127.5);
  SHADES[at] = (255 << 24) | (b << 16) | (g << 8) | r;
}

function mixed(value: number): [number, number, number] {
  const end = value < 0 ? LOW : HIGH;
  const part = Math.min(1, Math.abs(value));
  const mix = (at: 0 | 1 | 2) => Math.round(MIDDLE[at] + (end[at] - MIDDLE[at]) * part);
  return [mix(0), mix(1), mix(2)];
}

/** The colour of a number as 0xbbggrr. */
export function shadeOf(value: number): number {
  return SHADES[Math.round((Math.max(-1, Math.min(1, value)) + 1) * 127.5)]! & 0xffffff;
}

export function color(value: number): string {
  return `rgb(${mixed(value).join(",")})`;
}

// Ten classes; the first two are the ends of the scale above.
const CLASSES = [
  [8, 119, 189], [245, 147, 34], [44, 150, 60], [204, 51, 63], [128, 90, 190],
  [140, 96, 80], [220, 110, 180], [110, 116, 120], [160, 158, 30], [30, 175, 190],
] as const;

export function classColor(number: number): string {
  return `rgb(${CLASSES[number % CLASSES.length]!.join(",")})`;
}

/** Draw where which class is the most likely: the surer, the stronger its colour. */
export function drawClasses(
  canvas: HTMLCanvasElement,
  maps: Uint8Array[],
  side: number,
  discrete: boolean,
): void {
  if (canvas.width !== side) canvas.width = canvas.height = side;
  const context = canvas.getContext("2d");
  if (!context) return;
  const image = context.createImageData(side, side);
  for (let at = 0; at < side * side; at += 1) {
    let best = 0;
    for (let one = 1; one < maps.length; one += 1) {
      if (maps[one]![at]! > maps[best]![at]!) best = one;
    }
    const least = 1 / maps.length;
    const surely = Math.max(0, (maps[best]![at]! / 255 - least) / (1 - least));
    const part = discrete ? 1 : 0.25 + 0.75 * surely;
    const end = CLASSES[best % CLASSES.length]!;
    for (const channel of [0, 1, 2] as const) {
      image.data[at * 4 + channel] = MIDDLE[channel] + (end[channel] - MIDDLE[channel]) * part;
    }
    image.data[at * 4 + 3] = 255;
  }
  context.putImageData(image, 0, 0);
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
    pixels[at] = SHADES[discrete ? (value < 128 ? 0 : 255) : value] ?? 0;
  }
  context.putImageData(image, 0, 0);
}
