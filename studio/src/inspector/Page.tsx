// What a network sees in a picture: scores, activations, maps, filters, and an attack.

import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { get, post } from "../common/server";
import { Choose, Slide } from "../playground/Controls";
import { Drawing } from "./Drawing";
import { bytesOf, drawPixels, type PixelMap, textOf } from "./pixels";

interface Listed {
  networks: { id: string; title: string }[];
}
interface About {
  name: string;
  ready: boolean;
  progress: number;
  error: string;
  height: number;
  width: number;
  channels: number;
  layers: { name: string; channels: number; maps: boolean; shape: number[] }[];
  classes: string[]; // names, or none
}
interface Layer {
  name: string;
  shape: number[];
  maps: PixelMap[];
}
interface Look {
  scores: number[];
  layers: Layer[]; // none where there are too many
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

/** Asks about one network. */
type Ask = <T>(question: string, asked?: object) => Promise<T>;

export function Inspector({ onError }: { onError: Fail }) {
  const [networks, setNetworks] = useState<Listed["networks"]>([]);
  const [network, setNetwork] = useState("");
  useEffect(() => {
    get<Listed>("/api/about").then(
      (found) => {
        setNetworks(found.networks);
        setNetwork(found.networks[0]?.id ?? "");
      },
      (error: Error) => onError(error.message),
    );
  }, []);
  if (!network) return <main aria-busy="true"><h1>Inspector</h1></main>;
  const chooser = (
    <Choose
      label="Network"
      value={network}
      options={Object.fromEntries(networks.map(({ id, title }) => [id, title]))}
      onValue={(id) => {
        onError("");
        setNetwork(id);
      }}
    />
  );
  return <OneNetwork key={network} network={network} chooser={chooser} onError={onError} />;
}

interface OneProps {
  network: string;
  chooser: ComponentChildren;
  onError: Fail;
}

function OneNetwork({ network, chooser, onError }: OneProps) {
  const ask: Ask = (question, asked) =>
    post(`/api/inspector/${question}`, { ...asked, network });
  const [about, setAbout] = useState<About | null>(null);
  const [pixels, setPixels] = useState<string | null>(null);
  const [look, setLook] = useState<Look | null>(null);
  const [filters, setFilters] = useState<PixelMap[]>([]);

  useEffect(() => {
    let timer = 0;
    const begin = async () => {
      try {
        const found = await get<About>(`/api/inspector?network=${encodeURIComponent(network)}`);
        setAbout(found);
        if (found.error) onError(found.error);
        else if (!found.ready) timer = window.setTimeout(begin, 500);
        else {
          // Some networks have no filters that can be drawn.
          const drawn = ask<{ maps: PixelMap[] }>("filters");
          setFilters(await drawn.then((one) => one.maps, () => []));
        }
      } catch (error) {
        onError((error as Error).message);
      }
    };
    void begin();
    return () => clearTimeout(timer);
  }, []);

  useEffect(() => {
    if (pixels === null) return undefined;
    let old = false;
    ask<Look>("look", { pixels }).then(
      (found) => {
        if (old) return;
        setLook(found);
        onError("");
      },
      (error: Error) => old || onError(error.message),
    );
    return () => {
      old = true;
    };
  }, [pixels]);

  if (!about?.ready) {
    const part = Math.round((about?.progress ?? 0) * 100);
    const learns = about !== null && !about.error;
    return (
      <main aria-busy={about === null || learns}>
        <h1>Inspector</h1>
        {chooser}
        {learns && (
          <>
            <p role="status">
              The network that reads digits learns from MNIST first, this once: {part} %
            </p>
            <progress max="100" value={part} aria-label="Training" />
          </>
        )}
      </main>
    );
  }
  const named = (at: number) => about.classes[at] ?? String(at);
  return (
    <main class="inspector">
      <section class="panel" aria-label="Picture">
        <h1>{about.name}</h1>
        {chooser}
        <p class="quiet">
          {about.width === 28 ? "Draw a digit, or drop a picture." : "Drop a photo, or draw."} The
          network gets {about.width} × {about.height} pixels.
        </p>
        <Drawing {...about} onPixels={(bytes) => setPixels(textOf(bytes))} onError={onError} />
        {look && <Scores scores={look.scores} named={named} />}
      </section>
      <div>
        {!look && <p class="panel">Scores, activations and maps appear here after the first stroke.</p>}
        {look && pixels && (
          <>
            <Maps about={about} ask={ask} pixels={pixels} onError={onError} />
            <AttackPanel
              about={about}
              ask={ask}
              named={named}
              pixels={pixels}
              scores={look.scores}
              onError={onError}
            />
            <section class="panel" aria-label="Activations">
              <h2>Activations of each layer</h2>
              {look.layers.map((layer) => <Activations key={layer.name} layer={layer} />)}
              {look.layers.length === 0 && (
                <ChosenLayer about={about} ask={ask} pixels={pixels} onError={onError} />
              )}
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
        <Feature about={about} ask={ask} named={named} onError={onError} />
      </div>
    </main>
  );
}

function Activations({ layer }: { layer: Layer }) {
  return (
    <div class="layer">
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
  );
}

interface PartProps {
  about: About;
  ask: Ask;
  pixels: string;
  onError: Fail;
}

/** One layer of a deep network, which has too many to show them all. */
function ChosenLayer({ about, ask, pixels, onError }: PartProps) {
  const [at, setAt] = useState(0);
  const [layer, setLayer] = useState<Layer | null>(null);
  const name = about.layers[at]?.name ?? "";
  useEffect(() => {
    let old = false;
    ask<Layer>("layer", { pixels, layer: name }).then(
      (found) => old || setLayer(found),
      (error: Error) => old || onError(error.message),
    );
    return () => {
      old = true;
    };
  }, [pixels, name]);
  return (
    <>
      <div class="row">
        <Choose
          label="Layer"
          value={String(at)}
          options={Object.fromEntries(
            about.layers.map((one, place) => [String(place), `${one.name} (${one.shape.join(" × ")})`]),
          )}
          onValue={(place) => setAt(Number(place))}
        />
        <Slide
          label="Depth"
          value={at}
          from={0}
          to={about.layers.length - 1}
          step={1}
          shown={`${at + 1} of ${about.layers.length}`}
          onValue={setAt}
        />
      </div>
      {layer && <Activations layer={layer} />}
    </>
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

type Named = (at: number) => string;

function Scores({ scores, named }: { scores: number[]; named: Named }) {
  const order = scores.map((_, at) => at);
  if (scores.length > 10) order.sort((a, b) => (scores[b] ?? 0) - (scores[a] ?? 0)).splice(10);
  const most = Math.max(1, ...scores);
  return (
    <div class="scores">
      <p role="status">
        The network sees <b data-testid="verdict">{named(best(scores))}</b>
      </p>
      {order.map((at) => (
        <div key={at} class={named(at).length > 2 ? "score words" : "score"}>
          <span>{named(at)}</span>
          <span class="track">
            <span style={{ width: `${Math.max(0, ((scores[at] ?? 0) / most) * 100)}%` }} />
          </span>
          <span>{((scores[at] ?? 0) * 100).toFixed(1)} %</span>
        </div>
      ))}
    </div>
  );
}

function Maps({ about, ask, pixels, onError }: PartProps) {
  const [maps, setMaps] = useState<Record<string, PixelMap>>({});
  const drawable = about.layers.filter((layer) => layer.maps);
  const [layer, setLayer] = useState(drawable[Math.floor(drawable.length / 2)]?.name ?? "");
  const [filter, setFilter] = useState(0);
  const [back, setBack] = useState<PixelMap | null>(null);
  useEffect(() => {
    let old = false;
    setMaps({});
    const work = async () => {
      for (const method of Object.keys(METHODS)) {
        // Networks without convolutions have no Grad-CAM: its map stays away.
        const map = await ask<PixelMap>("map", { pixels, method }).catch(() => null);
        if (old) return;
        if (map) setMaps((before) => ({ ...before, [method]: map }));
      }
    };
    void work();
    return () => {
      old = true;
    };
  }, [pixels]);
  useEffect(() => {
    if (!layer) return undefined;
    let old = false;
    ask<PixelMap>("map", { pixels, method: "deconvnet", layer, filter }).then(
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

function AttackPanel(props: PartProps & { scores: number[]; named: Named }) {
  const { about, ask, pixels, scores, named, onError } = props;
  // Photos change their class for much less than digits do.
  const most = about.channels === 3 ? 0.05 : 0.3;
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
      ask<Attack>("attack", { pixels, strength, target: goal }).then(
        (found) => old || setAttack(found),
        (error: Error) => old || onError(error.message),
      );
    }, 200);
    return () => {
      old = true;
      clearTimeout(timer);
    };
  }, [pixels, strength, target]);
  const classes = scores.map((_, at) => [String(at), named(at)] as const);
  const { height, width, channels } = about;
  return (
    <section class="panel" aria-label="Adversarial change">
      <h2>A change that you hardly see</h2>
      <div class="row">
        <Slide
          label="Each pixel may change by"
          value={strength}
          from={0}
          to={most}
          step={most / 30}
          shown={strength === 0 ? "0" : strength.toPrecision(2)}
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
            Before: <b>{named(best(scores))}</b>. After:{" "}
            <b data-testid="attacked">{named(best(attack.scores))}</b>,{" "}
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

function Feature(props: { about: About; ask: Ask; named: Named; onError: Fail }) {
  const { about, ask, named, onError } = props;
  const [layer, setLayer] = useState(about.layers.at(-1)?.name ?? "");
  const [filter, setFilter] = useState(0);
  const [map, setMap] = useState<PixelMap | null>(null);
  const [busy, setBusy] = useState(false);
  const channels = about.layers.find((one) => one.name === layer)?.channels ?? 1;
  const make = async () => {
    setBusy(true);
    try {
      setMap(await ask<PixelMap>("feature", { layer, filter }));
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
          shown={layer === about.layers.at(-1)?.name ? named(filter) : String(filter)}
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
