// The messages of a conversation, as the server tells of them.  A block that did not change is not touched.

const NEAR = 48;
const BUTTONS = { retry: "Try again", continue: "Continue" };

export class Log {
  // `act(what, message, more)` is told what people do with a message; `speech` reads it aloud.
  constructor(place, scroll, down, speech, act) {
    Object.assign(this, { place, scroll, down, speech, act });
    this.messages = new Map();
    this.waiting = [];
    this.following = true;
    scroll.addEventListener("scroll", () => this.scrolled(), { passive: true });
    new ResizeObserver(() => this.follow()).observe(scroll);
    down.onclick = () => { this.following = true; this.follow(); };
  }

  get live() { return [...this.messages.values()].some((each) => each.told.live); }

  last(role) { return [...this.messages.values()].findLast((each) => each.told.role === role); }

  // Takes an event; all that came since the last frame is drawn in the next.
  take(told) {
    this.waiting.push(told);
    if (document.hidden) return this.draw();
    this.frame ??= requestAnimationFrame(() => this.draw());
  }

  draw() {
    cancelAnimationFrame(this.frame);
    this.frame = undefined;
    const all = this.waiting.splice(0);
    for (const told of all) {
      if (told.whole) this.keepOnly(new Set(told.messages.map((each) => each.key)));
      for (const message of told.messages) this.show(message, told.whole);
      for (const key of told.gone) this.remove(key);
    }
    this.follow();
    if (all.length) this.drawn?.(all.at(-1));
  }

  keepOnly(keys) {
    for (const key of [...this.messages.keys()]) if (!keys.has(key)) this.remove(key);
  }

  remove(key) {
    this.messages.get(key)?.element.remove();
    this.messages.delete(key);
  }

  show(told, whole) {
    const known = this.messages.get(told.key);
    const message = known ?? this.add(told);
    const before = message.told;
    message.told = told;
    if (told.role === "person") message.body.textContent = told.text;
    else if (!(told.stale && message.body.firstChild)) paint(message.body, told);
    if (!known || changed(before, told)) this.dress(message);
    if (told.role !== "bot" || told.stale) return;
    const blocks = message.body.children;
    if (whole && !known) this.speech.skip(told.key, blocks);
    else if (told.blocks.length) this.speech.take(told.key, blocks, !told.live);
    if (before?.live && !told.live && told.note) this.speech.say(told.note);
  }

  add(told) {
    const element = document.createElement("article");
    element.className = told.role;
    element.ariaLabel = told.role === "bot" ? "Answer" : `Question of ${told.who}`;
    const body = make("div", "body");
    body.dir = "auto";
    element.append(body);
    const message = { element, body, told: undefined, key: told.key };
    const next = [...this.messages.values()].findLast((each) => each.told.at <= told.at);
    if (next) next.element.after(element);
    else this.place.prepend(element);
    this.messages.set(told.key, message);
    if (told.role === "person") this.following = true;
    return message;
  }

  // Shows what stands around the text: files, note and buttons.
  dress(message) {
    const { told, element, body } = message;
    const focused = element.contains(document.activeElement) ? document.activeElement.dataset?.act : "";
    for (const old of element.querySelectorAll(":scope > .files, :scope > .foot, :scope > .steps")) old.remove();
    if (told.steps.length) body.before(steps(told.steps));
    element.classList.toggle("live", told.live);
    element.classList.toggle("empty", told.live && !told.stale && !told.count);
    element.dataset.under = told.under;
    if (told.files.length) body.after(files(told.files));
    const foot = make("div", "foot");
    const note = told.note || (told.waits ? "Waits for its turn …" : "");
    if (note) foot.append(make("p", told.live ? "note busy" : "note", note));
    const row = make("div", "row");
    for (const [name, label] of told.controls) {
      if (name !== "stop") row.append(this.button(name, BUTTONS[name] ?? label, message, name === "allow" ? "primary" : ""));
    }
    // Only the last message of an answer has buttons of its own.
    if (told.role === "bot" && !told.live && told.controls.length) this.rate(row, message);
    if (row.childElementCount) foot.append(row);
    if (foot.childElementCount) element.append(foot);
    if (focused) element.querySelector(`[data-act="${focused}"]`)?.focus();
  }

  rate(row, message) {
    row.append(this.button("copy", "Copy", message, "plain"));
    for (const [name, sign, label] of [["up", "👍", "Good answer"], ["down", "👎", "Bad answer"]]) {
      const button = this.button(name, sign, message, "plain thumb");
      button.ariaLabel = label;
      button.ariaPressed = String(message.told.thumb === name);
      row.append(button);
    }
  }

