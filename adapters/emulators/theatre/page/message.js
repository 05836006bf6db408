// Draws one message, and keeps drawing it while it grows: what is unchanged stays as it is.

import { clock, el, hue, redraw } from "./dom.js";
import { blocks, inline } from "./markdown.js";

const EMOJI = {
  octagonal_sign: "🛑", eyes: "👀", "+1": "👍", "-1": "👎", thumbsup: "👍", thumbsdown: "👎", repeat: "🔁",
  arrows_counterclockwise: "🔄", arrow_forward: "▶️", heart: "❤️", tada: "🎉", x: "❌", hourglass: "⏳",
};
const OFFERED = { slack: ["octagonal_sign", "+1", "-1"], discord: ["🛑", "👍", "👎"] };
const NAMES = { octagonal_sign: "stop", "+1": "thumbs up", "-1": "thumbs down", "🛑": "stop", "👍": "thumbs up", "👎": "thumbs down" };
const PICTURE = /\.(?:png|jpe?g|gif|webp)$/i;
const STYLES = { 1: "primary", 3: "primary", 4: "danger" };

export const shownAs = (emoji) => EMOJI[emoji] ?? (/^[\w+-]+$/.test(emoji) ? `:${emoji}:` : emoji);

export function when(message, kind) {
  return kind === "slack" ? Number(message.id) : Number((BigInt(message.id) >> 22n) + 1420070400000n) / 1000;
}

export function avatar(name, bot) {
  if (bot) return el("img", { class: "avatar", src: "/page/rivulet.svg", alt: "" });
  const made = el("span", { class: "avatar", "aria-hidden": "true" }, name[0].toUpperCase());
  made.style.background = `hsl(${hue(name)} 45% 42%)`;
  return made;
}

export class Message {
  // `pane` knows names, who acts, and does what is asked for.
  constructor(pane) {
    this.pane = pane;
    this.body = el("div", { class: "body", dir: "auto" });
    this.files = el("div", { class: "files" });
    this.note = el("p", { class: "note" });
    this.buttons = el("div", { class: "buttons" });
    this.reactions = el("div", { class: "reactions" });
    this.replies = el("div");
    this.tools = el("div", { class: "tools" });
    this.face = el("div", { class: "face" });
    this.reply = el("div", { class: "reply" });
    this.head = el("div", { class: "head" });
    const rest = [this.head, this.body, this.note, this.files, this.buttons, this.reactions, this.replies];
    this.box = el("article", { class: "message" }, this.reply, this.face, el("div", { class: "rest" }, rest), this.tools);
  }

  draw(message, replies) {
    const { pane } = this;
    this.message = message;
    const name = pane.name(message.user);
    this.box.dataset.id = message.id;
    this.box.classList.toggle("live", message.live);
    this.box.classList.toggle("own", message.own);
    this.box.classList.toggle("hidden-from-others", Boolean(message.hidden));
    redraw(this.face, [[name, () => avatar(name, message.own)]]);
    redraw(this.reply, pane.repliedTo(message));
    redraw(this.head, [
      [name, () => el("b", { class: "name" }, name)],
      ...(message.own ? [["app", () => el("span", { class: "app" }, "APP")]] : []),
      ["time", () => el("time", {}, clock(when(message, pane.kind)))],
    ]);
    redraw(this.body, this.parts());
    this.drawNote();
    redraw(this.files, message.files.map((file, at) => [`${file.name} ${file.size}`, () => this.file(file, at)]));
    redraw(this.buttons, this.pressable().map((one) => [JSON.stringify(one), () => this.button(one)]));
    this.drawReactions();
    redraw(this.replies, replies ? [[JSON.stringify(replies), () => pane.threadLink(message, replies)]] : []);
    redraw(this.tools, [[`${message.own} ${pane.actor}`, () => this.toolbar()]]);
  }

