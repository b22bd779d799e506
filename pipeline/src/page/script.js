"use strict";
// Sorting, filtering, switching methods, values under the pointer, and how each number was made. Without it everything is still there to read.
const data = JSON.parse(document.getElementById("stage-data").textContent);
const byFingerprint = new Map(data.stages.map((stage, place) => [stage.fingerprint, place]));
const element = (name, text) => Object.assign(document.createElement(name), { textContent: text ?? "" });

// How a number was made.
const why = document.getElementById("why");
const whyText = document.getElementById("why-text");
function settings(stage) {
  const all = {};
  for (const [key, place] of Object.entries(stage.settings)) all[key] = data.values[place];
  return JSON.stringify(all, null, 2);
}
function inputButton(place) {
  const button = element("button", data.stages[place].id);
  button.type = "button";
  button.className = "input";
  button.dataset.stage = data.stages[place].fingerprint;
  return button;
}
function tell(fingerprint) {
  const place = byFingerprint.get(fingerprint);
  const list = element("dl");
  const row = (name, ...parts) => {
    const value = element("dd");
    value.append(...parts);
    list.append(element("dt", name), value);
  };
  if (place === undefined) {
    row("Stage", fingerprint);
    row("Recipe", "The plan of this page does not have it: the tables were made at other settings, or by another version.");
  } else {
    const stage = data.stages[place];
    row("Stage", stage.id);
    row("Made again by", element("pre", `${data.command} --only ${stage.id} --force ${stage.id}`));
    if (stage.made) {
      const machine = data.values[stage.made.machine];
      row("Made", `${stage.made.made ?? ""} in ${Number(stage.made.seconds.toPrecision(3))} s on ${stage.made.threads} thread(s), device ${stage.made.device}, by ${stage.made.program}; ${stage.made.bytes} bytes`);
      row("Machine", [machine.processor, machine.vectors, `${machine.cores} cores`, machine.system].filter(Boolean).join(", "));
    }
    if (stage.inputs.length > 0) {
      const inputs = element("ul");
      for (const input of stage.inputs) {
        const item = element("li");
        item.append(inputButton(input), ` ${data.stages[input].fingerprint}`);
        inputs.append(item);
      }
      row("Inputs", inputs);
    }
    row("Fingerprint", `${stage.fingerprint}, version ${stage.version}`);
    row("Recipe", element("pre", settings(stage)));
  }
  whyText.replaceChildren(list);
  if (!why.open) why.showModal();
}
document.addEventListener("click", (event) => {
  const maker = event.target.closest("[data-stage]");
  if (maker && maker.dataset.stage) tell(maker.dataset.stage);
  else if (event.target === why) why.close();
});

// Stages of a kind, when it is opened.
for (const kind of document.querySelectorAll("details.kind")) {
  kind.addEventListener("toggle", () => {
    const list = kind.querySelector("ul");
    if (!kind.open || list.childElementCount > 0) return;
    data.stages.forEach((stage, place) => {
      if (stage.id.split("/")[0] !== kind.dataset.kind) return;
      const item = element("li");
      const button = inputButton(place);
      button.className = "number";
      item.append(button);
      list.append(item);
    });
  });
}
function openKind() {
  const kind = location.hash.startsWith("#kind-") && document.getElementById(location.hash.slice(1));
  if (kind) kind.open = true;
}
addEventListener("hashchange", openKind);
openKind();

// Sorting by a column; a second time the other way round.
for (const table of document.querySelectorAll("table.sortable")) {
  table.querySelectorAll("thead th").forEach((head, column) => {
    const button = element("button", head.textContent);
    button.type = "button";
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.querySelectorAll("thead th")) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => {
        const cell = row.cells[column];
        const text = cell.dataset.sort ?? cell.textContent;
        const number = text.trim() === "" ? NaN : Number(text);
        return Number.isNaN(number) ? text : number;
      };
      // Empty cells stay at the end, either way.
      const order = (a, b) => {
        if (a === b) return 0;
        if (a === "" || b === "") return a === "" ? 1 : -1;
        const sign = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
        return down ? -sign : sign;
      };
      const body = table.tBodies[0];
      body.append(...[...body.rows].map((row) => [key(row), row]).sort((a, b) => order(a[0], b[0])).map((pair) => pair[1]));
    });
  });
}

// Rows that hold every word, of methods that are shown.
const shown = new Map();
for (const box of document.querySelectorAll("[data-switch]")) {
  shown.set(box.dataset.switch, box);
  box.addEventListener("change", show);
}
const filter = document.getElementById("filter");
const count = document.getElementById("filtered");
function isOn(method) {
  const box = shown.get(method);
  return !box || box.checked;
}
function show() {
  for (const part of document.querySelectorAll("[data-method]")) part.toggleAttribute("hidden", !isOn(part.dataset.method));
  if (!filter) return;
  const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
  const rows = [...document.querySelectorAll("#figure-rows tbody tr")];
  let left = 0;
  for (const row of rows) {
    // What a row is of; the method that it is compared with is no part of that.
    const text = [...row.cells].slice(0, 6).map((cell) => cell.textContent.toLowerCase()).join(" ");
    const fits = isOn(row.dataset.method) && words.every((word) => text.includes(word));
    row.hidden = !fits;
    if (fits) left += 1;
  }
  count.textContent = `${left} of ${rows.length}`;
}
filter?.addEventListener("input", show);
if (filter) show();

// The value under the pointer: the nearest point of the nearest line.
const tip = element("div");
tip.id = "tip";
tip.hidden = true;
document.body.append(tip);
const points = (path) => (path.points ??= [...path.getAttribute("d").matchAll(/[ML]([-\d.]+) ([-\d.]+)/g)].map((match) => [Number(match[1]), Number(match[2])]));
for (const chart of document.querySelectorAll("svg[data-axes]")) {
  const [xLow, xHigh, yLow, yHigh, left, right, top, bottom] = chart.dataset.axes.split(" ").map(Number);
  let near = null;
  const leave = () => {
    near?.classList.remove("near");
    near = null;
    tip.hidden = true;
  };
  chart.addEventListener("pointerleave", leave);
  chart.addEventListener("pointermove", (event) => {
    const box = chart.getBoundingClientRect();
    const scale = chart.viewBox.baseVal.width / box.width;
    const [x, y] = [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
    let [least, best, line] = [400, null, null];
    for (const path of chart.querySelectorAll("path.line:not([hidden])")) {
      for (const point of points(path)) {
        const distance = (point[0] - x) ** 2 + (point[1] - y) ** 2;
        if (distance < least) [least, best, line] = [distance, point, path];
      }
    }
    if (line !== near) near?.classList.remove("near");
    if (!line) return leave();
    near = line;
    line.classList.add("near");
    const along = xLow + ((best[0] - left) / (right - left)) * (xHigh - xLow);
    const value = yLow + ((bottom - best[1]) / (bottom - top)) * (yHigh - yLow);
    tip.textContent = `${line.querySelector("title").textContent}: ${Number(value.toPrecision(3))} at ${chart.dataset.along} ${Number(along.toPrecision(3))}`;
    tip.style.left = `${Math.min(event.clientX + 14, innerWidth - 430)}px`;
    tip.style.top = `${event.clientY + 14}px`;
    tip.hidden = false;
  });
}
