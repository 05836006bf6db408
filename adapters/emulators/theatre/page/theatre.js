// The theatre: two panes, a desk, and one connection that tells and is told.

import { el } from "./dom.js";
import { Desk } from "./desk.js";
import { Pane } from "./pane.js";

const AGAIN = 1000;
const waiting = new Map();
let socket = null;
let number = 0;
let state = {};

function act(what) {
  if (socket?.readyState !== WebSocket.OPEN) {
    notice("The theatre is not there; is `rivulet demo` running?");
    return Promise.resolve({});
  }
  number += 1;
  socket.send(JSON.stringify({ ...what, n: number }));
  return new Promise((done) => waiting.set(number, done));
}

const panes = { slack: new Pane("slack", act), discord: new Pane("discord", act), naive: new Pane("naive", act) };
const desk = new Desk(document.getElementById("desk"), act);
let right = "discord";

function show(name) {
  right = name;
  document.getElementById("right").replaceChildren(panes[name].box);
  document.getElementById("right").setAttribute("aria-label", name === "naive" ? "Slack, with a naive bot" : "Discord");
  document.querySelector('#tabs [data-tab="right"]').textContent = name === "naive" ? "Naive bot" : "Discord";
  panes[name].toEnd = true; // a box that was away has lost where it was
  panes[name].draw();
}

document.getElementById("left").append(panes.slack.box);
show("discord");

// In front of a naive bot, what is asked on Slack is asked there too.
const say = panes.slack.say.bind(panes.slack);
panes.slack.say = (text, files, replyTo) => {
  const { naive, slack } = panes;
  if (right === "naive" && !slack.thread) {
    naive.open(slack.channel);
    naive.say(text, files, replyTo);
  }
  return say(text, files, replyTo);
};

desk.onnaive = (on) => show(on ? "naive" : "discord");
desk.oncrowd = () => act({ do: "crowd", on: ["slack", right] });

function take(told) {
  if (told.platform) return panes[told.platform].take(told);
  if (told.kind === "figures") desk.show(told, ["slack", right]);
  if (told.kind === "knobs") desk.turned(told);
  if (told.kind === "state") takeState(told);
  if (told.kind === "notice") notice(told.text);
  if (told.kind === "did" || told.kind === "notice") waiting.get(told.n)?.(told);
  waiting.delete(told.n);
}

function takeState(told) {
  state = { ...state, ...told };
  desk.state(state);
  pill(state.bot);
  document.getElementById("model").textContent = state.real ? "Claude answers" : "an emulated model answers";
  const caption = document.getElementById("caption");
  caption.hidden = !state.caption;
  document.body.classList.toggle("filmed", state.caption !== undefined);
  caption.textContent = state.caption ?? "";
  if ((state.beside === true) !== (right === "naive") && told.beside !== undefined) show(state.beside ? "naive" : "discord");
  desk.naive.checked = right === "naive";
  const questions = document.getElementById("question");
  questions.replaceChildren(...(state.questions ?? []).map((text) => el("option", {}, text)));
}

function pill(name) {
  const shown = { up: "the bot is up", down: "the bot was killed", starting: "the bot is starting" };
  const bot = document.getElementById("bot");
  bot.className = name;
  bot.textContent = shown[name] ?? name;
}

function notice(text) {
  const made = el("p", {}, text);
  document.getElementById("notices").append(made);
  setTimeout(() => made.remove(), 6000);
}

document.getElementById("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = `@rivulet ${document.getElementById("question").value}`;
  for (const pane of new Set([panes.slack, ...(right === "discord" ? [panes.discord] : [])])) {
    pane.follows = true;
    if (pane.thread || pane.place?.kind !== "text") pane.open(pane.kind === "slack" ? "C1" : "200");
    pane.say(text, {}, "");
  }
});

for (const tab of document.querySelectorAll("#tabs button")) {
  tab.addEventListener("click", () => {
    document.body.dataset.tab = tab.dataset.tab;
    for (const pane of Object.values(panes)) pane.draw();
  });
}

function connect() {
  socket = new WebSocket(`ws://${location.host}/stage`);
  socket.addEventListener("open", () => {
    for (const pane of Object.values(panes)) pane.forget();
  });
  socket.addEventListener("message", (event) => take(JSON.parse(event.data)));
  socket.addEventListener("close", () => {
    pill("gone");
    document.getElementById("bot").textContent = "the demo has ended";
    for (const done of waiting.values()) done({});
    waiting.clear();
    setTimeout(connect, AGAIN);
  });
}

connect();
