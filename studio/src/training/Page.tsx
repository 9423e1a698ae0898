// Runs: live curves, histograms, pictures and warnings from event files.

import { useEffect, useRef, useState } from "preact/hooks";
import { Slide, Switch } from "../playground/Controls";
import { get, post } from "../common/server";
import { type Histogram, Histograms } from "./Histograms";
import { type Curve, LineChart, short } from "./LineChart";

interface Listed {
  runs: { name: string; changed: number }[];
}
interface Scalars {
  curves: Record<string, Record<string, Curve>>;
  warnings: { run: string; step: number; text: string }[];
  damage: string[];
}
interface Details {
  histograms: Record<string, Histogram[]>;
  images: { tag: string; step: number; data: string }[];
  texts: Record<string, string>;
}

const COLORS = ["#0b7a75", "#c2410c", "#6d4bc3", "#b0306a", "#4d7c0f", "#1d6fb8", "#8a6d00", "#6b7280"];
const PAUSE = 1500; // milliseconds between two looks at the files
const LIVE = 30; // seconds since the last change that make a run a running one

export function Training({ onError }: { onError(message: string): void }) {
  const [listed, setListed] = useState<Listed["runs"] | null>(null);
  const [hidden, setHidden] = useState<Set<string>>(new Set());
  const [scalars, setScalars] = useState<Scalars | null>(null);
  const [details, setDetails] = useState<Details | null>(null);
  const [run, setRun] = useState("");
  const [smooth, setSmooth] = useState(0);
  const [logarithmic, setLogarithmic] = useState(false);
  const seen = useRef("");

  useEffect(() => {
    let timer = 0;
    let ended = false;
    const look = async () => {
      try {
        const found = (await get<Listed>("/api/runs")).runs;
        const chosen = found.filter(({ name }) => !hidden.has(name)).map(({ name }) => name);
        const state = JSON.stringify([found, chosen, run]);
        if (state !== seen.current && !document.hidden) {
          setListed(found);
          setScalars(await post<Scalars>("/api/runs/scalars", { runs: chosen }));
          const shown = found.some(({ name }) => name === run) ? run : (found[0]?.name ?? "");
          if (shown !== run) setRun(shown);
          else if (shown) setDetails(await post<Details>("/api/runs/details", { run: shown }));
          seen.current = state;
          onError("");
        }
      } catch (error) {
        onError((error as Error).message);
      }
      if (!ended) timer = window.setTimeout(look, PAUSE);
    };
    void look();
    return () => {
      ended = true;
      clearTimeout(timer);
    };
  }, [hidden, run]);

  if (listed === null) return <main aria-busy="true"><p role="status">Reading runs …</p></main>;
  if (listed.length === 0) return <Empty />;
  const colors = Object.fromEntries(
    listed.map(({ name }, at) => [name, COLORS[at % COLORS.length] ?? "#888"]),
  );
  const tags = Object.keys(scalars?.curves ?? {}).sort((a, b) => rank(a) - rank(b));
  return (
    <main class="training">
      <aside>
        <h1>Runs</h1>
        <ul class="runs">
          {listed.map(({ name, changed }) => (
            <li key={name}>
              <Switch
                label={
                  <>
                    <span class="dot" style={{ background: colors[name] }} /> {name}
                    {Date.now() / 1000 - changed < LIVE && <span class="live">live</span>}
                  </>
                }
                on={!hidden.has(name)}
                onChange={(on) => {
                  const next = new Set(hidden);
                  if (on) next.delete(name);
                  else next.add(name);
                  setHidden(next);
                }}
              />
            </li>
          ))}
        </ul>
        <Slide
          label="Smoothing"
          value={smooth}
          from={0}
          to={0.95}
          step={0.05}
          shown={smooth.toFixed(2)}
          onValue={setSmooth}
        />
        <Switch label="Logarithmic" on={logarithmic} onChange={setLogarithmic} />
      </aside>
      <div>
        {scalars && scalars.warnings.length + scalars.damage.length > 0 && (
          <section class="panel warnings" aria-label="Warnings">
            <h2>Warnings</h2>
            <ul>
              {scalars.warnings.map((one) => (
                <li key={`${one.run}${one.step}${one.text}`}>
                  <b>{one.run}</b>, step {one.step}: {one.text}
                </li>
              ))}
              {scalars.damage.map((text) => <li key={text}>{text}</li>)}
            </ul>
          </section>
        )}
        <div class="charts">
          {tags.map((tag) => (
            <LineChart
              key={tag}
              title={tag}
              curves={scalars?.curves[tag] ?? {}}
              colors={colors}
              smooth={smooth}
              logarithmic={logarithmic}
            />
          ))}
        </div>
        {scalars && <LastNumbers scalars={scalars} tags={tags} />}
        <RunDetails runs={listed.map(({ name }) => name)} run={run} details={details} onRun={setRun} />
      </div>
    </main>
  );
}

