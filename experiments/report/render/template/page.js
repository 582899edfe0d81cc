"use strict";
// The table and the charts of a section show the same rows: whatever is ticked, typed or chosen decides for all of them,
// and stands in the address, so that a view can be sent.
const embedding = { actions: false, renderer: "svg", ast: true, tooltip: { theme: "custom" }, defaultStyle: false, logLevel: 1 };
const accuracies = ["val_accuracy", "train_accuracy"];
const MANY = 400; // rows from which charts are drawn as pixels
const LONG = 100; // rows that a table shows at first
const MORE = 4; // times as many when more are asked for: five thousand at once stop a browser for seconds
const CHUNK = 100; // of the others, made while the page is at rest
const SHOWN = ["curve", "asked", "n", "place", "pruned", "repaired", "tuned", "int8", "change", "macs_cut", "macs", "params", "widths"];
const ON_PHONE = ["curve", "macs_cut", "tuned"];
const ON_PAPER = ["curve", "asked", "n", "place", "pruned", "repaired", "tuned", "int8", "change", "macs_cut", "params_cut", "macs", "params", "epochs", "level"];
const STAGES = { tuned: "test accuracy", pruned: "test accuracy as pruned", repaired: "test accuracy, repaired", int8: "test accuracy in eight-bit integers", arrows: "test accuracy, before and after" };

async function unpack(id) {
  const holder = document.getElementById(id);
  if (holder.type !== "application/gzip") return holder.textContent;
  const letters = atob(holder.textContent), bytes = new Uint8Array(letters.length);
  for (let place = 0; place < letters.length; place++) bytes[place] = letters.charCodeAt(place);
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
}

// ---- the address: section.name=value
const state = {
  read: () => new URLSearchParams(location.hash.includes("=") ? location.hash.slice(1) : ""),
  get: (root, name) => state.read().get(`${root.id}.${name}`),
  set(root, name, value) {
    const all = state.read();
    if (value) all.set(`${root.id}.${name}`, value);
    else all.delete(`${root.id}.${name}`);
    history.replaceState(null, "", `#${all}`);
  },
};

// ---- one table: filter, order, columns, what a row opens to, export
const keyOf = (header) => header.dataset.key.toLowerCase().replace(/,.*/, "").trim().replace(/\s+/g, "_");

// Of a large page the lines come as text; one becomes an element when somebody sees it or asks what it says.
class Row {
  static holder = document.createElement("template");

  constructor(parts) {
    Object.assign(this, parts); // text or made; detail, setting, dress
  }

  get line() {
    if (!this.made) {
      Row.holder.innerHTML = this.text;
      this.made = Row.holder.content.firstElementChild;
      this.text = "";
      this.dress(this);
    }
    return this.made;
  }

  get words() { return (this.named ??= wordsOf(this.line)); }
  get facts() { return (this.asked ??= JSON.parse(this.line.dataset.facts ?? "{}")); }
}

class Rows {
  constructor(root, text, { settings = [], changed = () => this.filter(), detailOf = () => [], rateOf, dress = () => {} }) {
    Object.assign(this, { root, changed, detailOf, rateOf, most: LONG });
    this.table = root.querySelector("table.rows");
    this.body = this.table.tBodies[0];
    this.headers = [...this.table.tHead.rows[0].cells];
    this.keys = this.headers.map(keyOf);
    const detailAfter = (line) => (line.nextElementSibling?.matches(".detail") ? line.nextElementSibling : null);
    this.rows = text
      ? text.trim().split(/(?=<tr class="row")/).map((text, place) => new Row({ text, setting: settings[place], dress }))
      : [...this.body.querySelectorAll("tr.row")].map((made, place) => new Row({ made, detail: detailAfter(made), setting: settings[place], dress }));
    this.rest = root.querySelector(".rest-of-rows");
    this.rest.addEventListener("click", () => this.show(MORE * this.most));
    this.box = root.querySelector(".filter input");
    this.box.value = state.get(root, "filter") ?? "";
    this.box.addEventListener("input", () => { state.set(root, "filter", this.box.value.trim()); changed(); });
    this.headers.forEach((header) => header.querySelector("button").addEventListener("click", () => this.sort(header)));
    this.body.addEventListener("click", ({ target }) => {
      const button = target.closest(".more"), line = target.closest("tr.row");
      if (line && (button || !String(getSelection()))) this.toggle(this.rows.find((row) => row.made === line));
    });
    this.chooser();
    this.exporter();
  }

