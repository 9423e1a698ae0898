// A square to draw in, to drop a picture on, or to fill from a file.

import { useEffect, useRef } from "preact/hooks";
import { centred, cut, sampled } from "./pixels";

const SIDE = 280;

interface Props {
  width: number;
  height: number;
  channels: number;
  onPixels(bytes: Uint8Array): void;
  onError(message: string): void;
}

export function Drawing({ width, height, channels, onPixels, onError }: Props) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const last = useRef<[number, number] | null>(null);
  const isDigit = channels === 1 && width === 28 && height === 28;

  const clear = () => {
    const context = canvas.current?.getContext("2d");
    if (!context) return;
    context.fillStyle = "#000";
    context.fillRect(0, 0, SIDE, SIDE);
  };
  useEffect(clear, []);

  const stroke = (event: PointerEvent) => {
    const element = canvas.current;
    const context = element?.getContext("2d");
    if (!element || !context) return;
    const box = element.getBoundingClientRect();
    const place: [number, number] = [
      ((event.clientX - box.left) / box.width) * SIDE,
      ((event.clientY - box.top) / box.height) * SIDE,
    ];
    context.strokeStyle = "#fff";
    context.lineWidth = 22;
    context.lineCap = "round";
    context.beginPath();
    context.moveTo(...(last.current ?? place));
    context.lineTo(...place);
    context.stroke();
    last.current = place;
  };

  const hand = () => {
    const element = canvas.current;
    if (!element) return;
    const source = isDigit ? centred(element) : element;
    onPixels(sampled(source, width, height, channels));
  };

  const take = async (file: File | undefined) => {
    if (!file) return;
    try {
      const picture = await createImageBitmap(file);
      clear();
      const middle = cut(picture, width, height);
      canvas.current?.getContext("2d")?.drawImage(middle, 0, 0, SIDE, SIDE);
      onPixels(sampled(middle, width, height, channels));
    } catch {
      onError("This file is no picture that the browser can read: take a PNG or JPEG file.");
    }
  };

  return (
    <div class="drawing">
      <canvas
        ref={canvas}
        width={SIDE}
        height={SIDE}
        data-testid="drawing"
        role="img"
        aria-label="Draw here, or choose a file below"
        onPointerDown={(event) => {
          event.currentTarget.setPointerCapture(event.pointerId);
          last.current = null;
          stroke(event);
        }}
        onPointerMove={(event) => {
          if (event.buttons) stroke(event);
        }}
        onPointerUp={hand}
        onDragOver={(event) => event.preventDefault()}
        onDrop={(event) => {
          event.preventDefault();
          void take(event.dataTransfer?.files[0]);
        }}
      />
      <div class="row">
        <button onClick={clear}>Clear</button>
        <label class="button">
          Choose a picture
          <input
            class="hidden"
            type="file"
            accept="image/*"
            onChange={(event) => void take(event.currentTarget.files?.[0])}
          />
        </label>
      </div>
    </div>
  );
}