  button(name, label, message, kind) {
    const button = make("button", kind, label);
    button.type = "button";
    button.dataset.act = name;
    button.onclick = () => this.act(name, message, button);
    return button;
  }

  scrolled() {
    const left = this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight;
    // A growing answer moves the end; only the reader moves the view.
    this.following = left < NEAR || (this.following && this.scroll.scrollTop >= this.top);
    this.top = this.scroll.scrollTop;
    this.down.hidden = left < 4 * NEAR;
  }

  follow() {
    if (!this.following) {
      this.down.hidden = this.scroll.scrollHeight - this.scroll.scrollTop - this.scroll.clientHeight < 4 * NEAR;
      return;
    }
    this.scroll.scrollTop = 1e9;
    this.top = this.scroll.scrollTop;
  }
}

function changed(one, other) {
  if (one.live !== other.live || one.note !== other.note || one.waits !== other.waits || one.thumb !== other.thumb) return true;
  if (!one.count !== !other.count || one.under !== other.under) return true;
  const around = ({ controls, files: attached, steps: used }) => JSON.stringify([controls, attached, used]);
  return around(one) !== around(other);
}

function paint(body, told) {
  for (const [index, kind, text, language] of told.blocks) {
    while (body.children.length <= index) body.append(make("div", "block"));
    const block = body.children[index];
    if (kind === "more") {
      block.querySelector("code").firstChild.appendData(text);
    } else if (kind === "code") {
      const code = document.createElement("code");
      code.className = language ? `language-${language}` : "";
      code.append(document.createTextNode(text));
      const pre = document.createElement("pre");
      pre.append(code);
      block.replaceChildren(pre);
      furnish(block);
    } else {
      block.innerHTML = text;
      furnish(block);
    }
  }
  while (body.children.length > told.count) body.lastChild.remove();
}

// Gives code its head and its copy button, tables room to scroll, links a window of their own.
function furnish(block) {
  for (const pre of block.querySelectorAll("pre")) {
    const code = pre.firstElementChild;
    const language = /language-(\S+)/.exec(code?.className ?? "")?.[1] ?? "";
    const figure = make("figure", "code");
    figure.dataset.language = language;
    figure.dir = "ltr";
    const head = make("figcaption", "", language || "text");
    const copy = make("button", "plain", "Copy");
    copy.type = "button";
    copy.dataset.copy = "";
    head.append(copy);
    pre.tabIndex = 0;
    pre.role = "region";
    pre.ariaLabel = `Code${language ? `, ${language}` : ""}`;
    pre.replaceWith(figure);
    figure.append(head, pre);
  }
  for (const table of block.querySelectorAll("table")) {
    const around = make("div", "table");
    around.tabIndex = 0;
    around.role = "region";
    around.ariaLabel = "Table";
    table.replaceWith(around);
    around.append(table);
  }
  for (const link of block.querySelectorAll("a")) link.target = "_blank";
  for (const box of block.querySelectorAll("input")) {
    box.ariaLabel = box.checked ? "Done" : "To do";
    box.parentElement.classList.add("task");
  }
}

function steps(used) {
  const list = make("ul", "steps");
  list.ariaLabel = "Tools";
  for (const [title, state, note] of used) {
    const item = make("li", state, note ? `${title}: ${note}` : title);
    item.append(make("span", "unseen", { running: ", running", done: ", done", failed: ", failed" }[state]));
    list.append(item);
  }
  return list;
}

function files(listed) {
  const list = make("ul", "files");
  for (const [name, type, size, key] of listed) {
    const link = document.createElement("a");
    link.href = `/web/files/${key.split("/")[1]}/${key.split("/")[3]}`;
    if (/^image\/(png|jpeg|gif|webp)$/.test(type)) {
      const picture = document.createElement("img");
      picture.src = link.href;
      picture.alt = name;
      picture.loading = "lazy";
      link.target = "_blank";
      link.className = "picture";
      link.append(picture);
    } else {
      link.download = name;
      link.append(make("bdi", "", name), make("span", "size", weight(size)));
    }
    const row = document.createElement("li");
    row.append(link);
    list.append(row);
  }
  return list;
}

function weight(bytes) {
  return bytes < 1000 ? `${bytes} B` : bytes < 1e6 ? `${Math.round(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

export function make(tag, kind = "", text = "") {
  const element = document.createElement(tag);
  if (kind) element.className = kind;
  if (text) element.textContent = text;
  return element;
}
