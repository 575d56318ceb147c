// No page keeps anything in the browser. A script that could (htmx notes the address it is at) finds
// storage refused, as in a browser that blocks it, and does without.
for (const storage of ["localStorage", "sessionStorage"]) {
  Object.defineProperty(window, storage, {
    get() {
      throw new DOMException("This site stores nothing here.", "SecurityError");
    },
  });
}

// Copy buttons: `<button data-copy="ID" hidden>` copies the text of the element with that id.
// `<button data-print hidden>` prints the page. They are hidden until this file runs, so that nobody meets a button that does nothing.
const SHOW_RESULT_MS = 2000;

function reveal(root) {
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;
  for (const button of root.querySelectorAll("[data-print]")) button.hidden = false;
}

async function copy(button) {
  const source = document.getElementById(button.dataset.copy);
  const label = button.querySelector("[data-label]") ?? button;
  const before = label.textContent;
  try {
    await navigator.clipboard.writeText(source.textContent.trim());
    label.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(source);
    label.textContent = "Selected";
  }
  setTimeout(() => { label.textContent = before; }, SHOW_RESULT_MS);
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) copy(button);
  if (event.target.closest("[data-print]")) print();
});
document.addEventListener("htmx:load", (event) => reveal(event.target));
reveal(document);
