// One platform as a person's client shows it: places, messages, a thread, and a composer.

import { el, redraw } from "./dom.js";
import { Composer } from "./composer.js";
import { Message, avatar, when } from "./message.js";

const TITLES = {
  slack: { name: "Rivulet Labs", about: "Slack, emulated" },
  naive: { name: "Rivulet Labs", about: "Slack, with a naive bot" },
  discord: { name: "Rivulet Labs", about: "Discord, emulated" },
};
const FIRST = { slack: "U1", naive: "U1", discord: "300" };
const PLACES = { slack: "C1", naive: "C1", discord: "200" };
const MOST = 400;

export class Pane {
  // `act` sends what a person does, and returns what became of it.
  constructor(platform, act) {
    this.platform = platform;
    this.kind = platform === "discord" ? "discord" : "slack";
    this.act = (what) => act({ platform, ...what });
    this.actor = FIRST[platform];
    this.channels = [];
    this.people = new Map();
    this.messages = new Map();
    this.drawn = new Map();
    this.unread = new Map();
    this.channel = PLACES[platform];
    this.thread = "";
    this.follows = true;
    this.working = new Set();
    this.toEnd = false; // whether the list is to show its end when it is drawn next
    this.build();
  }

  build() {
    this.places = el("nav", { class: "places", "aria-label": `Channels of ${TITLES[this.platform].about}` });
    this.picker = el("select", { class: "picker", "aria-label": "Channel", onchange: (event) => this.open(event.target.value) });
    this.acting = el("select", { "aria-label": "Acting as", onchange: (event) => this.become(event.target.value) });
    this.me = el("div", { class: "me" }, el("span", { class: "who" }), el("label", {}, el("small", {}, "You are"), this.acting));
    this.title = el("h2");
    this.back = el("button", { type: "button", class: "back", "aria-label": "Back to the channel", onclick: () => this.open(this.channel) }, "←");
    this.list = el("div", { class: "list", tabindex: "0", role: "log", "aria-label": "Messages" });
    const end = () => this.act({ do: "stop", channel: this.channel, thread: this.thread, user: this.actor });
    this.typing = el("p", { class: "typing" }, el("span", {}, "rivulet is working on it … "), el("button", { type: "button", onclick: end }, "■ Stop"));
    this.composer = new Composer(this);
    const { name, about } = TITLES[this.platform];
    const side = el("aside", {}, el("header", {}, el("b", {}, name), el("small", {}, about)), this.places, this.me);
    const top = el("header", {}, this.back, this.title, this.picker);
    this.box = el("div", { class: `chat ${this.kind}`, onpointerdown: () => { this.follows = false; } },
      side, el("div", { class: "view" }, top, this.list, this.typing, this.composer.box));
  }

  // What the theatre tells.

  take(told) {
    if (told.kind === "places") this.takePlaces(told);
    if (told.kind === "messages") this.takeMessages(told.messages);
    if (told.kind === "ephemeral") this.takeMessages([{ ...told, id: told.ts, thread: told.thread_ts, user: "UBOT", only: told.user, own: true, hidden: true, blocks: [], files: [], reactions: {}, note: "" }]);
    if (told.kind === "status") this.working[told.status === "processing" ? "add" : "delete"](`${told.channel} ${told.thread_ts}`);
    this.draw();
  }

  // Forgets everything: what the page is connected to now tells all that there is.
  forget() {
    this.messages.clear();
    this.unread.clear();
    this.working.clear();
    this.open(PLACES[this.platform]);
  }

  takePlaces(told) {
    this.channels = told.channels;
    this.people = new Map(told.people.map((one) => [one.id, one]));
    if (!this.bot) this.composer.clear(true);
    this.bot = told.bot;
  }

  takeMessages(messages) {
    for (const message of messages) {
      const key = `${message.channel} ${message.id}`;
      const known = this.messages.has(key);
      this.messages.set(key, message);
      if (!known) this.arrive(message);
    }
    while (this.messages.size > MOST * 4) this.messages.delete(this.messages.keys().next().value);
  }

