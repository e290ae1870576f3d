// The page as a whole: tabs, search, keys, light and dark.
const TABS = data.page === "difference"
  ? [["What changed", drawTreemap], ["Tensors", showChangedTensors], ["Code", showCode], ["Externs and policies", showFacts]]
  : [["Bytes", drawTreemap], ["Modules", () => drawModules()], ["Must be installed", showNeeded], ["Tensors", showTensors]];
let tab = 0;

function showTab(number) {
  tab = number;
  clearChart();
  replace("list");
  replace("tabs", TABS.map(([title], i) => element("button", { type: "button", role: "tab", "aria-selected": String(i === tab), onclick: () => showTab(i) }, title)));
  return TABS[number][1]();
}

const haystack = data.page === "difference"
  ? data.changes.map((change, i) => [change.name, change.kind, () => showChange(i)])
  : [...modules.name.map((name, i) => [name, "module", () => showModule(i)]).filter((_, i) => modules.policy[i] >= 0),
    ...data.tensors.flatMap((tensor, i) => [tensor[0], ...tensor[6]].map((name) => [name, "tensor", () => showTensor(i)])),
    ...data.records.map((record, i) => [record[0], record[1], () => showRecord(i)])];
const lowered = haystack.map(([name]) => name.toLowerCase());

function search(text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return showDetails(element("p", { class: "faint" }, "Click a part to see what it is and why it is there."));
  const found = [];
  lowered.forEach((name, i) => { if (name.includes(wanted)) found.push(i); });
  found.sort((a, b) => lowered[a].length - lowered[b].length);
  const list = element("div", {}), growth = growing(list, (i) => element("div", { class: "found" },
    link(haystack[i][0], haystack[i][2]), element("span", { class: "faint" }, ` ${haystack[i][1]}`)));
  growth.fill(found);
  return showDetails(element("h2", {}, `${found.length} found`), list, growth.end);
}

function moveFocus(event) {
  const stops = [...document.querySelectorAll(event.target.closest("#details") || event.target.id === "search" ? "#details .link" : "#list tr[tabindex]")];
  const at = stops.indexOf(document.activeElement), next = stops[at + (event.key === "ArrowDown" ? 1 : -1)];
  // At the last row the end of the table comes into sight, which makes more.
  if (next) { next.focus(); event.preventDefault(); } else if (at === 0 && event.key === "ArrowUp") byId("search").focus();
}

document.addEventListener("keydown", (event) => {
  const typing = event.target.id === "search";
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "ArrowDown" || event.key === "ArrowUp") moveFocus(event);
  else if (event.key === "Escape") { byId("search").value = ""; byId("search").blur(); search(""); }
  else if (typing) { if (event.key === "Enter") { const first = document.querySelector("#details .found .link"); if (first) first.click(); } }
  else if (event.key === "/") { byId("search").focus(); byId("search").select(); event.preventDefault(); }
  else if (event.key === "t") switchTheme();
  else if ((event.key === "u" || event.key === "Backspace") && TABS[tab][1] === drawTreemap && current > 0) goTo(tree.parent[current]);
  else if (event.key >= "1" && event.key <= String(TABS.length)) showTab(Number(event.key) - 1);
});

const darkness = matchMedia("(prefers-color-scheme: dark)");
function applyTheme() {
  const root = document.documentElement, chosen = root.dataset.theme;
  colors.clear();
  root.toggleAttribute("data-dark", chosen ? chosen === "dark" : darkness.matches);
}
function switchTheme() {
  const root = document.documentElement;
  root.dataset.theme = root.hasAttribute("data-dark") ? "light" : "dark";
  applyTheme();
  showTab(tab);
}

applyTheme();
darkness.addEventListener("change", () => { applyTheme(); showTab(tab); });
byId("theme").addEventListener("click", switchTheme);
byId("search").addEventListener("input", (event) => search(event.target.value));
let resizing = 0;
addEventListener("resize", () => { clearTimeout(resizing); resizing = setTimeout(() => showTab(tab), 150); });
document.title = `${data.title} – hermpkg look`;
replace("title", data.title);
replace("head", data.head.map((line) => element("div", {}, line)), (data.edited || []).slice(0, 10).map((line) => element("div", { class: "edited" }, line)),
  data.equal ? element("div", { class: "edited" }, "the same bytes") : "");
search("");
showTab(0);
