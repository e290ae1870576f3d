// Elements of the page. Texts become text nodes, never markup.
function element(tag, properties, ...parts) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties || {})) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (name === "class") made.className = value;
    else made.setAttribute(name, value);
  }
  for (const part of parts.flat(Infinity)) {
    if (part !== null && part !== undefined && part !== "") made.append(part instanceof Node ? part : String(part));
  }
  return made;
}

const byId = (id) => document.getElementById(id);
const link = (text, action, title) => element("button", { class: "link", type: "button", onclick: action, ...(title ? { title } : {}) }, text);
const replace = (id, ...parts) => byId(id).replaceChildren(...parts.flat(Infinity).filter((part) => part !== null && part !== ""));
// Colours are asked for once: after that a style that is not settled yet would have to be.
const colors = new Map();
function color(name) {
  if (!colors.has(name)) colors.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  return colors.get(name);
}

// A table that is sorted by a click on a head and shows more rows on demand. A column is {title, value(row), text(row), number};
// `open(row)`, where given, is what a click on a row or Enter does.
const PAGE_ROWS = 200;
function sortedTable(columns, rows, open, first, page = PAGE_ROWS) {
  let by = first ?? -1, down = by >= 0 && columns[by].number, shown = page;
  const head = element("tr", {}), body = element("tbody", {}), more = element("p", {});
  const sorted = () => {
    if (by < 0) return rows;
    const values = rows.map(columns[by].value), sign = down ? -1 : 1;
    return rows.map((_, i) => i).sort((a, b) => sign * (values[a] < values[b] ? -1 : values[a] > values[b] ? 1 : 0)).map((i) => rows[i]);
  };
  const draw = () => {
    head.replaceChildren(...columns.map((column, i) => element("th", { ...(column.number ? { class: "number" } : {}), "aria-sort": i === by ? (down ? "descending" : "ascending") : "none" },
      element("button", { type: "button", onclick: () => { down = by === i ? !down : Boolean(column.number); by = i; draw(); } }, column.title, i === by ? (down ? " ▾" : " ▴") : ""))));
    body.replaceChildren(...sorted().slice(0, shown).map((row) => element("tr",
      open ? { tabindex: "0", onclick: () => open(row), onkeydown: (event) => { if (event.key === "Enter" && event.target === event.currentTarget) open(row); } } : {},
      columns.map((column) => element("td", column.number ? { class: "number" } : {}, column.text ? column.text(row) : column.value(row))))));
    more.replaceChildren(...(rows.length > shown
      ? [link(`${rows.length - shown} more`, () => { shown += 5 * page; draw(); })] : []));
  };
  draw();
  return [element("table", {}, element("thead", {}, head), body), more];
}
