"use strict";
// Methods are shown and hidden in all figures at once; tables are sorted by a click on their heads.

const hidden = new Set();

function showOrHide(who) {
  if (!hidden.delete(who)) hidden.add(who);
  for (const group of document.querySelectorAll(`g[data-who="${who}"]`)) {
    group.style.display = hidden.has(who) ? "none" : "";
  }
  for (const button of document.querySelectorAll(`button[data-who="${who}"]`)) {
    button.setAttribute("aria-pressed", String(!hidden.has(who)));
  }
}

function keyOf(row, column, isText) {
  const text = row.cells[column].textContent;
  if (isText) return text;
  const number = text === "inf" ? Infinity : parseFloat(text);
  return Number.isNaN(number) ? null : number;
}

// What is missing comes last, whichever way.
function sortBy(table, head) {
  const [column, isText] = [head.cellIndex, head.classList.contains("text")];
  const way = head.getAttribute("aria-sort") === "ascending" ? "descending" : "ascending";
  const rows = [...table.tBodies[0].rows].map((row) => [keyOf(row, column, isText), row]);
  const sign = way === "ascending" ? 1 : -1;
  rows.sort(([a], [b]) => {
    if (a === null || b === null) return (a === null) - (b === null);
    return sign * (isText ? a.localeCompare(b, "en", { numeric: true }) : a === b ? 0 : a - b);
  });
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", way);
  table.tBodies[0].append(...rows.map(([, row]) => row));
}

for (const button of document.querySelectorAll("button[data-who]")) {
  button.addEventListener("click", () => showOrHide(button.dataset.who));
}

for (const table of document.querySelectorAll(".wide table")) {
  for (const head of table.tHead.rows[0].cells) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    button.addEventListener("click", () => sortBy(table, head));
    head.append(button);
  }
}
