// The chat: what is sent, what comes back, and the history that was there before.

import { Answer } from "./answer.js";
import * as api from "./api.js";
import * as bring from "./bring.js";
import * as composer from "./composer.js";
import * as details from "./details.js";
import { announce, make } from "./element.js";
import * as entry from "./entry.js";
import { follow } from "./follow.js";
import * as lineage from "./lineage.js";
import * as log from "./log.js";
import * as notes from "./notes.js";
import { picture } from "./picture.js";
import * as state from "./state.js";

const welcome = document.getElementById("welcome");
const older = document.getElementById("older");

const acts = {
  reply: composer.about,
  details: details.open,
  write: composer.write,
  removed: (id) => composer.isAbout(id) && composer.about(null),
  refused: (problem) => refuse(newTurn(""), problem),
  start,
};
/** Jobs and brought pictures that are on the page. */
const known = new Set();
let last = null;
let begun = false;

function newTurn(text, parent = null, at = null) {
  welcome.hidden = true;
  const element = log.turn(text, { parent, at, acts });
  if (!text) element.firstChild.remove();
  log.place(element);
  return element;
}

async function send(text, replied) {
  const element = newTurn(text, replied?.id);
  log.toBottom();
  try {
    const answer = await api.chat(text, replied?.id ?? null);
    if (answer.kind === "job") accepted(element, answer.job);
    else log.answered(element, answer.kind === "help" ? notes.help(answer.text) : notes.status(answer.status));
  } catch (problem) {
    composer.give(text, replied);
    refuse(element, problem, () => composer.give(text, replied, true));
  }
}

/** What a button asks for. */
async function start(ask) {
  try {
    enter(await ask());
    log.toBottom();
  } catch (problem) {
    acts.refused(problem);
  }
}

function refuse(element, problem, again) {
  entry.asks(problem);
  log.answered(element, notes.refused(problem, again));
  announce(problem.message);
}

/** A job that was not on the page. */
function enter(job) {
  if (known.has(job.id)) return;
  accepted(newTurn(`/${job.kind} ${job.prompt}`, job.parent, job.created_at), job);
}

function accepted(element, job) {
  if (known.has(job.id)) {
    element.remove();
    return;
  }
  known.add(job.id);
  element.dataset.at = job.created_at;
  if (job.parent) log.about(element, job.parent, acts);
  const answer = new Answer(job, acts);
  log.answered(element, answer.element);
  if (!answer.over) follow(job.id, (name, content) => answer.tell(name, content));
}

function enterBrought(image, name = "a picture of yours") {
  if (known.has(image.id)) return;
  known.add(image.id);
  const element = newTurn(`Brought: ${name}`, null, image.created_at);
  const { figure } = picture(image, name, acts);
  const pictures = make("div", { class: "pictures" }, figure);
  log.answered(element, make("div", { class: "answer" }, pictures));
}

async function take(file, mistake) {
  const refused = (problem) => refuse(newTurn(`Brought: ${file.name}`), problem);
  if (mistake) return refused({ message: mistake });
  announce("The picture is on its way.");
  try {
    const image = await api.bring(file);
    enterBrought(image, file.name);
    log.toBottom();
    return composer.about({ ...image, text: file.name });
  } catch (problem) {
    return refused(problem);
  }
}

/** A page of history; before the first one, or older than what is there. */
async function load(before) {
  const { jobs, brought } = await api.history(before);
  log.quietly(() => {
    jobs.forEach(enter);
    brought.forEach((image) => enterBrought(image));
  });
  last = jobs.at(-1)?.id ?? last;
  return jobs;
}

async function begin() {
  try {
    const jobs = await load();
    older.hidden = jobs.length < 20;
  } catch (problem) {
    if (!entry.asks(problem)) acts.refused(problem);
    return;
  }
  begun = true;
  entry.entered();
  welcome.hidden = !log.empty();
  log.toBottom();
  toHash();
  if (matchMedia("(pointer: fine)").matches) composer.write();
}

function toHash() {
  const figure = location.hash.startsWith("#image-") && document.getElementById(location.hash.slice(1));
  if (figure) figure.scrollIntoView();
}

/** What was asked for in other tabs meanwhile. */
async function catchUp() {
  if (document.hidden || !begun) return;
  const { jobs, brought } = await api.history().catch(() => ({ jobs: [], brought: [] }));
  jobs.forEach(enter);
  brought.forEach((image) => enterBrought(image));
}

function heard(now) {
  document.getElementById("demo").hidden = !now.workers.some(({ model }) => model === "demo");
}

composer.listen(send);
bring.listen(take);
entry.listen(() => {
  log.clear();
  lineage.forget();
  known.clear();
  begin();
});
older.addEventListener("click", async () => {
  older.disabled = true;
  const jobs = await load(last).catch(acts.refused);
  older.disabled = false;
  if (jobs) older.hidden = jobs.length < 20;
});
for (const example of document.querySelectorAll("#examples button")) {
  example.addEventListener("click", () => {
    composer.remember(example.textContent);
    send(example.textContent, null);
    composer.write();
  });
}
document.addEventListener("visibilitychange", catchUp);
await begin();
state.keep(heard);
