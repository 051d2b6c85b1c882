// Asks for a key where the server does, and keeps it for as long as the tab is open.

import * as api from "./api.js";

const entry = document.getElementById("entry");
const field = document.getElementById("key");
const wrong = document.getElementById("wrong-key");
const forget = document.getElementById("forget");

/** `enter` is called once a key was typed. */
export function listen(enter) {
  entry.addEventListener("submit", (event) => {
    event.preventDefault();
    api.key.set(field.value.trim());
    field.value = "";
    entry.hidden = true;
    enter();
  });
  forget.addEventListener("click", () => {
    api.key.forget();
    location.reload();
  });
  forget.hidden = !api.key.get();
}

/** True where it is for want of a key, and the form is there now. */
export function asks(problem) {
  if (problem.status !== 401) return false;
  wrong.hidden = !api.key.get();
  api.key.forget();
  entry.hidden = false;
  forget.hidden = true;
  field.focus();
  return true;
}

export function entered() {
  forget.hidden = !api.key.get();
}
