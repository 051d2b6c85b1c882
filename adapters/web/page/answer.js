// Limner's answer to a job: its place in line, its progress, its pictures, or why there are none.

import * as api from "./api.js";
import { announce, button, make, patient } from "./element.js";
import { picture } from "./picture.js";
import { preview } from "./pictures.js";
import * as words from "./words.js";

export class Answer {
  #job;
  #acts;
  #line = make("span", { class: "words" });
  #bar = make("progress", { "aria-label": "How far the picture is" });
  #pictures = make("div", { class: "pictures", "aria-live": "off" });
  #sheets = [];
  #startedAt = null;
  #over = false;
  #ticking = null;

  constructor(job, acts) {
    this.#job = job;
    this.#acts = acts;
    this.element = make("div", { class: "answer" }, byline(this.#line), this.#pictures);
    if (job.status === "done") this.#done(job.images, job.finished_at - job.started_at);
    else if (job.status === "failed") this.#failed(job.failure);
    else if (job.status === "cancelled") this.#cancelled();
    else this.#unfinished();
  }

  get over() {
    return this.#over;
  }

  tell(name, content) {
    if (this.#over) return;
    clearInterval(this.#ticking);
    const heard = {
      queued: () => this.#queued(content),
      started: () => this.#started(),
      progress: () => this.#progress(content),
      preview: () => this.#preview(content),
      done: () => this.#news(`Your picture is ready: ${this.#job.prompt}`, () => this.#done(content.images, this.#took())),
      failed: () => this.#news(`It failed. ${content.detail}`, () => this.#failed(content)),
      cancelled: () => this.#news("The job was cancelled.", () => this.#cancelled()),
      restarting: () => this.#say("Limner is restarting; your picture keeps its place"),
      lost: () => this.#say("The connection was lost; trying to take it up again …"),
      gone: () => this.#gone(),
    };
    heard[name]?.();
  }

  #unfinished() {
    const cancel = button("Cancel", patient(() => this.#cancel()));
    this.#sheet(0).append(make("div", { class: "actions" }, cancel));
    this.#pictures.prepend(this.#bar);
    this.#say("Accepted");
  }

  async #cancel() {
    try {
      await api.cancel(this.#job.id);
      this.tell("cancelled");
    } catch (problem) {
      // It ended meanwhile, which its follower tells.
      if (problem.code !== "job_already_over") this.#acts.refused(problem);
    }
  }

  /** The empty frame that a picture grows in. */
  #sheet(number) {
    while (this.#sheets.length <= number) {
      const img = make("img", { alt: `Unfinished: ${this.#job.prompt}`, hidden: true });
      const sheet = make("figure", { class: "picture" }, make("div", { class: "canvas unfinished" }, img));
      this.#sheets.push(sheet);
      this.#pictures.append(sheet);
    }
    return this.#sheets[number];
  }

  #queued(content) {
    this.#bar.removeAttribute("value");
    const say = () => this.#say(words.queued(content, api.now()));
    say();
    if (content.ready_at) this.#ticking = setInterval(say, 1000);
  }

  #started() {
    this.#startedAt ??= performance.now();
    this.#say("Limner begins to paint");
  }

  #progress(content) {
    this.#startedAt ??= performance.now();
    this.#sheet(content.images - 1);
    this.#bar.max = content.steps;
    this.#bar.value = content.step;
    this.#say(words.progress(content));
  }

  #preview({ image, jpeg }) {
    const img = this.#sheet(image - 1).querySelector("img");
    // One that cannot be read is no loss.
    preview(img, jpeg).then(() => this.#fit(img), () => {});
  }

  #fit(img) {
    img.hidden = false;
    img.parentElement.style.aspectRatio = `${img.naturalWidth} / ${img.naturalHeight}`;
  }

  #took() {
    return this.#startedAt === null ? 0 : (performance.now() - this.#startedAt) / 1000;
  }

  #news(text, show) {
    announce(text);
    show();
  }

  #done(images, seconds) {
    this.#end();
    this.#say(images.length ? words.painted(seconds) : "");
    if (!images.length) this.#instead("The picture was deleted.");
    this.#sheets.slice(images.length).forEach((sheet) => sheet.remove());
    images.forEach((image, number) => this.#finish(this.#sheets[number], image));
  }

  /** The preview stays until the picture is there. */
  #finish(sheet, image) {
    const { figure, img, seen } = picture(image, this.#job.prompt, this.#acts);
    if (!sheet) {
      this.#pictures.append(figure);
      return;
    }
    img.loading = "eager";
    const unfinished = sheet.querySelector("img");
    if (!unfinished.hidden) {
      unfinished.alt = "";
      figure.querySelector(".canvas").prepend(unfinished);
      img.classList.add("coming");
      seen.then(() => {
        img.classList.remove("coming");
        setTimeout(() => unfinished.remove(), 400);
      });
    }
    sheet.replaceWith(figure);
  }

  #failed({ detail }) {
    this.#end();
    this.#say("It failed");
    this.#instead(detail, this.#repeat("Try again"), "problem");
  }

  #cancelled() {
    this.#end();
    this.#say("Cancelled");
    this.#instead("No picture was painted.", this.#repeat("Paint it after all"));
  }

  #gone() {
    this.#end();
    this.#say("");
    this.#instead("There is no such job any more.");
  }

  #repeat(text) {
    return button(text, patient(() => this.#acts.start(() => api.repeat(this.#job.id))));
  }

  #instead(text, act, kind = "faint") {
    const focused = this.#pictures.contains(document.activeElement);
    const actions = act && make("div", { class: "actions" }, act);
    this.#pictures.replaceChildren(make("div", { class: "note" }, make("p", { class: kind }, text), actions));
    if (focused) act?.focus();
  }

  #end() {
    this.#over = true;
    clearInterval(this.#ticking);
    this.#bar.remove();
  }

  #say(text) {
    this.#line.textContent = text;
  }
}

export function byline(...content) {
  return make("p", { class: "byline", "aria-live": "off" }, make("b", {}, "Limner"), " ", ...content);
}
