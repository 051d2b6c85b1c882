// Draws an hour, minute by minute. Each picture has its words beside it.

import { make } from "./element.js";
import * as words from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
const HEIGHT = 100;
/** Of a minute's width; the rest is air. */
const WIDTH = 0.7;
const TICK = 4;

export function ended(minutes) {
  const most = Math.max(1, ...minutes.map(({ done, failed }) => done + failed));
  const bars = minutes.flatMap(({ done, failed }, at) => [
    bar("done", at, (done / most) * HEIGHT, 0),
    bar("failed", at, (failed / most) * HEIGHT, (done / most) * HEIGHT),
  ]);
  const done = sum(minutes, "done");
  const failed = sum(minutes, "failed");
  const said = `${words.plural(done, "job")} done and ${failed} failed in the last hour; at most ${most} in a minute.`;
  const keys = [make("span", { class: "key" }, `done ${done}`), make("span", { class: "key failed" }, `failed ${failed}`)];
  return [chart(said, bars, minutes.length), scale(make("span", {}, `up to ${most} a minute`), make("span", {}, ...keys))];
}

export function took(minutes) {
  const known = minutes.filter(({ seconds_p50: seconds }) => seconds !== null);
  if (!known.length) return [make("p", { class: "faint" }, "Nothing was painted in the last hour.")];
  const longest = Math.max(...known.map(({ seconds_p50: seconds }) => seconds));
  const ticks = minutes.map(({ seconds_p50: seconds }, at) =>
    bar("took", at, seconds === null ? 0 : TICK, ((seconds ?? 0) / longest) * (HEIGHT - TICK)),
  );
  const last = words.duration(known.at(-1).seconds_p50);
  const slowest = words.duration(longest);
  const said = `Half of the jobs of a minute took at most this long, with their time in line: ${last} at last, ${slowest} in the slowest minute.`;
  return [chart(said, ticks, minutes.length), scale(make("span", {}, `up to ${slowest}`), make("span", {}, `median at last ${last}`))];
}

const sum = (minutes, field) => minutes.reduce((total, minute) => total + minute[field], 0);

function bar(kind, at, height, above) {
  const rect = document.createElementNS(SVG, "rect");
  const place = { class: kind, x: at, y: HEIGHT - above - height, width: WIDTH, height };
  for (const [name, value] of Object.entries(place)) rect.setAttribute(name, value);
  return rect;
}

function chart(said, rects, width) {
  const svg = document.createElementNS(SVG, "svg");
  const attributes = { class: "chart", role: "img", "aria-label": said, preserveAspectRatio: "none" };
  for (const [name, value] of Object.entries(attributes)) svg.setAttribute(name, value);
  svg.setAttribute("viewBox", `0 0 ${Math.max(1, width)} ${HEIGHT}`);
  svg.append(...rects.filter((rect) => Number(rect.getAttribute("height")) > 0));
  return svg;
}

function scale(left, right) {
  return make("p", { class: "scale" }, left, right);
}
