// State, keyboard and linking of the page's charts; the charts themselves are Vega-Lite's.
(() => { "use strict";
  const $ = (id) => document.getElementById(id);
  const [data, specs] = ["explored", "charts"].map((id) => JSON.parse($(id).textContent));
  const { units, layers, heads, runs, measures, axes } = data;
  const unique = (values) => [...new Set(values)], missing = (value) => value === null || value === undefined;
  const format = (value, form) => (missing(value) ? "–" : new Intl.NumberFormat("en", form).format(value).replace("-", "−"));
  const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const named = (run, of) => [runs.length > 1 ? run.name : "", of].filter(Boolean).join(": ");

  // ---- state, kept in the address after the section that is shown
  const CONTROLS = ["measure", "of", "beside", "step", "unit", "x", "y", "edges", "least", "case"];
  let state = {}, cursor = 0;
  const section = () => decodeURIComponent(location.hash.slice(1).split("?")[0]);
  function load() {
    const given = new URLSearchParams(location.hash.split("?")[1] ?? "");
    state = Object.fromEntries(CONTROLS.map((name) => [name, given.get(name) ?? ""]));
    cursor = Math.max(0, units.indexOf(state.unit));
    render();
    if (location.hash.includes("?")) $(section())?.scrollIntoView();
  }
  function set(changes) {
    Object.assign(state, changes);
    if (changes.unit) cursor = units.indexOf(changes.unit);
    render();
    const given = new URLSearchParams(CONTROLS.filter((name) => state[name] !== "").map((name) => [name, state[name]]));
    history.replaceState(null, "", `#${section()}?${given}`);
  }
  const valid = (name, list, otherwise = "") => (state[name] = list.includes(state[name]) ? state[name] : otherwise);

  // ---- values
  const entries = (run, measure) => run.values[measure] ?? [];
  const every = (measure) => runs.flatMap((run) => entries(run, measure)), variants = (measure) => unique(every(measure).map((e) => e.of));
  const steps = (measure, of) => unique(every(measure).filter((e) => e.of === of && e.step !== null).map((e) => e.step)).sort((a, b) => a - b);
  // At a step that was not measured, the last before it, else the first; by default the last.
  function entry(run, measure, of, step = Infinity) {
    const found = entries(run, measure).filter((e) => e.of === of).sort((a, b) => a.step - b.step);
    return found.filter((e) => e.step <= step).pop() ?? found[0];
  }
  function written(e, i, form = measures[e.measure].form) {
    const ends = missing(e.low?.[i]) ? "" : ` [${format(e.low[i], form)}, ${format(e.high[i], form)}]`;
    return format(e.value[i], form) + ends + (missing(e.chance?.[i]) ? "" : ` (${format(e.chance[i], specs.forms.small)} by chance)`);
  }
  const titled = (key, of) => measures[key].title + (variants(key).length > 1 ? ` (${of})` : "");

  // ---- charts and controls
  let views = {}, shown = {}, turn = Promise.resolve();
  function draw(id, spec, rows, pick) {
    const node = $(id), made = { ...spec, config: specs.config, datasets: { rows } };
    const themed = JSON.stringify(made).replace(/"(--\w+)"/g, (_, name) => JSON.stringify(css(name)));
    node.hidden = !rows.length;
    if (shown[id] === themed || !node.offsetParent) return;
    shown[id] = themed;
    turn = turn.then(async () => {
      if (shown[id] !== themed) return; // a later change has overtaken this one
      views[id]?.finalize();
      views[id] = await vegaEmbed(node, JSON.parse(themed), { actions: false, renderer: "svg", ast: true });
      if (pick) views[id].view.addEventListener("click", (_, item) => item?.datum && pick(item.datum));
      // All that a chart shows is also said in words beside it.
      node.querySelector("svg").setAttribute("aria-hidden", "true");
    }).catch((error) => console.error(error));
  }
  function options(id, items) {
    const groups = Object.entries(Object.groupBy(items, (item) => item[2] ?? ""));
    $(id).replaceChildren(...groups.flatMap(([label, list]) => {
      const made = list.map(([value, text]) => new Option(text, value, false, value === state[id]));
      const group = Object.assign(document.createElement("optgroup"), { label });
      return label ? (group.append(...made), [group]) : made;
    }));
    $(id).disabled = items.length < 2;
  }
  const plain = (list) => list.map((value) => [value, value]);
  function render() {
    const keys = Object.keys(measures), measure = valid("measure", keys, keys[0]), about = measures[measure];
    const last = Math.max(...every(measure).map((e) => e.step));
    const of = valid("of", variants(measure), every(measure).find((e) => e.step === last || e.step === null).of);
    const others = variants(measure).filter((other) => other !== of);
    for (const [name, list] of [["beside", others], ["unit", units]]) valid(name, list);
    options("measure", keys.map((key) => [key, measures[key].title, measures[key].group]));
    options("of", plain(variants(measure)));
    options("beside", [["", "nothing"], ...plain(others)]);
    const known = steps(measure, of), at = known.map(String).indexOf(state.step), step = known.at(at) ?? Infinity, end = known.length - 1;
    Object.assign($("step"), { max: Math.max(0, end), value: at < 0 ? end : at, disabled: end < 1 });
    $("step-said").textContent = known.length ? `step ${step.toLocaleString("en")}` : "all";
    $("step").setAttribute("aria-valuetext", $("step-said").textContent);
    $("about").textContent = `${about.about}. Bluer is more${about.middle === null ? "" : ", orange less than none"}; outlined heads are in the core.`;
    for (const part of [grid, unit, scatter, graph]) part(measure, of, step);
  }
  function grid(measure, of, step) {
    const about = measures[measure], rows = [], here = $("grid").matches(":focus-visible");
    for (const run of runs) for (const variant of state.beside ? [of, state.beside] : [of]) {
      const e = entry(run, measure, variant, step);
      const panel = e && [named(run, variant), e.step === null ? [] : `step ${e.step}`].flat().join(", ");
      if (e) units.forEach((unit, i) => rows.push({
        panel, order: rows.length, unit, layer: layers[i], across: heads[i] === null ? "MLP" : `H${heads[i]}`, value: e.value[i], text: written(e, i),
        core: +run.core.includes(i), in_core: run.core.includes(i) ? "yes" : "no", chosen: +(unit === state.unit), cursor: +(here && i === cursor),
      }));
    }
    const spec = structuredClone(specs.grid), colour = spec.spec.layer[0].encoding.color;
    Object.assign(colour.scale, { domain: about.domain }, about.middle === null ? {} : { domainMid: about.middle });
    Object.assign(colour.legend, { format: about.d3, tickMinStep: about.least });
    draw("grid", spec, rows, ({ unit: label }) => set({ unit: label }));
    $("said").textContent = [units[cursor], about.title, ...rows.filter((r) => r.unit === units[cursor]).map((r) => `${r.panel}: ${r.text}`)].join(", ");
  }
  function row(cells, scope) {
    const made = document.createElement("tr"), tag = (i) => (scope === "col" || i === 0 ? "th" : "td");
    made.append(...cells.map((textContent, i) => Object.assign(document.createElement(tag(i)), { textContent }, tag(i) === "th" && { scope })));
    return made;
  }
  function unit(measure, of) {
    const i = units.indexOf(state.unit), core = runs.filter((run) => run.core.includes(i)).map((run) => run.name);
    [$("unit").hidden, $("nothing-chosen").hidden] = [i < 0, i >= 0];
    if (i < 0) return;
    $("unit-name").textContent = [state.unit, core.length ? `in the core ${core.join(", ")}`.trim() : []].flat().join(" · ");
    const values = axes.filter(([, , group]) => group !== "Attention").map(([axis, title]) =>
      [title, ...runs.map((run) => entry(run, ...axis.split("|"))).map((e) => (e ? written(e, i) : "–"))]);
    $("unit-values").replaceChildren(row(["measure", ...runs.map((run) => run.name || "value")], "col"),
      ...values.filter((cells) => cells.slice(1).some((text) => text !== "–")).map((cells) => row(cells, "row")));
    const over = steps(measure, of).length > 1 ? runs.flatMap((run) => entries(run, measure).filter((e) => e.of === of).map((e) => [run, e])) : [];
    $("course-title").textContent = over.length ? `${titled(measure, of)}, over checkpoints` : "";
    draw("course", specs.course, over.flatMap(([run, e]) => units.map((label, j) =>
      ({ unit: named(run, label), step: e.step, value: e.value[j], text: written(e, j), chosen: +(j === i) }))).filter((r) => r.value !== null));
    draw("profile", specs.profile, runs.flatMap((run) => entries(run, "attention").filter((e) => e.value[i] !== null).map((e) =>
      ({ of: named(run, e.of), step: e.step, when: `step ${e.step}`, value: e.value[i], text: written(e, i) }))));
    const near = (side, other) => edges().filter((e) => e[side] === i).sort((a, b) => b.excess - a.excess).slice(0, 6)
      .map((e) => `${units[e[other]]} ${format(e.excess, specs.forms.change)} (${e.of})`).join("; ") || "nothing measured";
    $("reads").textContent = near("receiver", "sender");
    $("read-by").textContent = near("sender", "receiver");
    maps(i).catch((error) => console.error(error));
  }
  async function maps(i) {
    const blocks = runs.flatMap((run) => run.maps.filter((b) => b.heads.includes(i)).map((b) => ({ ...b, run })));
    const cases = unique(blocks.map((b) => b.case)), chosen = valid("case", cases, cases[0]) ?? "", rows = [];
    $("maps-part").hidden = !cases.length;
    options("case", plain(cases));
    for (const b of blocks.filter((one) => one.case === chosen)) {
      const packed = new Blob([Uint8Array.from(atob(b.weights), (c) => c.charCodeAt(0))]).stream();
      const all = new Uint8Array(await new Response(packed.pipeThrough(new DecompressionStream("deflate"))).arrayBuffer());
      const panel = `${named(b.run, `step ${b.step}`)}: answered ${b.answer}, right is ${b.label}`, first = b.heads.indexOf(i) * b.n * b.n;
      b.tokens.forEach((query, q) => b.tokens.forEach((key, k) =>
        rows.push({ panel, order: b.step, query: `${q} ${query}`, key: `${k} ${key}`, value: all[first + q * b.n + k] / 255 })));
    }
    if (units[i] === state.unit && chosen === (state.case ?? "")) draw("maps", specs.maps, rows);
  }
  function scatter() {
    const keys = axes.map(([key]) => key), x = valid("x", keys, keys[0]);
    const y = valid("y", keys, keys.findLast((key) => key.startsWith("removal-auc")) ?? keys.at(-1));
    for (const id of ["x", "y"]) options(id, axes);
    if (!keys.length) return;
    const rows = runs.flatMap((run) => {
      const [ex, ey] = [x, y].map((key) => entry(run, ...key.split("|")));
      return !ex || !ey ? [] : units.map((label, i) => ({
        unit: named(run, label), i, x: ex.value[i], y: ey.value[i], x_text: written(ex, i), y_text: written(ey, i), chosen: +(label === state.unit),
        kind: heads[i] === null ? "MLP" : run.core.includes(i) ? "core head" : "other head" }));
    }).filter((r) => !missing(r.x) && !missing(r.y));
    draw("scatter", specs.scatter, rows, (r) => set({ unit: units[r.i] }));
  }
  const edges = () => runs.flatMap((run) => run.edges.flatMap((g) => g.sender.map((sender, j) =>
    ({ of: named(run, g.of), sender, receiver: g.receiver[j], core: g.core[j], change: g.change[j], excess: g.excess[j] }))));
  function graph() {
    const all = edges(), kinds = unique(all.map((e) => e.of)), of = valid("edges", kinds, kinds[0]), chosen = units.indexOf(state.unit);
    $("graph-part").hidden = !kinds.length;
    if (!kinds.length) return;
    options("edges", plain(kinds));
    const some = all.filter((e) => e.of === of), sizes = some.map((e) => e.excess).sort((a, b) => b - a);
    const least = state.least === "" ? sizes[Math.min(19, sizes.length - 1)] : +state.least, kept = some.filter((e) => e.excess >= least);
    Object.assign($("least"), { min: sizes.at(-1), max: sizes[0], step: "any", value: least });
    $("least-said").textContent = `${format(least, specs.forms.change)}: ${kept.length} of ${some.length} pairs`;
    const place = (i) => ({ x: heads[i], y: layers[i], unit: units[i], chosen: +(i === chosen) });
    const lines = kept.map((e) => ({ ...place(e.sender), edge: 1, x2: heads[e.receiver], y2: layers[e.receiver], to: units[e.receiver],
      near: +(chosen < 0 || [e.sender, e.receiver].includes(chosen)), from: e.core ? "from a core head" : "from another head",
      excess: Math.max(0, e.excess), text: format(e.change, specs.forms.small), more: format(e.excess, specs.forms.change) }));
    const ends = unique(kept.flatMap((e) => [e.sender, e.receiver])).map((i) => ({ ...place(i), edge: 0 }));
    draw("graph", specs.graph, [...lines, ...ends], (r) => r.edge === 0 && set({ unit: r.unit }));
  }

  // ---- what readers do
  for (const id of ["measure", "of", "beside", "x", "y", "edges", "case", "least"]) $(id).oninput = () => set({ [id]: $(id).value });
  $("step").oninput = () => set({ step: String(steps(state.measure, state.of)[+$("step").value]) });
  $("close").onclick = () => { set({ unit: "" }); $("grid").focus(); };
  const MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  $("grid").addEventListener("keydown", (event) => {
    if (MOVES[event.key]) {
      const column = (i) => i - layers.indexOf(layers[i]), [down, right] = MOVES[event.key];
      const moved = units.findIndex((_, i) => layers[i] === layers[cursor] + down && column(i) === column(cursor) + right);
      if (moved >= 0) cursor = moved;
      render();
    } else if (["Enter", " "].includes(event.key)) set({ unit: units[cursor] });
    else return;
    event.preventDefault();
  });
  $("grid").onfocus = $("grid").onblur = render;
  document.querySelectorAll(".explore details, details.explore").forEach((node) => node.addEventListener("toggle", render));
  addEventListener("hashchange", () => (location.hash.includes("?") ? load() : set({})));
  matchMedia("(prefers-color-scheme: dark)").onchange = render;
  document.documentElement.classList.add("js");
  if (matchMedia("(max-width: 1099px)").matches) $("explorer").open = false;
  load();
  window.drawn = () => turn;
})();
