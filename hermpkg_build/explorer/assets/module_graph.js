// The graph of modules, folded by package: a click unfolds a package, and shows why a module is there.
const MOST_SHOWN = 90, MOST_LINES = 1200;
const unfolded = new Set([""]);
let shownNodes = [], pressed = null;

// The folders of a module, from its distribution on: ["kornia", "kornia ▸ feature", ...] with a separator that no name has.
const SEPARATOR = "\u0001";
const foldersKnown = [];
const foldersOf = (module) => (foldersKnown[module] ??= foldersOfModule(module));
function foldersOfModule(module) {
  if (modules.policy[module] < 0) return [modules.name[module]];
  const group = data.groups[modules.group[module]], parts = modules.name[module].split(".");
  const path = [group ? group.title : "?"];
  parts.forEach((part, i) => path.push(`${path[i]}${SEPARATOR}${part}`));
  return path;
}

const labelOfFolder = (key) => key.includes(SEPARATOR) ? key.split(SEPARATOR).slice(1).join(".") : key;

// Unfolds a folder, and those in it that are all that it holds.
function unfold(key, members) {
  for (let inner = [key]; inner.length === 1; ) {
    unfolded.add(inner[0]);
    const depth = inner[0].split(SEPARATOR).length;
    inner = [...new Set(members.map(foldersOf).filter((folders) => folders.length > depth).map((folders) => folders[depth]))];
    if (inner.length && inner[0] && unfolded.has(inner[0])) break;
  }
}

function foldedGraph() {
  const nodes = new Map(), place = new Array(modules.name.length).fill(null);
  modules.name.forEach((name, module) => {
    if (depthOf[module] < 0 && importsOf(module).length === 0 && importersOf(module).length === 0) return;
    const folders = foldersOf(module);
    let depth = 0;
    while (depth < folders.length - 1 && unfolded.has(folders[depth])) depth++;
    const key = folders[depth];
    let node = nodes.get(key);
    if (!node) nodes.set(key, node = { key, module: -1, members: [], policies: new Set(), depth: Infinity, label: labelOfFolder(key) });
    node.members.push(module);
    node.policies.add(modules.policy[module]);
    node.isRoot = modules.policy[module] < 0;
    if (depthOf[module] >= 0) node.depth = Math.min(node.depth, depthOf[module]);
    place[module] = node;
  });
  let shown = [...nodes.values()].sort((a, b) => b.isRoot - a.isRoot || b.members.length - a.members.length);
  if (shown.length > MOST_SHOWN) {
    const rest = { key: "", label: `${shown.length - MOST_SHOWN} more`, members: [], policies: new Set(), depth: Infinity, isRest: true };
    for (const node of shown.slice(MOST_SHOWN)) {
      for (const module of node.members) { rest.members.push(module); place[module] = rest; }
      for (const policy of node.policies) rest.policies.add(policy);
      rest.depth = Math.min(rest.depth, node.depth);
    }
    shown = [...shown.slice(0, MOST_SHOWN), rest];
  }
  shown.forEach((node, i) => { node.into = new Map(); node.from = new Map(); node.number = i; });
  const numbers = Int16Array.from(place, (node) => (node ? node.number : -1)), counts = new Uint32Array(shown.length ** 2);
  for (let edge = 0; edge < edges.source.length; edge++) {
    const a = numbers[edges.source[edge]], b = numbers[edges.target[edge]];
    if (a >= 0 && b >= 0 && a !== b) counts[a * shown.length + b]++;
  }
  counts.forEach((count, i) => {
    if (!count) return;
    const a = shown[Math.floor(i / shown.length)], b = shown[i % shown.length];
    a.into.set(b, count); b.from.set(a, count);
  });
  return shown;
}

// Columns by distance from the roots; within a column by where the neighbours are.
function placeNodes(nodes, width, height) {
  const columns = [], perColumn = Math.max(4, Math.floor(height / 22));
  const depths = [...new Set(nodes.map((node) => node.depth))].sort((a, b) => a - b);
  for (const depth of depths) {
    const layer = nodes.filter((node) => node.depth === depth);
    layer.forEach((node, i) => { node.y = (i + 0.5) / layer.length; });
    for (let round = 0; round < 3; round++) {
      for (const node of layer) {
        const known = [...node.from.keys()].filter((other) => other.depth < depth);
        if (known.length) node.y = known.reduce((sum, other) => sum + other.y, 0) / known.length;
      }
    }
    layer.sort((a, b) => a.y - b.y || (a.label < b.label ? -1 : 1));
    for (let at = 0; at < layer.length; at += perColumn) columns.push(layer.slice(at, at + perColumn));
  }
  const needs = columns.map((column) => Math.min(230, 70 + 7 * Math.max(...column.map((node) => node.label.length))));
  const scale = width / needs.reduce((sum, need) => sum + need, 0);
  let left = 12;
  columns.forEach((column, i) => {
    const step = needs[i] * scale;
    column.forEach((node, j) => {
      // Zigzag, so that lines within a column can be told apart.
      node.x = left + (j % 2) * Math.min(26, step / 8);
      node.y = ((j + 0.5) / column.length) * height;
      node.room = step - 42;
    });
    left += step;
  });
}

// The end of a dotted name says more than its beginning, which its neighbours have too.
function endOf(name, width) {
  const most = Math.floor(width / 7);
  return name.length <= most ? name : `…${name.slice(1 - most)}`;
}