  // As the address has it, once rows know their places.
  restore() {
    const [key, way] = (state.get(this.root, "sort") ?? "").split(" ");
    if (this.keys.includes(key)) this.sort(this.headers[this.keys.indexOf(key)], way === "up");
  }

  visible(also = () => true) {
    this.wrong = "";
    const tests = this.box.value.split(/\s+/).flatMap((text) => (/[=<>]/.test(text) ? [text] : text.split(","))).filter(Boolean).map((text) => this.test(text));
    return this.rows.filter((row) => also(row) && tests.every((test) => test(row)));
  }

  test(text) {
    const [, key, sign, wanted] = text.toLowerCase().match(/^([^=<>]+)(>=|<=|=|<|>)(.*)$/) ?? [];
    if (!key) return (row) => row.words.some((word) => word.startsWith(text.toLowerCase()));
    const name = { accuracy: "tuned", seeds: "n" }[key] && !this.keys.includes(key) ? { accuracy: "tuned", seeds: "n" }[key] : key;
    if (!this.keys.includes(name) && !(name in (this.rows[0]?.facts ?? {}))) {
      this.wrong = `no column ${key}: try ${[...Object.keys(this.rows[0]?.facts ?? {}), ...this.keys].slice(0, 12).join(", ")}`;
      return () => false;
    }
    return (row) => [this.value(row, name)].flat().some((value) => holds(value, sign, wanted));
  }

  value(row, name) {
    if (name in row.facts) return row.facts[name];
    const cell = row.line.cells[this.keys.indexOf(name)];
    return cell.dataset.value ? Number(cell.dataset.value) : cell.textContent.trim().toLowerCase();
  }

  filter(also) {
    this.shown = this.visible(also);
    this.root.querySelector(".count").textContent = this.wrong || (this.shown.length === this.rows.length ? "" : `${this.shown.length} of ${this.rows.length} rows`);
    this.clip();
    return this.shown;
  }

  // A long table stands as far as anybody reads; filter, order, charts, exports and paper have all of its rows.
  clip() {
    const seen = this.shown.slice(0, this.most);
    this.body.replaceChildren(...seen.flatMap(({ line, detail }) => (detail ? [line, detail] : [line])));
    this.rest.hidden = seen.length === this.shown.length;
    this.rest.textContent = MORE * this.most < this.shown.length ? `show ${MORE * this.most} of ${this.shown.length} rows` : `show all ${this.shown.length} rows`;
  }

  show(most) {
    this.most = most;
    this.clip();
  }

  // The others, a few at a time, so that the first letter typed waits for none.
  async prepare() {
    for (let place = 0; place < this.rows.length; place += CHUNK) await rest(() => this.rows.slice(place, place + CHUNK).forEach((row) => row.words && row.facts));
  }

  toggle(row, open = row.line.querySelector(".more").ariaExpanded !== "true") {
    row.line.querySelector(".more").ariaExpanded = String(open);
    if (open && !row.detail) {
      row.detail = element("tr", { className: "detail" });
      const cell = element("td", { colSpan: this.headers.length });
      row.detail.append(cell);
      row.line.after(row.detail);
      cell.append(...this.detailOf(row));
    }
    if (row.detail) row.detail.hidden = !open;
  }

  sort(header, way) {
    const column = this.headers.indexOf(header);
    const upwards = way ?? (header.ariaSort === "descending" || (header.ariaSort === null && !header.classList.contains("number")));
    for (const other of this.headers) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", upwards ? "ascending" : "descending");
    const value = ({ line }) => {
      const cell = line.cells[column];
      return cell.dataset.value !== undefined ? Number(cell.dataset.value || NaN) : cell.textContent.trim();
    };
    const order = new Map(this.rows.map((row) => [row, value(row)]));
    for (const rows of [this.rows, this.shown ?? []]) rows.sort((a, b) => compare(order.get(a), order.get(b), upwards ? 1 : -1));
    if (this.shown) this.clip();
    state.set(this.root, "sort", `${keyOf(header)} ${upwards ? "up" : "down"}`);
  }

