// Live parts: `[data-poll]` asks every few seconds what is new; the server answers 204 while
// nothing is. Silent while the tab is hidden. Everything works without this file, by reloading.
const LOST_AFTER_MS = 7000;
const TICK_MS = 1000;
let changedAt = performance.now();
let heardAt = performance.now();

// Our support looks at one page after the other: each request stands in the customer's trail.
const still = document.body.hasAttribute("data-still");
const isPoll = (element) => element.hasAttribute("data-poll");

// When the server sends a part anew, what the reader opened stays open, and what the chart's
// script has added to it stays there.
if (window.Idiomorph) {
  Object.assign(Idiomorph.defaults.callbacks, {
    beforeAttributeUpdated: (name, node) =>
      !(name === "open" && node.localName === "details") && !node.matches("[data-chart]"),
    beforeNodeRemoved: (node) => !node.classList?.contains("tip"),
  });
}

function age(milliseconds) {
  const seconds = Math.round(milliseconds / 1000);
  if (seconds < 2) return "updated just now";
  return seconds < 60 ? `updated ${seconds} s ago` : `updated ${Math.round(seconds / 60)} min ago`;
}

function tick() {
  const line = document.querySelector("[data-live]");
  if (!line || still) return;
  const live = document.querySelector("[data-poll]") !== null;
  const lost = live && !document.hidden && performance.now() - heardAt > LOST_AFTER_MS;
  line.classList.toggle("live", live && !lost);
  line.hidden = !live;
  const state = line.querySelector("[data-live-state]");
  const word = lost ? "Not updating: the server does not answer." : "Live";
  // Only when it differs: a status that is written is read aloud.
  if (live && state.textContent !== word) state.textContent = word;
  line.querySelector("[data-live-age]").textContent = age(performance.now() - changedAt);
}

document.addEventListener("htmx:beforeRequest", (event) => {
  if (isPoll(event.detail.elt) && (document.hidden || still)) event.preventDefault();
});

document.addEventListener("htmx:beforeSwap", (event) => {
  const { xhr, requestConfig } = event.detail;
  const asked = new URL(requestConfig.path, location.href).pathname;
  // Led elsewhere, which is to the sign-in page when the session has ended: go there as a page.
  if (xhr.responseURL && new URL(xhr.responseURL).pathname !== asked) {
    event.detail.shouldSwap = false;
    location.reload();
  }
});

document.addEventListener("htmx:afterRequest", (event) => {
  const { elt, xhr, successful } = event.detail;
  if (successful) heardAt = performance.now();
  if (successful && xhr.status === 200) changedAt = performance.now();
  // A link that failed shows the failure, as it would without htmx.
  if (!successful && xhr.status >= 400 && !isPoll(elt) && elt.href) location.assign(elt.href);
  tick();
});

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  heardAt = performance.now();
  for (const part of document.querySelectorAll("[data-poll]")) htmx.trigger(part, "wake");
});

// What is true only while this file runs.
const reveal = () => {
  for (const part of document.querySelectorAll("[data-js]")) part.hidden = false;
};

document.addEventListener("htmx:load", reveal);
setInterval(tick, TICK_MS);
reveal();
tick();
