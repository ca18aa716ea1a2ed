document.querySelectorAll("thead button").forEach((button) => {
  button.addEventListener("click", () => {
    const head = button.closest("th"), body = head.closest("table").tBodies[0], at = head.cellIndex;
    const down = head.getAttribute("aria-sort") === "ascending";
    const key = (row) => row.cells[at].dataset.order ?? row.cells[at].textContent.trim();
    const compare = (a, b) => {
      const [x, y] = [key(a), key(b)];
      if (x === "" || y === "") return (x === "") - (y === "");
      const order = head.dataset.kind === "number" ? x - y : x.localeCompare(y, "en-GB");
      return down ? -order : order;
    };
    [...body.rows].sort(compare).forEach((row) => body.append(row));
    head.parentElement.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    document.getElementById("sorted").textContent =
      `Sorted by ${button.textContent.trim()}, ${down ? "descending" : "ascending"}`;
  });
});
