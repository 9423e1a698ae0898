// Everything that is set with lists, sliders and switches.

import type { ComponentChildren } from "preact";
import { type Choices, CLASSIFIED, type Looks, REGRESSED, TITLES } from "./choices";

type Change = (part: Partial<Choices>) => void;

interface Props {
  choices: Choices;
  looks: Looks;
  sklearn: Record<string, string>;
  onChoices: Change;
  onLooks(part: Partial<Looks>): void;
  onTable(text: string): void;
  onError(message: string): void;
}

const RATES = [0.00001, 0.0001, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
const PENALTIES = [0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10];
const OPTIMIZERS = {
  sgd: "SGD",
  momentum: "Momentum",
  adam: "Adam",
  adamw: "AdamW",
  rmsprop: "RMSprop",
  adagrad: "Adagrad",
  lion: "Lion",
};
const ACTIVATIONS = {
  relu: "ReLU",
  tanh: "Tanh",
  sigmoid: "Sigmoid",
  linear: "Linear",
  gelu: "GELU",
  selu: "SELU",
  swish: "Swish",
};
const SPEEDS = { 1: "1 epoch", 2: "2 epochs", 5: "5 epochs", 20: "20 epochs", 0: "as many as fit" };
const LARGEST_FILE = 2_000_000;

export function LearningControls({ choices, looks, onChoices, onLooks }: Props) {
  return (
    <div class="controls">
      <Choose
        label="Learning rate"
        value={String(choices.rate)}
        options={numbers(RATES, choices.rate)}
        onValue={(value) => onChoices({ rate: Number(value) })}
      />
      <Choose
        label="Optimizer"
        value={choices.optimizer}
        options={OPTIMIZERS}
        onValue={(optimizer) => onChoices({ optimizer })}
      />
      <Choose
        label="Activation"
        value={choices.activation}
        options={ACTIVATIONS}
        onValue={(activation) => onChoices({ activation })}
      />
      <Choose
        label="Regularization"
        value={choices.penalty}
        options={{ none: "None", l1: "L1", l2: "L2" }}
        onValue={(penalty) => onChoices({ penalty })}
      />
      <Choose
        label="Regularization rate"
        value={String(choices.penalty_rate)}
        options={numbers(PENALTIES, choices.penalty_rate)}
        onValue={(value) => onChoices({ penalty_rate: Number(value) })}
      />
      <Choose
        label="Problem"
        value={choices.problem}
        options={{ classification: "Classification", regression: "Regression" }}
        onValue={(problem) => {
          const known = problem === "regression" ? REGRESSED : CLASSIFIED;
          const own = !(choices.data in TITLES) || choices.data === "csv";
          onChoices({
            problem,
            data: own || known.includes(choices.data) ? choices.data : known[0]!,
          });
        }}
      />
      <Choose
        label="Each picture"
        value={String(looks.speed)}
        options={SPEEDS}
        onValue={(value) => onLooks({ speed: Number(value) })}
      />
    </div>
  );
}

export function DataControls(props: Props) {
  const { choices, looks, sklearn, onChoices, onLooks } = props;
  const known = choices.problem === "regression" ? REGRESSED : CLASSIFIED;
  const others = Object.fromEntries(
    Object.entries(sklearn).map(([name, title]) => [`sklearn:${name}`, title]),
  );
  const isOther = !known.includes(choices.data);
  return (
    <div class="data">
      <h2>Data</h2>
      <fieldset class="sets">
        <legend>Which data set?</legend>
        {known.map((name) => (
          <button
            key={name}
            aria-pressed={choices.data === name}
            onClick={() => onChoices({ data: name })}
          >
            {TITLES[name]}
          </button>
        ))}
      </fieldset>
      <Choose
        label="Other data"
        value={isOther ? choices.data : ""}
        options={{ "": "none", ...others, csv: "my CSV file" }}
        onValue={(data) => onChoices({ data: data || known[0]! })}
      />
      {choices.data === "csv" && <FileChoice {...props} />}
      <Slide
        label="Training part"
        value={choices.train_part}
        from={0.1}
        to={0.9}
        step={0.1}
        shown={`${Math.round(choices.train_part * 100)} %`}
        onValue={(value) => onChoices({ train_part: Math.round(value * 10) / 10 })}
      />
      <Slide
        label="Noise"
        value={choices.noise}
        from={0}
        to={0.5}
        step={0.05}
        shown={`${Math.round(choices.noise * 100)} %`}
        onValue={(value) => onChoices({ noise: Math.round(value * 100) / 100 })}
      />
      <Slide
        label="Batch size"
        value={choices.batch}
        from={1}
        to={100}
        step={1}
        shown={String(choices.batch)}
        onValue={(batch) => onChoices({ batch })}
      />
      <h2>Layers</h2>
      <Slide
        label="Dropout"
        value={choices.dropout}
        from={0}
        to={0.8}
        step={0.1}
        shown={`${Math.round(choices.dropout * 100)} %`}
        onValue={(value) => onChoices({ dropout: Math.round(value * 10) / 10 })}
      />
      <Switch
        label="Batch normalization"
        on={choices.batch_norm}
        onChange={(batch_norm) => onChoices({ batch_norm })}
      />
      <h2>View</h2>
      <Switch
        label="Show test points"
        on={looks.showTest}
        onChange={(showTest) => onLooks({ showTest })}
      />
      <Switch
        label="Discretize the output"
        on={looks.discrete}
        onChange={(discrete) => onLooks({ discrete })}
      />
      <button onClick={() => onChoices({ seed: Math.floor(Math.random() * 1e6) })}>
        New points and weights
      </button>
    </div>
  );
}

function FileChoice({ onTable, onError }: Props) {
  const take = async (input: HTMLInputElement) => {
    const file = input.files?.[0];
    if (!file) return;
    if (file.size > LARGEST_FILE) onError("The file is larger than 2 MB: take part of it.");
    else onTable(await file.text());
    // So that the same file, edited, can be chosen again.
    input.value = "";
  };
  return (
    <label class="field">
      <span>CSV file: two inputs, …, target</span>
      <input type="file" accept=".csv,text/csv" onChange={(event) => void take(event.currentTarget)} />
    </label>
  );
}

function numbers(list: number[], value: number): Record<string, string> {
  const all = list.includes(value) ? list : [...list, value];
  return Object.fromEntries([...all].sort((a, b) => a - b).map((one) => [String(one), String(one)]));
}

export function Choose(props: {
  label: string;
  value: string;
  options: Record<string, string>;
  onValue(value: string): void;
}) {
  // Objects put keys that look like numbers first, in their order: what is wanted here.
  return (
    <label class="field">
      <span>{props.label}</span>
      <select value={props.value} onChange={(event) => props.onValue(event.currentTarget.value)}>
        {Object.entries(props.options).map(([value, title]) => (
          <option value={value} key={value} selected={value === props.value}>
            {title}
          </option>
        ))}
      </select>
    </label>
  );
}

export function Slide(props: {
  label: string;
  value: number;
  from: number;
  to: number;
  step: number;
  shown: string;
  onValue(value: number): void;
}) {
  return (
    <label class="field slide">
      <span>
        {props.label}: <b>{props.shown}</b>
      </span>
      <input
        type="range"
        min={props.from}
        max={props.to}
        step={props.step}
        value={props.value}
        aria-valuetext={props.shown}
        onInput={(event) => props.onValue(Number(event.currentTarget.value))}
      />
    </label>
  );
}

export function Switch(props: {
  label: ComponentChildren;
  on: boolean;
  onChange(on: boolean): void;
}) {
  return (
    <label class="switch">
      <input
        type="checkbox"
        checked={props.on}
        onChange={(event) => props.onChange(event.currentTarget.checked)}
      />
      <span>{props.label}</span>
    </label>
  );
}