  chooser() {
    const usual = matchMedia("(max-width: 40rem)").matches ? ON_PHONE : SHOWN;
    this.usual = this.root.matches(".cells") ? (usual === ON_PHONE ? ["criterion", "repair", "accuracy"] : this.keys) : this.keys.filter((key) => usual.includes(key));
    this.columns = new Set(state.get(this.root, "columns")?.split(",") ?? this.usual);
    this.pins = new Set(state.get(this.root, "pin")?.split(",") ?? []);
    this.style = document.head.appendChild(element("style"));
    const boxes = this.headers.map((header, place) => {
      const key = this.keys[place], line = element("div");
      for (const [what, set] of [["show", this.columns], ["pin", this.pins]]) {
        const box = element("input", { type: "checkbox", checked: set.has(key), value: key, title: `${what} ${key}`, className: what });
        box.addEventListener("change", () => { set[box.checked ? "add" : "delete"](key); this.choose(); });
        line.append(element("label", {}, box, what === "show" ? ` ${header.textContent.trim().replace(/\s+/g, " ")}` : " pin"));
      }
      return line;
    });
    this.root.querySelector(".choose").append(...boxes);
    this.root.querySelector(".columns").addEventListener("toggle", () => this.lay());
    this.lay();
  }

  choose() {
    const chosen = this.keys.filter((key) => this.columns.has(key));
    state.set(this.root, "columns", chosen.join() === this.usual.join() ? "" : chosen.join());
    state.set(this.root, "pin", [...this.pins].join());
    this.lay();
  }

  // By place, so that no cell needs a class; pinned columns stand beside the first one.
  lay(columns = this.columns) {
    const cell = (place) => `#${this.table.id} > * > tr:not(.detail) > :nth-child(${place + 1})`;
    const hide = this.keys.flatMap((key, place) => (columns.has(key) ? [] : [cell(place)]));
    this.style.textContent = hide.length ? `${hide.join()} { display: none; }` : "";
    let left = this.pins.size && this.headers[0].offsetWidth; // asking for a width lays the table out
    const pinned = this.keys.flatMap((key, place) => {
      if (place === 0 || !this.pins.has(key) || !columns.has(key)) return [];
      const rule = `${cell(place)} { position: sticky; left: ${left}px; background: var(--paper); z-index: 1; }`;
      left += this.headers[place].offsetWidth;
      return [rule];
    });
    this.style.textContent += pinned.join("\n");
  }

  exporter() {
    const area = this.root.querySelector(".export textarea"), link = this.root.querySelector(".save");
    this.root.querySelectorAll(".export button").forEach((button) => button.addEventListener("click", () => {
      area.value = written[button.value](...this.grid());
      area.hidden = link.hidden = false;
      URL.revokeObjectURL(link.href);
      link.href = URL.createObjectURL(new Blob([area.value], { type: "text/plain" }));
      link.download = `rows.${button.value}`;
      area.select();
    }));
  }

  // Heads, rows of texts, and which row has the best accuracy at its rate.
  grid() {
    const places = this.keys.flatMap((key, place) => (this.columns.has(key) ? [place] : []));
    const accuracy = Math.max(this.keys.indexOf("tuned"), this.keys.indexOf("accuracy"));
    const shown = this.shown, best = new Map();
    const value = (row) => Number(row.line.cells[accuracy].dataset.value ?? NaN);
    for (const row of shown) best.set(this.rateOf(row), Math.max(best.get(this.rateOf(row)) ?? -Infinity, value(row)));
    const text = (cell) => cell.textContent.trim().replace(/\s+/g, " ");
    const body = shown.map((row) => places.map((place) => ({
      text: text(place === 0 ? row.line.cells[0].querySelector(".more") : row.line.cells[place]),
      bold: place === accuracy && value(row) === best.get(this.rateOf(row)),
    })));
    return [places.map((place) => text(this.headers[place])), body, places.map((place) => this.headers[place].classList.contains("number"))];
  }
}

