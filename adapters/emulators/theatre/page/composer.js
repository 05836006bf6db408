// Where a person writes: text, a mention, files by button, paste and drop.

import { el, redraw } from "./dom.js";

const LARGEST = 8 * 1024 * 1024; // of all files of a message; the theatre takes 16 MiB of base64 and text

export class Composer {
  constructor(pane) {
    this.pane = pane;
    this.files = new Map();
    this.refused = "";
    this.reply = null;
    this.edited = null;
    this.about = el("div", { class: "about" });
    this.area = el("textarea", { rows: "1", "aria-label": "Message", oninput: () => this.grow(), onkeydown: (event) => this.key(event), onpaste: (event) => this.attach(event.clipboardData.files) });
    this.picked = el("input", { type: "file", multiple: true, hidden: true, onchange: () => this.attach(this.picked.files) });
    this.mention = el("button", { type: "button", title: "Mention the bot", onclick: () => this.mentioned() }, "@rivulet");
    const attach = el("button", { type: "button", title: "Attach files", "aria-label": "Attach files", onclick: () => this.picked.click() }, "+");
    this.send = el("button", { type: "submit", class: "send", "aria-label": "Send" }, "➤");
    const onsubmit = (event) => { event.preventDefault(); this.submit(); };
    const ondrop = (event) => { event.preventDefault(); this.attach(event.dataTransfer.files); };
    this.box = el("form", { class: "composer", onsubmit, ondrop, ondragover: (event) => event.preventDefault() },
      this.about, el("div", { class: "line" }, attach, this.area, this.mention, this.send), this.picked);
    this.clear();
  }

  focus() {
    this.area.focus();
  }

  clear() {
    const direct = this.pane.place?.kind === "dm";
    this.files.clear();
    this.refused = "";
    this.reply = this.edited = null;
    this.area.value = direct || this.pane.thread || !this.pane.place ? "" : "@rivulet ";
    this.area.placeholder = this.pane.thread ? "Reply …" : "Message";
    this.drawAbout();
    this.grow();
  }

  mentioned() {
    const text = this.area.value;
    this.area.value = text.includes("@rivulet") ? text.replace(/@rivulet ?/, "") : `@rivulet ${text}`;
    this.focus();
  }

  replyTo(message) {
    this.reply = message;
    if (message.own) this.area.value = this.area.value.replace(/^@rivulet ?/, "");
    this.drawAbout();
  }

  edit(message) {
    this.edited = message;
    this.area.value = (message.content ?? message.text).replaceAll(/<@(?:UBOT|999)>/g, "@rivulet");
    this.drawAbout();
    this.grow();
    this.focus();
  }

  async attach(files) {
    this.refused = "";
    for (const file of files) {
      const others = [...this.files].map(([name, data]) => (name === file.name ? 0 : data.length * 0.75));
      if (others.reduce((sum, size) => sum + size, file.size) > LARGEST) {
        this.refused = `${file.name} is too large: a message takes 8 MB of files`;
        continue;
      }
      const bytes = new Uint8Array(await file.arrayBuffer());
      let text = "";
      for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
      this.files.set(file.name, btoa(text));
    }
    this.picked.value = "";
    this.drawAbout();
  }

  key(event) {
    if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      this.submit();
    }
    if (event.key === "Escape") this.clear();
  }

  submit() {
    const text = this.area.value.trim();
    const { edited, reply, pane } = this;
    if (!text && !this.files.size) return;
    const files = Object.fromEntries(this.files);
    this.clear();
    if (edited) pane.act({ do: "edit", channel: edited.channel, id: edited.id, text });
    else pane.say(text, files, reply?.id);
  }

  drawAbout() {
    const drop = (undo) => el("button", { type: "button", "aria-label": "Take back", onclick: () => { undo(); this.drawAbout(); } }, "✕");
    const parts = [...this.files.keys()].map((name) => [name, () => el("span", {}, name, drop(() => this.files.delete(name)))]);
    if (this.reply) parts.unshift([`reply ${this.reply.id}`, () => el("span", {}, `Replying to ${this.pane.name(this.reply.user)}`, drop(() => { this.reply = null; }))]);
    if (this.edited) parts.unshift([`edit ${this.edited.id}`, () => el("span", {}, "Editing", drop(() => this.clear()))]);
    if (this.refused) parts.push([this.refused, () => el("span", { role: "alert" }, this.refused)]);
    redraw(this.about, parts);
  }

  grow() {
    this.area.style.height = "auto";
    const wanted = this.area.scrollHeight; // 0 where the pane is not shown
    this.area.style.height = wanted ? `${Math.min(wanted, 160)}px` : "";
  }
}
