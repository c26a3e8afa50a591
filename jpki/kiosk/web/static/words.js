// What every page of a terminal needs: elements, and the three ways of speaking.
"use strict";

const byId = (id) => document.getElementById(id);
const make = (tag, text = "", members = {}) => {
  const element = Object.assign(document.createElement(tag), members);
  element.textContent = text;
  return element;
};

function button(words, press, className = "") {
  const element = make("button", words, { type: "button", className });
  element.addEventListener("click", press);
  return element;
}

// Lines with a label each, as a list of terms.
function terms(lines) {
  const list = make("dl");
  for (const line of lines) list.append(make("dt", line.label), make("dd", line.value));
  return list;
}

let language = "";

// Marks a language as the one that is spoken; `changed` fetches the words.
function speak(next, changed) {
  language = next;
  document.documentElement.lang = next === "en" ? "en" : "ja";
  document.documentElement.dataset.easy = String(next === "ja-easy");
  for (const each of document.querySelectorAll("[data-lang]")) {
    each.setAttribute("aria-pressed", String(each.dataset.lang === next));
  }
  changed();
}

function onLanguage(changed) {
  byId("languages").addEventListener("click", (event) => {
    const chosen = event.target.closest("[data-lang]");
    if (chosen) speak(chosen.dataset.lang, changed);
  });
}
