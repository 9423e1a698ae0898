// A small dialog with all weights that lead into one neuron, and its bias.

import { useEffect, useRef, useState } from "preact/hooks";
import { FEATURES, type Feature } from "./choices";
import { type Frame, offsets } from "./connection";
import type { Edit } from "./Network";

interface Props {
  edit: Edit;
  sizes: number[];
  features: Feature[];
  classes: string[];
  frame: Frame | null;
  onWeight(layer: number, source: number, target: number, value: number): void;
  onClose(): void;
}

export function Weights({ edit, sizes, features, classes, frame, onWeight, onClose }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  const { layer, target, source } = edit;
  const inputs = sizes[layer] ?? 0;
  const outputs = sizes[layer + 1] ?? 0;
  const place = offsets(sizes)[layer];
  // Read once: what is typed must not change under the hands of the writer.
  const [first] = useState(() => frame?.weights ?? new Float32Array());
  useEffect(() => {
    dialog.current?.showModal();
    const name = source === null ? "weight-0" : `weight-${source}`;
    dialog.current?.querySelector<HTMLInputElement>(`[name="${name}"]`)?.select();
  }, []);
  if (!place) return null;
  const isOutput = layer === sizes.length - 2;
  const title = isOutput ? (classes[target] ? `Output of ${classes[target]}` : "Output") : `Neuron ${target + 1} of hidden layer ${layer + 1}`;
  const nameOf = (at: number) =>
    layer === 0 ? FEATURES[features[at] ?? "x"] : `neuron ${at + 1} of layer ${layer}`;
  const field = (label: string, from: number, index: number) => (
    <label class="field" key={from}>
      <span>{label}</span>
      <input
        type="number"
        step="0.1"
        name={from < 0 ? "bias" : `weight-${from}`}
        value={(first[index] ?? 0).toFixed(3)}
        onInput={(event) => {
          const value = event.currentTarget.valueAsNumber;
          if (Number.isFinite(value)) onWeight(layer, from, target, value);
        }}
      />
    </label>
  );
  return (
    <dialog ref={dialog} class="weights" aria-labelledby="weights-title" onClose={onClose}>
      <form method="dialog" noValidate>
        <h2 id="weights-title">{title}</h2>
        {Array.from({ length: inputs }, (_, at) =>
          field(`Weight of ${nameOf(at)}`, at, place.kernel + at * outputs + target),
        )}
        {field("Bias", -1, place.bias + target)}
        <button class="main">Done</button>
      </form>
    </dialog>
  );
}
