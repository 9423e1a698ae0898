// The WebSocket to the thread that trains, and its frames; the layout of a frame is
// described in nervure/studio/playground/frames.py.

import { openSocket } from "../common/server";
import type { Choices } from "./choices";

export interface Frame {
  epoch: number;
  trainLoss: number;
  testLoss: number;
  speed: number;
  side: number;
  small: number;
  trainRight: number; // parts that are right; NaN for regressions
  testRight: number;
  weights: Float32Array;
  outputs: Uint8Array[];
  neurons: Uint8Array[];
}

export interface Ready {
  sizes: number[];
  axes: [string, string];
  problem: string;
  classes: string[]; // none for two classes and for regressions
  train: [number, number, number][];
  test: [number, number, number][];
}

export interface Listener {
  hello(sklearn: Record<string, string>): void;
  ready(description: Ready): void;
  frame(frame: Frame): void;
  script(text: string): void;
  error(message: string): void;
}

export function decoded(buffer: ArrayBuffer): Frame {
  const view = new DataView(buffer);
  if (view.getUint32(0, true) !== 2) throw new Error("the frame has another version");
  const side = view.getUint16(20, true);
  const small = view.getUint16(22, true);
  const weights = view.getUint32(24, true);
  const count = view.getUint32(28, true);
  const results = view.getUint32(40, true);
  const output = 44 + 4 * weights;
  const first = output + results * side * side;
  const maps = (length: number, start: number, area: number) =>
    Array.from({ length }, (_, at) => new Uint8Array(buffer, start + at * area, area));
  return {
    epoch: view.getUint32(4, true),
    trainLoss: view.getFloat32(8, true),
    testLoss: view.getFloat32(12, true),
    speed: view.getFloat32(16, true),
    side,
    small,
    trainRight: view.getFloat32(32, true),
    testRight: view.getFloat32(36, true),
    weights: new Float32Array(buffer, 44, weights),
    outputs: maps(results, output, side * side),
    neurons: maps(count, first, small * small),
  };
}

/** Where the weights of each layer begin in a frame. */
export function offsets(sizes: number[]): { kernel: number; bias: number }[] {
  let at = 0;
  return sizes.slice(1).map((outputs, layer) => {
    const kernel = at;
    const bias = kernel + (sizes[layer] ?? 0) * outputs;
    at = bias + outputs;
    return { kernel, bias };
  });
}

// Frames that may wait for their pictures, as many as the server sends ahead; older ones
// come too late to be worth one.
const MOST_FRAMES = 3;

export class Connection {
  private readonly socket: WebSocket;
  private waiting: string[] = [];
  private frames: ArrayBuffer[] = [];
  private asked = 0; // the animation frame that is asked for, or 0
  private closed = false;

  constructor(private readonly listener: Listener) {
    this.socket = openSocket("/api/playground");
    this.socket.onopen = () => {
      for (const text of this.waiting) this.socket.send(text);
      this.waiting = [];
    };
    this.socket.onmessage = (event: MessageEvent) => this.hear(event.data);
    this.socket.onclose = () => {
      if (this.closed) return;
      listener.error(
        "The connection to the server is closed. Open the address that " +
          "`nervure studio` printed; if it has ended, start it again.",
      );
    };
  }

  private hear(data: unknown): void {
    if (data instanceof ArrayBuffer) {
      this.frames.push(data);
      while (this.frames.length > MOST_FRAMES) {
        this.frames.shift();
        this.tell({ type: "drawn" });
      }
      // A hidden page gets no animation frames; it should go on training all the same.
      if (document.hidden) this.show();
      else this.ask();
      return;
    }
    const message = JSON.parse(String(data));
    if (message.type === "hello") this.listener.hello(message.sklearn);
    else if (message.type === "ready") this.listener.ready(message);
    else if (message.type === "script") this.listener.script(message.text);
    else if (message.type === "error") this.listener.error(message.message);
  }

  private ask(): void {
    if (this.asked === 0) this.asked = requestAnimationFrame(() => this.show());
  }

  /** Draw one frame: where two came at once, the second is for the next picture. */
  private show(): void {
    this.asked = 0;
    const data = this.frames.shift();
    if (data === undefined || this.closed) return;
    this.listener.frame(decoded(data));
    this.tell({ type: "drawn" });
    if (this.frames.length > 0) this.ask();
  }

  private tell(message: object): void {
    const text = JSON.stringify(message);
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(text);
    else if (this.socket.readyState === WebSocket.CONNECTING) this.waiting.push(text);
  }

  configure(choices: Choices, table: string | null): void {
    const message = { type: "configure", choices };
    this.tell(table === null ? message : { ...message, table });
  }

  play(): void {
    this.tell({ type: "play" });
  }

  pause(): void {
    this.tell({ type: "pause" });
  }

  step(): void {
    this.tell({ type: "step" });
  }

  setWeight(layer: number, source: number, target: number, value: number): void {
    this.tell({ type: "weight", layer, source, target, value });
  }

  setRate(value: number): void {
    this.tell({ type: "rate", value });
  }

  setSpeed(epochs: number): void {
    this.tell({ type: "speed", epochs });
  }

  script(choices: Choices): void {
    this.tell({ type: "script", choices });
  }

  close(): void {
    this.closed = true;
    cancelAnimationFrame(this.asked);
    this.socket.close();
  }
}
