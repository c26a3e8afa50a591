// The page of a terminal. What is personal lives in this page as long as it is shown; nothing is
// stored, and a PIN leaves for the process of the presentation alone.
"use strict";

const byId = (id) => document.getElementById(id);
const make = (tag, text = "", members = {}) => {
  const element = Object.assign(document.createElement(tag), members);
  element.textContent = text;
  return element;
};

let language = "ja";
let view = null; // what the terminal shows
let watching = null; // the presentation whose screens are read
let watch = null; // stops the reading of screens
let shown = ""; // so that the same screen is not drawn twice
let documentUrl = "";

// Events of a server as an endless answer: EventSource cannot carry the presentation's token.
async function events(url, headers, signal, take) {
  const reply = await fetch(url, { headers, signal, cache: "no-store" });
  if (!reply.ok) throw new Error(String(reply.status));
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const parts = rest.split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      if (part.startsWith("data: ")) take(JSON.parse(part.slice(6)));
    }
  }
}

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

let terminal = null;
async function watchTerminal() {
  for (;;) {
    terminal = new AbortController();
    try {
      await events(`/views?lang=${language}`, {}, terminal.signal, show);
    } catch (error) {
      if (terminal.signal.aborted) continue; // another language
    }
    await wait(500);
  }
}

async function watchPresentation(access) {
  watch = new AbortController();
  const { signal } = watch;
  while (!signal.aborted) {
    try {
      await events(`${access.url}/screens?lang=${language}`, headers(access), signal, draw);
    } catch (error) {
      if (signal.aborted) return;
    }
    await wait(200);
  }
}

const headers = (access) => ({ "X-Presentation": access.token });

function show(next) {
  view = next;
  document.body.className = next.alarm ? "alarm" : "";
  byId("mark").hidden = !next.mark;
  byId("mark").textContent = next.mark || "";
  footer(next);
  const access = next.access;
  if (access && access.token !== watching) {
    watching = access.token;
    if (watch) watch.abort();
    watchPresentation(access);
  }
  if (!access) {
    if (watch) watch.abort();
    watch = null;
    watching = null;
    dropDocument();
  }
  if (!access || next.alarm) plain(next);
}

function footer(next) {
  const place = byId("footer");
  place.replaceChildren();
  for (const flow of next.flows) {
    place.append(make("p", `${flow.title}: ${flow.article}`));
    place.append(make("p", flow.alternative));
  }
}

function screen(kind, title, note, ...content) {
  const main = byId("screen");
  const text = JSON.stringify([kind, title, note, language]);
  main.className = kind;
  byId("title").textContent = title;
  byId("note").textContent = note || "";
  byId("content").replaceChildren(...content);
  document.title = title;
  if (text !== shown) main.focus();
  shown = text;
}

function plain(next) {
  const content = [];
  if (next.state === "waiting") {
    const list = make("ul", "", { className: "choices" });
    for (const flow of next.flows) {
      const item = make("li");
      const picture = make("img", "", { src: `/static/pictures/${flow.picture}.svg`, alt: "" });
      item.append(picture, make("p", flow.title));
      list.append(item);
    }
    content.push(list);
  }
  screen(next.state, next.title, next.note, ...content);
}

function draw(next) {
  if (view.alarm) return;
  const drawn = { question, pin, progress, confirm, page, ending }[next.kind](next);
  screen(next.close || next.kind, next.title, next.note, ...drawn);
}

async function answer(number, members) {
  for (const button of byId("content").querySelectorAll("button")) button.disabled = true;
  const { access } = view;
  if (!access) return;
  try {
    await fetch(`${access.url}/answer`, {
      method: "POST",
      headers: { ...headers(access), "Content-Type": "application/json" },
      body: JSON.stringify({ number, ...members }),
      cache: "no-store",
    });
  } catch (error) {
    // The presentation is over; the terminal's next view says how.
  }
}

function button(words, press, className = "") {
  const element = make("button", words, { type: "button", className });
  element.addEventListener("click", press);
  return element;
}

const cancel = (next) => button(view.words.cancel, () => answer(next.number, { cancel: true }));

function question(next) {
  const list = make("ul", "", { className: "choices" });
  for (const option of next.options) {
    const item = make("li");
    const choice = button("", () => answer(next.number, { choice: option.id }));
    if (option.picture) {
      const picture = make("img", "", { src: `/static/pictures/${option.picture}.svg`, alt: "" });
      choice.append(picture);
    }
    choice.append(make("span", option.words));
    choice.dataset.option = option.id;
    item.append(choice);
    list.append(item);
  }
  return [list, cancel(next)];
}

