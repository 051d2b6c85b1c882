// Where a message is written: the text, the picture that it is about, and what was sent before.

import * as suggestions from "./suggestions.js";
import { show } from "./pictures.js";
import { announce, make } from "./element.js";

const form = document.getElementById("composer");
const field = document.getElementById("text");
const reply = document.getElementById("reply");
const change = document.getElementById("change");

const sent = [];
let recalled = 0;
let picture = null;

/** `send` hears (text, picture or null). */
export function listen(send) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    submit(send);
  });
  field.addEventListener("keydown", (event) => key(event, send));
  document.getElementById("leave").addEventListener("click", () => {
    about(null);
    write();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.defaultPrevented && !document.querySelector("dialog[open]")) about(null);
  });
}

function key(event, send) {
  if (suggestions.takes(event) || event.isComposing) return;
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    submit(send);
  }
  if (event.key === "ArrowUp" && (field.value === "" || field.value === sent[recalled])) recall(event, -1);
  if (event.key === "ArrowDown" && field.value === sent[recalled]) recall(event, 1);
}

function recall(event, step) {
  const at = recalled + step;
  if (at < 0 || at > sent.length) return;
  event.preventDefault();
  recalled = at;
  field.value = sent[at] ?? "";
}

function submit(send) {
  suggestions.close();
  const replied = picture;
  const text = replied ? withStrength(field.value.trim()) : field.value.trim();
  if (!text) return;
  remember(text);
  field.value = "";
  about(null);
  send(text, replied);
}

/** How much shall change is said as an option, which wins where it was typed. */
function withStrength(text) {
  const isRefinement = !text.startsWith("/") || /^\/refine\b/i.test(text);
  return text && isRefinement && change.value && !/--strength\b/i.test(text) ? `${text} --strength ${change.value}` : text;
}

/** So that Up brings it back. */
export function remember(text) {
  if (sent.at(-1) !== text) sent.push(text);
  recalled = sent.length;
}

/** The next message refines this picture; null: none. */
export function about(chosen) {
  if (chosen === null && picture === null) return;
  picture = chosen;
  reply.hidden = chosen === null;
  field.placeholder = chosen ? "What shall be different? For example: with a hat" : field.dataset.placeholder;
  reply.querySelector("img")?.remove();
  if (!chosen) return;
  const img = make("img", { alt: "", width: 40, height: 40 });
  reply.prepend(img);
  show(img, chosen.id).catch(() => img.remove());
  reply.querySelector("q").textContent = chosen.text;
  announce(`Your next message refines: ${chosen.text}`);
  write();
}

export const isAbout = (id) => picture?.id === id;

export const write = () => field.focus();

/** Puts back what was sent in vain, unless something else was begun meanwhile. */
export function give(text, replied, evenSo = false) {
  if (field.value && !evenSo) return;
  field.value = text;
  about(replied);
  write();
}

field.dataset.placeholder = field.placeholder;
