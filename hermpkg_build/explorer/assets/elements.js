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

// A list whose first elements alone are made at once, since a click waits for them: the others are made when its end
// comes into sight, or is asked for. Returns the element at that end, and what fills the list with other items.
const FIRST_ITEMS = 50, MORE_ITEMS = 200;
function growing(list, make, first = FIRST_ITEMS, beforeMore = () => {}) {
  const end = element("p", {});
  let items = [], shown = 0;
  const add = (count) => {
    list.append(...items.slice(shown, shown + count).map(make));
    shown = Math.min(items.length, shown + count);
    end.replaceChildren(...(shown < items.length ? [link(`${items.length - shown} more`, more)] : []));
  };
  const more = () => {
    beforeMore();
    add(MORE_ITEMS);
  };
  const fill = (others) => {
    items = others;
    shown = 0;
    list.replaceChildren();
    add(first);
  };
  requestAnimationFrame(() => {
    const observer = new IntersectionObserver((seen) => {
      if (!end.isConnected) observer.disconnect();
      else if (end.firstChild && seen.some((each) => each.isIntersecting)) more();
    }, { root: end.closest("#view, #details"), rootMargin: "0px 0px 300px 0px" });
    observer.observe(end);
  });
  return { end, fill };
}

// A table that is sorted by a click on a head. A column is {title, value(row), text(row), number}; `open(row)`, where given,
// is what a click on a row or Enter does.
function sortedTable(columns, rows, open, first, page) {
  let by = first ?? -1, down = by >= 0 && columns[by].number;
  const head = element("tr", {}), body = element("tbody", {}), table = element("table", {}, element("thead", {}, head), body);
  const sorted = () => {
    if (by < 0) return rows;
    const values = rows.map(columns[by].value), sign = down ? -1 : 1;
    return rows.map((_, i) => i).sort((a, b) => sign * (values[a] < values[b] ? -1 : values[a] > values[b] ? 1 : 0)).map((i) => rows[i]);
  };
  const line = (row) => element("tr",
    open ? { tabindex: "0", onclick: () => open(row), onkeydown: (event) => { if (event.key === "Enter" && event.target === event.currentTarget) open(row); } } : {},
    columns.map((column) => element("td", column.number ? { class: "number" } : {}, column.text ? column.text(row) : column.value(row))));
  const keepWidths = () => {
    const cells = [...head.children], widths = cells.map((each) => each.offsetWidth);
    cells.forEach((each, i) => { each.style.width = `${widths[i]}px`; });
    table.className = "fixed";
  };
  const list = growing(body, line, page, keepWidths);
  const draw = () => {
    head.replaceChildren(...columns.map((column, i) => element("th", { ...(column.number ? { class: "number" } : {}), "aria-sort": i === by ? (down ? "descending" : "ascending") : "none" },
      element("button", { type: "button", onclick: () => { down = by === i ? !down : Boolean(column.number); by = i; draw(); } }, column.title, i === by ? (down ? " ▾" : " ▴") : ""))));
    table.className = "";
    list.fill(sorted());
  };
  draw();
  return [table, list.end];
}
