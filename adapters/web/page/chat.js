// The chat page: one conversation a tab, named in the address, and the list of all.

import { Files, newId } from "./files.js";
import { Log, make } from "./log.js";
import { Speech } from "./speech.js";
import { get, post, Stream } from "./wire.js";

const LONGEST = 100_000;
const TOO_LONG = "That has more than the 100,000 characters that a message may have";
const [side, shade, menu, title, state, scroll, notice, text, stop, send, hello, talks] =
  ["side", "shade", "menu", "title", "state", "scroll", "notice", "text", "stop", "send", "hello", "talks"]
    .map((id) => document.getElementById(id));
const speech = new Speech(document.getElementById("spoken"));
const log = new Log(document.getElementById("log"), scroll, document.getElementById("down"), speech, act);
const files = new Files(document.getElementById("files"), complain);
let talk = "";
let stream;
let editing = "";
let away;
// What is sent, with its id: sent once more, it is the same question.
let asked = {};

function complain(line) {
  clearTimeout(complain.timer);
  notice.textContent = line;
  notice.hidden = !line;
  if (line) complain.timer = setTimeout(() => complain(""), 12_000);
}

async function tried(work) {
  try {
    return await work();
  } catch (error) {
    complain(error.message);
  }
}

// Conversations.

function open() {
  const wanted = location.hash.slice(1);
  if (wanted === talk && talk) return;
  if (!/^[\w-]{8,40}$/.test(wanted)) {
    history.replaceState(null, "", `#${newId()}`);
    return open();
  }
  talk = wanted;
  stream?.close();
  log.keepOnly(new Set());
  log.following = true;
  files.clear();
  if (editing) unedit();
  drawn({ title: "" });
  list();
  listen();
  drawer(false);
  text.focus({ preventScroll: true });
}

function listen() {
  stream = new Stream(talk, (told) => log.take(told), (up, refused) => {
    clearTimeout(away);
    if (up) state.textContent = "";
    else if (refused) state.textContent = refused;
    // The list is asked for too, since a stream can't say that the session has ended.
    else away = setTimeout(() => { state.textContent = "Connecting …"; list(); }, 400);
    document.body.classList.toggle("away", !up);
    if (up && !talks.dataset.told) list();
  });
}

async function list() {
  const told = await get("/web/talks").catch(() => undefined);
  if (!told) return;
  talks.dataset.told = "yes";
  files.most = told.most;
  document.querySelector("#who span").textContent = told.open ? "" : told.me;
  document.getElementById("who").hidden = told.open;
  talks.replaceChildren(...told.talks.map(row));
}

function row({ id, title: name }) {
  const link = make("a", "", name || "Without a title");
  link.href = `#${id}`;
  link.dir = "auto";
  const button = make("button", "plain", "×");
  button.ariaLabel = `Delete “${name}”`;
  button.onclick = () => {
    if (button.textContent === "×") {
      button.textContent = "Delete";
      button.classList.add("sure");
      setTimeout(() => { button.textContent = "×"; button.classList.remove("sure"); }, 4000);
      return;
    }
    tried(async () => {
      await post(`/web/delete/${id}`, {});
      if (id === talk) location.hash = newId();
      else list();
    });
  };
  const item = document.createElement("li");
  if (id === talk) {
    link.ariaCurrent = "page";
    item.className = "here";
  }
  item.append(link, button);
  return item;
}

function drawn(told) {
  const live = log.live;
  if (title.textContent !== (told.title || "New conversation")) {
    title.textContent = told.title || "New conversation";
    document.title = told.title ? `${told.title} · Rivulet` : "Rivulet";
  }
  hello.hidden = log.messages.size > 0;
  stop.hidden = !live;
  document.body.classList.toggle("busy", live);
}
log.drawn = drawn;

function drawer(on) {
  side.classList.toggle("shown", on);
  shade.hidden = !on;
  menu.ariaExpanded = String(on);
}

// What people do.

async function ask() {
  const words = text.value;
  if (send.disabled || (!words.trim() && !files.all.length)) return;
  if (words.length > LONGEST) {
    return complain(`${TOO_LONG}; attach it as a file.`);
  }
  send.disabled = true;
  complain("");
  await tried(async () => {
    const here = talk;
    if (!(editing && await edited(words))) {
      const sent = await files.take();
      if (asked.here !== here || asked.words !== words || asked.sent !== String(sent)) {
        asked = { here, words, sent: String(sent), id: newId() };
      }
      await post(`/web/ask/${here}`, { id: asked.id, text: words, files: sent });
      asked = {};
    }
    if (text.value === words) unedit();
    else editing = "";
    files.clear();
    log.following = true;
    log.follow();
    list();
  });
  send.disabled = false;
  grow();
}

