"use strict";
const rows = JSON.parse(document.getElementById("rows").textContent); // columns, with an entry per photograph
const [filter, status, state, pager, number, pages, previous, next] =
  ["filter", "status", "state", "pager", "page", "pages", "previous", "next"].map((id) => document.getElementById(id));
const scroll = document.querySelector(".scroll");
const body = document.querySelector("tbody");
const buttons = Array.from(document.querySelectorAll("thead button"));
const collator = new Intl.Collator("en", { numeric: true });
const ok = rows.statuses.indexOf("ok");
const remarks = rows.remark.map((code) => rows.remarks[code]);
const columns = [
  rows.id,
  rows.status,
  ...rows.diseases.map((disease) => disease.value),
  remarks.map((sentences, row) => (rows.status[row] === ok ? sentences.length : 0)),
];
const texts = rows.id.map((id, row) =>
  [id, rows.image[row], rows.statuses[rows.status[row]], ...remarks[row]].join(" ").toLowerCase(),
);
const view = { words: "", status: "", column: null, descending: false, page: 1 };
let order = [];
let found = [];

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

// The same elements as in the template.
function draw(row) {
  const name = make("bdi", {}, rows.id[row]);
  const word = make("td", { class: "status" }, rows.statuses[rows.status[row]]);
  const remark = remarks[row].join(" ");
  if (rows.status[row] !== ok) {
    const image = rows.image[row] && make("span", { class: "quiet" }, make("bdi", {}, rows.image[row]));
    return make(
      "tr",
      { class: "attention" },
      make("th", { scope: "row", colspan: 2 }, name, ...(image ? [make("br", {}), image] : [])),
      word,
      make("td", { class: "remarks", colspan: rows.diseases.length + 1 }, remark),
    );
  }
  const url = rows.url[row] || rows.id[row];
  const picture = { src: `report/pictures/${url}/thumbnail.jpg`, width: 72, height: 54 };
  return make(
    "tr",
    {},
    make("td", { class: "picture" }, make("img", { ...picture, loading: "lazy", decoding: "async", alt: "" })),
    make("th", { scope: "row" }, make("a", { href: `report/${url}.html` }, name)),
    word,
    ...rows.diseases.map((disease) => make("td", { class: "disease", "data-label": disease.name }, score(disease, row))),
    make("td", { class: "remarks" }, remark || "–"),
  );
}

function score(disease, row) {
  const value = disease.value[row];
  if (value === null) return "–";
  const [decision, threshold] = disease.decisions[disease.decision[row]];
  const tick = threshold === null ? "" : `; --threshold: ${threshold.toFixed(3)}`;
  const shown = make(
    "span",
    {
      class: `value${decision === 1 ? " reached" : ""}${decision === null ? " undecided" : ""}`,
      style: `--value: ${value.toFixed(3)}${tick}`,
    },
    value.toFixed(3),
  );
  if (decision === 1) shown.prepend(make("span", { title: "at or above the threshold" }, "▲"), " ");
  if (disease.percentile[row] !== null) shown.append(" ", make("span", { class: "rank" }, `(${disease.percentile[row]})`));
  return shown;
}

function sort() {
  order = Array.from(rows.id.keys());
  if (view.column === null) return;
  const keys = columns[view.column];
  const sign = view.descending ? -1 : 1;
  order.sort((first, second) => {
    const a = keys[first];
    const b = keys[second];
    if (a === null || b === null) return (a === null) - (b === null); // nothing stands last in either direction
    return sign * (typeof a === "string" ? collator.compare(a, b) : a - b);
  });
}

function search() {
  const words = view.words.toLowerCase().split(/\s+/);
  const wanted = rows.statuses.indexOf(view.status);
  found = order.filter(
    (row) => (wanted < 0 || rows.status[row] === wanted) && words.every((word) => texts[row].includes(word)),
  );
}

function show() {
  const last = Math.max(1, Math.ceil(found.length / rows.page_rows));
  view.page = Math.min(Math.max(view.page, 1), last);
  body.replaceChildren(...found.slice((view.page - 1) * rows.page_rows, view.page * rows.page_rows).map(draw));
  buttons.forEach((button, column) => {
    const direction = view.descending ? "descending" : "ascending";
    button.closest("th").setAttribute("aria-sort", column === view.column ? direction : "none");
  });
  const sorted = view.column === null ? "" : `, sorted by ${buttons[view.column].textContent}`;
  const direction = sorted && (view.descending ? ", highest first" : ", lowest first");
  const [shown, all] = [found.length, rows.id.length].map((count) => count.toLocaleString("en"));
  state.value = `${shown} of ${all} photographs${sorted}${direction}`;
  pager.hidden = last === 1;
  number.max = last;
  number.value = view.page;
  pages.value = last.toLocaleString("en");
  previous.setAttribute("aria-disabled", view.page === 1);
  next.setAttribute("aria-disabled", view.page === last);
}

function turnTo(page) {
  view.page = page;
  show();
  scroll.scrollTop = 0;
  body.firstElementChild.scrollIntoView({ block: "nearest" });
}

buttons.forEach((button, column) => {
  button.addEventListener("click", () => {
    view.descending = column === view.column ? !view.descending : "descending" in button.dataset;
    view.column = column;
    view.page = 1;
    sort();
    search();
    show();
  });
});
filter.form.addEventListener("submit", (event) => event.preventDefault());
filter.form.addEventListener("input", () => {
  view.words = filter.value;
  view.status = status.value;
  view.page = 1;
  search();
  show();
});
previous.addEventListener("click", () => turnTo(view.page - 1));
next.addEventListener("click", () => turnTo(view.page + 1));
number.addEventListener("change", () => turnTo(Math.trunc(number.value)));

// Whoever comes back from the page of a photograph finds the table as it was left, though a browser forgets it.
document.addEventListener("click", () => history.replaceState(view, ""));
Object.assign(view, history.state);
if (!(view.column in columns)) view.column = null; // the report was made anew since
filter.value = view.words;
status.value = view.status;
sort();
search();
show();
