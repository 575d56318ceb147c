// The card page. Stripe's script takes number, expiry and code in fields of its own and tells us
// only whether the bank agreed; our server gets the number of that agreement, never of the card.
const WORDS = { failed: "Stripe cannot be reached just now. Nothing was charged: try again in a few minutes." };

function show(root, words) {
  const line = root.querySelector("[data-card-error]");
  line.querySelector("[data-card-words]").textContent = words;
  line.hidden = !words;
}

function stripe(root) {
  const key = root.dataset.key;
  return window.Stripe && key ? window.Stripe(key) : null;
}

// A button that is pressed twice would ask the bank twice.
async function once(form, act) {
  const button = form.querySelector("[data-card-submit]");
  button.disabled = true;
  form.setAttribute("aria-busy", "true");
  show(form, "");
  try {
    await act();
  } catch {
    show(form, WORDS.failed);
  } finally {
    form.removeAttribute("aria-busy");
    button.disabled = false;
  }
}

async function begin(form, address) {
  const answer = await fetch(address, {
    method: "POST",
    headers: { "X-CSRFToken": form.elements.csrfmiddlewaretoken.value },
  });
  if (!answer.ok) throw new Error(answer.status);
  return (await answer.json()).client_secret;
}

function mountCard(root) {
  const api = stripe(root);
  const form = root.closest("form");
  const agreed = form.elements.setup_intent;
  if (!api) {
    show(form, WORDS.failed);
    return;
  }
  const ink = getComputedStyle(root).color;
  const card = api.elements().create("card", { hidePostalCode: true, style: { base: { color: ink, fontSize: "16px" } } });
  card.mount(root.querySelector("[data-card-entry]"));
  card.on("change", () => { agreed.value = ""; });
  form.addEventListener("submit", (event) => {
    if (agreed.value) return;
    event.preventDefault();
    once(form, async () => {
      const secret = await begin(form, root.dataset.setup);
      const { error, setupIntent } = await api.confirmCardSetup(secret, { payment_method: { card } });
      if (error) {
        show(form, error.message || "The card was not accepted. Check it, or try another one.");
        return;
      }
      agreed.value = setupIntent.id;
      form.submit();
    });
  });
}

function mountPayment(form) {
  const api = stripe(form);
  form.addEventListener("submit", (event) => {
    if (!api) return;
    event.preventDefault();
    once(form, async () => {
      await api.confirmCardPayment(form.dataset.secret);
      form.submit();  // whatever the bank has said: our server asks Stripe
    });
  });
}

for (const root of document.querySelectorAll("[data-card]")) mountCard(root);
for (const form of document.querySelectorAll("[data-payment]")) mountPayment(form);
