// What a network sees in a picture: scores, activations, maps, filters, and an attack.

import { useEffect, useRef, useState } from "preact/hooks";
import { get, post } from "../common/server";
import { Choose, Slide } from "../playground/Controls";
import { Drawing } from "./Drawing";
import { bytesOf, drawPixels, type PixelMap, textOf } from "./pixels";

interface About {
  name: string;
  ready: boolean;
  progress: number;
  error: string;
  height: number;
  width: number;
  channels: number;
  layers: { name: string; channels: number; maps: boolean }[];
}
interface Look {
  scores: number[];
  layers: { name: string; shape: number[]; maps: PixelMap[] }[];
}
interface Attack {
  scores: number[];
  pixels: string;
  change: PixelMap;
}

const METHODS = {
  saliency: "Saliency: which pixels matter",
  smooth_grad: "SmoothGrad: saliency over noise",
  grad_cam: "Grad-CAM: which regions speak for it",
  guided: "Guided backpropagation",
};

type Fail = (message: string) => void;

export function Inspector({ onError }: { onError: Fail }) {
  const [about, setAbout] = useState<About | null>(null);
  const [pixels, setPixels] = useState<string | null>(null);
  const [look, setLook] = useState<Look | null>(null);
  const [filters, setFilters] = useState<PixelMap[]>([]);

  useEffect(() => {
    let timer = 0;
    const ask = async () => {
      try {
        const found = await get<About>("/api/inspector");
        setAbout(found);
        if (found.error) onError(found.error);
        else if (!found.ready) timer = window.setTimeout(ask, 500);
        else {
          // Some networks have no filters that can be drawn.
          const drawn = post<{ maps: PixelMap[] }>("/api/inspector/filters", {});
          setFilters(await drawn.then((one) => one.maps, () => []));
        }
      } catch (error) {
        onError((error as Error).message);
      }
    };
    void ask();
    return () => clearTimeout(timer);
  }, []);

  useEffect(() => {
    if (pixels === null) return;
    post<Look>("/api/inspector/look", { pixels }).then(
      (found) => {
        setLook(found);
        onError("");
      },
      (error: Error) => onError(error.message),
    );
  }, [pixels]);

  if (!about?.ready) {
    const part = Math.round((about?.progress ?? 0) * 100);
    return (
      <main aria-busy="true">
        <h1>Inspector</h1>
        <p role="status">
          The network that reads digits learns from MNIST first, this once: {part} %
        </p>
        <progress max="100" value={part} aria-label="Training" />
      </main>
    );
  }
  return (
    <main class="inspector">
      <section class="panel" aria-label="Picture">
        <h1>{about.name}</h1>
        <p class="quiet">
          {about.width === 28 ? "Draw a digit, or drop a picture." : "Drop a picture, or draw one."} The
          network gets {about.width} × {about.height} pixels from 0 to 1.
        </p>
        <Drawing {...about} onPixels={(bytes) => setPixels(textOf(bytes))} onError={onError} />
        {look && <Scores scores={look.scores} />}
      </section>
      <div>
        {!look && <p class="panel">Scores, activations and maps appear here after the first stroke.</p>}
        {look && pixels && (
          <>
            <Maps about={about} pixels={pixels} onError={onError} />
            <AttackPanel about={about} pixels={pixels} scores={look.scores} onError={onError} />
            <section class="panel" aria-label="Activations">
              <h2>Activations of each layer</h2>
              {look.layers.map((layer) => (
                <div key={layer.name} class="layer">
                  <h3>
                    {layer.name} <span class="quiet">{layer.shape.join(" × ")}</span>
                  </h3>
                  <div class="tiles">
                    {layer.maps.map((map, at) => (
                      <Pixels
                        key={at}
                        map={map}
                        wide={map.height === 1}
                        label={`${layer.name}, channel ${at}`}
                      />
                    ))}
                  </div>
                </div>
              ))}
            </section>
          </>
        )}
        {filters.length > 0 && (
          <section class="panel" aria-label="Filters">
            <h2>Filters of the first layer</h2>
            <div class="tiles">
              {filters.map((map, at) => <Pixels key={at} map={map} label={`Filter ${at}`} />)}
            </div>
          </section>
        )}
        <Feature about={about} onError={onError} />
      </div>
    </main>
  );
}

function Pixels({ map, label, wide, large }: { map: PixelMap; label: string; wide?: boolean; large?: boolean }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    if (canvas.current) drawPixels(canvas.current, map);
  }, [map]);
  const kind = wide ? "pixels wide" : large ? "pixels large" : "pixels";
  return <canvas ref={canvas} class={kind} role="img" aria-label={label} title={label} />;
}

function best(scores: number[]): number {
  return scores.indexOf(Math.max(...scores));
}

function Scores({ scores }: { scores: number[] }) {
  const order = scores.map((_, at) => at);
  if (scores.length > 10) order.sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0)).splice(10);
  const most = Math.max(1, ...scores);
  return (
    <div class="scores">
      <p role="status">
        The network sees class <b data-testid="verdict">{best(scores)}</b>
      </p>
      {order.map((at) => (
        <div key={at} class="score">
          <span>{at}</span>
          <span class="track">
            <span style={{ width: `${Math.max(0, ((scores[at] ?? 0) / most) * 100)}%` }} />
          </span>
          <span>{((scores[at] ?? 0) * 100).toFixed(1)} %</span>
        </div>
      ))}
    </div>
  );
}

