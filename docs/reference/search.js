// Finds calls, fields, objects and refusals by their names and texts. Without it the page holds the same text, which the browser searches.
const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase();
const entries = [...document.querySelectorAll("[data-name]")].map(({ id, dataset, textContent }) => ({
  id, name: dataset.name, about: dataset.about, key: plain(dataset.name), text: plain(`${dataset.about} ${textContent}`),
}));
const [box, query, count, results] = ["search", "query", "count", "results"].map((id) => document.getElementById(id));

// What has the name first, then what begins with it, then what it is part of, then what has all words anywhere.
function rank(entry, wanted, words) {
  if (entry.key === wanted) return 0;
  if (entry.key.startsWith(wanted)) return 1;
  if (entry.key.includes(wanted)) return 2;
  return words.every((word) => entry.text.includes(word)) ? 3 : 4;
}

function search() {
  const wanted = plain(query.value.trim());
  const words = wanted.split(/\s+/);
  const ranked = entries.map((entry) => ({ entry, at: wanted ? rank(entry, wanted, words) : 4 }));
  const found = ranked.filter(({ at }) => at < 4).sort((one, other) => one.at - other.at);
  count.textContent = wanted ? `${found.length || "No"} ${found.length === 1 ? "result" : "results"}` : "";
  results.replaceChildren(...found.map(({ entry }) => {
    const [item, link, about] = ["li", "a", "span"].map((name) => document.createElement(name));
    link.href = `#${entry.id}`;
    link.textContent = entry.name;
    about.textContent = ` ${entry.about}`;
    item.append(link, about);
    return item;
  }));
}

query.addEventListener("input", search);
query.addEventListener("keydown", (event) => {
  if (event.key === "Enter") results.querySelector("a")?.click();
});
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.target === query || event.ctrlKey || event.altKey || event.metaKey) return;
  event.preventDefault();
  query.focus();
});
box.hidden = false;
