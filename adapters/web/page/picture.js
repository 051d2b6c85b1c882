// One finished picture in the chat, and what can be done with it.

import * as api from "./api.js";
import { announce, button, make, patient } from "./element.js";
import * as lineage from "./lineage.js";
import { show, thumb } from "./pictures.js";

/** `text` says what it shows: the prompt, or the name of the file. */
export function picture(image, text, acts) {
  const img = make("img", { alt: text, width: image.width, height: image.height, loading: "lazy" });
  const reply = () => acts.reply({ ...image, text });
  const canvas = make("button", { type: "button", class: "canvas", title: "Refine this picture", click: reply }, img);
  canvas.style.aspectRatio = `${image.width} / ${image.height}`;
  const children = make("p", { class: "children", hidden: true }, "Refined into ");
  const figure = make("figure", { id: `image-${image.id}`, class: "picture", tabindex: -1 }, canvas);
  figure.append(actions(figure, image, reply, acts), children);
  lineage.parent(image.id, children);
  if (image.parent) lineage.child(image.id, image.parent, () => thumb(image.id, acts, text));
  const seen = show(img, image.id).catch(() => lost(canvas));
  return { figure, img, seen };
}

function lost(canvas) {
  canvas.classList.add("lost");
  canvas.append("This picture cannot be shown: its file is missing or damaged.");
}

function actions(figure, image, reply, acts) {
  const row = make("div", { class: "actions" });
  const painted = image.seed != null;
  row.append(button("Refine", reply, { class: "first" }));
  if (painted) {
    row.append(
      button("Vary", patient(() => acts.start(() => api.vary(image.id)))),
      button("Again", patient(() => acts.start(() => api.again(image.id)))),
    );
  }
  row.append(
    button("Recipe", () => acts.details(image.id)),
    button("Delete", () => confirm(row, () => remove(figure, image, acts))),
  );
  return row;
}

/** Asks once, in place. */
function confirm(row, act) {
  const back = () => {
    question.replaceWith(row);
    row.lastElementChild.focus();
  };
  const keep = button("Keep", back);
  const sure = button("Delete", patient(() => act(back)), { class: "danger" });
  const leave = (event) => event.key === "Escape" && back();
  const question = make("div", { class: "actions", role: "group", keydown: leave }, make("span", {}, "Delete it for good?"), sure, keep);
  question.ariaLabel = "Delete it for good?";
  row.replaceWith(question);
  keep.focus();
}

async function remove(figure, image, acts) {
  try {
    await api.remove(image.id);
  } catch (problem) {
    if (problem.status !== 404) return acts.refused(problem);
  }
  lineage.gone(image.id, image.parent);
  acts.removed(image.id);
  figure.replaceWith(make("p", { class: "faint gone" }, "This picture was deleted."));
  announce("The picture was deleted.");
  return acts.write();
}