function Maps({ about, pixels, onError }: { about: About; pixels: string; onError: Fail }) {
  const [maps, setMaps] = useState<Record<string, PixelMap>>({});
  const drawable = about.layers.filter((layer) => layer.maps);
  const [layer, setLayer] = useState(drawable[0]?.name ?? "");
  const [filter, setFilter] = useState(0);
  const [back, setBack] = useState<PixelMap | null>(null);
  useEffect(() => {
    let old = false;
    setMaps({});
    const ask = async () => {
      for (const method of Object.keys(METHODS)) {
        // Networks without convolutions have no Grad-CAM: its map stays away.
        const map = await post<PixelMap>("/api/inspector/map", { pixels, method }).catch(() => null);
        if (old) return;
        if (map) setMaps((before) => ({ ...before, [method]: map }));
      }
    };
    void ask();
    return () => {
      old = true;
    };
  }, [pixels]);
  useEffect(() => {
    if (!layer) return undefined;
    let old = false;
    post<PixelMap>("/api/inspector/map", { pixels, method: "deconvnet", layer, filter }).then(
      (map) => old || setBack(map),
      (error: Error) => old || onError(error.message),
    );
    return () => {
      old = true;
    };
  }, [pixels, layer, filter]);
  const channels = about.layers.find((one) => one.name === layer)?.channels ?? 1;
  return (
    <section class="panel" aria-label="Maps">
      <h2>What decides</h2>
      <div class="maps">
        {Object.entries(METHODS).map(([method, title]) =>
          maps[method] ? (
            <figure key={method}>
              <Pixels map={maps[method]!} label={title} large />
              <figcaption>{title}</figcaption>
            </figure>
          ) : null,
        )}
        {back && (
          <figure>
            <Pixels map={back} label="Deconvnet" large />
            <figcaption>
              Deconvnet: what makes a filter respond
              <Choose
                label="Layer"
                value={layer}
                options={Object.fromEntries(drawable.map(({ name }) => [name, name]))}
                onValue={(name) => {
                  setFilter(0);
                  setLayer(name);
                }}
              />
              <Slide
                label="Filter"
                value={filter}
                from={0}
                to={channels - 1}
                step={1}
                shown={String(filter)}
                onValue={setFilter}
              />
            </figcaption>
          </figure>
        )}
      </div>
    </section>
  );
}

function AttackPanel(props: { about: About; pixels: string; scores: number[]; onError: Fail }) {
  const { about, pixels, scores, onError } = props;
  const [strength, setStrength] = useState(0);
  const [target, setTarget] = useState("");
  const [attack, setAttack] = useState<Attack | null>(null);
  useEffect(() => {
    setAttack(null);
    if (strength === 0) return undefined;
    let old = false;
    // Wait until the slider rests.
    const timer = window.setTimeout(() => {
      const goal = target === "" ? null : Number(target);
      post<Attack>("/api/inspector/attack", { pixels, strength, target: goal }).then(
        (found) => old || setAttack(found),
        (error: Error) => old || onError(error.message),
      );
    }, 200);
    return () => {
      old = true;
      clearTimeout(timer);
    };
  }, [pixels, strength, target]);
  const classes = scores.slice(0, 50).map((_, at) => [String(at), `class ${at}`] as const);
  const { height, width, channels } = about;
  return (
    <section class="panel" aria-label="Adversarial change">
      <h2>A change that you hardly see</h2>
      <div class="row">
        <Slide
          label="Each pixel may change by"
          value={strength}
          from={0}
          to={0.3}
          step={0.01}
          shown={strength.toFixed(2)}
          onValue={setStrength}
        />
        <Choose
          label="Until the network sees"
          value={target}
          options={{ "": "something else", ...Object.fromEntries(classes) }}
          onValue={setTarget}
        />
      </div>
      {attack && (
        <div class="maps">
          <figure>
            <Pixels
              map={{ height, width, channels, signed: false, values: pixelsText(attack.pixels) }}
              label="The changed picture"
              large
            />
            <figcaption>changed</figcaption>
          </figure>
          <figure>
            <Pixels map={attack.change} label="The change, magnified" large />
            <figcaption>the change, magnified</figcaption>
          </figure>
          <p role="status">
            Before: class <b>{best(scores)}</b>. After: class{" "}
            <b data-testid="attacked">{best(attack.scores)}</b>,{" "}
            {(Math.max(...attack.scores) * 100).toFixed(1)} %.
          </p>
        </div>
      )}
    </section>
  );
}

function pixelsText(text: string): string {
  return textOf(bytesOf(text));
}

function Feature({ about, onError }: { about: About; onError: Fail }) {
  const [layer, setLayer] = useState(about.layers.at(-1)?.name ?? "");
  const [filter, setFilter] = useState(0);
  const [map, setMap] = useState<PixelMap | null>(null);
  const [busy, setBusy] = useState(false);
  const channels = about.layers.find((one) => one.name === layer)?.channels ?? 1;
  const make = async () => {
    setBusy(true);
    try {
      setMap(await post<PixelMap>("/api/inspector/feature", { layer, filter }));
    } catch (error) {
      onError((error as Error).message);
    }
    setBusy(false);
  };
  return (
    <section class="panel" aria-label="Feature visualisation">
      <h2>What a neuron likes best</h2>
      <div class="row">
        <Choose
          label="Layer"
          value={layer}
          options={Object.fromEntries(about.layers.map(({ name }) => [name, name]))}
          onValue={(name) => {
            setFilter(0);
            setLayer(name);
          }}
        />
        <Slide
          label="Channel"
          value={filter}
          from={0}
          to={channels - 1}
          step={1}
          shown={String(filter)}
          onValue={setFilter}
        />
        <button class="main" disabled={busy} onClick={() => void make()}>
          {busy ? "Climbing …" : "Make its picture"}
        </button>
      </div>
      {map && <Pixels map={map} label={`Picture for channel ${filter} of ${layer}`} large />}
    </section>
  );
}