  // The parts of the body as the platform's client draws them.
  parts() {
    const { message, pane } = this;
    const names = (token) => pane.token(token);
    if (pane.kind === "discord") {
      const found = blocks(discordText(message), "discord", names);
      return found.length || !message.own || message.files.length ? found : [["…", () => el("p", {}, "…")]];
    }
    const drawn = message.blocks.flatMap((block) => {
      if (block.type === "markdown") return blocks(block.text, "markdown", names);
      if (block.type === "section") return [block.text, ...(block.fields ?? [])].filter(Boolean).flatMap((one) => blocks(one.text, "mrkdwn", names));
      if (block.type === "header") return [[block.text.text, () => el("p", { class: "h2" }, block.text.text)]];
      if (block.type === "divider") return [["hr", () => el("hr")]];
      if (block.type === "task_card") return [[`${block.task_id} ${block.status} ${block.title}`, () => card(block)]];
      if (block.type === "rich_text") return blocks(message.text, "mrkdwn", names);
      return [];
    });
    return drawn.length ? drawn : blocks(message.text, "mrkdwn", names);
  }

  drawNote() {
    const { message, pane } = this;
    const names = (token) => pane.token(token);
    const note = pane.kind === "discord" ? "" : message.note;
    redraw(this.note, note ? [[note, () => el("span", {}, inline(note, "mrkdwn", names))]] : []);
    this.note.hidden = !note;
    if (message.hidden) redraw(this.note, [["only you", () => el("span", {}, "Only the one who pressed can see this")]]);
    if (message.hidden) this.note.hidden = false;
  }

  file(file, at) {
    const { message, pane } = this;
    const address = `/file/${pane.platform}/${message.channel}/${message.id}/${at}`;
    if (PICTURE.test(file.name)) return el("img", { class: "picture", src: address, alt: file.name, loading: "lazy" });
    const size = file.size < 1000 ? `${file.size} B` : `${Math.round(file.size / 1000)} kB`;
    return el("a", { class: "file", href: address, download: file.name }, el("b", {}, file.name), el("small", {}, size));
  }

  pressable() {
    const { message, pane } = this;
    if (pane.kind === "discord") return inside(message.components);
    return message.blocks
      .flatMap((block) => [...(block.elements ?? []), block.accessory].filter(Boolean).filter((one) => block.type !== "context" && one.type === "button"))
      .map((one) => ({ label: one.text.text, style: one.style ?? "" }));
  }

  button({ label, style, disabled }) {
    return el("button", { type: "button", class: style, disabled: Boolean(disabled), onclick: () => this.pane.press(this.message, label) }, label);
  }

  drawReactions() {
    const { message, pane } = this;
    const there = Object.entries(message.reactions).filter(([, users]) => users.length);
    redraw(this.reactions, there.map(([emoji, users]) => [`${emoji} ${users} ${pane.actor}`, () => this.reaction(emoji, users)]));
  }

  reaction(emoji, users) {
    const { pane } = this;
    const mine = users.includes(pane.actor);
    const who = users.map((user) => pane.name(user)).join(", ");
    const press = () => pane.react(this.message, emoji, !mine);
    return el("button", { type: "button", class: mine ? "mine" : "", title: who, "aria-pressed": String(mine), onclick: press },
      el("span", {}, shownAs(emoji)), ` ${users.length}`);
  }

  toolbar() {
    const { message, pane } = this;
    const offered = OFFERED[pane.kind].map((emoji) => tool(shownAs(emoji), `React with ${NAMES[emoji]}`, () => pane.react(this.message, emoji, true)));
    const reply = pane.kind === "slack" ? "Reply in thread" : "Reply";
    const own = message.user === pane.actor ? [tool("✎", "Edit", () => pane.edit(this.message))] : [];
    const removal = message.user === pane.actor || message.own ? [tool("✕", "Delete", () => pane.remove(this.message))] : [];
    return el("div", { role: "group", "aria-label": "What you can do with this message" }, offered, tool("↩", reply, () => pane.answer(this.message)), own, removal);
  }
}

const TASKS = { pending: "○", in_progress: "◐", complete: "✓", error: "✕" };
const card = ({ status, title }) => el("p", { class: `task ${status}` }, el("b", {}, TASKS[status] ?? "○"), ` ${title}`);

const tool = (shown, label, press) => el("button", { type: "button", title: label, "aria-label": label, onclick: press }, shown);

// Discord's text as it is stored, with the subtext lines that it ends in.
const discordText = (message) => message.content.replaceAll("\u2060", "");

function inside(components) {
  return components.flatMap((one) =>
    one.type === 2 ? [{ label: one.label ?? one.emoji?.name ?? "", style: STYLES[one.style] ?? "", disabled: one.disabled }] : inside(one.components ?? []));
}
