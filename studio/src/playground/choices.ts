// What can be set on the page, and how an address says it.

export const FEATURES = {
  x: "x₁",
  y: "x₂",
  xSquared: "x₁²",
  ySquared: "x₂²",
  xTimesY: "x₁x₂",
  sinX: "sin x₁",
  sinY: "sin x₂",
} as const;
export type Feature = keyof typeof FEATURES;

export interface Choices {
  data: string;
  noise: number;
  train_part: number;
  batch: number;
  features: Feature[];
  hidden: number[];
  activation: string;
  problem: string;
  optimizer: string;
  rate: number;
  penalty: string;
  penalty_rate: number;
  dropout: number;
  batch_norm: boolean;
  seed: number;
}

/** What is only shown differently, or how fast it runs: nothing starts again for it. */
export interface Looks {
  speed: number;
  discrete: boolean;
  showTest: boolean;
}

export const FIRST: Choices = {
  data: "circle",
  noise: 0,
  train_part: 0.5,
  batch: 10,
  features: ["x", "y"],
  hidden: [4, 2],
  activation: "tanh",
  problem: "classification",
  optimizer: "sgd",
  rate: 0.03,
  penalty: "none",
  penalty_rate: 0,
  dropout: 0,
  batch_norm: false,
  seed: 0,
};
export const FIRST_LOOKS: Looks = { speed: 2, discrete: false, showTest: false };

export const CLASSIFIED = ["circle", "xor", "gauss", "spiral"];
export const REGRESSED = ["plane", "multigauss"];
export const TITLES: Record<string, string> = {
  circle: "Circle",
  xor: "Exclusive or",
  gauss: "Gaussians",
  spiral: "Spiral",
  plane: "Plane",
  multigauss: "Hills",
  csv: "My CSV file",
};

export const MOST_LAYERS = 6;
export const MOST_NEURONS = 8;

type Value = string | number | boolean | (string | number)[];

/** Write what differs from the first choices: "/playground?data=spiral&hidden=8.8". */
export function written(choices: Choices, looks: Looks): string {
  const first = { ...FIRST, ...FIRST_LOOKS } as unknown as Record<string, Value>;
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries({ ...choices, ...looks })) {
    const text = asText(value as Value);
    if (text !== asText(first[name] ?? "")) parts.set(name, text);
  }
  const query = parts.toString();
  return query ? `/playground?${query}` : "/playground";
}

/** The address of the page that shows the graph of the network. */
export function graphAddress(choices: Choices, outputs: number): string {
  const [, query = ""] = written(choices, FIRST_LOOKS).split("?");
  return `#/graph?${query}${query ? "&" : ""}outputs=${outputs}`;
}

function asText(value: Value): string {
  return Array.isArray(value) ? value.join(".") : String(value);
}

/** Read an address; what makes no sense is left as it is at first. */
export function read(query: string): { choices: Choices; looks: Looks } {
  const found = new URLSearchParams(query);
  return {
    choices: taken({ ...FIRST }, found),
    looks: taken({ ...FIRST_LOOKS }, found),
  };
}

function taken<T extends object>(into: T, found: URLSearchParams): T {
  const table = into as unknown as Record<string, Value>;
  for (const [name, first] of Object.entries(table)) {
    const text = found.get(name);
    if (text !== null) table[name] = parsed(name, text, first) ?? first;
  }
  return into;
}

function parsed(name: string, text: string, first: Value): Value | null {
  if (name === "hidden") {
    const sizes = text === "" ? [] : text.split(".").map(Number);
    const fit = sizes.every((one) => Number.isInteger(one) && one > 0 && one <= 8);
    return fit && sizes.length <= MOST_LAYERS ? sizes : null;
  }
  if (name === "features") {
    const known = text.split(".").filter((one) => one in FEATURES);
    return known.length > 0 ? known : null;
  }
  if (typeof first === "number") {
    const number = Number(text);
    return Number.isFinite(number) ? number : null;
  }
  if (typeof first === "boolean") return text === "true";
  return text;
}
