// The dialog with a picture's recipe, and where it came from.

import * as api from "./api.js";
import { announce, button, make, patient } from "./element.js";
import { list } from "./notes.js";
import { save, show, thumb } from "./pictures.js";
import * as words from "./words.js";

const dialog = document.getElementById("details");
const content = document.getElementById("details-content");

const NAMES = {
  prompt: "Prompt",
  negative_prompt: "Not to be seen",
  seed: "Seed",
  num_inference_steps: "Steps",
  sampler: "Sampler",
  guidance_scale: "Guidance",
  strength: "Strength",
  stage: "Painted by",
  model: "Model",
  refiner: "Refiner",
  refine_at: "Refiner takes over at",
  device: "Device",
  dtype: "Precision",
};

export async function open(id) {
  content.replaceChildren(make("p", { class: "faint" }, "Looking it up …"));
  if (!dialog.open) dialog.showModal();
  try {
    draw(await api.image(id));
  } catch (problem) {
    content.replaceChildren(make("p", { class: "problem" }, problem.message));
  }
}

function draw(image) {
  const img = make("img", { alt: image.recipe?.prompt ?? "A picture that was brought", width: image.width, height: image.height });
  const missing = () => img.replaceWith(make("p", { class: "problem" }, "Its file is missing or damaged."));
  show(img, image.id).catch(missing);
  content.replaceChildren(make("div", { class: "shown" }, img), list(facts(image)));
  content.append(...family(image), ...recipe(image));
}

function facts(image) {
  const said = { Size: `${image.width} × ${image.height}`, Made: words.moment(image.created_at), ID: image.id };
  if (!image.recipe) return { Recipe: "none: this picture was brought", ...said };
  const known = Object.entries(NAMES).filter(([field]) => image.recipe[field] != null && image.recipe[field] !== "");
  return { ...Object.fromEntries(known.map(([field, name]) => [name, image.recipe[field]])), ...said };
}

function family({ parent, children }) {
  const acts = { details: open };
  const see = (id, text) => {
    const link = thumb(id, acts, text);
    // The picture may stand on the page beneath this dialog.
    link.addEventListener("click", () => document.getElementById(`image-${id}`) && dialog.close());
    return link;
  };
  return [
    parent && make("p", { class: "children" }, "Refined from ", see(parent, "the picture that it came from")),
    children.length > 0 &&
      make("p", { class: "children" }, "Refined into ", ...children.map((id) => see(id, "a picture that came out of it"))),
  ].filter(Boolean);
}

function recipe(image) {
  const download = button("Download", patient(() => save(image.id)));
  if (!image.recipe) return [make("div", { class: "actions" }, download)];
  const text = api.written(image.recipe);
  const whole = make("pre", { tabindex: 0, "aria-label": "Recipe as JSON" }, text);
  const copy = button("Copy recipe", patient(() => copied(copy, text, whole)), { class: "first" });
  return [
    make("div", { class: "actions" }, copy, download),
    make("details", {}, make("summary", {}, "The whole recipe as JSON"), whole),
  ];
}

async function copied(copy, text, whole) {
  try {
    await navigator.clipboard.writeText(text);
    copy.textContent = "Copied";
    announce("The recipe was copied.");
  } catch {
    // Without https the clipboard is closed, but on this machine itself.
    whole.parentElement.open = true;
    getSelection().selectAllChildren(whole);
  }
}

document.getElementById("details-close").addEventListener("click", () => dialog.close());
// A press beside the dialog closes it.
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
