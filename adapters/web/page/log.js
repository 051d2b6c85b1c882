// The conversation: its turns in their order, each with what was said and the answer to it.

import { now } from "./api.js";
import { make } from "./element.js";
import { thumb } from "./pictures.js";

const log = document.getElementById("log");
/** Pixels from the bottom that still count as there. */
const NEAR = 160;

/** What a person said; `parent` is the picture that it is about; without `at` it is said now. */
export function turn(text, { parent, at, acts }) {
  const said = make("div", { class: "said" }, parent && quote(parent, acts), line(text));
  const mine = make("div", { class: "mine" }, make("span", { class: "unseen" }, "You: "), said);
  const element = make("article", { class: "turn" }, mine);
  // Ours comes last, whatever the clocks say.
  element.dataset.at = at ?? Math.max(now(), log.lastElementChild?.dataset.at ?? 0);
  return element;
}

/** With its command set off. */
export function line(text) {
  const [, command, rest] = /^(\/\w+)?(.*)$/s.exec(text);
  return make("p", {}, command && make("span", { class: "command" }, command), rest);
}

function quote(parent, acts) {
  return make("p", { class: "quote" }, thumb(parent, acts, "the picture that this is about"));
}

export function about(element, parent, acts) {
  if (!element.querySelector(".quote")) element.querySelector(".said").prepend(quote(parent, acts));
}

/** At its place in time. */
export function place(element) {
  const follow = atBottom();
  const later = [...log.children].find(({ dataset }) => Number(dataset.at) > Number(element.dataset.at));
  log.insertBefore(element, later ?? null);
  if (follow) toBottom();
}

export function answered(element, answer) {
  const follow = atBottom();
  const before = element.querySelector(":scope > .answer");
  if (before) before.replaceWith(answer);
  else element.append(answer);
  if (follow) toBottom();
}

export const clear = () => log.replaceChildren();

export const empty = () => log.childElementCount === 0;

/** What loads above is not read aloud, and leaves in place what is looked at. */
export function quietly(fill) {
  const height = document.documentElement.scrollHeight;
  log.setAttribute("aria-live", "off");
  fill();
  scrollBy({ top: document.documentElement.scrollHeight - height, behavior: "instant" });
  setTimeout(() => log.setAttribute("aria-live", "polite"), 1000);
}

export function toBottom() {
  scrollTo({ top: document.documentElement.scrollHeight, behavior: "instant" });
}

function atBottom() {
  const { scrollHeight } = document.documentElement;
  return scrollHeight - scrollY - innerHeight < NEAR;
}

// What grows at the bottom is followed, as long as that is where somebody looks.
let near = true;
addEventListener("scroll", () => (near = atBottom()), { passive: true });
new ResizeObserver(() => near && toBottom()).observe(log);
