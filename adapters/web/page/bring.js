// A picture of one's own: by dropping, pasting or choosing it.

const TYPES = new Set(["image/png", "image/jpeg", "image/webp"]);
const MEBIBYTES = 25;

const file = document.getElementById("file");
const hint = document.getElementById("drop");
/** Somebody drags a picture of this page. */
let ours = false;

/** `take` hears (file, mistake or null). */
export function listen(take) {
  const first = (files) => files.length && take(files[0], mistake(files[0]));
  document.getElementById("attach").addEventListener("click", () => file.click());
  file.addEventListener("change", () => {
    first([...file.files]);
    file.value = "";
  });
  document.addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files];
    if (!files.length) return;
    event.preventDefault();
    first(files);
  });
  document.addEventListener("dragstart", () => (ours = true));
  document.addEventListener("dragend", () => (ours = false));
  document.addEventListener("dragover", (event) => over(event));
  document.addEventListener("dragleave", (event) => event.relatedTarget === null && (hint.hidden = true));
  document.addEventListener("drop", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    hint.hidden = true;
    first([...event.dataTransfer.files]);
  });
}

const brings = (event) => !ours && event.dataTransfer.types.includes("Files");

function over(event) {
  if (!brings(event)) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "copy";
  hint.hidden = false;
}

function mistake({ type, size }) {
  if (!TYPES.has(type)) return "Limner takes pictures as PNG, JPEG or WebP; this is something else.";
  return size > MEBIBYTES * 2 ** 20 ? `The picture is too large: up to ${MEBIBYTES} MiB are taken.` : null;
}
