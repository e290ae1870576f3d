// The data of the page, and what is worked out of it once: folders with sums, importers, shortest ways.
const data = JSON.parse(document.getElementById("data").textContent);
const POLICIES = ["intern", "extern", "mock", "deny"];
const POLICY_WORDS = { intern: "packed", extern: "extern", mock: "replaced by a stub", deny: "denied" };
const EDGE_WORDS = ["imports", "lies in", "imported, while the factory ran,", "names", "asks for"];

const tree = data.tree;
tree.children = tree.name.map(() => []);
tree.total = tree.bytes.slice();
for (let node = tree.name.length - 1; node > 0; node--) tree.total[tree.parent[node]] += tree.total[node];
for (let node = 1; node < tree.name.length; node++) tree.children[tree.parent[node]].push(node);
for (const children of tree.children) children.sort((a, b) => tree.total[b] - tree.total[a]);

function pathOf(node) {
  const path = [];
  for (let here = node; here >= 0; here = tree.parent[here]) path.unshift(here);
  return path;
}

// Edges of each module by number, those in and those out, as ranges of one array each.
function grouped(ends, count) {
  const starts = new Uint32Array(count + 1);
  for (const end of ends) starts[end + 1]++;
  for (let i = 0; i < count; i++) starts[i + 1] += starts[i];
  const next = starts.slice(), order = new Uint32Array(ends.length);
  ends.forEach((end, edge) => { order[next[end]++] = edge; });
  return (i) => order.subarray(starts[i], starts[i + 1]);
}

const modules = data.modules || { name: [], policy: [], group: [], record: [] };
const edges = data.edges || { source: [], target: [] };
const importersOf = grouped(edges.target, modules.name.length);
const importsOf = grouped(edges.source, modules.name.length);

// A breadth-first walk from the roots, which are modules without a policy: the edge that each module was reached by.
const reachedBy = new Int32Array(modules.name.length).fill(-1);
const depthOf = new Int32Array(modules.name.length).fill(-1);
{
  const queue = [];
  modules.policy.forEach((policy, i) => { if (policy < 0) { depthOf[i] = 0; queue.push(i); } });
  for (let at = 0; at < queue.length; at++) {
    for (const edge of importsOf(queue[at])) {
      const target = edges.target[edge];
      if (depthOf[target] < 0) {
        depthOf[target] = depthOf[queue[at]] + 1;
        reachedBy[target] = edge;
        queue.push(target);
      }
    }
  }
}

function chainTo(module) {
  const chain = [];
  for (let edge = reachedBy[module]; edge >= 0; edge = reachedBy[edges.source[edge]]) chain.unshift(edge);
  return chain;
}

const moduleOfRecord = new Map();
modules.record.forEach((record, i) => { if (record) moduleOfRecord.set(record, i); });
const nodeOfSubject = { tensors: new Map(), records: new Map() };
tree.subject.forEach((subject, node) => {
  if (subject < 0) return;
  const map = tree.kind[node] === "tensors" ? nodeOfSubject.tensors : nodeOfSubject.records;
  if (!map.has(subject)) map.set(subject, node);
});

function sizeText(count) {
  if (count < 1000) return `${count} B`;
  for (const unit of ["kB", "MB", "GB", "TB", "PB"]) {
    count /= 1000;
    if (count < 999.95) return `${count.toFixed(1)} ${unit}`;
  }
  return `${count.toFixed(1)} PB`;
}