const quoted = (text) => (/^[=+@]|^-[^\d]/.test(text) ? `'${text}` : text).replace(/"/g, '""');
const marked = (text) => text.replace(/[\\|`*[\]<]/g, "\\$&");
const texed = (text) => text.replace(/[\\{}$&#%_^~]/g, (mark) => ({ "\\": "\\textbackslash{}", "^": "\\^{}", "~": "\\~{}" })[mark] ?? `\\${mark}`)
  .replace(/±/g, "$\\pm$").replace(/→/g, "$\\to$").replace(/−/g, "$-$").replace(/–/g, "--");
const written = {
  csv: (head, body) => [head, ...body.map((row) => row.map(({ text }) => text))].map((row) => row.map((text) => `"${quoted(text)}"`).join(",")).join("\n"),
  md: (head, body) => [head.map(marked), head.map(() => "---"), ...body.map((row) => row.map(({ text, bold }) => (bold ? `**${marked(text)}**` : marked(text))))]
    .map((row) => `| ${row.join(" | ")} |`).join("\n"),
  tex: (head, body, numbers) => [
    `\\begin{tabular}{${numbers.map((number) => (number ? "r" : "l")).join("")}} % needs booktabs`, "\\toprule", `${head.map(texed).join(" & ")} \\\\`, "\\midrule",
    ...body.map((row) => `${row.map(({ text, bold }) => (bold ? `\\textbf{${texed(text)}}` : texed(text))).join(" & ")} \\\\`), "\\bottomrule", "\\end{tabular}",
  ].join("\n"),
};

function holds(value, sign, wanted) {
  const number = wanted.endsWith("%") ? Number(wanted.slice(0, -1)) / 100 : Number(wanted);
  if (typeof value === "string" || Number.isNaN(number) || wanted === "") return sign === "=" && String(value).toLowerCase().startsWith(wanted) && wanted !== "";
  return { "=": Math.abs(value - number) < 1e-9 * Math.max(1, Math.abs(number)), "<": value < number, ">": value > number, "<=": value <= number, ">=": value >= number }[sign];
}

function element(name, values = {}, ...children) {
  const made = Object.assign(document.createElement(name), values);
  made.append(...children);
  return made;
}

const rest = (work) => new Promise((done) => (window.requestIdleCallback ?? setTimeout)(() => done(work())));

// ---- a section with runs
function section(root, source, text) {
  const find = (selector) => root.querySelector(selector);
  const views = new Map();
  const chosen = {};
  const table = new Rows(root, text, { settings: source.settings, changed: () => redraw(), detailOf: details, rateOf: ({ setting }) => setting.rate, dress });
  const rowOf = new Map(table.rows.map((row) => [row.setting.id, row]));
  const boxes = [...root.querySelectorAll(".legend input")];
  const off = new Set(state.get(root, "without")?.split("\n") ?? []);
  boxes.forEach((box) => { box.checked = !off.has(box.value); });

  function filter() {
    const curves = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
    return table.filter(({ setting }) => curves.has(setting.curve)).map(({ setting }) => setting);
  }

  // What the chosen rule of ranking makes of a row.
  function dress({ line, setting }) {
    const { places, levels } = source.rules[chosen.rule];
    const cell = line.querySelector(".place");
    const [best, worst, all] = places[setting.id] ?? [];
    cell.textContent = best === undefined ? "–" : best === worst ? best : worst - best === all - 1 ? "tied" : `${best}–${worst}`;
    cell.title = best === undefined ? "" : `place ${best === worst ? best : `${best} to ${worst}`} of ${all} rows of this cut`;
    cell.dataset.value = best === undefined ? "" : best + worst / 1000;
    line.querySelector(".level").textContent = levels[setting.id] ?? "no rival";
  }

  const rank = () => table.rows.filter(({ made }) => made).forEach(dress);

  function staged({ series, kept, stages, ...setting }, fronts) {
    if (chosen.stage === "tuned") return [{ ...setting, front: fronts[setting.id] ?? -1 }];
    if (chosen.stage === "arrows") return [{ ...setting, front: fronts[setting.id] ?? -1, before: stages.pruned?.[0], middle: stages.repaired?.[0] }];
    const [accuracy, low, high, shown] = stages[chosen.stage] ?? [];
    return accuracy === undefined ? [] : [{ ...setting, accuracy, low, high, shown, front: -1 }];
  }

  const points = (setting) => setting.series.map(([figure, stage, epoch, value]) => ({ curve: setting.curve, figure, stage, epoch, value }));
  function accuracyPoints(all) {
    const figure = all.some((point) => point.figure === accuracies[0]) ? accuracies[0] : accuracies[1];
    return all.filter((point) => point.figure === figure);
  }

  const shown = () => table.shown.map(({ setting }) => setting);
  const atRate = () => shown().filter((setting) => setting.rate === Number(chosen.rate));
  const whole = () => ["tuned", "arrows"].includes(chosen.stage); // what single runs and papers reached
  const datasets = {
    pareto() {
      const ids = new Set(shown().map((setting) => setting.id)), ticked = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
      const fronts = source.rules[chosen.rule].fronts[chosen.axis];
      return {
        settings: shown().flatMap((setting) => staged(setting, fronts)),
        runs: whole() ? source.runs.filter((run) => ids.has(run.id)) : [],
        dense: source.dense,
        published: whole() ? source.published.filter(({ curve }) => ticked.has(curve)) : [],
      };
    },
    heat: () => ({ layers: atRate().flatMap(({ curve, kept }) => source.layers.map((layer, index) => ({ curve, layer, kept: kept[index] }))) }),
    training: () => ({ series: accuracyPoints(atRate().flatMap(points)) }),
    inside: () => ({ inside: atRate().flatMap(points).filter((point) => !accuracies.includes(point.figure)) }),
  };

  async function draw(figure) {
    const chart = figure.dataset.chart, data = datasets[chart](), [first] = Object.values(data);
    const holder = figure.closest("details") ?? figure.parentElement;
    holder.hidden = chart !== "pareto" && first.length === 0;
    if (holder.hidden || holder.matches("details:not([open])")) return;
    const spec = { ...structuredClone(source.charts[chart === "pareto" ? chosen.axis : chart]), datasets: data };
    if (chart === "heat") {
      spec.height *= new Set(first.map(({ curve }) => curve)).size;
      spec.encoding.y.axis.labelLimit = Math.min(230, figure.clientWidth / 3);
    }
    if (chart === "inside") spec.columns = Math.max(1, Math.floor(figure.clientWidth / 300));
    if (chart === "pareto") spec.encoding.y.axis.title = STAGES[chosen.stage];
    views.get(figure)?.finalize();
    const pixels = table.rows.length > MANY;
    spec.config.aria = !pixels; // a mark of its own is read aloud; a pixel is not
    const { view } = await vegaEmbed(figure, spec, { ...embedding, renderer: pixels ? "canvas" : "svg" });
    views.set(figure, view);
    if (chart === "pareto") link(view);
  }

  // What a row opens to: its runs with their commands, its layers, its curve, how its networks answer.
  function details(row) {
    const { setting } = row, held = source.details[setting.id];
    const list = element("ul", {}, ...held.runs.map(([seed, accuracy, gates, certificate, unreadable, digest, commit, device, stages, command]) => {
      const words = [accuracy, gates && `gates as they were ${gates}`, `certificate ${certificate}`, unreadable && `${unreadable} could not be read`, stages, device, `commit ${commit}`, digest];
      const copy = element("button", { type: "button", className: "copy", textContent: "copy" });
      copy.addEventListener("click", () => navigator.clipboard?.writeText(command));
      return element("li", {}, element("strong", { textContent: `seed ${seed}` }), `: ${words.filter(Boolean).join("; ")}`, element("br"), element("code", { className: "command", textContent: command }), " ", copy);
    }));
    const widths = source.layers.map((layer, place) => `${layer} ${source.totals[place]} → ${held.widths[place]}`);
    const parts = [list, element("p", { className: "layers" }, element("strong", { textContent: "Filters of each layer: " }), widths.join(", "))];
    const cost = ["train_macs", "seconds"].map((key) => [key, table.keys.indexOf(key)]).filter(([, place]) => place > 0);
    parts.push(element("p", {}, element("strong", { textContent: "Cost: " }), cost.map(([key, place]) => `${key === "seconds" ? "training time" : "training, multiply-adds"} ${row.line.cells[place].textContent.trim()}`).join(", "), `; ${row.line.querySelector(".times").textContent}`));
    if (held.answers) parts.push(...answersTable(held.answers));
    for (const [name, text] of [["Published", held.published], ["Modified", held.modified.join(", ")]]) if (text) parts.push(element("p", { textContent: `${name}: ${text}` }));
    const series = accuracyPoints(points(setting));
    if (series.length) {
      const chart = element("div", { className: "chart own" });
      parts.push(chart);
      requestAnimationFrame(() => vegaEmbed(chart, { ...structuredClone(source.charts.training), height: 160, datasets: { series } }, embedding));
    }
    const versus = element("button", { type: "button", className: "copy versus" });
    versus.addEventListener("click", () => {
      if (picked && picked !== row) parts.at(-1).replaceChildren(sideBySide(picked, row));
      picked = picked && picked !== row ? null : row;
      tellPicked();
    });
    versus.tell = () => { versus.textContent = picked === row ? "now open the row to compare with" : picked ? `compare with ${nameOf(picked)}` : "compare with another row"; };
    versus.tell();
    parts.push(versus, element("div", { className: "wide" }));
    return parts;
  }

  // Two rows, figure by figure and layer by layer; the difference where both are shares.
  let picked = null;
  const nameOf = (row) => `${row.line.querySelector(".more").textContent.trim()} at ${row.line.cells[1].textContent.trim()}`;
  const tellPicked = () => root.querySelectorAll(".versus").forEach((button) => button.tell());
  function sideBySide(...pair) {
    const line = (name, texts, difference = "") => element("tr", {}, element("th", { textContent: name }), ...[...texts, difference].map((textContent) => element("td", { className: "number", textContent })));
    const figures = table.headers.slice(1).flatMap((header, place) => {
      const cells = pair.map((row) => row.line.cells[place + 1]), texts = cells.map((cell) => cell.textContent.trim());
      if (texts.every((text) => text === "–")) return [];
      const share = /%|points/.test(header.querySelector("small")?.textContent) && cells.every((cell) => cell.dataset.value);
      const gap = share && 100 * (cells[1].dataset.value - cells[0].dataset.value);
      return [line(header.textContent.trim().replace(/\s+/g, " "), texts, share ? `${gap < 0 ? "−" : "+"}${Math.abs(gap).toFixed(2)} points` : "")];
    });
    const widths = pair.map((row) => source.details[row.setting.id].widths);
    const layers = source.layers.map((layer, place) => line(`filters of ${layer}`, widths.map((kept) => `${kept[place]} of ${source.totals[place]}`)));
    const head = element("tr", {}, ...["", ...pair.map(nameOf), "second less first"].map((textContent) => element("th", { textContent, className: textContent && "number" })));
    return element("table", { className: "small beside" }, element("thead", {}, head), element("tbody", {}, ...figures, ...layers));
  }

  function link(view) {
    view.addEventListener("pointerover", (event, item) => light(item?.datum?.id));
    view.addEventListener("pointerout", () => light(""));
    view.addEventListener("click", (event, item) => {
      const row = rowOf.get(item?.datum?.id);
      if (!row) return;
      if (!row.line.isConnected) table.show(table.shown.indexOf(row) + LONG);
      row.line.scrollIntoView({ block: "center", behavior: "smooth" });
      row.line.querySelector(".more").focus({ preventScroll: true });
    });
  }

  let lit = "";
  function light(id = "") {
    rowOf.get(lit)?.made?.classList.remove("lit");
    rowOf.get((lit = id))?.line.classList.add("lit");
    const view = views.get(find('[data-chart="pareto"]'));
    if (view && view.signal("lit") !== id) view.signal("lit", id).runAsync();
  }

  // One chart after the other, when the page is at rest: a thousand runs open at once.
  const figures = [...root.querySelectorAll(".chart[data-chart]")];
  let turn = Promise.resolve();
  const redraw = (wanted = () => true) => {
    filter();
    for (const figure of figures.filter((figure) => wanted(figure.dataset.chart))) turn = turn.then(() => rest(() => draw(figure)));
    return turn;
  };

  for (const event of ["pointerover", "focusin"]) table.body.addEventListener(event, ({ target }) => light(target.closest("tr.row")?.dataset.id));
  for (const event of ["pointerleave", "focusout"]) table.body.addEventListener(event, () => light());
  find(".legend").addEventListener("change", () => {
    state.set(root, "without", boxes.filter((box) => !box.checked).map((box) => box.value).join("\n"));
    redraw();
  });
  const pareto = (chart) => chart === "pareto";
  for (const [name, wanted] of [["axis", pareto], ["stage", pareto], ["rule", pareto], ["rate", (chart) => !pareto(chart)]]) {
    const select = find(`select.${name}`), usual = select.value, asked = state.get(root, name);
    if ([...select.options].some((option) => option.value === asked)) select.value = asked;
    chosen[name] = select.value;
    select.addEventListener("change", () => {
      chosen[name] = select.value;
      state.set(root, name, select.value === usual ? "" : select.value);
      if (name === "rule") rank();
      redraw(wanted);
    });
  }
  root.querySelectorAll("details.fold").forEach((fold) => fold.addEventListener("toggle", () => fold.open && redraw((chart) => fold.querySelector(`[data-chart="${chart}"]`))));
  rank();
  table.restore();
  redraw().then(() => { root.dataset.drawn = Math.round(performance.now()); }).then(() => table.prepare());
  return table;
}

function answersTable({ classes, left, lines }) {
  const cell = (kind, text, className) => element(kind, { textContent: text, className });
  const head = element("tr", {}, cell("td", ""), ...["nll, nats", "ece, %", "flips, %", ...classes].map((name) => cell("th", name, "number")));
  const body = lines.map(([network, texts]) => element("tr", {}, cell("th", network, ""), ...texts.map((text) => cell("td", text, "number"))));
  const table = element("table", { className: "small answers" }, element("thead", {}, head), element("tbody", {}, ...body));
  const more = left ? `, of the ${classes.length} that lost most; ${left} more in the records` : "";
  const words = `Mean over seeds. Flips: test images answered unlike the dense network. By class: accuracy in %${more}.`;
  return [element("div", { className: "wide" }, table), element("p", { className: "caption", textContent: words })];
}

// What the filter looks at: names and settings, not figures.
function wordsOf(line) {
  const cells = [...line.children].filter((cell) => !cell.matches(".number, .times, .widths"));
  return cells.flatMap((cell) => cell.textContent.toLowerCase().split(/[\s,=]+/)).filter(Boolean);
}

const collator = new Intl.Collator("en", { numeric: true });
// Rows without a number come last, whichever way one sorts.
function compare(a, b, way) {
  const missing = (value) => typeof value === "number" && Number.isNaN(value) || value === "–" || value === "";
  if (missing(a) || missing(b)) return missing(a) - missing(b);
  return way * (typeof a === "number" && typeof b === "number" ? a - b : collator.compare(a, b));
}

async function main() {
  const data = JSON.parse(await unpack("data"));
  const all = [];
  for (const root of document.querySelectorAll(".comparison[data-section]")) {
    const packed = `rows-${root.dataset.section}`;
    all.push(section(root, data[Number(root.dataset.section)], document.getElementById(packed) && (await unpack(packed))));
  }
  document.querySelectorAll(".cells").forEach((root) => {
    const table = new Rows(root, "", { rateOf: (row) => row.line.cells[3].textContent });
    table.restore();
    table.filter();
    all.push(table);
  });
  // On paper: the columns that fit, all rows, every fold and every row of a short table opened.
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open], .fold, .columns, .export)")];
    closed.forEach((fold) => { fold.open = true; });
    for (const table of all) {
      table.before = table.most;
      table.show(Infinity);
    }
    for (const table of all) table.lay(table.root.matches(".cells") ? table.columns : new Set(ON_PAPER));
    for (const table of all) if (table.rows.length <= 12) table.rows.forEach((row) => table.toggle(row, true));
  });
  addEventListener("afterprint", () => {
    closed.forEach((fold) => { fold.open = false; });
    for (const table of all) table.lay();
    for (const table of all) table.show(table.before);
  });
}
main();
