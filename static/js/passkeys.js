// Passkeys: `<form data-passkey="create|get">` with the ceremony's options in `data-options` (or to
// be fetched from `data-options-url`), a field `credential`, a button `[data-passkey-start]` that is
// hidden until this file runs, and a line `[data-passkey-error]`.
const ERRORS = {
  NotAllowedError: "Your browser has not let us use a passkey. Try again, and confirm when it asks.",
  InvalidStateError: "This device holds a passkey for you already.",
  SecurityError: "Passkeys need a named address: on your own machine open http://localhost instead of a number.",
};
const FALLBACK = "That did not work. Try again, or use another way.";

async function optionsOf(form) {
  if (form.dataset.options) return JSON.parse(form.dataset.options);
  const answer = await fetch(form.dataset.optionsUrl, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error("no options");
  return (await answer.json()).request_options;
}

async function ask(form) {
  const { publicKey } = await optionsOf(form);
  if (form.dataset.passkey === "create") {
    return navigator.credentials.create({ publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(publicKey) });
  }
  return navigator.credentials.get({ publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(publicKey) });
}

async function run(form) {
  const error = form.querySelector("[data-passkey-error]");
  error.hidden = true;
  try {
    const credential = await ask(form);
    form.elements.credential.value = JSON.stringify(credential.toJSON());
    form.submit();
  } catch (cause) {
    error.querySelector("span").textContent = ERRORS[cause.name] ?? FALLBACK;
    error.hidden = false;
  }
}

const supported = "PublicKeyCredential" in window && "parseCreationOptionsFromJSON" in PublicKeyCredential;
for (const form of document.querySelectorAll("[data-passkey]")) {
  const start = form.querySelector("[data-passkey-start]");
  start.hidden = !supported;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (supported) run(form);
  });
}
for (const hint of document.querySelectorAll("[data-passkey-unsupported]")) hint.hidden = supported;
