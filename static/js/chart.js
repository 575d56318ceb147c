// The tip of a chart: says what the chart's data table says about the bar under the pointer, or
// about the one chosen with the arrow keys. `t` opens and closes the data table.
const GAP = 12;

const element = (name, text = "", className = "") => {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
};

function swatch(colour) {
  return element("i", "", colour ? `swatch ${colour}` : "swatch swatch--dash");
}

function line(term, amount, colour, className = "") {
  const name = element("dt", "", className);
  if (colour !== null) name.append(swatch(colour));
  name.append(term);
  return [name, element("dd", amount, className)];
}

function fill(tip, table, place) {
  const heads = [...table.tHead.rows[0].cells].slice(1);
  const [title, ...cells] = table.tBodies[0].rows[place].cells;
  const amounts = cells.map((cell) => cell.dataset.tip);
  const total = cells.length - 2;
  const list = element("dl");
  heads.slice(0, total).forEach((head, column) => {
    if (cells[column].textContent === "–") return;
    const name = element("bdi", head.textContent, "overview__clip");
    list.append(...line(name, amounts[column], head.dataset.colour));
  });
  list.append(...line("Total", amounts[total], null, "tip__total"));
  list.append(...line(cells[total + 1].title, amounts[total + 1], ""));
  tip.replaceChildren(element("h3", title.textContent), list);
}

function show(chart, place) {
  const table = document.getElementById(chart.dataset.chart);
  const columns = [...chart.querySelectorAll("[data-bar]")];
  const column = columns[place];
  hide(chart);
  if (!table || !column) return;
  column.classList.add("is-active");
  chart.dataset.active = place;
  let tip = chart.querySelector(".tip");
  if (!tip) {
    tip = element("div", "", "tip");
    tip.setAttribute("role", "status");
    chart.append(tip);
  }
  fill(tip, table, place);
  tip.hidden = false;
  // Beside the bar, on the side where there is room.
  const slot = column.querySelector(".plot__slot").getBoundingClientRect();
  const frame = chart.getBoundingClientRect();
  const right = slot.right - frame.left + GAP;
  const left = slot.left - frame.left - GAP - tip.offsetWidth;
  const fits = right + tip.offsetWidth <= frame.width;
  tip.style.left = `${Math.max(0, fits ? right : left)}px`;
}

function hide(chart) {
  chart.querySelector(".is-active")?.classList.remove("is-active");
  const tip = chart.querySelector(".tip");
  if (tip) tip.hidden = true;
  delete chart.dataset.active;
}

// The browser's own tip would cover ours, and the keyboard needs a place to stand on.
function prepare() {
  for (const chart of document.querySelectorAll("[data-chart]")) {
    chart.tabIndex = 0;
    chart.setAttribute("role", "group");
    chart.setAttribute("aria-label", "Chart: the arrow keys say the amounts bar by bar");
    for (const title of chart.querySelectorAll("g > title")) title.remove();
  }
}

document.addEventListener("pointerover", (event) => {
  const chart = event.target.closest?.("[data-chart]");
  const column = event.target.closest?.("[data-bar]");
  if (chart && column) show(chart, Number(column.dataset.bar));
});
document.addEventListener("pointerout", (event) => {
  const chart = event.target.closest?.("[data-chart]");
  if (chart && !chart.contains(event.relatedTarget)) hide(chart);
});
document.addEventListener("focusout", (event) => {
  if (event.target.matches("[data-chart]")) hide(event.target);
});
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.matches("[data-chart]")) return choose(event);
  if (event.key !== "t" || event.target.closest("input, select, textarea, [contenteditable]")) return;
  const details = document.getElementById("chart-details");
  if (details) details.open = !details.open;
});

function choose(event) {
  const chart = event.target;
  const last = chart.querySelectorAll("[data-bar]").length - 1;
  const now = "active" in chart.dataset ? Number(chart.dataset.active) : null;
  const next = {
    ArrowLeft: now === null ? last : Math.max(0, now - 1),
    ArrowRight: now === null ? 0 : Math.min(last, now + 1),
    Home: 0,
    End: last,
  }[event.key];
  if (event.key === "Escape") hide(chart);
  if (next === undefined) {
    if (event.key === "t") document.getElementById("chart-details")?.toggleAttribute("open");
    return;
  }
  event.preventDefault();
  show(chart, next);
}

// A live page is drawn anew: the bar that was chosen stays chosen, with its new amounts.
document.addEventListener("htmx:afterSwap", () => {
  prepare();
  for (const chart of document.querySelectorAll("[data-chart]")) {
    if ("active" in chart.dataset) show(chart, Number(chart.dataset.active));
  }
});
prepare();
