// The page of a terminal. What is personal lives in this page as long as it is shown; nothing is
// stored, and a PIN leaves for the process of the presentation alone.
"use strict";

const WARNING = 20; // seconds before the end of an idle visit in which more time can be had
const SAY_EARLY = 30; // seconds in which who took the card too early is told what came of it
const FORGET_LANGUAGE = 60; // seconds after a visit: the next person is spoken to in Japanese

let view = null; // what the terminal shows
let watching = null; // the presentation whose screens are read
let watch = null; // stops the reading of screens
let terminal = null; // stops the reading of views
let current = null; // the screen of the presentation: an answer names its number
let shown = ""; // so that the same screen does not take the focus twice
let typed = null; // takes the keys of a keyboard while there is a pad
let documentUrl = "";
let idleTimer = 0;
let languageTimer = 0;
let earlyUntil = 0; // milliseconds of the clock

// Events of a server as an endless answer: EventSource cannot carry the presentation's token.
async function events(url, headers, signal, take) {
  const reply = await fetch(url, { headers, signal, cache: "no-store" });
  if (!reply.ok) throw new Error(String(reply.status));
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done || signal.aborted) return;
    rest += value;
    const parts = rest.split("\n\n");
    rest = parts.pop();
    for (const part of parts) {
      if (part.startsWith("data: ")) take(JSON.parse(part.slice(6)));
    }
  }
}

