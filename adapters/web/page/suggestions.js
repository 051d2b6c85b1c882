// The list that opens while a command or an option is typed.

import { make } from "./element.js";

const COMMANDS = [
  ["/generate", "words", "paint a picture from words"],
  ["/refine", "words", "paint a new picture from one that is there"],
  ["/status", "", "how Limner is, and what waits"],
  ["/help", "", "what can be said here"],
];
const OPTIONS = [
  ["--size", "256x192", "width x height in pixels, or a shape such as 3:2"],
  ["--images", "2", "how many pictures"],
  ["--steps", "20", "more take longer"],
  ["--seed", "7", "the same seed gives the same picture"],
  ["--quality", "draft", "draft, standard or high"],
  ["--style", "name", "one that is set up here"],
  ["--no", "words", "what shall not be seen"],
  ["--guidance", "5", "how closely the words are followed"],
  ["--strength", "0.5", "how much a refinement may change"],
];

const field = document.getElementById("text");
const box = document.getElementById("suggestions");
let active = 0;

export const open = () => !box.hidden;

export function close() {
  box.hidden = true;
  box.replaceChildren();
  field.removeAttribute("aria-activedescendant");
}

/** True where the key was for the list. */
export function takes(event) {
  if (!open() || event.isComposing || event.shiftKey) return false;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) mark((active + step + box.children.length) % box.children.length);
  else if (event.key === "Escape") close();
  else if (event.key === "Tab" || (event.key === "Enter" && !complete())) choose(box.children[active].dataset.word);
  else return false;
  event.preventDefault();
  return true;
}

export function suggest() {
  const { word, first } = typed();
  const known = first && word.startsWith("/") ? COMMANDS : word.startsWith("--") ? OPTIONS : [];
  const fitting = known.filter(([name]) => name.startsWith(word.toLowerCase()));
  close();
  if (!fitting.length || (fitting.length === 1 && complete(fitting[0][0]))) return;
  box.append(...fitting.map(row));
  box.hidden = false;
  mark(0);
}

function row([word, values, meaning], number) {
  const click = () => choose(word);
  // A press must not take the focus out of the field.
  const mousedown = (event) => event.preventDefault();
  const parts = [make("b", {}, word), " ", make("i", {}, values), make("span", { class: "faint" }, meaning)];
  const option = make("li", { id: `suggestion-${number}`, role: "option", click, mousedown }, ...parts);
  option.dataset.word = word;
  return option;
}

function mark(number) {
  active = number;
  [...box.children].forEach((option, at) => option.setAttribute("aria-selected", at === number));
  field.setAttribute("aria-activedescendant", box.children[number].id);
}

const complete = (word = box.children[active].dataset.word) => typed().word.toLowerCase() === word;

/** The word that ends where the cursor is. */
function typed() {
  const before = field.value.slice(0, field.selectionStart);
  const word = /\S*$/.exec(before)[0];
  return { word, first: word === before.trimStart() };
}

function choose(word) {
  const end = field.selectionStart;
  field.setRangeText(`${word} `, end - typed().word.length, end, "end");
  close();
  field.focus();
}

field.addEventListener("input", suggest);
field.addEventListener("blur", close);
