// Puts pictures into <img>. With a key they are fetched, as <img> sends none, and live in blobs, which are let go at once.

import * as api from "./api.js";
import { make } from "./element.js";

/** Resolves once it is seen; one that is lazy waits until somebody scrolls there. */
export async function show(img, id) {
  if (api.key.get()) return fromBlob(img, await fetched(id));
  return loaded(img, api.path("download", id));
}

export function preview(img, jpeg) {
  const bytes = Uint8Array.from(atob(jpeg), (letter) => letter.charCodeAt(0));
  return fromBlob(img, new Blob([bytes], { type: "image/jpeg" }));
}

export async function save(id) {
  const address = URL.createObjectURL(await fetched(id));
  make("a", { href: address, download: `${id}.png` }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10_000);
}

export function thumb(id, acts, text) {
  const img = make("img", { alt: text, width: 40, height: 40, loading: "lazy" });
  const link = make("a", { class: "thumb", href: `#image-${id}`, click: (event) => jump(event, id, acts) }, img);
  show(img, id).catch(() => link.replaceWith(make("span", { class: "faint" }, "a picture that is gone")));
  return link;
}

/** On this page by the address alone; what is further up is shown in the dialog. */
function jump(event, id, acts) {
  const figure = document.getElementById(`image-${id}`);
  if (figure) {
    figure.focus({ preventScroll: true });
  } else {
    event.preventDefault();
    acts.details(id);
  }
}

async function fetched(id) {
  const response = await api.ask("GET", api.path("download", id), { accept: "image/png" });
  return response.blob();
}

/** What is loaded stays to be seen without its address. */
async function fromBlob(img, blob) {
  const address = URL.createObjectURL(blob);
  return loaded(img, address).finally(() => URL.revokeObjectURL(address));
}

function loaded(img, address) {
  return new Promise((resolve, reject) => {
    img.addEventListener("load", resolve, { once: true });
    img.addEventListener("error", () => reject(new Error("This is no picture.")), { once: true });
    img.src = address;
  });
}
