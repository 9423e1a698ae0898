// Graphs of the model's programs: the viewer of Program.to_html() in a frame of its own,
// which may neither ask the server for anything nor look at this page.

import { useEffect, useState } from "preact/hooks";
import { get } from "../common/server";

interface About {
  model: string;
  ticket: string;
}

const KINDS = { predict: "Prediction", train: "Training step", test: "Evaluation" };
type Kind = keyof typeof KINDS;

export function Graph({ onError }: { onError(message: string): void }) {
  const [about, setAbout] = useState<About | null>(null);
  const [kind, setKind] = useState<Kind>("predict");
  const [loading, setLoading] = useState(true);
  useEffect(() => {
    get<About>("/api/about").then(setAbout, (error: Error) => onError(error.message));
  }, []);
  return (
    <main class="graph" aria-busy={loading}>
      <div class="row">
        <h1>Graph of {about?.model || "the lecture's CNN"}</h1>
        <div class="row" role="group" aria-label="Which program">
          {(Object.keys(KINDS) as Kind[]).map((one) => (
            <button
              key={one}
              aria-pressed={one === kind}
              onClick={() => {
                setLoading(one !== kind);
                setKind(one);
              }}
            >
              {KINDS[one]}
            </button>
          ))}
        </div>
        {loading && <span role="status">Compiling the program …</span>}
        {!about?.model && about && (
          <span class="quiet">
            Another model: <code>nervure studio model.nv</code>
          </span>
        )}
      </div>
      {about && (
        <iframe
          key={kind}
          title={`Graph: ${KINDS[kind]}`}
          src={`/api/program/page?ticket=${about.ticket}&kind=${kind}`}
          sandbox="allow-scripts"
          onLoad={() => setLoading(false)}
        />
      )}
    </main>
  );
}