  // Shows what has come, where nobody has chosen what to look at.
  arrive(message) {
    const crowd = /^UCROWD|^5\d{3}$/.test(message.user);
    if (message.channel !== this.channel && !message.own && !crowd && this.follows) this.open(message.channel);
    if (this.kind === "slack" && message.own && message.thread && message.channel === this.channel && this.follows) {
      const root = this.messages.get(`${message.channel} ${message.thread}`);
      if (root && !/^UCROWD/.test(root.user)) this.openThread(message.thread);
    }
    if (message.channel !== this.channel && (message.own || !crowd)) this.unread.set(message.channel, (this.unread.get(message.channel) ?? 0) + 1);
  }

  // What is there, in words.

  name(user) {
    if (user === this.bot) return "rivulet";
    return this.people.get(user)?.name ?? user;
  }

  token(token) {
    const person = token.match(/^@[!&]?(\w+)$/);
    if (person) return `@${this.name(person[1] === "101" ? this.bot : person[1])}`;
    const channel = token.match(/^#(\w+)/);
    if (channel) return `#${this.channels.find((one) => one.id === channel[1])?.name ?? channel[1]}`;
    return token.startsWith("!") ? `@${token.slice(1).split("^")[0]}` : "";
  }

  get place() {
    return this.channels.find((one) => one.id === this.channel);
  }

  repliedTo(message) {
    const replied = message.reply_to && this.messages.get(`${message.channel} ${message.reply_to}`);
    if (!replied) return [];
    const text = replied.content.replace(/<@!?(\w+)>/g, (_, user) => `@${this.name(user)}`).slice(0, 90);
    return [[replied.id + text, () => el("p", {}, el("b", {}, this.name(replied.user)), " ", text)]];
  }

  threadLink(message, { count, live }) {
    const shown = `${count} ${count === 1 ? "reply" : "replies"}`;
    return el("button", { type: "button", class: live ? "thread live" : "thread", onclick: () => this.openThread(message.id) }, shown, live ? el("small", {}, "writing") : null);
  }

  // What people do.

  become(user) {
    this.actor = user;
    if (this.place?.kind === "dm") this.openDirect();
    this.draw();
  }

  open(channel) {
    if (channel === "dm") return this.openDirect();
    this.channel = channel;
    this.thread = "";
    this.unread.delete(channel);
    this.fresh();
  }

  openThread(root) {
    if (this.thread === root) return;
    this.thread = root;
    this.fresh();
  }

  async openDirect() {
    const there = this.kind === "slack" ? { id: `D${this.actor}` } : await this.act({ do: "dm", user: this.actor });
    if (there.id) this.open(there.id);
  }

  fresh() {
    this.drawn.clear();
    this.list.replaceChildren();
    this.composer.clear();
    this.toEnd = true;
    this.draw();
  }

  // Shows the end: who writes wants to see what becomes of it.
  async say(text, files, replyTo) {
    this.toEnd = true;
    this.draw();
    const where = this.kind === "slack" ? { thread: this.thread } : { reply_to: replyTo };
    const did = await this.act({ do: "say", channel: this.channel, user: this.actor, text, files, ...where });
    if (did.id && this.kind === "slack" && !this.thread && text.includes("@rivulet")) this.openThread(did.id);
    return did;
  }

  press(message, label) {
    this.act({ do: "press", channel: message.channel, id: message.id, user: this.actor, label });
  }

  react(message, emoji, on) {
    this.act({ do: "react", channel: message.channel, id: message.id, user: this.actor, emoji, on });
  }

  answer(message) {
    if (this.kind === "slack") this.openThread(message.thread || message.id);
    else this.composer.replyTo(message);
    this.composer.focus();
  }

  edit(message) {
    this.composer.edit(message);
  }

  remove(message) {
    this.act({ do: "delete", channel: message.channel, id: message.id });
  }

  // Drawing.

  draw() {
    if (this.due) return;
    this.due = requestAnimationFrame(() => {
      this.due = 0;
      this.drawPlaces();
      this.drawList();
    });
  }

  drawPlaces() {
    const name = this.name(this.actor);
    redraw(this.me.firstElementChild, [[name, () => avatar(name)]]);
    const people = [...this.people.values()].filter((one) => !/^UCROWD|^5\d{3}$/.test(one.id));
    const options = people.map((one) => [`${one.id} ${one.name}`, () => el("option", { value: one.id }, this.name(one.id) + (one.role ? ` (${one.role})` : ""))]);
    redraw(this.acting, options);
    this.acting.value = this.actor;
    const text = this.channels.filter((one) => one.kind !== "dm");
    const nested = text.filter((one) => one.kind === "text").flatMap((one) => [one, ...text.filter((each) => each.kind === "thread" && each.parent === one.id)]);
    const direct = this.place?.kind === "dm";
    redraw(this.places, [...nested.map((one) => this.placeLink(one)), ["dm" + direct, () => this.directLink(direct)]]);
    redraw(this.picker, [...nested.map((one) => [one.id + one.name, () => el("option", { value: one.id }, (one.kind === "thread" ? "↳ " : "# ") + one.name)]), ["dm", () => el("option", { value: "dm" }, "rivulet (direct message)")]]);
    this.picker.value = direct ? "dm" : this.channel;
    const where = direct ? "rivulet" : this.place?.name ?? "";
    redraw(this.title, this.thread
      ? [["thread" + where, () => el("span", {}, "Thread ", el("small", {}, `${direct ? "@" : "#"} ${where}`))]]
      : [[where + direct, () => el("span", {}, el("i", {}, direct ? "@" : this.place?.kind === "thread" ? "↳" : "#"), ` ${where}`)]]);
    this.back.hidden = !this.thread;
    this.box.classList.toggle("in-thread", Boolean(this.thread));
  }

  placeLink(one) {
    const unread = this.unread.get(one.id) ?? 0;
    const here = one.id === this.channel;
    return [`${one.id} ${one.name} ${unread} ${here}`, () => el("button", { type: "button", class: one.kind, "aria-current": here ? "true" : null, onclick: () => this.open(one.id) },
      el("i", { "aria-hidden": "true" }, one.kind === "thread" ? "↳" : "#"), el("span", {}, one.name), unread ? el("small", {}, String(unread)) : null)];
  }

  directLink(here) {
    return el("button", { type: "button", class: "dm", "aria-current": here ? "true" : null, onclick: () => this.openDirect() }, avatar("rivulet", true), el("span", {}, "rivulet"));
  }

  shown() {
    const here = [...this.messages.values()].filter((one) => one.channel === this.channel && !one.deleted && (!one.only || one.only === this.actor));
    here.sort((one, other) => when(one, this.kind) - when(other, this.kind) || (one.id < other.id ? -1 : 1));
    if (this.kind === "discord") return here.slice(-MOST);
    return here.filter((one) => (this.thread ? one.thread === this.thread || one.id === this.thread : !one.thread)).slice(-MOST);
  }

  replies() {
    const counted = new Map();
    if (this.kind === "discord" || this.thread) return counted;
    for (const one of this.messages.values()) {
      if (!one.thread || one.deleted || one.channel !== this.channel) continue;
      const { count = 0, live = false } = counted.get(one.thread) ?? {};
      counted.set(one.thread, { count: count + 1, live: live || one.live });
    }
    return counted;
  }

  drawList() {
    const { list } = this;
    const atEnd = this.toEnd || list.scrollHeight - list.scrollTop - list.clientHeight < 60;
    this.toEnd = false;
    const replies = this.replies();
    const shown = this.shown();
    const ids = new Set(shown.map((one) => one.id));
    for (const [id, one] of this.drawn) {
      if (!ids.has(id)) {
        one.box.remove();
        this.drawn.delete(id);
      }
    }
    let before = null;
    for (const message of shown) {
      if (!this.drawn.has(message.id)) this.drawn.set(message.id, new Message(this));
      const one = this.drawn.get(message.id);
      one.draw(message, replies.get(message.id));
      const next = before ? before.nextSibling : list.firstChild;
      if (next !== one.box) list.insertBefore(one.box, next);
      before = one.box;
    }
    list.classList.toggle("thread", Boolean(this.thread));
    this.typing.classList.toggle("on", this.working.has(`${this.channel} ${this.thread}`));
    if (atEnd) list.scrollTop = list.scrollHeight;
  }
}
