"use strict";
(() => {
  const all = (query, root = document) => [...root.querySelectorAll(query)];
  const cells = all("details.cell");
  const filters = document.getElementById("filters");
  const text = document.getElementById("filter-text");
  const count = document.getElementById("filter-count");
  if (filters) filters.hidden = false;

  // Filters: words (all of them), kinds, and only what changed; the matrix shows what is left out.
  function apply() {
    const words = text.value.toLowerCase().split(/\s+/).filter(Boolean);
    const kinds = new Set(all("input[data-kind]", filters).filter((box) => box.checked).map((box) => box.dataset.kind));
    const changed = document.getElementById("filter-changed");
    let shown = 0;
    for (const cell of cells) {
      const fits = kinds.has(cell.dataset.kind) && words.every((word) => cell.dataset.text.includes(word))
        && (!changed || !changed.checked || cell.dataset.changed === "1");
      cell.hidden = !fits;
      shown += fits ? 1 : 0;
      for (const place of all(`td[data-cell="${cell.id}"]`)) place.classList.toggle("out", !fits);
    }
    count.textContent = `${shown} of ${cells.length} cells`;
    document.getElementById("filter-none").hidden = shown > 0;
  }
  if (filters) {
    filters.addEventListener("input", apply);
    filters.addEventListener("reset", () => setTimeout(apply));
    filters.addEventListener("submit", (event) => event.preventDefault());
    apply();
  }

  // A link to something inside a closed or filtered cell opens it.
  function reveal() {
    const name = decodeURIComponent(location.hash.slice(1));
    const line = /^(cell-.+)-L(\d+)$/.exec(name);
    if (line && document.getElementById(line[1])) number(document.getElementById(line[1]).querySelector(".console"));
    const target = name && document.getElementById(name);
    if (!target) return;
    for (let at = target; at; at = at.parentElement) {
      if (at.tagName === "DETAILS") at.open = true;
      if (at.hidden && at.matches("details.cell")) { filters.reset(); }
    }
    setTimeout(() => target.scrollIntoView({block: target.matches("details.cell, h2, h3") ? "start" : "center"}));
  }
  addEventListener("hashchange", reveal);

  // The console gets a line a span, and a search, once it is opened: most never are.
  function number(box) {
    if (!box || box.dataset.numbered) return;
    box.dataset.numbered = "1";
    const pre = box.querySelector("pre"), owner = box.closest("details.cell");
    const made = document.createDocumentFragment();
    let line = 1, span = null;
    const begin = () => { span = document.createElement("span"); span.className = "l"; span.id = `${owner.id}-L${line++}`; made.append(span); };
    begin();
    for (const node of [...pre.childNodes]) {
      if (node.nodeType !== Node.TEXT_NODE) { span.append(node); continue; }
      node.data.split("\n").forEach((part, at) => { if (at) { span.append("\n"); begin(); } span.append(part); });
    }
    pre.replaceChildren(made);
    const find = box.querySelector(".find"), input = find.querySelector("input"), told = find.querySelector("output");
    let hits = [], now = -1;
    const go = (step) => {
      if (!hits.length) return;
      if (hits[now]) hits[now].classList.remove("now");
      now = (now + step + hits.length) % hits.length;
      hits[now].classList.add("now");
      pre.scrollTop = hits[now].offsetTop - pre.offsetTop - pre.clientHeight / 2;
      told.textContent = `line ${hits[now].id.split("-L").pop()}, ${now + 1} of ${hits.length}`;
    };
    const search = () => {
      const word = input.value.toLowerCase();
      for (const hit of hits) hit.classList.remove("hit", "now");
      hits = word ? all(".l", pre).filter((one) => one.textContent.toLowerCase().includes(word)) : [];
      for (const hit of hits) hit.classList.add("hit");
      now = -1;
      told.textContent = word && !hits.length ? "not found" : "";
      go(1);
    };
    input.addEventListener("input", search);
    input.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); go(event.shiftKey ? -1 : 1); } });
    find.hidden = false;
  }
  for (const box of all("details.console")) box.addEventListener("toggle", () => { if (box.open) number(box); });

  // Keys, where nobody types: / filter, j and k cells, o open, c console.
  let here = -1;
  function move(step) {
    const seen = cells.filter((cell) => !cell.hidden);
    if (!seen.length) return;
    const at = seen.indexOf(cells[here]);
    const next = seen[Math.min(seen.length - 1, Math.max(0, at + step))];
    if (cells[here]) cells[here].classList.remove("here");
    here = cells.indexOf(next);
    next.classList.add("here");
    next.querySelector("summary").focus();
    next.scrollIntoView({block: "start"});
  }
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape" && event.target.tagName === "INPUT") { event.target.value = ""; event.target.dispatchEvent(new Event("input", {bubbles: true})); event.target.blur(); return; }
    if (/^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName)) return;
    const cell = cells[here];
    if (event.key === "/" && text) { event.preventDefault(); text.focus(); }
    else if (event.key === "j") move(1);
    else if (event.key === "k") move(-1);
    else if (event.key === "o" && cell) cell.open = !cell.open;
    else if (event.key === "c" && cell && cell.querySelector(".console")) { cell.open = true; const box = cell.querySelector(".console"); box.open = !box.open; box.scrollIntoView({block: "nearest"}); }
  });

  // On paper there is nothing to open.
  let closed = [];
  addEventListener("beforeprint", () => { closed = all("details:not([open]):not(.console)"); for (const one of closed) one.open = true; });
  addEventListener("afterprint", () => { for (const one of closed) one.open = false; });
  reveal();
})();
