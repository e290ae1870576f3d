// The tabs that are tables: what must be installed, and tensors.
function clearChart() {
  chart = null;
  rectangles = [];
  const place = byId("chart");
  place.replaceChildren();
  place.hidden = true;
  place.onclick = place.onmousedown = place.onmousemove = null;
  place.title = "";
  replace("crumbs");
}

function askersOf(needed) {
  const asking = new Map();
  for (const name of needed.modules) {
    const module = moduleByName.get(name);
    if (module === undefined) continue;
    for (const edge of importersOf(module)) {
      const source = edges.source[edge];
      const inside = modules.policy[source] >= 0 && POLICIES[modules.policy[source]] === "extern";
      if (!inside && !asking.has(source)) asking.set(source, edge);
    }
  }
  return [...asking.values()].sort((a, b) => edges.optional[a] - edges.optional[b] || depthOf[edges.source[a]] - depthOf[edges.source[b]]);
}

const moduleByName = new Map(modules.name.map((name, i) => [name, i]));
function showNeeded() {
  clearChart();
  const status = (each) => each.absent ? "may be absent" : each.optional ? "used where it is installed" : "must be installed";
  const rows = data.needed.map((each) => ({ ...each, status: status(each), asking: askersOf(each) }));
  rows.sort((a, b) => a.absent - b.absent || a.optional - b.optional);
  replace("list",
    element("p", { class: "faint" }, "What the artifact expects where it lands. hermpkg inspect --requirements writes it as a requirements.txt."),
    ...sortedTable([
      { title: "distribution", value: (row) => row.name, text: (row) => row.is_module ? `${row.name} (a module)` : row.name },
      { title: "built against", value: (row) => row.version },
      { title: "may be", value: (row) => row.specifier },
      { title: "", value: (row) => row.status },
      { title: "modules", number: true, value: (row) => row.modules.length },
      { title: "asked for by", value: (row) => row.asking.length, text: (row) => {
        const names = row.asking.slice(0, 2).map((edge) => modules.name[edges.source[edge]]);
        return names.join(", ") + (row.asking.length > 2 ? ` and ${row.asking.length - 2} more` : "");
      } },
    ], rows, (row) => showDetails(element("h2", {}, row.name), facts(fact("status", row.status), fact("built against", row.version), fact("may be", row.specifier)),
      element("h3", {}, "Modules of it"), row.modules.slice(0, 200).map((name) => element("div", {}, moduleByName.has(name) ? moduleLink(moduleByName.get(name)) : name)),
      element("h3", {}, "Asked for by"), row.asking.slice(0, 100).map(step))));
}

function showTensors() {
  clearChart();
  replace("list", ...sortedTable([
    { title: "tensor", value: (i) => data.tensors[i][0] },
    { title: "type and shape", value: (i) => data.tensors[i][1] },
    { title: "bytes", number: true, value: (i) => data.tensors[i][2], text: (i) => sizeText(data.tensors[i][2]) },
    { title: "shares", value: (i) => data.tensors[i][6].length + data.tensors[i][4] - 1, text: (i) => {
      const [, , , , inStorage, , also] = data.tensors[i];
      return [also.length ? `also ${also.join(", ")}` : "", inStorage > 1 ? `storage with ${inStorage - 1} more` : ""].filter(Boolean).join("; ");
    } },
    { title: "pickle", value: (i) => data.tensors[i][5] },
  ], data.tensors.map((_, i) => i), showTensor, 2));
}
