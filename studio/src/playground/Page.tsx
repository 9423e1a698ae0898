import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { type Choices, graphAddress, type Looks, read, written } from "./choices";
import { Connection, type Frame, type Ready } from "./connection";
import { DataControls, LearningControls } from "./Controls";
import { type Edit, type FrameSource, Network } from "./Network";
import { Output } from "./Output";
import { Weights } from "./Weights";

interface Props {
  query: string;
  onError(message: string): void;
}

class Frames implements FrameSource {
  last: Frame | null = null;
  private readonly drawers = new Set<(frame: Frame) => void>();

  subscribe(draw: (frame: Frame) => void): () => void {
    this.drawers.add(draw);
    return () => this.drawers.delete(draw);
  }

  show(frame: Frame): void {
    this.last = frame;
    for (const draw of this.drawers) draw(frame);
  }
}

export function Playground({ query, onError }: Props) {
  const start = useMemo(() => read(query), []);
  const [choices, setChoices] = useState<Choices>(start.choices);
  const [looks, setLooks] = useState<Looks>(start.looks);
  const [sklearn, setSklearn] = useState<Record<string, string>>({});
  const [ready, setReady] = useState<Ready | null>(null);
  const [playing, setPlaying] = useState(false);
  const [busy, setBusy] = useState(true);
  const [edit, setEdit] = useState<Edit | null>(null);
  const [neuron, setNeuron] = useState<number | null>(null);
  const [script, setScript] = useState<string | null>(null);
  const frames = useMemo(() => new Frames(), []);
  const connection = useRef<Connection | null>(null);
  const table = useRef<string | null>(null);
  const epoch = useRef<HTMLOutputElement>(null);

  useEffect(() => {
    const made = new Connection({
      hello: setSklearn,
      ready: (description) => {
        setReady(description);
        setBusy(false);
        if (description.problem !== start.choices.problem) {
          setChoices((old) => ({ ...old, problem: description.problem }));
        }
      },
      frame: (frame) => {
        if (epoch.current) epoch.current.value = frame.epoch.toLocaleString("en");
        frames.show(frame);
      },
      script: setScript,
      error: (message) => {
        setBusy(false);
        setPlaying(false);
        onError(message);
      },
    });
    connection.current = made;
    made.setSpeed(looks.speed);
    if (choices.data !== "csv") made.configure(choices, null);
    else setBusy(false);
    return () => made.close();
  }, []);

  useEffect(() => {
    history.replaceState(null, "", `#${written(choices, looks)}`);
  }, [choices, looks]);

  const change = useCallback(
    (part: Partial<Choices>) => {
      const next = { ...choices, ...part };
      setChoices(next);
      onError("");
      // Without any part it is "Reset": everything starts again.
      if (Object.keys(part).join() === "rate") {
        connection.current?.setRate(next.rate);
        return;
      }
      setEdit(null);
      setPlaying(false);
      connection.current?.pause();
      if (next.data === "csv" && table.current === null) return;
      setBusy(true);
      connection.current?.configure(next, table.current);
    },
    [choices],
  );

  const changeLooks = (part: Partial<Looks>) => {
    const next = { ...looks, ...part };
    setLooks(next);
    if (part.speed !== undefined) connection.current?.setSpeed(next.speed);
  };

  const play = () => {
    if (playing) connection.current?.pause();
    else connection.current?.play();
    setPlaying(!playing);
  };

  const outputs = ready?.sizes.at(-1) ?? 1;
  const controls = {
    choices,
    looks,
    sklearn,
    onChoices: change,
    onLooks: changeLooks,
    onTable: (text: string) => {
      table.current = text;
      change({ data: "csv" });
    },
    onError,
  };
  return (
    <main class="playground" aria-busy={busy}>
      <h1 class="hidden">Playground</h1>
      <div class="toolbar">
        <button class="round" aria-label="Reset" title="Start again" onClick={() => change({})}>
          ⟲
        </button>
        <button class="round main" aria-label={playing ? "Pause" : "Play"} onClick={play} disabled={busy}>
          {playing ? "❚❚" : "▶"}
        </button>
        <button
          class="round"
          aria-label="Step: one epoch"
          title="One epoch"
          disabled={busy}
          onClick={() => {
            setPlaying(false);
            connection.current?.step();
          }}
        >
          ▶❙
        </button>
        <div class="epoch">
          <span id="epoch-label">Epoch</span>
          <output
            ref={epoch}
            aria-labelledby="epoch-label"
            aria-live={playing ? "off" : "polite"}
            data-testid="epoch"
          >
            0
          </output>
        </div>
        <LearningControls {...controls} />
        <button onClick={() => connection.current?.script(choices)}>Open as Python</button>
        <a class="button" href={graphAddress(choices, outputs)}>Open its graph</a>
      </div>
      <div class="stage">
        <DataControls {...controls} />
        <Network
          features={choices.features}
          hidden={choices.hidden}
          outputs={outputs}
          classes={ready?.classes ?? []}
          frames={frames}
          onFeatures={(features) => change({ features })}
          onHidden={(hidden) => change({ hidden })}
          onEdit={setEdit}
          onLook={setNeuron}
        />
        <Output frames={frames} ready={ready} looks={looks} neuron={neuron} />
      </div>
      {edit && ready && (
        <Weights
          key={`${edit.layer},${edit.target},${edit.source}`}
          edit={edit}
          sizes={ready.sizes}
          features={choices.features}
          classes={ready.classes}
          frame={frames.last}
          onWeight={(...weight) => connection.current?.setWeight(...weight)}
          onClose={() => setEdit(null)}
        />
      )}
      {script !== null && <Script text={script} onClose={() => setScript(null)} />}
    </main>
  );
}

function Script({ text, onClose }: { text: string; onClose(): void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  const address = useMemo(() => URL.createObjectURL(new Blob([text], { type: "text/x-python" })), [text]);
  useEffect(() => () => URL.revokeObjectURL(address), [address]);
  return (
    <dialog ref={dialog} class="script" aria-labelledby="script-title" onClose={onClose}>
      <form method="dialog">
        <h2 id="script-title">The same network in Python</h2>
        <pre tabIndex={0}>{text}</pre>
        <div class="row">
          <a class="button" href={address} download="playground.py">Save as playground.py</a>
          <button type="button" onClick={() => void navigator.clipboard?.writeText(text)}>Copy</button>
          <button class="main">Done</button>
        </div>
      </form>
    </dialog>
  );
}