function shuffled(items) {
  const mixedUp = [...items];
  for (let place = mixedUp.length - 1; place > 0; place -= 1) {
    const other = crypto.getRandomValues(new Uint32Array(1))[0] % (place + 1);
    [mixedUp[place], mixedUp[other]] = [mixedUp[other], mixedUp[place]];
  }
  return mixedUp;
}

let mixed = false; // whether the digits stand in another order each time

function pin(next) {
  let entered = "";
  const dots = make("span", "", { className: "dots", id: "dots" });
  dots.setAttribute("role", "img");
  const pad = make("div", "", { className: next.digits ? "pad" : "pad letters" });
  const send = button(view.words.send, () => {
    const value = entered;
    entered = "";
    answer(next.number, { pin: value });
  }, "strong");
  send.id = "send";
  const look = () => {
    dots.textContent = "●".repeat(entered.length);
    dots.setAttribute("aria-label", view.words.entered.replace("{n}", entered.length));
    send.disabled = entered.length < next.least || entered.length > next.most;
  };
  const press = (char) => {
    if (entered.length < next.most) entered += char;
    look();
  };
  const keys = () => {
    const digits = [..."1234567890"];
    const all = next.digits ? digits : [...digits, ..."QWERTYUIOPASDFGHJKLZXCVBNM"];
    const order = mixed ? shuffled(all) : all;
    pad.replaceChildren(...order.map((char) => button(char, () => press(char))));
  };
  const back = button(view.words.back, () => { entered = entered.slice(0, -1); look(); });
  const mix = button(view.words.mix, () => {
    mixed = !mixed;
    mix.setAttribute("aria-pressed", String(mixed));
    keys();
  });
  mix.setAttribute("aria-pressed", String(mixed));
  keys();
  look();
  const row = make("div", "", { className: "row" });
  row.append(back, send, mix, cancel(next));
  return [dots, pad, row];
}

function progress(next) {
  const bar = make("progress", "", { max: Math.max(next.total, 1) });
  if (next.done > 0) bar.value = next.done;
  bar.setAttribute("aria-label", next.title);
  return [bar];
}

function lines(next) {
  const list = make("dl");
  for (const line of next.lines) list.append(make("dt", line.label), make("dd", line.value));
  const content = [list];
  if (next.image) {
    const source = `data:image/png;base64,${next.image}`;
    content.push(make("img", "", { src: source, alt: next.title, className: "photo" }));
  }
  return content;
}

function confirm(next) {
  const row = make("div", "", { className: "row" });
  row.append(
    button(view.words.yes, () => answer(next.number, { yes: true }), "strong"),
    button(view.words.no, () => answer(next.number, { yes: false })),
  );
  return [...lines(next), row];
}

function page(next) {
  const go = button(view.words.on, () => answer(next.number, { yes: true }), "strong");
  return [...lines(next), go, cancel(next)];
}

function ending(next) {
  if (!next.document) return [];
  const place = make("p");
  fetchDocument(next.media_type, place);
  return [place];
}

async function fetchDocument(type, place) {
  const { access } = view;
  if (!access) return;
  try {
    const reply = await fetch(`${access.url}/document`, { headers: headers(access) });
    if (!reply.ok) return;
    dropDocument();
    documentUrl = URL.createObjectURL(new Blob([await reply.arrayBuffer()], { type }));
    const link = make("a", view.words.document, { href: documentUrl, className: "button" });
    link.id = "document";
    link.download = "document.pdf";
    place.replaceChildren(link);
  } catch (error) {
    // The card was taken: the document went with the presentation.
  }
}

function dropDocument() {
  if (documentUrl) URL.revokeObjectURL(documentUrl);
  documentUrl = "";
}

function speak(next) {
  language = next;
  shown = "";
  document.documentElement.lang = next === "en" ? "en" : "ja";
  for (const each of document.querySelectorAll("[data-lang]")) {
    each.setAttribute("aria-pressed", String(each.dataset.lang === next));
  }
  if (terminal) terminal.abort();
  if (watch) watch.abort();
  watching = null;
}

byId("languages").addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-lang]");
  if (chosen) speak(chosen.dataset.lang);
});
speak("ja");
watchTerminal();
