// The bench panel: orders go out, and what lies on the bench is shown as it changes.
"use strict";

let state = null;

const source = new EventSource("/bench/events");
source.addEventListener("message", (event) => show(JSON.parse(event.data)));

function fill(select, values) {
  if (select.options.length === values.length) return;
  select.replaceChildren(...values.map((value) => {
    const option = make("option", value || "なし / none");
    option.value = value;
    return option;
  }));
}

function rows(place, entries, members) {
  place.replaceChildren(...entries.map((entry) => {
    const row = document.createElement("tr");
    row.append(...members.map((member) => make("td", entry[member])));
    return row;
  }));
}

function show(next) {
  state = next;
  fill(byId("card"), next.cards.map((card) => card.name));
  fill(byId("fault"), ["", ...next.faults]);
  byId("now").textContent = next.card || "なし / none";
  byId("server").textContent = next.server ? "接続中 / on" : "切断中 / off";
  byId("clock").textContent = `${next.ahead / 86400} 日 / days`;
  byId("decision").textContent = next.decision.join("  ");
  rows(byId("verdict"), next.verdict, ["name", "outcome", "code"]);
  const members = ["number", "at", "operation", "purpose", "article", "actor", "outcome", "reason"];
  rows(byId("ledger"), next.ledger, members);
  pins();
}

function pins() {
  const card = state.cards.find((each) => each.name === byId("card").value);
  const lines = Object.entries(card ? card.pins : {});
  byId("pins").replaceChildren(
    ...lines.flatMap(([kind, pin]) => [make("dt", kind), make("dd", pin)]),
  );
}

function wanted(button) {
  const what = button.dataset.do;
  if (what === "insert" || what === "also") return byId("card").value;
  if (what === "fault") return byId("fault").value || null;
  if (what === "server") return !state.server;
  return button.dataset.with;
}

byId("card").addEventListener("change", pins);
byId("bench").addEventListener("click", async (event) => {
  const button = event.target.closest("[data-do]");
  if (!button || !state) return;
  await fetch("/bench/order", {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-CSRF": state.csrf },
    body: JSON.stringify({ do: button.dataset.do, with: wanted(button) }),
  });
});
