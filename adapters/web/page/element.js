// Makes elements. What comes from elsewhere goes in as text or as a plain attribute, never as markup.

export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child != null && child !== false));
  return element;
}

export function button(text, click, attributes = {}) {
  return make("button", { type: "button", click, ...attributes }, text);
}

/** Hears one press at a time: while the first one's promise is open, the button takes no other. */
export function patient(act) {
  return async ({ currentTarget }) => {
    if (currentTarget.ariaDisabled === "true") return;
    currentTarget.ariaDisabled = "true";
    try {
      await act();
    } finally {
      currentTarget.ariaDisabled = null;
    }
  };
}

/** For those who hear the page and do not see it. */
export function announce(text) {
  document.getElementById("news").textContent = text;
}
