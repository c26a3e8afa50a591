// Checks an issued document: the file goes to this machine's own server and to nobody else.
"use strict";

let words = {};
let csrf = "";
let last = null; // the file that was checked, to say it again in another language

async function fetchWords() {
  const reply = await fetch(`/check/words?lang=${language}`, { cache: "no-store" });
  ({ csrf, words } = await reply.json());
  document.title = words.title;
  byId("title").textContent = words.title;
  byId("note").textContent = words.note;
  byId("label").textContent = words.file;
  byId("go").textContent = words.go;
  byId("back").textContent = words.back;
  if (last) check(last);
  else byId("title").focus();
}

async function check(file) {
  last = file;
  try {
    const reply = await fetch(`/check/file?lang=${language}`, {
      method: "POST",
      headers: { "Content-Type": "application/pdf", "X-CSRF": csrf },
      body: file,
      cache: "no-store",
    });
    if (reply.status === 413) return refuse(words.too_large);
    if (!reply.ok) return refuse(words.failed);
    show(await reply.json());
  } catch (error) {
    // A server that refuses a large file may hang up before all of it has come.
    refuse(file.size > 16 * 1024 * 1024 ? words.too_large : words.failed);
  }
}

function refuse(text) {
  byId("result").className = "failed";
  byId("result").replaceChildren(make("h2", text));
}

function show(found) {
  const result = byId("result");
  result.className = found.outcome === "valid" ? "done" : "failed";
  const heading = make("h2", found.title, { id: "verdict" });
  const checks = found.checks.map((each) => ({ label: each.name, value: each.words }));
  result.replaceChildren(
    heading, terms(found.lines), make("h2", words.checks), terms(checks),
  );
}

byId("go").addEventListener("click", () => {
  const [file] = byId("file").files;
  if (file) check(file);
  else byId("file").focus();
});
onLanguage(fetchWords);
speak("ja", fetchWords);
