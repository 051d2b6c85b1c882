// Follows a job to its ending: by its events where a connection is free, else by asking now and then.

import * as api from "./api.js";
import { events } from "./events.js";

const ENDINGS = new Set(["done", "failed", "cancelled"]);
/** Browsers open six connections to one server, for all tabs together; two stay free for all else. */
const STREAMS = 4;
/** The same for each tab, where tabs cannot agree. */
const STREAMS_ALONE = 2;
/** Seconds. */
const PREVIEWS = 0.5;
const LOOKS = 2;
const LONGEST = 15;

let alone = 0;

/** `tell` hears (name, content) of each event, besides `lost` while there is no connection, and `gone`. */
export async function follow(id, tell) {
  for (let tries = 0; ; tries += 1) {
    await visible();
    const heard = { something: false, ending: false };
    const hear = (name, content) => {
      heard.something = true;
      heard.ending ||= ENDINGS.has(name);
      tell(name, content);
    };
    const listened = await listening(() => listen(id, hear)).catch(() => true);
    if (heard.ending || (await over(id, tell, listened))) return;
    if (heard.something) tries = 0;
    if (!document.hidden) await pause(listened ? Math.min(LONGEST, 0.5 * 2 ** tries) : LOOKS);
  }
}

async function listen(id, hear) {
  const stop = new AbortController();
  const hide = () => document.hidden && stop.abort();
  document.addEventListener("visibilitychange", hide);
  try {
    const address = api.path("jobs", id, `/events?preview_interval=${PREVIEWS}`);
    const response = await api.ask("GET", address, { signal: stop.signal, accept: "text/event-stream" });
    for await (const { name, data } of events(response.body)) hear(name, data);
  } finally {
    document.removeEventListener("visibilitychange", hide);
  }
}

/** Whether the job is over, or nothing more can be found out about it. */
async function over(id, tell, listened) {
  try {
    const job = await api.job(id);
    if (job.status === "done") tell("done", { images: job.images });
    else if (job.status === "failed") tell("failed", job.failure);
    else if (job.status === "cancelled") tell("cancelled", {});
    else tell(listened ? "lost" : job.status === "running" ? "started" : "queued", {});
    return ENDINGS.has(job.status);
  } catch (problem) {
    tell(problem.status === 404 ? "gone" : "lost", {});
    return problem.status === 404 || problem.status === 401;
  }
}

/** False where all connections are taken. */
async function listening(run) {
  if (!navigator.locks) return alone < STREAMS_ALONE && counted(run);
  for (let number = 0; number < STREAMS; number += 1) {
    const take = async (lock) => lock !== null && (await run(), true);
    if (await navigator.locks.request(`limner-stream-${number}`, { ifAvailable: true }, take)) return true;
  }
  return false;
}

async function counted(run) {
  alone += 1;
  try {
    await run();
    return true;
  } finally {
    alone -= 1;
  }
}

function visible() {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
