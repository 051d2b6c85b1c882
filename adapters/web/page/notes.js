// Answers that are no pictures: help, how Limner is, and what was refused.

import { byline } from "./answer.js";
import { button, make } from "./element.js";
import { line } from "./log.js";
import * as words from "./words.js";

export function help(text) {
  return make("div", { class: "answer" }, byline(), make("div", { class: "note plain" }, ...text.split("\n").map(line)));
}

export function status(now) {
  const { words: said, why } = words.standing(now);
  const facts = { Version: now.version, "Waiting jobs": now.queued, "Painting now": now.running.length };
  for (const worker of now.workers) {
    const what = [worker.state, worker.model, worker.device, worker.plan, worker.detail];
    facts[`Worker ${worker.name}`] = what.filter(Boolean).join(" · ");
  }
  return make("div", { class: "answer" }, byline(why ? `${said}: ${why}` : said), list(facts));
}

/** With `again`, what was typed can be mended and sent once more. */
export function refused(problem, again) {
  const mistakes = problem.mistakes?.length > 1 ? problem.mistakes : [];
  const text = make("p", { class: "problem" }, mistakes.length ? "Several things are not right:" : problem.message);
  const items = mistakes.length && make("ul", {}, ...mistakes.map((mistake) => make("li", {}, mistake)));
  const act = again && make("div", { class: "actions" }, button("Edit and send again", again));
  return make("div", { class: "answer" }, byline(), make("div", { class: "note" }, text, items || null, act));
}

export function list(facts) {
  const rows = Object.entries(facts).flatMap(([name, value]) => [
    make("dt", {}, name),
    make("dd", {}, typeof value === "object" ? value : String(value)),
  ]);
  return make("dl", { class: "facts" }, ...rows);
}