const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function watchTerminal() {
  for (;;) {
    terminal = new AbortController();
    const { signal } = terminal;
    try {
      await events(`/views?lang=${language}`, {}, signal, show);
    } catch (error) {
      if (signal.aborted) continue; // another language
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
  const before = view;
  view = next;
  byId("mark").hidden = !next.mark;
  byId("mark").textContent = next.mark || "";
  const { access } = next;
  if (access && access.token !== watching) {
    forgetEntry();
    watching = access.token;
    current = null;
    if (watch) watch.abort();
    watchPresentation(access);
  }
  if (!access) {
    if (watch) watch.abort();
    watch = null;
    watching = null;
    current = null;
    forgetEntry();
    dropDocument();
    plain(next);
  } else if (current && before.words.cancel !== next.words.cancel) {
    draw(current); // its buttons are in the other language
  }
  alarm(next);
  warnBeforeEnd(next);
  if (before && before.state !== "waiting") earlyUntil = Date.now() + SAY_EARLY * 1000;
  sayEarly();
  if (next.state === "waiting" && before && before.state !== "waiting") {
    languageTimer = setTimeout(() => speak("ja", spoken), FORGET_LANGUAGE * 1000);
  } else if (next.state !== "waiting") clearTimeout(languageTimer);
}

// For a while: whoever comes next was not meant.
function sayEarly() {
  const left = earlyUntil - Date.now();
  const text = left > 0 ? view.early : "";
  byId("early").textContent = text;
  byId("early").hidden = !text;
  if (text) setTimeout(sayEarly, left);
}

// A forgotten card: seen and heard. The outcome of the visit stays readable under it.
function alarm(next) {
  const place = byId("alarm");
  document.body.className = next.alarm ? "alarm" : "";
  const text = next.alarm ? next.title : "";
  if (place.textContent === text) return;
  place.hidden = !next.alarm;
  place.textContent = text;
  if (next.alarm) beep();
}

async function beep() {
  const sound = new AudioContext();
  for (let times = 0; times < 30 && view.alarm && sound.state === "running"; times += 1) {
    const tone = sound.createOscillator();
    tone.connect(sound.destination);
    tone.start();
    tone.stop(sound.currentTime + 0.25);
    await wait(1000);
  }
  sound.close();
}

// A visit ends when nobody answers. Before that, more time can be had (WCAG 2.2.1).
function warnBeforeEnd(next) {
  clearTimeout(idleTimer);
  byId("more").hidden = true;
  byId("more").replaceChildren();
  if (!next.idle) return;
  const warning = Math.min(WARNING, next.idle / 2);
  idleTimer = setTimeout(() => {
    const note = next.words.more_note.replace("{n}", Math.round(warning));
    const more = button(next.words.more, () => answer({ more: true }), "strong");
    byId("more").append(make("p", note), more);
    byId("more").hidden = false;
  }, (next.idle - warning) * 1000);
}

function screen(kind, title, note, ...content) {
  const text = JSON.stringify([kind, title, note, language]);
  byId("screen").className = kind;
  byId("title").textContent = title;
  byId("note").textContent = note || "";
  byId("content").replaceChildren(...content);
  document.title = title;
  if (text !== shown) byId("title").focus();
  shown = text;
}

function plain(next) {
  typed = null;
  const many = next.flows.length > 8 ? "offers many" : "offers";
  const offers = next.state === "waiting" ? [make("ul", "", { className: many })] : [];
  for (const flow of offers.length ? next.flows : []) {
    const words = make("div");
    words.append(make("h2", flow.title));
    const said = [flow.purpose, flow.article, flow.alternative].filter(Boolean);
    words.append(...said.map((line) => make("p", line)));
    const item = make("li");
    item.append(picture(flow.picture), words);
    offers[0].append(item);
  }
  // Done, and the presentation is not there to say how: something came in between.
  const kind = next.state === "done" ? "failed" : next.state;
  screen(kind, next.title, next.note, ...offers);
  if (offers.length) byId("content").prepend(picture("put_down"));
}

const picture = (name) => make("img", "", { src: `/static/pictures/${name}.svg`, alt: "" });

function draw(next) {
  current = next;
  typed = null;
  const drawn = { question, pin, progress, confirm, page, ending }[next.kind](next);
  screen(next.close || next.kind, next.title, next.note, ...drawn);
}

async function answer(members) {
  const { access } = view;
  if (!access) return;
  const buttons = members.more ? [] : [...byId("content").querySelectorAll("button")];
  const off = buttons.map((each) => each.disabled);
  for (const each of buttons) each.disabled = true;
  const again = () => buttons.forEach((each, place) => { each.disabled = off[place]; });
  try {
    const reply = await fetch(`${access.url}/answer`, {
      method: "POST",
      headers: { ...headers(access), "Content-Type": "application/json" },
      body: JSON.stringify({ number: current.number, ...members }),
      cache: "no-store",
    });
    if (!reply.ok) again();
  } catch (error) {
    again(); // the presentation is over, and the next view says how
  }
}

const cancel = () => button(view.words.cancel, () => answer({ cancel: true }));

function question(next) {
  const many = next.options.length > 6 ? "choices many" : "choices";
  const list = make("ul", "", { className: many });
  for (const option of next.options) {
    const choice = button("", () => answer({ choice: option.id }));
    if (option.picture) choice.append(picture(option.picture));
    choice.append(make("span", option.words));
    choice.dataset.option = option.id;
    const item = make("li");
    item.append(choice);
    list.append(item);
  }
  return [list, cancel()];
}

function pin(next) {
  const stop = () => answer({ cancel: true });
  const pad = pinPad(next, view.words, (value) => answer({ pin: value }), stop);
  typed = pad.typed;
  return pad.content;
}

function progress(next) {
  const bar = make("progress", "", { max: Math.max(next.total, 1) });
  bar.setAttribute("aria-label", next.title);
  if (next.done === 0) return [bar]; // it moves by itself
  bar.value = next.done;
  const words = view.words.step.replace("{total}", next.total).replace("{done}", next.done);
  return next.total > 1 ? [bar, make("p", words)] : [bar];
}

function lines(next) {
  const content = [terms(next.lines)];
  if (next.image) {
    const source = `data:image/png;base64,${next.image}`;
    content.push(make("img", "", { src: source, alt: next.title, className: "photo" }));
  }
  return content;
}

function confirm(next) {
  const row = make("div", "", { className: "row" });
  row.append(
    button(view.words.yes, () => answer({ yes: true }), "strong"),
    button(view.words.no, () => answer({ yes: false })),
    cancel(),
  );
  return [...lines(next), row];
}

function page(next) {
  const row = make("div", "", { className: "row" });
  row.append(button(view.words.on, () => answer({ yes: true }), "strong"), cancel());
  return [...lines(next), row];
}

function ending(next) {
  const content = [];
  if (next.receipt.length) {
    content.push(make("h2", view.words.receipt), terms(next.receipt));
  }
  if (next.document) {
    const place = make("p");
    fetchDocument(next.document, place);
    content.push(place);
  } else if (next.close !== "done") { // the words of what was done say it
    const take = make("p", "", { className: "take" });
    take.append(picture("take"), make("span", view.words.take));
    content.push(take);
  }
  return content;
}

async function fetchDocument(taken, place) {
  const { access } = view;
  if (!access) return;
  try {
    const reply = await fetch(`${access.url}/document`, { headers: headers(access) });
    if (!reply.ok) return;
    const data = await reply.arrayBuffer();
    dropDocument();
    if (!place.isConnected) return; // the card was taken meanwhile
    documentUrl = URL.createObjectURL(new Blob([data], { type: taken.media_type }));
    const link = make("a", taken.words, { href: documentUrl, className: "button strong" });
    link.id = "document";
    link.download = taken.name;
    place.replaceChildren(link);
  } catch (error) {
    // The card was taken: the document went with the presentation.
  }
}

function dropDocument() {
  if (documentUrl) URL.revokeObjectURL(documentUrl);
  documentUrl = "";
}

// Words come from the servers: both are read again, and say the same in the other language.
function spoken() {
  if (watch) watch.abort();
  if (terminal) terminal.abort();
  if (view && view.access) watchPresentation(view.access);
}

document.addEventListener("keydown", (event) => { if (typed) typed(event); });
onLanguage(spoken);
speak("ja", spoken);
watchTerminal();
