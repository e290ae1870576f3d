// The tabs of two artifacts: tensors by difference, code side by side, facts.
const SIGNS = { added: "+", removed: "−", changed: "~" };
const sizesOf = (change) => [change.bytes.a, change.bytes.b].map((size) => (size === null ? "–" : sizeText(size))).join(" → ");

function sideBySide(lines) {
  const cells = [], left = [], right = [];
  const flush = () => {
    for (let i = 0; i < Math.max(left.length, right.length); i++) {
      cells.push(element("div", { class: i < left.length ? "code minus" : "code" }, left[i] ?? ""), element("div", { class: i < right.length ? "code plus" : "code" }, right[i] ?? ""));
    }
    left.length = right.length = 0;
  };
  for (const line of lines) {
    if (line.startsWith("-")) left.push(line.slice(1));
    else if (line.startsWith("+")) right.push(line.slice(1));
    else {
      flush();
      if (line.startsWith("@@")) cells.push(element("div", { class: "code place" }, line));
      else cells.push(element("div", { class: "code" }, line.slice(1)), element("div", { class: "code" }, line.slice(1)));
    }
  }
  flush();
  return element("div", { class: "sides" }, cells);
}

function detail(each) {
  if (each.type === "text") return [sideBySide(each.lines), each.left_out ? element("p", { class: "faint" }, `${each.left_out} more lines`) : null];
  if (each.type === "tensor") return element("div", { class: "step" }, each.name, element("span", { class: "code" }, tensorWords(each)));
  if (each.type === "bytes") return element("div", { class: "code" }, `bytes differ from offset ${each.offset} on\n− ${each.a}\n+ ${each.b}`);
  return element("div", { class: "step" }, `${each.path}: ${each.what}`, element("span", { class: "code" },
    [each.a ? `− ${each.a.value}` : "", each.b ? `+ ${each.b.value}` : "", each.hint].filter(Boolean).join("\n")));
}

function tensorWords(each) {
  const form = each.a === each.b ? each.a : `${each.a || "–"} → ${each.b || "–"}`;
  if (each.count === null || each.count === undefined) return `${form} ${each.note || ""}`;
  return `${form}, ${each.count} of ${each.total} elements differ${each.largest === null ? ", by no finite number" : `, by ${each.largest.toPrecision(6)} at most${each.unending ? `, and ${each.unending} by no finite number` : ""}`} ${each.note || ""}`;
}

function showChange(number) {
  const change = data.changes[number];
  showDetails(element("h2", {}, `${SIGNS[change.change]} ${change.name}`), facts(fact("kind", change.kind), fact("bytes", sizesOf(change))),
    change.details.map(detail), change.left_out ? element("p", { class: "faint" }, `and ${change.left_out} more`) : null);
}

function showChangedTensors() {
  clearChart();
  const largest = (row) => row.count === null || row.count === undefined ? -1 : row.largest === null || row.unending ? Infinity : row.largest;
  replace("list", ...sortedTable([
    { title: "tensor", value: (row) => row.name },
    { title: "largest difference", number: true, value: largest, text: (row) => { const v = largest(row); return v < 0 ? "" : v === Infinity ? "not finite" : v.toPrecision(4); } },
    { title: "elements that differ", number: true, value: (row) => row.count ?? -1, text: (row) => row.total ? `${row.count} of ${row.total}` : "" },
    { title: "type and shape", value: (row) => row.b || row.a, text: (row) => (row.a === row.b ? row.a : `${row.a || "–"} → ${row.b || "–"}`) },
    { title: "", value: (row) => row.note || "" },
  ], data.tensors, (row) => showDetails(element("h2", {}, row.name), element("p", {}, tensorWords(row)), facts(fact("pickle", row.pickle))), 1));
}

function showCode() {
  clearChart();
  const texts = data.changes.filter((change) => change.kind === "module" || change.details.some((each) => each.type === "text"));
  replace("list", texts.length ? texts.map((change) => [element("h2", {}, `${SIGNS[change.change]} ${change.name} `, element("span", { class: "faint" }, sizesOf(change))),
    change.details.map(detail)]) : element("p", {}, "No code and no text differs."));
}

function showFacts() {
  clearChart();
  replace("list", ...sortedTable([
    { title: "what", value: (row) => row.subject }, { title: "before", value: (row) => row.a }, { title: "after", value: (row) => row.b },
  ], data.facts), data.layout.map((text) => element("p", {}, text)));
}