const ORDER = ["epoch_loss", "epoch_", "batch_", "evaluation_"];

/** What people look for first comes first. */
function rank(tag: string): number {
  const found = ORDER.findIndex((start) => tag.startsWith(start));
  return found < 0 ? ORDER.length : found;
}

function LastNumbers({ scalars, tags }: { scalars: Scalars; tags: string[] }) {
  const runs = [...new Set(tags.flatMap((tag) => Object.keys(scalars.curves[tag] ?? {})))];
  return (
    <details class="panel">
      <summary>Last numbers as a table</summary>
      <div class="scroll" tabIndex={0} role="region" aria-label="Last numbers">
        <table>
          <thead>
            <tr><th scope="col">run</th>{tags.map((tag) => <th scope="col" key={tag}>{tag}</th>)}</tr>
          </thead>
          <tbody>
            {runs.map((run) => (
              <tr key={run}>
                <th scope="row">{run}</th>
                {tags.map((tag) => (
                  <td key={tag}>{short(scalars.curves[tag]?.[run]?.at(-1)?.[1] ?? NaN)}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </details>
  );
}

function RunDetails(props: {
  runs: string[];
  run: string;
  details: Details | null;
  onRun(run: string): void;
}) {
  const { details } = props;
  return (
    <section aria-label="One run">
      <div class="row">
        <h2>Weights, gradients and pictures of</h2>
        <select aria-label="Run" value={props.run} onChange={(event) => props.onRun(event.currentTarget.value)}>
          {props.runs.map((one) => (
            <option key={one} value={one} selected={one === props.run}>{one}</option>
          ))}
        </select>
      </div>
      {details && (
        <div class="charts">
          {Object.entries(details.histograms).map(([tag, list]) => (
            <Histograms key={tag} tag={tag} list={list} />
          ))}
          {details.images.map((image) => (
            <figure class="panel chart" key={image.tag}>
              <figcaption>{image.tag}, step {image.step}</figcaption>
              <img class="pixels" alt={image.tag} src={pngAddress(image.data)} />
            </figure>
          ))}
          {Object.entries(details.texts).map(([tag, text]) => (
            <figure class="panel chart" key={tag}>
              <figcaption>{tag}</figcaption>
              <pre>{text}</pre>
            </figure>
          ))}
        </div>
      )}
    </section>
  );
}

function pngAddress(data: string): string {
  return `data:image/png;base64,${data}`;
}

function Empty() {
  return (
    <main>
      <h1>No runs yet</h1>
      <p>Train with the studio's callback, and curves appear here while it runs:</p>
      <pre class="panel">{`model.fit(x, y, epochs=10,
          callbacks=[nv.callbacks.Studio("logs")])`}</pre>
      <p>
        Other folders, and those of TensorBoard: <code>nervure studio FOLDER</code>
      </p>
    </main>
  );
}
