// One line on how the server is, kept fresh while somebody looks.

import * as api from "./api.js";
import * as words from "./words.js";

const line = document.getElementById("state");
/** Milliseconds. */
const OFTEN = 2_000;
const SELDOM = 15_000;

/** `heard` gets GET /status each time. */
export async function keep(heard) {
  for (;;) {
    const state = document.hidden ? "" : await look(heard);
    await new Promise((resolve) => setTimeout(resolve, state === "ready" ? SELDOM : OFTEN));
  }
}

async function look(heard) {
  try {
    const now = await api.status();
    const { state, words: said, why } = words.standing(now);
    tell(state, why ? `${said}: ${why}` : said);
    heard(now);
    return state;
  } catch (problem) {
    if (problem.status === 401) tell("", "");
    else tell("trouble", problem.message);
    return "";
  }
}

export function tell(state, text) {
  line.className = state;
  if (line.textContent !== text) line.textContent = text;
}
