// All that is asked of the server, with the key where one is needed. Every failure is a Problem.

const KEY = "limner-key";
const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Seconds that two clocks may differ without being told apart. */
const CLOSE = 5;
/** How far the server's clock is ahead of this one, in seconds. */
let ahead = 0;

export class Problem extends Error {
  constructor(status, { detail, code, errors }) {
    super(detail || `The server answered with ${status} and did not say why.`);
    this.status = status;
    this.code = code || "unknown";
    this.mistakes = Array.isArray(errors) ? errors.map(({ message }) => String(message)) : [];
  }
}

export const key = {
  get: () => sessionStorage.getItem(KEY),
  set: (text) => sessionStorage.setItem(KEY, text),
  forget: () => sessionStorage.removeItem(KEY),
};

export const now = () => Date.now() / 1000 + ahead;

/** Only what looks like an ID becomes part of an address. */
export function path(kind, id, rest = "") {
  if (!ID.test(id)) throw new Problem(404, { code: "not_found", detail: "This is no ID that Limner gives out." });
  return `/${kind}/${id}${rest}`;
}

export async function ask(method, address, { body, type, signal, accept = "application/json" } = {}) {
  const headers = { Accept: accept };
  // The key's bytes are UTF-8; a header takes a character for each byte.
  if (key.get()) headers.Authorization = `Bearer ${String.fromCharCode(...new TextEncoder().encode(key.get()))}`;
  if (type) headers["Content-Type"] = type;
  const response = await fetch(address, { method, headers, body, signal, cache: "no-cache" }).catch((error) => {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { code: "unreachable", detail: "Limner cannot be reached. Is it still running? Then try again." });
  });
  if (!response.ok) throw new Problem(response.status, await response.json().catch(() => ({})));
  heed(Date.parse(response.headers.get("date")) / 1000);
  return response;
}

/** The header counts whole seconds, and may be a little old. */
function heed(date) {
  if (Math.abs(date - now()) > CLOSE) ahead = date - Date.now() / 1000;
}

export async function json(method, address, options) {
  return read(await (await ask(method, address, options)).text());
}

export const post = (address, content) =>
  json("POST", address, content && { body: JSON.stringify(content), type: "application/json" });

export const chat = (text, image) => post("/chat", { text, image });
export const bring = (file) => json("POST", "/images", { body: file, type: file.type });
export const job = (id) => json("GET", path("jobs", id));
export const cancel = (id) => json("DELETE", path("jobs", id));
export const image = (id) => json("GET", path("images", id));
export const remove = (id) => ask("DELETE", path("images", id));
export const vary = (id) => post(path("images", id, "/vary"));
export const again = (id) => post(path("images", id, "/again"));
export const repeat = (id) => post(path("jobs", id, "/again"));
export const status = () => json("GET", "/status");
export const activity = () => json("GET", "/activity");

export function history(before) {
  const page = new URLSearchParams({ limit: 20, ...(before && { before }) });
  return json("GET", `/history?${page}`);
}

/** Seeds may be larger than what a number holds exactly. */
function read(text) {
  return JSON.parse(text, (_, value, place) =>
    Number.isInteger(value) && !Number.isSafeInteger(value) && place?.source ? BigInt(place.source) : value,
  );
}

export function written(value) {
  const exact = (_, part) => (typeof part === "bigint" ? (JSON.rawJSON?.(String(part)) ?? String(part)) : part);
  return JSON.stringify(value, exact, 2);
}
