// Talking to the server. The token comes in the address that `nervure studio` prints; it
// is taken out of the address at once, so that a shared address does not carry it.

const KEY = "nervure-token";

function readToken(): string {
  const address = new URL(location.href);
  const given = address.searchParams.get("token");
  if (given === null) {
    try {
      return sessionStorage.getItem(KEY) ?? "";
    } catch {
      return ""; // a frame without storage, such as in some notebooks
    }
  }
  try {
    sessionStorage.setItem(KEY, given);
    address.searchParams.delete("token");
    history.replaceState(null, "", address);
  } catch {
    // Without storage the address keeps the token, so that a reload still works.
  }
  return given;
}

const token = readToken();

/** What went wrong, in words for the reader of the page. */
export class ServerError extends Error {}

async function answered(response: Promise<Response>): Promise<Response> {
  let found: Response;
  try {
    found = await response;
  } catch {
    throw new ServerError(
      "The server does not answer. Is `nervure studio` still running? " +
        "Start it again and open the address that it prints.",
    );
  }
  if (found.ok) return found;
  if (found.status === 401) {
    throw new ServerError(
      "This page has no valid token. Open the address that `nervure studio` printed.",
    );
  }
  const text = await found.text();
  let reason = text;
  try {
    reason = (JSON.parse(text) as { error?: string }).error ?? text;
  } catch {
    // Plain text, then.
  }
  throw new ServerError(reason || `The server answered with status ${found.status}.`);
}

export async function get<T>(path: string): Promise<T> {
  const headers = { "x-nervure-token": token };
  return (await answered(fetch(path, { headers }))).json() as Promise<T>;
}

export async function post<T>(path: string, body: unknown): Promise<T> {
  const headers = { "x-nervure-token": token, "content-type": "application/json" };
  const sent = fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
  return (await answered(sent)).json() as Promise<T>;
}

export function openSocket(path: string): WebSocket {
  const address = `ws://${location.host}${path}`;
  const socket = new WebSocket(address, ["nervure", token || "none"]);
  socket.binaryType = "arraybuffer";
  return socket;
}
