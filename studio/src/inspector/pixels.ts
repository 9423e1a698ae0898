// Maps that the server sends, and pictures that it gets: bytes in base64.

import { drawMap } from "../common/colors";

export interface PixelMap {
  height: number;
  width: number;
  channels: number;
  signed: boolean;
  values: string;
}

export function bytesOf(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

export function textOf(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** Draw a map: signed ones from orange to blue, pictures in grey or colour. */
export function drawPixels(canvas: HTMLCanvasElement, map: PixelMap): void {
  const values = bytesOf(map.values);
  if (map.signed && map.channels === 1 && map.height === map.width) {
    drawMap(canvas, values, map.width);
    return;
  }
  canvas.width = map.width;
  canvas.height = map.height;
  const context = canvas.getContext("2d");
  if (!context) return;
  const image = context.createImageData(map.width, map.height);
  for (let at = 0; at < map.width * map.height; at += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      const place = map.channels === 3 ? at * 3 + channel : at;
      image.data[at * 4 + channel] = values[place] ?? 0;
    }
    image.data[at * 4 + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

/** Cut the middle out of a picture, in the proportions of the network's input. */
export function cut(picture: ImageBitmap, width: number, height: number): HTMLCanvasElement {
  const scale = Math.min(picture.width / width, picture.height / height);
  const [wide, high] = [width * scale, height * scale];
  const made = document.createElement("canvas");
  made.width = Math.max(1, Math.round(wide));
  made.height = Math.max(1, Math.round(high));
  const context = made.getContext("2d");
  const [left, top] = [(picture.width - wide) / 2, (picture.height - high) / 2];
  context?.drawImage(picture, left, top, wide, high, 0, 0, made.width, made.height);
  return made;
}

/** Scale a drawing down to the network's input, as bytes. */
export function sampled(
  source: CanvasImageSource,
  width: number,
  height: number,
  channels: number,
): Uint8Array {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = canvas.getContext("2d", { willReadFrequently: true });
  if (!context) return new Uint8Array(width * height * channels);
  context.imageSmoothingQuality = "high";
  context.fillStyle = "#000";
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const bytes = new Uint8Array(width * height * channels);
  for (let at = 0; at < width * height; at += 1) {
    const [r = 0, g = 0, b = 0] = data.subarray(at * 4, at * 4 + 3);
    if (channels === 3) bytes.set([r, g, b], at * 3);
    else bytes[at] = Math.round(0.299 * r + 0.587 * g + 0.114 * b);
  }
  return bytes;
}

/** Move and scale a white drawing on black as the digits of MNIST are: 20 pixels high or
 * wide, with the centre of mass in the middle of 28. */
export function centred(source: HTMLCanvasElement): HTMLCanvasElement {
  const side = source.width;
  const data = source.getContext("2d")?.getImageData(0, 0, side, side).data;
  const made = document.createElement("canvas");
  made.width = made.height = 280;
  const context = made.getContext("2d");
  if (!data || !context) return made;
  let [left, right, top, bottom, mass, sumX, sumY] = [side, 0, side, 0, 0, 0, 0];
  for (let y = 0; y < side; y += 1) {
    for (let x = 0; x < side; x += 1) {
      const value = data[(y * side + x) * 4] ?? 0;
      if (value < 30) continue;
      left = Math.min(left, x);
      right = Math.max(right, x);
      top = Math.min(top, y);
      bottom = Math.max(bottom, y);
      mass += value;
      sumX += value * x;
      sumY += value * y;
    }
  }
  context.fillRect(0, 0, 280, 280);
  if (mass === 0) return made;
  const scale = 200 / Math.max(right - left + 1, bottom - top + 1);
  const [x, y] = [140 - (sumX / mass) * scale, 140 - (sumY / mass) * scale];
  context.drawImage(source, x, y, side * scale, side * scale);
  return made;
}
