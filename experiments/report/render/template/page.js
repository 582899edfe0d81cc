"use strict";
// The table and the charts of a section show the same rows: whatever is ticked, typed or chosen decides for all of them.
const data = JSON.parse(document.getElementById("data").textContent);
const embedding = { actions: false, renderer: "svg", ast: true, tooltip: { theme: "custom" }, defaultStyle: false, logLevel: 1 };
const accuracies = ["val_accuracy", "train_accuracy"];

document.querySelectorAll(".comparison").forEach((root) => {
  const source = data[Number(root.dataset.section)];
  const find = (selector) => root.querySelector(selector);
  const rows = [...root.querySelectorAll("tr.row")].map((line) => ({ line, detail: line.nextElementSibling, words: wordsOf(line) }));
  const settings = new Map(source.settings.map((each) => [each.id, each]));
  const views = new Map();
  const at = { axis: find(".axis").value, rule: find(".rule").value, rate: 0 };

  function visible() {
    const curves = new Set([...root.querySelectorAll(".legend input:checked")].map((box) => box.value));
    const words = find(".filter input").value.toLowerCase().split(/[\s,=]+/).filter(Boolean);
    return rows.filter((row) => curves.has(row.line.dataset.curve) && words.every((word) => row.words.some((each) => each.startsWith(word))));
  }

  function filter() {
    const shown = new Set(visible());
    for (const row of rows) {
      row.line.hidden = !shown.has(row);
      row.detail.hidden = row.line.hidden || row.line.querySelector(".more").ariaExpanded !== "true";
    }
    find(".count").textContent = shown.size === rows.length ? "" : `${shown.size} of ${rows.length} rows`;
    return [...shown].map((row) => settings.get(row.line.dataset.id));
  }

  function rank() {
    const { places, levels } = source.rules[at.rule];
    for (const { line } of rows) {
      const place = line.querySelector(".place");
      const [best, worst] = places[line.dataset.id] ?? [];
      place.textContent = best === undefined ? "–" : best === worst ? best : `${best}–${worst}`;
      place.dataset.value = best === undefined ? "" : best + worst / 1000;
      line.querySelector(".level").textContent = levels[line.dataset.id] ?? "no rival";
    }
  }

  function tables(shown) {
    const ids = new Set(shown.map((each) => each.id));
    const fronts = source.rules[at.rule].fronts[at.axis];
    const here = shown.filter((each) => each.rate === at.rate);
    const points = here.flatMap((each) => each.series.map(([figure, stage, epoch, value]) => ({ curve: each.curve, figure, stage, epoch, value })));
    const told = points.some((point) => point.figure === accuracies[0]) ? accuracies[0] : accuracies[1];
    return {
      settings: shown.map(({ series, kept, ...each }) => ({ ...each, front: fronts[each.id] ?? -1 })),
      runs: source.runs.filter((run) => ids.has(run.id)),
      dense: source.dense,
      layers: here.flatMap((each) => source.layers.map((layer, index) => ({ curve: each.curve, layer, kept: each.kept[index] }))),
      series: points.filter((point) => point.figure === told),
      inside: points.filter((point) => !accuracies.includes(point.figure)),
    };
  }

  async function draw(place) {
    const chart = place.dataset.chart;
    const name = chart === "pareto" ? at.axis : chart;
    const all = tables(filter());
    const spec = structuredClone(source.charts[name]);
    const needed = { heat: "layers", training: "series", inside: "inside" }[chart];
    place.parentElement.hidden = needed !== undefined && all[needed].length === 0;
    if (place.parentElement.hidden) return;
    if (chart === "heat") {
      spec.height *= new Set(all.layers.map((row) => row.curve)).size;
      spec.encoding.y.axis.labelLimit = Math.min(230, place.clientWidth / 3);
    }
    if (chart === "inside") spec.columns = Math.max(1, Math.floor(place.clientWidth / 300));
    spec.datasets = needed ? { [needed]: all[needed] } : { settings: all.settings, runs: all.runs, dense: all.dense };
    views.get(place)?.finalize();
    const { view } = await vegaEmbed(place, spec, embedding);
    views.set(place, view);
    if (chart === "pareto") link(view);
  }

  function link(view) {
    view.addEventListener("pointerover", (event, item) => light(item?.datum?.id));
    view.addEventListener("pointerout", () => light(""));
    view.addEventListener("click", (event, item) => {
      const row = rows.find(({ line }) => line.dataset.id === item?.datum?.id);
      row?.line.scrollIntoView({ block: "center", behavior: "smooth" });
      row?.line.querySelector(".more").focus({ preventScroll: true });
    });
  }

  function light(id = "") {
    for (const { line } of rows) line.classList.toggle("lit", line.dataset.id === id);
    const view = views.get(find('[data-chart="pareto"]'));
    if (view && view.signal("lit") !== id) view.signal("lit", id).runAsync();
  }

  // One chart after the other, when the page is at rest: a thousand runs open at once.
  const places = [...root.querySelectorAll(".chart")];
  let turn = Promise.resolve();
  const rest = (work) => new Promise((done) => (window.requestIdleCallback ?? setTimeout)(() => done(work())));
  const redraw = (wanted = () => true) => {
    filter();
    for (const place of places.filter((each) => wanted(each.dataset.chart))) turn = turn.then(() => rest(() => draw(place)));
    return turn;
  };

  function sort(header) {
    const column = [...header.parentElement.children].indexOf(header);
    const upwards = header.ariaSort === "descending" || (header.ariaSort === null && !header.classList.contains("number"));
    for (const other of header.parentElement.children) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", upwards ? "ascending" : "descending");
    const value = ({ line }) => {
      const cell = line.children[column];
      return cell.dataset.value !== undefined ? Number(cell.dataset.value || NaN) : cell.textContent.trim();
    };
    rows.sort((a, b) => compare(value(a), value(b), upwards ? 1 : -1));
    find("tbody").append(...rows.flatMap(({ line, detail }) => [line, detail]));
  }

  root.querySelectorAll("thead [data-key] button").forEach((button) => button.addEventListener("click", () => sort(button.parentElement)));
  root.querySelectorAll(".more").forEach((button) => button.addEventListener("click", () => {
    button.ariaExpanded = String(button.ariaExpanded !== "true");
    filter();
  }));
  rows.forEach(({ line }) => {
    for (const event of ["pointerenter", "focusin"]) line.addEventListener(event, () => light(line.dataset.id));
    for (const event of ["pointerleave", "focusout"]) line.addEventListener(event, () => light(""));
  });
  find(".legend").addEventListener("change", () => redraw());
  find(".filter input").addEventListener("input", () => redraw());
  find(".axis").addEventListener("change", ({ target }) => { at.axis = target.value; redraw((chart) => chart === "pareto"); });
  find(".rule").addEventListener("change", ({ target }) => { at.rule = target.value; rank(); redraw((chart) => chart === "pareto"); });
  find(".rate").addEventListener("change", ({ target }) => { at.rate = Number(target.value); redraw((chart) => chart !== "pareto"); });
  at.rate = Number(find(".rate").value);
  rank();
  redraw().then(() => { root.dataset.drawn = Math.round(performance.now()); });
});

// What the filter looks at: names and settings, not figures.
function wordsOf(line) {
  const cells = [...line.children].filter((cell) => !cell.matches(".number, .times"));
  return cells.flatMap((cell) => cell.textContent.toLowerCase().split(/[\s,=]+/)).filter(Boolean);
}

// Rows without a number come last, whichever way one sorts.
function compare(a, b, way) {
  const missing = (value) => typeof value === "number" && Number.isNaN(value) || value === "–" || value === "";
  if (missing(a) || missing(b)) return missing(a) - missing(b);
  return way * (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true }));
}
