const box = document.getElementById("explained");
const add = (name, text, parent = box) => {
  const part = document.createElement(name);
  part.textContent = text;
  return parent.appendChild(part);
};
const close = () => box.replaceChildren();
document.addEventListener("keydown", (event) => { if (event.key === "Escape") close(); });
document.addEventListener("click", (event) => {
  const cell = event.target.closest("table[data-address] td.number");
  if (!cell || !cell.parentElement.dataset.row) return;
  const table = cell.closest("table"), head = table.tHead.rows[0].cells, row = cell.parentElement;
  const isLimit = /(^|_)(lower|upper)_\d+$/;
  let at = cell.cellIndex;
  const own = head[at].dataset.column;
  while (isLimit.test(head[at].dataset.column) && at > 0) at -= 1;
  const says = table.closest(".table").querySelector(`[data-of="${head[at].dataset.column}"]`);
  close();
  add("strong", `${row.cells[0].textContent}, ${head[cell.cellIndex].textContent}: ${cell.textContent}`);
  if (says) add("p", says.textContent);
  const where = add("p", "Address: ");
  add("code", `${table.dataset.address}/${row.dataset.row}/${own}`, where);
  const button = add("button", "Close");
  button.type = "button";
  button.addEventListener("click", close);
});
