"use strict";
for (const e of document.querySelectorAll("[data-needs-script]")) e.hidden = false;

const choice = document.getElementById("of-class");
if (choice) choice.addEventListener("change", () => {
  let shown = 0;
  for (const item of document.querySelectorAll(".gallery li")) {
    item.hidden = choice.value !== "" && item.dataset.class !== choice.value;
    shown += !item.hidden;
  }
  document.getElementById("shown").textContent = shown + (shown === 1 ? " image" : " images");
});

const matrix = document.getElementById("matrix");
if (matrix) {
  const svg = matrix.querySelector("svg");
  const zoom = factor => {
    const width = svg.getBoundingClientRect().width;
    svg.style.maxWidth = factor ? "none" : svg.dataset.natural;
    svg.style.width = factor ? Math.round(width * factor) + "px" : "";
  };
  svg.dataset.natural = svg.style.maxWidth;
  for (const button of document.querySelectorAll("[data-zoom]"))
    button.addEventListener("click", () => zoom(Number(button.dataset.zoom)));
  matrix.addEventListener("keydown", event => {
    const factor = {"+": 1.25, "-": 0.8, "0": 0}[event.key];
    if (factor !== undefined && !event.ctrlKey && !event.metaKey) { event.preventDefault(); zoom(factor); }
  });
}

const hint = document.getElementById("hint");
document.addEventListener("pointermove", event => {
  const mark = event.target.closest && event.target.closest("[role=graphics-symbol][aria-label]");
  hint.hidden = !mark || !mark.classList.length && mark.tagName === "g";
  if (hint.hidden) return;
  hint.textContent = mark.getAttribute("aria-label");
  hint.style.left = Math.min(event.clientX + 12, innerWidth - hint.offsetWidth - 8) + "px";
  hint.style.top = (event.clientY + 18) + "px";
});

const copy = document.getElementById("copy");
copy.addEventListener("click", async () => {
  const text = document.getElementById("command");
  try {
    await navigator.clipboard.writeText(text.textContent);
    copy.textContent = "Copied";
  } catch {  // a page from a file, or in a frame, may not write there: the text is selected instead
    getSelection().selectAllChildren(text);
    copy.textContent = "Selected";
  }
});

addEventListener("beforeprint", () => {
  for (const e of document.querySelectorAll("details")) e.open = true;
});
