"use strict";
const filter = document.getElementById("filter");
const state = document.getElementById("state");
const body = document.querySelector("tbody");
const buttons = Array.from(document.querySelectorAll("thead button"));
const rows = Array.from(document.querySelectorAll("tbody tr"), (element) => ({
  element,
  keys: JSON.parse(element.dataset.keys),
  text: Array.from(element.querySelectorAll("th, .status, .remarks"), (cell) => cell.textContent)
    .join(" ")
    .toLowerCase(),
}));
const collator = new Intl.Collator("en", { numeric: true });
let order = "";

function compare(a, b) {
  return typeof a === "string" ? collator.compare(a, b) : a - b;
}

function sortBy(column, descending) {
  rows.sort((first, second) => {
    const [a, b] = [first.keys[column], second.keys[column]];
    if (a === null || b === null) return (a === null) - (b === null); // nothing stands last in either direction
    return descending ? compare(b, a) : compare(a, b);
  });
  body.append(...rows.map((row) => row.element));
}

function show() {
  const words = filter.value.toLowerCase().split(/\s+/);
  let shown = 0;
  for (const { element, text } of rows) {
    element.hidden = !words.every((word) => text.includes(word));
    shown += !element.hidden;
  }
  state.value = `${shown} of ${rows.length} shown${order}`;
}

buttons.forEach((button, column) => {
  button.addEventListener("click", () => {
    const heading = button.closest("th");
    const before = heading.getAttribute("aria-sort");
    const descending = before === "none" ? "descending" in button.dataset : before === "ascending";
    for (const other of buttons) other.closest("th").setAttribute("aria-sort", "none");
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    order = `, sorted by ${button.textContent}, ${descending ? "highest first" : "lowest first"}`;
    sortBy(column, descending);
    show();
  });
});

if (filter) {
  filter.form.addEventListener("submit", (event) => event.preventDefault());
  filter.addEventListener("input", show);
  window.addEventListener("pageshow", show); // a browser may bring back what was typed before
}
