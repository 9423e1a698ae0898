// Graphs of programs: the viewer of Program.to_html() in a frame of its own, which may
// neither ask the server for anything nor look at this page.

import { useEffect, useState } from "preact/hooks";
import { get } from "../common/server";
import { FIRST_LOOKS, read, written } from "../playground/choices";

interface About {
  model: string;
  ticket: string;
  is_program: boolean;
}

const KINDS = { predict: "Prediction", train: "Training step", test: "Evaluation" };
type Kind = keyof typeof KINDS;

interface Props {
  query: string;
  onError(message: string): void;
}

export function Graph({ query, onError }: Props) {
  const [about, setAbout] = useState<About | null>(null);
  const [kind, setKind] = useState<Kind>("predict");
  const [loading, setLoading] = useState(true);
  useEffect(() => {
    get<About>("/api/about").then(setAbout, (error: Error) => onError(error.message));
  }, []);
  useEffect(() => setLoading(true), [query]);
  // With a query: the network of the playground that it describes.
  const { choices } = read(query);
  const outputs = Number(new URLSearchParams(query).get("outputs") ?? 1);
  const network = query ? JSON.stringify({ ...choices, outputs }) : "";
  const own = about?.model || "the lecture's CNN";
  return (
    <main class="graph" aria-busy={loading}>
      <div class="row">
        <h1>Graph of {query ? "the playground's network" : own}</h1>
        {(query || !about?.is_program) && (
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
        )}
        {loading && <span role="status">Compiling the program …</span>}
        {query ? (
          <>
            <a class="button" href={`#${written(choices, FIRST_LOOKS)}`}>Back to the playground</a>
            <a class="button" href="#/graph">Graph of {own}</a>
          </>
        ) : (
          about &&
          !about.model && (
            <span class="quiet">
              Another: <code>nervure studio model.nv</code>, or a file of{" "}
              <code>Graph.to_json()</code>
            </span>
          )
        )}
      </div>
      {about && (
        <iframe
          key={`${kind} ${query}`}
          title={`Graph: ${KINDS[kind]}`}
          src={`/api/program/page?ticket=${about.ticket}&kind=${kind}&network=${encodeURIComponent(network)}`}
          sandbox="allow-scripts"
          onLoad={() => setLoading(false)}
        />
      )}
    </main>
  );
}
