"use strict";

// Tables sort by a click on a header, or Enter and Space on its button; rows without a value stay at the end.
for (const table of document.querySelectorAll("table.sortable")) {
  const headers = [...table.tHead.rows[0].cells];
  const body = table.tBodies[0];

  const sort = (index, header) => {
    const isText = header.classList.contains("text");
    const first = isText ? "ascending" : "descending";
    const other = isText ? "descending" : "ascending";
    const direction = header.getAttribute("aria-sort") === first ? other : first;
    const sign = direction === "ascending" ? 1 : -1;
    const value = (row) => (row.classList.contains("failed") && !isText ? "" : row.cells[index].dataset.value);
    const compare = (a, b) => (isText ? a.localeCompare(b) : Number(a) - Number(b));
    const rows = [...body.rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      return sign * compare(x, y);
    });
    body.append(...rows);
    for (const cell of headers) cell.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", direction);
    document.getElementById("sorted").textContent = `Sorted by ${header.querySelector("button").textContent}, ${direction}.`;
  };

  headers.forEach((header, index) => {
    const button = header.querySelector("button");
    if (button) button.addEventListener("click", () => sort(index, header));
  });
}
