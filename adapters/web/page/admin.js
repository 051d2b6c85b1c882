// Behind the scenes: asks GET /activity again and again, while somebody looks, and shows what it tells.

import * as api from "./api.js";
import * as chart from "./chart.js";
import { make } from "./element.js";
import * as entry from "./entry.js";
import * as state from "./state.js";
import * as words from "./words.js";

/** Milliseconds. */
const OFTEN = 2_000;

/** Panel -> what it shows, so that only what changes is drawn again. */
const drawn = new Map();

const PANELS = {
  tiles: (now) => [now, tiles],
  line: ({ waiting, queued, running }) => [{ waiting, queued, running }, line],
  workers: ({ workers }) => [workers, workersOf],
  ended: ({ minutes }) => [minutes, chart.ended],
  took: ({ minutes }) => [minutes, chart.took],
  failures: ({ failures }) => [failures, failuresOf],
};

function draw(now) {
  for (const [id, panel] of Object.entries(PANELS)) {
    const [content, show] = panel(now);
    const text = api.written(content);
    if (drawn.get(id) === text) continue;
    drawn.set(id, text);
    const element = document.getElementById(id);
    element.replaceChildren(...show(content));
    element.closest(".panel").hidden = false;
  }
}

function tiles({ queued, running, lately, server, version }) {
  const seconds = (value) => (value == null ? "–" : words.duration(value));
  const facts = [
    ["Waiting", queued],
    ["Painting now", running.length],
    [`Done in ${lately.hours} h`, lately.done],
    [`Failed in ${lately.hours} h`, lately.failed],
    ["Half took up to", seconds(lately.seconds_p50)],
    ["95 % took up to", seconds(lately.seconds_p95)],
    ["Server's memory", server.memory == null ? "–" : words.bytes(server.memory)],
    ["Version", version],
  ];
  return facts.map(([name, value]) => make("div", {}, make("dd", {}, String(value)), make("dt", {}, name)));
}

function line({ waiting, queued, running }) {
  if (!queued && !running.length) return [make("p", { class: "faint" }, "Nobody waits.")];
  const list = make("ul", { class: "lines" }, ...running.map(runs), ...requesters(waiting));
  const more = queued - waiting.length;
  return [list, more > 0 && make("p", { class: "faint" }, `and ${more} more`)].filter(Boolean);
}

function runs({ requester, image, images, step, steps }) {
  const which = images > 1 ? `picture ${image} of ${images}, ` : "";
  const said = steps ? `painting, ${which}step ${step} of ${steps}` : "at the worker";
  return make("li", {}, name(requester), make("span", {}, said), meter(steps ? step / steps : 0, "now"));
}

/** By how much waits; who is next stands first among equals. */
function requesters(waiting) {
  const own = Map.groupBy(waiting, ({ requester }) => requester);
  const most = Math.max(...[...own.values()].map((jobs) => jobs.length));
  const ordered = [...own].sort(([, some], [, others]) => others.length - some.length);
  return ordered.map(([requester, jobs]) => {
    const [{ eta }] = jobs;
    const next = eta == null ? "" : `, next done in ${words.duration(Math.max(1, Math.ceil(eta)))}`;
    return make("li", {}, name(requester), make("span", {}, `${jobs.length} waiting${next}`), meter(jobs.length / most));
  });
}

const name = (text) => make("b", { title: text }, text);

/** Its words stand beside it. */
function meter(part, kind = "") {
  const fill = make("div");
  fill.style.width = `${Math.round(part * 100)}%`;
  return make("div", { class: `meter ${kind}`, "aria-hidden": "true" }, fill);
}

function workersOf(workers) {
  if (!workers.length) return [make("p", { class: "faint" }, "There is no worker.")];
  return [make("ul", { class: "lines" }, ...workers.map(worker))];
}

function worker({ name: called, state: now, model, device, dtype, memory_used: used, memory_total: total, restarts, plan, detail }) {
  const what = [model, device, dtype, restarts > 0 && words.plural(restarts, "restart")].filter(Boolean).join(" · ");
  const wide = (text, kind = "") => text && make("span", { class: `wide ${kind}` }, text);
  const memory = used != null && total && [meter(used / total), wide(`${words.bytes(used)} of ${words.bytes(total)} of memory`)];
  return make("li", {}, name(called), make("span", {}, now), ...(memory || []), wide(what), wide(plan), wide(detail, "problem"));
}

function failuresOf(failures) {
  if (!failures.length) return [make("p", { class: "faint" }, "Nothing failed lately.")];
  const head = ["When", "Who asked", "Code", "Why"].map((text) => make("th", { scope: "col" }, text));
  const rows = failures.map(({ at, requester, code, detail }) =>
    make("tr", {}, ...[words.moment(at), requester, code, detail].map((text) => make("td", {}, text))),
  );
  return [make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows))];
}

async function look() {
  try {
    const now = await api.activity();
    const { state: standing, words: said, why } = words.standing(now);
    state.tell(standing, why ? `${said}: ${why}` : said);
    entry.entered();
    draw(now);
    return true;
  } catch (problem) {
    if (entry.asks(problem)) return false;
    state.tell("trouble", problem.message);
    return true;
  }
}

async function keep() {
  while (document.hidden || (await look())) await new Promise((resolve) => setTimeout(resolve, OFTEN));
}

entry.listen(keep);
keep();
