"use strict";
// The table and the charts of a section show the same rows: whatever is ticked, typed or chosen decides for all of them.
const data = JSON.parse(document.getElementById("data").textContent);
const embedding = { actions: false, renderer: "svg", ast: true, tooltip: { theme: "custom" }, defaultStyle: false, logLevel: 1 };
const accuracies = ["val_accuracy", "train_accuracy"];

document.querySelectorAll(".comparison[data-section]").forEach((root) => {
  const source = data[Number(root.dataset.section)];
  const find = (selector) => root.querySelector(selector);
  const rows = [...root.querySelectorAll("tr.row")].map((line) => ({ line, detail: line.nextElementSibling, words: wordsOf(line) }));
  const settings = new Map(source.settings.map((setting) => [setting.id, setting]));
  const views = new Map();
  const chosen = { axis: find(".axis").value, rule: find(".rule").value, rate: 0 };

  function visible() {
    const curves = new Set([...root.querySelectorAll(".legend input:checked")].map((box) => box.value));
    const words = find(".filter input").value.toLowerCase().split(/[\s,=]+/).filter(Boolean);
    return rows.filter((row) => curves.has(row.line.dataset.curve) && words.every((word) => row.words.some((text) => text.startsWith(word))));
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
    const { places, levels } = source.rules[chosen.rule];
    for (const { line } of rows) {
      const cell = line.querySelector(".place");
      const [best, worst] = places[line.dataset.id] ?? [];
      cell.textContent = best === undefined ? "–" : best === worst ? best : `${best}–${worst}`;
      cell.dataset.value = best === undefined ? "" : best + worst / 1000;
      line.querySelector(".level").textContent = levels[line.dataset.id] ?? "no rival";
    }
  }

  function tables(shown) {
    const ids = new Set(shown.map((setting) => setting.id));
    const fronts = source.rules[chosen.rule].fronts[chosen.axis];
    const here = shown.filter((setting) => setting.rate === chosen.rate);
    const points = here.flatMap((setting) => setting.series.map(([figure, stage, epoch, value]) => ({ curve: setting.curve, figure, stage, epoch, value })));
    const accuracy = points.some((point) => point.figure === accuracies[0]) ? accuracies[0] : accuracies[1];
    return {
      settings: shown.map(({ series, kept, ...setting }) => ({ ...setting, front: fronts[setting.id] ?? -1 })),
      runs: source.runs.filter((run) => ids.has(run.id)),
      dense: source.dense,
      layers: here.flatMap((setting) => source.layers.map((layer, index) => ({ curve: setting.curve, layer, kept: setting.kept[index] }))),
      series: points.filter((point) => point.figure === accuracy),
      inside: points.filter((point) => !accuracies.includes(point.figure)),
    };
  }

  async function draw(figure) {
    const chart = figure.dataset.chart;
    const name = chart === "pareto" ? chosen.axis : chart;
    const all = tables(filter());
    const spec = structuredClone(source.charts[name]);
    const needed = { heat: "layers", training: "series", inside: "inside" }[chart];
    figure.parentElement.hidden = needed !== undefined && all[needed].length === 0;
    if (figure.parentElement.hidden) return;
    if (chart === "heat") {
      spec.height *= new Set(all.layers.map((row) => row.curve)).size;
      spec.encoding.y.axis.labelLimit = Math.min(230, figure.clientWidth / 3);
    }
    if (chart === "inside") spec.columns = Math.max(1, Math.floor(figure.clientWidth / 300));
    spec.datasets = needed ? { [needed]: all[needed] } : { settings: all.settings, runs: all.runs, dense: all.dense };
    views.get(figure)?.finalize();
    const { view } = await vegaEmbed(figure, spec, embedding);
    views.set(figure, view);
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
  const figures = [...root.querySelectorAll(".chart")];
  let turn = Promise.resolve();
  const rest = (work) => new Promise((done) => (window.requestIdleCallback ?? setTimeout)(() => done(work())));
  const redraw = (wanted = () => true) => {
    filter();
    for (const figure of figures.filter((figure) => wanted(figure.dataset.chart))) turn = turn.then(() => rest(() => draw(figure)));
    return turn;
  };

  root.querySelectorAll("thead [data-key] button").forEach((button) => button.addEventListener("click", () => sort(rows, button.parentElement)));
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
  find(".axis").addEventListener("change", ({ target }) => { chosen.axis = target.value; redraw((chart) => chart === "pareto"); });
  find(".rule").addEventListener("change", ({ target }) => { chosen.rule = target.value; rank(); redraw((chart) => chart === "pareto"); });
  find(".rate").addEventListener("change", ({ target }) => { chosen.rate = Number(target.value); redraw((chart) => chart !== "pareto"); });
  chosen.rate = Number(find(".rate").value);
  rank();
  redraw().then(() => { root.dataset.drawn = Math.round(performance.now()); });
});

// Cells of tables without training.
document.querySelectorAll(".cells").forEach((root) => {
  const rows = [...root.querySelectorAll("tr.row")].map((line) => ({ line, detail: line.nextElementSibling, words: wordsOf(line) }));
  const filter = () => {
    const words = root.querySelector(".filter input").value.toLowerCase().split(/[\s,=]+/).filter(Boolean);
    for (const row of rows) {
      row.line.hidden = !words.every((word) => row.words.some((text) => text.startsWith(word)));
      row.detail.hidden = row.line.hidden || row.line.querySelector(".more").ariaExpanded !== "true";
    }
    const shown = rows.filter(({ line }) => !line.hidden).length;
    root.querySelector(".count").textContent = shown === rows.length ? "" : `${shown} of ${rows.length} rows`;
  };
  root.querySelectorAll("thead [data-key] button").forEach((button) => button.addEventListener("click", () => sort(rows, button.parentElement)));
  root.querySelectorAll(".more").forEach((button) => button.addEventListener("click", () => {
    button.ariaExpanded = String(button.ariaExpanded !== "true");
    filter();
  }));
  root.querySelector(".filter input").addEventListener("input", filter);
});

function sort(rows, header) {
  const column = [...header.parentElement.children].indexOf(header);
  const upwards = header.ariaSort === "descending" || (header.ariaSort === null && !header.classList.contains("number"));
  for (const other of header.parentElement.children) other.removeAttribute("aria-sort");
  header.setAttribute("aria-sort", upwards ? "ascending" : "descending");
  const value = ({ line }) => {
    const cell = line.children[column];
    return cell.dataset.value !== undefined ? Number(cell.dataset.value || NaN) : cell.textContent.trim();
  };
  rows.sort((a, b) => compare(value(a), value(b), upwards ? 1 : -1));
  header.closest("table").tBodies[0].append(...rows.flatMap(({ line, detail }) => [line, detail]));
}

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