const policyColor = (node) => node.isRoot ? "mark" : node.policies.size > 1 ? "mixed"
  : { 0: "workspace", 1: "extern", 2: "stub", 3: "denied" }[[...node.policies][0]];

async function drawModules(selected) {
  const [place, width, height] = chartPlace();
  shownNodes = foldedGraph();
  placeNodes(shownNodes, width, height);
  const counts = shownNodes.flatMap((node) => [...node.into.values()]).sort((a, b) => b - a);
  const least = counts[MOST_LINES] || 0;
  const points = { x: [], y: [], size: [], fill: [], text: [], tx: [] };
  const lines = { x0: [], y0: [], x1: [], y1: [], alpha: [], ink: [] };
  for (const node of shownNodes) {
    node.radius = Math.min(9, 4 + Math.log2(node.members.length));
    points.x.push(node.x); points.y.push(node.y); points.size.push(2 * node.radius); points.fill.push(color(policyColor(node)));
    const count = node.members.length > 1 ? ` (${node.members.length})` : "";
    points.tx.push(node.x + node.radius + 3);
    const room = Math.max(50, node.room - 7 * count.length);
    points.text.push((node.key.includes(SEPARATOR) ? endOf(node.label, room) : shortened(node.label, room)) + count);
    for (const [other, count] of node.into) {
      const near = selected === node.key || selected === other.key;
      if (!near && count < least) continue;
      lines.x0.push(node.x); lines.y0.push(node.y); lines.x1.push(other.x); lines.y1.push(other.y);
      lines.alpha.push(near ? 0.95 : selected ? 0.08 : Math.min(0.5, 0.14 + 0.04 * Math.log2(count)));
      lines.ink.push(color(near ? "mark" : "faint"));
    }
  }
  const before = chart;
  await drawChart("modules", width, height, points, (figure, source) => {
    const links = new Bokeh.ColumnDataSource({ data: lines });
    figure.segment({ x0: { field: "x0" }, y0: { field: "y0" }, x1: { field: "x1" }, y1: { field: "y1" },
      line_alpha: { field: "alpha" }, line_color: { field: "ink" }, source: links });
    figure.scatter({ x: { field: "x" }, y: { field: "y" }, size: { field: "size" }, fill_color: { field: "fill" }, line_color: color("text"), source });
    figure.text({ x: { field: "tx" }, y: { field: "y" }, text: { field: "text" }, text_font_size: "12px", text_baseline: "middle",
      text_color: color("text"), text_font: "system-ui, sans-serif", source });
    chart.lines = links;
  }, true);
  if (before === chart) chart.lines.data = lines;
  place.onmousedown = (event) => { pressed = [event.clientX, event.clientY]; };
  place.onclick = (event) => {
    if (pressed && Math.hypot(event.clientX - pressed[0], event.clientY - pressed[1]) > 4) return;
    const node = graphNodeAt(event);
    if (node) openGraphNode(node);
  };
  place.onmousemove = (event) => { const node = graphNodeAt(event); place.title = node ? node.label : ""; };
  const swatch = (name, text) => [element("span", { class: "swatch", "data-color": name }), text];
  replace("crumbs", unfolded.size > 1 ? link("fold everything", () => { unfolded.clear(); unfolded.add(""); drawModules(); }) : "",
    swatch("workspace", "packed"), swatch("extern", "extern"), swatch("stub", "stub"), swatch("mixed", "several"), swatch("mark", "root"),
    element("span", { class: "faint" }, " · click unfolds; drag and wheel move"));
  for (const each of document.querySelectorAll("[data-color]")) each.style.background = color(each.dataset.color);
  replace("list", ...sortedTable([
    { title: "shown in the graph", value: (node) => node.label },
    { title: "modules", number: true, value: (node) => node.members.length },
    { title: "imported by", number: true, value: (node) => node.from.size },
    { title: "steps from a root", number: true, value: (node) => (node.depth === Infinity ? -1 : node.depth) },
  ], shownNodes, openGraphNode));
}

function graphNodeAt(event) {
  const box = byId("chart").getBoundingClientRect(), x = chart.figure.x_range, y = chart.figure.y_range;
  const px = x.start + ((event.clientX - box.left) / box.width) * (x.end - x.start);
  const py = y.start + ((event.clientY - box.top) / box.height) * (y.end - y.start);
  return shownNodes.find((node) => Math.abs(node.y - py) < 11 && px > node.x - 12 && px < node.x + Math.max(24, node.room));
}

function openGraphNode(node) {
  const nearest = node.members.reduce((a, b) => (depthOf[b] >= 0 && (depthOf[a] < 0 || depthOf[b] < depthOf[a]) ? b : a));
  if (node.isRoot) {
    showDetails(element("h2", {}, node.label), element("p", {}, "A root: it needs these modules."), Array.from(importsOf(nearest)).slice(0, 200).map(step));
  } else if (node.members.length === 1) {
    showModule(nearest);
  } else {
    showDetails(element("h2", {}, node.label), facts(fact("modules", node.members.length), fact("imported by", node.from.size), fact("imports", node.into.size)),
      element("h3", {}, "A shortest way to the first of them"), chainTo(nearest).map(step),
      element("h3", {}, "Modules"), sortedTable([{ title: "module", value: (m) => modules.name[m] }, { title: "steps", number: true, value: (m) => depthOf[m] }], node.members, showModule, undefined, 40));
    if (!node.isRest) unfold(node.key, node.members);
  }
  return drawModules(node.key);
}
