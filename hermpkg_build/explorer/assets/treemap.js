// The map of bytes: rectangles with areas like bytes, two levels at a time, drawn by Bokeh.
const MOST_RECTANGLES = 220, MOST_CHILDREN = 70, HEAD = 17;
const KIND_COLORS = { tensors: "tensors", storage: "tensors", pickles: "tensors", workspace: "workspace", generated: "workspace",
  distribution: "distribution", module: "distribution", mock: "stub", added: "added", removed: "removed", changed: "changed" };
let current = 0, chart = null, rectangles = [];

// Squarified: rows along the shorter side, as long as their worst ratio gets better (Bruls, Huizing and van Wijk, 2000).
function squarify(items, x, y, width, height, place) {
  let rest = items.reduce((sum, item) => sum + item.size, 0), at = 0;
  while (at < items.length && width > 0 && height > 0 && rest > 0) {
    const scale = (width * height) / rest, side = Math.min(width, height);
    let sum = 0, end = at, worst = Infinity;
    while (end < items.length) {
      const next = sum + items[end].size * scale, least = items[end].size * scale, most = items[at].size * scale;
      const ratio = Math.max((side * side * most) / (next * next), (next * next) / (side * side * least || 1e-9));
      if (ratio > worst) break;
      worst = ratio; sum = next; end++;
    }
    const thick = sum / side;
    let along = 0;
    for (let i = at; i < end; i++) {
      const length = (items[i].size * scale) / thick || 0;
      if (width >= height) place(items[i], x, y + along, thick, length); else place(items[i], x + along, y, length, thick);
      along += length; rest -= items[i].size;
    }
    if (width >= height) { x += thick; width -= thick; } else { y += thick; height -= thick; }
    at = end;
  }
}

function partsOf(node, most) {
  const children = tree.children[node].filter((child) => tree.total[child] > 0);
  const items = children.slice(0, most).map((child) => ({ node: child, size: tree.total[child] }));
  const left = children.slice(most);
  if (left.length) items.push({ node, more: left.length, size: left.reduce((sum, child) => sum + tree.total[child], 0) });
  return items;
}

// The largest rectangles are opened first, as deep as there is room.
function layOut(width, height) {
  const found = [];
  const fill = (node, outer, most, x, y, w, h) => squarify(partsOf(node, most), x, y, w, h, (item, ix, iy, iw, ih) => {
    found.push({ ...item, x: ix, y: iy, w: iw, h: ih, level: outer ? outer.level + 1 : 0, outer });
  });
  fill(current, null, MOST_CHILDREN, 0, 0, width, height);
  const waiting = found.slice();
  while (waiting.length && found.length < MOST_RECTANGLES) {
    const r = waiting.reduce((a, b) => (b.w * b.h > a.w * a.h ? b : a));
    waiting.splice(waiting.indexOf(r), 1);
    if (r.more || !tree.children[r.node].length || r.w < 60 || r.h < 50 || r.level > 4) continue;
    r.open = true;
    const start = found.length, most = Math.max(1, Math.min(30, Math.floor((r.w * r.h) / 2500)));
    fill(r.node, r, most, r.x + 3, r.y + HEAD, r.w - 6, r.h - HEAD - 3);
    waiting.push(...found.slice(start));
  }
  return found.sort((a, b) => a.level - b.level);
}

const labelOf = (r) => r.more ? `${r.more} more` : tree.name[r.node];
function shortened(text, width) {
  const most = Math.floor((width - 6) / 7);
  return most < 3 ? "" : text.length <= most ? text : `${text.slice(0, most - 1)}…`;
}

async function drawTreemap() {
  const [place, width, height] = chartPlace();
  rectangles = layOut(width, height);
  const columns = { left: [], right: [], top: [], bottom: [], fill: [], text: [], x: [], y: [], alpha: [] };
  for (const r of rectangles) {
    columns.left.push(r.x); columns.right.push(r.x + r.w); columns.top.push(r.y); columns.bottom.push(r.y + r.h);
    columns.fill.push(color(KIND_COLORS[tree.kind[r.node]] || "other")); columns.alpha.push(r.open ? 0.3 : 0.9);
    columns.x.push(r.x + 4); columns.y.push(r.y + 2);
    const label = r.open ? `${labelOf(r)}  ${sizeText(r.size)}` : labelOf(r);
    const second = r.open || r.h < 36 || r.w < 60 ? "" : `\n${sizeText(r.size)}`;
    columns.text.push(r.h < 15 ? "" : shortened(label, r.w) + second);
  }
  await drawChart("treemap", width, height, columns, (figure, source) => {
    figure.quad({ left: { field: "left" }, right: { field: "right" }, top: { field: "top" }, bottom: { field: "bottom" },
      fill_color: { field: "fill" }, fill_alpha: { field: "alpha" }, line_color: color("back"), line_width: 1, source });
    figure.text({ x: { field: "x" }, y: { field: "y" }, text: { field: "text" }, text_font_size: "12px", text_baseline: "top",
      text_color: color("ink"), text_font: "system-ui, sans-serif", source });
  });
  place.onclick = (event) => { const r = rectangleAt(event); if (r) goTo(r.node); };
  place.onmousemove = (event) => { const r = rectangleAt(event); place.title = r ? `${labelOf(r)}: ${sizeText(r.size)}` : ""; };
  replace("crumbs", ...pathOf(current).map((node) => element("span", { class: "crumb" }, link(tree.name[node], () => goTo(node)))),
    element("span", { class: "faint" }, sizeText(tree.total[current])));
  replace("list", ...sortedTable([
    { title: "part", value: (node) => tree.name[node] },
    { title: "bytes", number: true, value: (node) => tree.total[node], text: (node) => sizeText(tree.total[node]) },
    { title: "share", number: true, value: (node) => tree.total[node], text: (node) => `${((100 * tree.total[node]) / (tree.total[current] || 1)).toFixed(1)} %` },
  ], tree.children[current], goTo));
}

function chartPlace() {
  const place = byId("chart");
  if (place.hidden) {
    place.hidden = false;
    place.size = [place.clientWidth, place.clientHeight];
  }
  return [place, ...place.size];
}

// One figure of Bokeh, kept while size and colours stay, so that only its columns change.
async function drawChart(name, width, height, columns, build, ranges) {
  const key = [name, width, height, color("back")].join(" ");
  if (chart && chart.key === key) {
    chart.source.data = columns;
    return;
  }
  const source = new Bokeh.ColumnDataSource({ data: columns });
  const figure = Bokeh.Plotting.figure({ width, height, toolbar_location: null, tools: ranges ? "pan,wheel_zoom" : "", min_border: 0,
    x_axis_type: null, y_axis_type: null, x_range: new Bokeh.Range1d({ start: 0, end: width }),
    y_range: new Bokeh.Range1d({ start: height, end: 0 }), outline_line_color: null,
    background_fill_color: color("back"), border_fill_color: color("back") });
  figure.grid.visible = false;
  if (ranges) figure.toolbar.active_scroll = "auto";
  chart = { key, source, figure };
  build(figure, source);
  byId("chart").replaceChildren();
  await Bokeh.Plotting.show(figure, byId("chart"));
}

function rectangleAt(event) {
  const box = byId("chart").getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
  return rectangles.filter((r) => x >= r.x && x < r.x + r.w && y >= r.y && y < r.y + r.h).pop();
}

function goTo(node) {
  showNode(node);
  if (tree.children[node].length) {
    current = node;
    return drawTreemap();
  }
  return undefined;
}
