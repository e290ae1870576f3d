// The pane on the right: one module, tensor, record or folder, and why it is there.
function showDetails(...parts) {
  replace("details", ...parts);
  // What else a click changes is changed first: a place to scroll to has the whole page laid out.
  requestAnimationFrame(() => { byId("details").scrollTop = 0; });
}

const fact = (name, value) => value === "" || value === null || value === undefined ? null
  : element("tr", {}, element("td", { class: "faint" }, name), element("td", {}, value));
const facts = (...rows) => element("table", {}, element("tbody", {}, rows));
const moduleLink = (module) => modules.policy[module] < 0 ? element("strong", {}, modules.name[module])
  : link(modules.name[module], () => showModule(module));

function step(edge) {
  const source = edges.source[edge], record = modules.record[source];
  const place = edges.line[edge] ? `${record || modules.name[source]}:${edges.line[edge]}:${edges.column[edge]}` : "";
  return element("div", { class: "step" },
    moduleLink(source), ` ${EDGE_WORDS[edges.kind[edge]]} `, moduleLink(edges.target[edge]),
    edges.optional[edge] ? element("span", { class: "faint" }, ", if it can") : "",
    place ? element("span", { class: "code" }, place, "\n", data.texts[edges.text[edge]]) : "");
}

const MOST_IMPORTERS = 50;
function showModule(module) {
  const policy = POLICIES[modules.policy[module]], group = data.groups[modules.group[module]];
  const node = nodeOfModule(module), chain = chainTo(module), last = chain[chain.length - 1];
  const seen = new Set([edges.source[last]]);
  const others = Array.from(importersOf(module)).filter((edge) => depthOf[edges.source[edge]] >= 0 && !seen.has(edges.source[edge]) && seen.add(edges.source[edge]));
  others.sort((a, b) => depthOf[edges.source[a]] - depthOf[edges.source[b]] || edges.optional[a] - edges.optional[b]);
  showDetails(
    element("h2", {}, modules.name[module]),
    facts(fact("policy", POLICY_WORDS[policy]), fact("belongs to", group ? group.title : ""),
      fact("version", group ? group.version || "" : ""), fact("record", modules.record[module]),
      fact("bytes", node === undefined ? "" : sizeText(tree.total[node]))),
    element("h3", {}, chain.length ? "A shortest way to it" : "Nothing leads to it"), chain.map(step),
    others.length ? [element("h3", {}, `Imported from ${others.length} more`), others.slice(0, MOST_IMPORTERS).map(step),
      others.length > MOST_IMPORTERS ? element("p", { class: "faint" }, `and ${others.length - MOST_IMPORTERS} more`) : null] : null);
}

const nodeByRecordName = new Map((data.records || []).map((record, i) => [record[0], i]));
function nodeOfModule(module) {
  const record = nodeByRecordName.get(modules.record[module]);
  return record === undefined ? undefined : nodeOfSubject.records.get(record);
}

function showTensor(number) {
  const [name, form, bytes, storage, inStorage, pickle, also] = data.tensors[number];
  const record = nodeByRecordName.get(storage);
  const sharing = inStorage > 1 ? data.tensors.map((each, i) => i).filter((i) => i !== number && data.tensors[i][3] === storage) : [];
  showDetails(
    element("h2", {}, name),
    facts(fact("type and shape", form), fact("bytes", sizeText(bytes)), fact("pickle", pickle), fact("storage", storage),
      fact("bytes of the storage", record === undefined ? "missing" : sizeText(data.records[record][2]))),
    also.length ? [element("h3", {}, "Other names of the same tensor"), also.map((each) => element("div", {}, each))] : null,
    sharing.length ? [element("h3", {}, `In the same storage (${sharing.length})`),
      sharing.slice(0, MOST_IMPORTERS).map((i) => element("div", {}, link(data.tensors[i][0], () => showTensor(i)), ` ${data.tensors[i][1]}`))] : null);
}

function showRecord(number) {
  const [name, kind, bytes, sha256] = data.records[number], module = moduleOfRecord.get(name);
  if (module !== undefined) return showModule(module);
  return showDetails(element("h2", {}, name), facts(fact("kind", kind), fact("bytes", sizeText(bytes)), fact("SHA-256", sha256)));
}

function showNode(node) {
  const subject = tree.subject[node];
  if (data.page === "difference") return subject >= 0 ? showChange(subject) : showFolder(node);
  if (subject < 0) return showFolder(node);
  return tree.kind[node] === "tensors" ? showTensor(subject) : showRecord(subject);
}

function showFolder(node) {
  const group = tree.parent[node] === 0 ? (data.groups || []).find((each) => each.title === tree.name[node]) : null;
  showDetails(element("h2", {}, pathOf(node).slice(1).map((each) => tree.name[each]).join(" ▸ ") || "everything"),
    facts(fact("bytes", sizeText(tree.total[node])), fact("parts", tree.children[node].length),
      fact("version", group ? group.version || "" : ""), fact("", group ? group.status : "")),
    element("p", { class: "faint" }, "A click on the map goes deeper; the list below it has every part."));
}
