// What the page says of jobs and of time. Pure.

const RULES = new Intl.PluralRules("en", { type: "ordinal" });
const ENDS = { one: "st", two: "nd", few: "rd", other: "th" };

export function queued({ position, ready_at: readyAt }, now) {
  const place = position === 1 ? "Next in line" : position ? `${ordinal(position)} in line` : "Waiting in line";
  return readyAt ? `${place} · ready in about ${duration(Math.max(1, Math.ceil(readyAt - now)))}` : place;
}

export function progress({ step, steps, image, images }) {
  const which = images > 1 ? ` · picture ${image} of ${images}` : "";
  return `Step ${step} of ${steps}${which}`;
}

export function painted(seconds) {
  return seconds > 0 ? `Painted in ${duration(seconds)}` : "Painted";
}

export function duration(seconds) {
  if (seconds < 9.95) return `${seconds.toFixed(1).replace(/\.0$/, "")} s`;
  if (seconds < 99.5) return `${Math.round(seconds)} s`;
  return seconds < 5970 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}

export const ordinal = (number) => `${number}${ENDS[RULES.select(number)]}`;

export const plural = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

/** Of today the time alone. */
export function moment(seconds) {
  const date = new Date(seconds * 1000);
  const today = date.toDateString() === new Date().toDateString();
  return date.toLocaleString([], { ...(!today && { dateStyle: "medium" }), timeStyle: "short" });
}

export function bytes(number) {
  return number < 1e9 ? `${Math.round(number / 1e6)} MB` : `${(number / 1e9).toFixed(1)} GB`;
}

/** Of the server, from GET /status or /activity. */
export function standing({ ready, stopping, trouble, state, reason }) {
  const now = state ?? (stopping ? "stopping" : trouble ? "trouble" : ready ? "ready" : "not_ready");
  const why = reason ?? trouble;
  const said = {
    ready: "Ready to paint",
    not_ready: "Loading the model; jobs wait meanwhile",
    stopping: "Stopping; jobs stay in line for the next start",
    trouble: "The disk makes trouble",
  };
  return { state: now, words: said[now] ?? "", why };
}
