// The pad for a PIN. What is entered lives in `entry` until it is sent or its screen is gone.
"use strict";

const LETTER_ROWS = ["1234567890", "QWERTYUIOP", "ASDFGHJKL", "ZXCVBNM"];
let entry = { number: -1, value: "" }; // of one screen: a redrawn one keeps it
let mixed = false; // whether the keys stand in another order

function forgetEntry() {
  entry = { number: -1, value: "" };
  mixed = false;
}

function shuffled(items) {
  const order = [...items];
  for (let place = order.length - 1; place > 0; place -= 1) {
    const other = crypto.getRandomValues(new Uint32Array(1))[0] % (place + 1);
    [order[place], order[other]] = [order[other], order[place]];
  }
  return order;
}

// `words`: of the page. `send(value)`, `cancel()`: what the buttons do.
function pinPad(next, words, send, cancel) {
  if (entry.number !== next.number) entry = { number: next.number, value: "" };
  const dots = make("p", "", { id: "dots", className: "dots" });
  dots.setAttribute("role", "img");
  const pad = make("div", "", { className: next.digits ? "pad" : "pad letters" });
  const clear = button(words.clear, () => edit(""), "edit");
  const back = button(words.back, () => edit(entry.value.slice(0, -1)), "edit");
  const go = button(words.send, submit, "strong");
  go.id = "send";
  const mix = button(words.mix, () => { mixed = !mixed; keys(); });
  mix.id = "mix";

  function edit(value) {
    if (value.length > next.most) return;
    entry.value = value;
    dots.textContent = "●".repeat(value.length);
    dots.setAttribute("aria-label", words.entered.replace("{n}", value.length));
    go.disabled = value.length < next.least;
  }

  function submit() {
    const { value } = entry;
    if (value.length < next.least) return;
    edit("");
    send(value);
  }

  function keys() {
    const rows = next.digits ? ["1234567890"] : LETTER_ROWS;
    const all = [...rows.join("")];
    const order = mixed ? shuffled(all) : all;
    const made = order.map((char) => button(char, () => edit(entry.value + char), "key"));
    mix.setAttribute("aria-pressed", String(mixed));
    if (next.digits) {
      // As on a telephone: the last digit in the middle of the last row.
      pad.replaceChildren(...made.slice(0, 9), clear, made[9], back);
      return;
    }
    const lines = rows.map((row) => {
      const line = make("div", "", { className: "line" });
      line.append(...made.splice(0, row.length));
      return line;
    });
    lines.at(-1).append(clear, back);
    pad.replaceChildren(...lines);
  }

  // A keyboard at the terminal does what the pad does.
  function typed(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || !pad.isConnected) return;
    if (next.digits ? /^[0-9]$/.test(event.key) : /^[0-9A-Za-z]$/.test(event.key)) {
      edit(entry.value + event.key.toUpperCase());
    } else if (event.key === "Backspace") edit(entry.value.slice(0, -1));
    else if (event.key === "Enter" && !event.target.closest("button, a")) submit();
  }

  keys();
  edit(entry.value);
  const row = make("div", "", { className: "row" });
  row.append(go, mix, button(words.cancel, cancel));
  return { content: [dots, pad, row], typed };
}