// Empties the line.
function unedit() {
  editing = text.value = "";
  text.classList.remove("editing");
  grow();
}

// Changes the last question if nothing was said to it yet; else what was said stops, and it is asked anew.
async function edited(words) {
  const { late } = await post(`/web/edit/${talk}`, { message: editing, text: words });
  if (late && log.live) await halt();
  return !late;
}

async function halt() {
  explain(await tried(() => post(`/web/stop/${talk}`, {})));
}

// Says why a stop or a press did nothing.
function explain(told) {
  if (told?.outcome === "lapsed") complain("That button is too old; ask again.");
  if (told?.outcome === "refused") complain("That is not yours to decide.");
}

async function act(name, message, button) {
  if (name === "copy") return copy(whole(message), button);
  if (name === "up" || name === "down") {
    const on = message.told.thumb !== name;
    return tried(() => post(`/web/react/${talk}`, { message: message.key, emoji: name === "up" ? "👍" : "👎", on }));
  }
  explain(await tried(() => post(`/web/press/${talk}`, { message: message.key, control: name })));
}

// Returns the text of an answer, over all messages that it takes.
function whole(message) {
  const pages = [...log.messages.values()].filter((each) => each.told.under === message.told.under && each.told.role === "bot");
  return pages.map((each) => each.body.innerText).join("\n\n");
}

async function copy(words, button) {
  await navigator.clipboard.writeText(words.replaceAll("\u2060", "")).then(
    () => flash(button, "Copied"), () => flash(button, "Not copied"));
}

function flash(button, word) {
  button.textContent = word;
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
}

function grow() {
  text.style.height = "auto";
  text.style.height = `${Math.min(text.scrollHeight, innerHeight * 0.4)}px`;
}

document.getElementById("ask").onsubmit = (event) => { event.preventDefault(); ask(); };
document.getElementById("new").onclick = () => { location.hash = newId(); };
document.getElementById("leave").onclick = () => tried(async () => {
  await post("/web/sign-out", {});
  location.assign("/web/sign-in");
});
document.getElementById("attach").onclick = () => document.getElementById("pick").click();
document.getElementById("pick").onchange = (event) => {
  files.add(talk, event.target.files);
  event.target.value = "";
};
stop.onclick = halt;
menu.onclick = () => drawer(!side.classList.contains("shown"));
shade.onclick = () => drawer(false);
text.oninput = grow;
text.onkeydown = (event) => {
  if (event.isComposing) return;
  if (event.key === "Enter" && !event.shiftKey) {
    event.preventDefault();
    ask();
  } else if (event.key === "ArrowUp" && !text.value) {
    const question = log.last("person");
    if (!question) return;
    event.preventDefault();
    editing = question.key;
    text.value = question.told.text;
    text.classList.add("editing");
    grow();
  } else if (event.key === "Escape" && editing) {
    unedit();
  }
};
text.onpaste = (event) => {
  const words = event.clipboardData.getData("text/plain");
  if (!event.clipboardData.files.length && words.length <= LONGEST) return;
  event.preventDefault();
  if (event.clipboardData.files.length) return files.add(talk, event.clipboardData.files);
  files.add(talk, [new File([words], "pasted.txt", { type: "text/plain" })]);
  complain(`${TOO_LONG}: it is attached as a file.`);
};
addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.isComposing) return;
  if (side.classList.contains("shown")) drawer(false);
  else if (log.live) halt();
});
addEventListener("click", (event) => {
  if (event.target.dataset?.copy === undefined) return;
  copy(event.target.closest("figure").querySelector("pre").textContent, event.target);
});
addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("drop"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) document.body.classList.remove("drop"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("drop");
  files.add(talk, event.dataTransfer.files);
});
addEventListener("hashchange", open);
// A browser allows six streams of one server: tabs that nobody looks at, and that wait for nothing, leave theirs.
document.addEventListener("visibilitychange", () => {
  if (document.hidden) setTimeout(() => { if (document.hidden && !log.live) stream?.close(); }, 15_000);
  else if (stream?.closed) listen();
  else log.follow();
});
// Enter would only begin a line before all of this.
text.readOnly = false;
open();
