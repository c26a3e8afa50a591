// The bench panel: orders go out, and what lies on the bench is shown as it changes.
"use strict";

let state = null;
let source = null;

function listen() {
  if (source) source.close();
  source = new EventSource(`/bench/events?lang=${language}`);
  source.addEventListener("message", (event) => show(JSON.parse(event.data)));
}

// The entries of a list in the words of the moment; what was chosen stays chosen.
function fill(select, entries) {
  const chosen = select.value;
  select.replaceChildren(...entries.map(([value, words]) => {
    const option = make("option", words);
    option.value = value;
    return option;
  }));
  if (entries.some(([value]) => value === chosen)) select.value = chosen;
}

// Rows of a table, or the words that say why there are none.
function rows(place, entries, members, none) {
  const made = entries.map((entry) => {
    const row = document.createElement("tr");
    row.append(...members.map((member) => make("td", entry[member])));
    return row;
  });
  if (!made.length) {
    const row = document.createElement("tr");
    row.append(make("td", none, { colSpan: members.length }));
    made.push(row);
  }
  place.replaceChildren(...made);
}

function show(next) {
  const { words } = next;
  const first = !state;
  state = next;
  document.title = `TEST: ${words.title}`;
  for (const each of document.querySelectorAll("[data-words]")) {
    each.textContent = words[each.dataset.words];
  }
  const described = (card) => (card.words ? `${card.name}: ${card.words}` : card.name);
  fill(byId("card"), next.cards.map((card) => [card.name, described(card)]));
  if (first && next.card) [byId("card").value] = next.card.split(" + ");
  fill(byId("fault"), next.faults.map((fault) => [fault.id, fault.words]));
  byId("now").textContent = next.card || words.nothing;
  for (const each of document.querySelectorAll("[data-do='server']")) {
    each.setAttribute("aria-pressed", String(each.dataset.with === next.server));
  }
  byId("clock").textContent = words.ahead.replace("{n}", Math.round(next.ahead / 86400));
  byId("decision").textContent = next.decision.join("  ");
  rows(byId("verdict"), next.verdict, ["name", "outcome", "code"], words.no_verdict);
  const members = ["number", "at", "operation", "purpose", "article", "actor", "outcome", "reason"];
  rows(byId("ledger"), next.ledger, members, words.no_ledger);
  pins();
}

function pins() {
  const card = state.cards.find((each) => each.name === byId("card").value);
  byId("pins").replaceChildren(...terms(card ? card.pins : []).childNodes);
}

function wanted(button) {
  const what = button.dataset.do;
  if (what === "insert" || what === "also") return byId("card").value;
  if (what === "fault") return byId("fault").value || null;
  if (what === "clock" && !button.dataset.with) return -state.ahead;
  return button.dataset.with;
}

async function order(button) {
  const place = byId("failed");
  const reply = await fetch("/bench/order", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF": state.csrf },
    body: JSON.stringify({ do: button.dataset.do, with: wanted(button) }),
  });
  place.hidden = reply.ok;
  const code = reply.ok ? "" : (await reply.text()) || reply.status;
  place.textContent = reply.ok ? "" : state.words.failed.replace("{code}", code);
}

byId("card").addEventListener("change", pins);
byId("bench").addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button && state) order(button);
});
onLanguage(listen);
speak("ja", listen);
