// The desk below the stage: what crosses the wire, and the knobs.

import { el, redraw } from "./dom.js";

const CALLED = {
  slack: "Slack", discord: "Discord", naive: "Naive bot",
  "chat.update": "edits", "chat.postMessage": "posts", "chat.appendStream": "appends", "chat.startStream": "streams",
  "PATCH messages": "edits", "POST messages": "posts", "POST threads": "threads", global: "all requests",
};
const WRITES = ["chat.update", "PATCH messages", "chat.appendStream", "chat.postMessage", "POST messages", "POST threads"];
const LIMITS = { documented: "as documented", half: "half of that", fifth: "a fifth of that", off: "no limits" };
const STATES = { open: "open", finished: "ended", closed: "hung up", broken: "broken off" };
const SPAN = 60_000;

export class Desk {
  constructor(box, act) {
    this.act = act;
    this.cards = new Map();
    this.meters = el("div", { class: "meters" });
    this.models = el("ul", { class: "models" });
    this.sum = el("small");
    this.modelCard = el("section", { class: "card model", "aria-label": "The model" }, el("h2", {}, "Model ", this.sum), this.models);
    box.append(this.meters, this.modelCard, this.knobs());
  }

  knobs() {
    const speed = this.slider("speed", "Model's speed", -2, 3, 0.25, 0, (value) => 2 ** value, (value) => `${+(2 ** value).toFixed(2)}×`);
    const latency = this.slider("latency", "Latency of calls", 0, 3, 0.1, 0, Number, (value) => `${Number(value).toFixed(1)} s`);
    this.limits = el("select", { id: "limits", onchange: () => this.act({ do: "knob", name: "limits", value: this.limits.value }) },
      Object.entries(LIMITS).map(([value, shown]) => el("option", { value }, shown)));
    this.naive = el("input", { type: "checkbox", id: "beside", role: "switch", onchange: () => this.onnaive(this.naive.checked) });
    const fault = (name, shown, title) => el("button", { type: "button", title, data: { fault: name }, onclick: () => this.act({ do: "fault", name }) }, shown);
    this.crowd = el("button", { type: "button", class: "crowd", onclick: () => this.oncrowd() }, "64 people ask at once");
    this.killing = el("button", { type: "button", class: "kill", title: "The process ends as with a loss of power, and is started again", onclick: () => this.act({ do: "kill" }) }, "kill -9");
    const faults = el("div", { class: "faults" }, fault("storm", "429 storm", "The next edits are refused, for four seconds each"),
      fault("sockets", "Drop sockets", "Cut the bot's connections to both platforms"), fault("cut", "Cut the model", "Reset the model's connections in mid-answer"), this.killing);
    return el("section", { class: "card knobs", "aria-label": "Knobs" }, el("h2", {}, "Knobs"),
      el("div", { class: "turn" }, speed, latency, el("label", { for: "limits" }, "Platforms' limits", this.limits), el("label", { for: "beside", class: "switch" }, "Naive bot beside", this.naive)),
      faults, this.crowd);
  }

  slider(name, label, min, max, step, value, meant, shown) {
    const input = el("input", { type: "range", id: name, min: String(min), max: String(max), step: String(step), value: String(value) });
    const output = el("output", { for: name }, shown(value));
    input.addEventListener("input", () => { output.textContent = shown(input.value); });
    input.addEventListener("change", () => this.act({ do: "knob", name, value: meant(input.value) }));
    this[`${name}Shown`] = (turned) => {
      input.value = String(name === "speed" ? Math.log2(turned) : turned);
      output.textContent = shown(input.value);
    };
    return el("label", { for: name }, el("span", {}, label, " ", output), input);
  }

  turned(knobs) {
    this.speedShown(knobs.speed);
    this.latencyShown(knobs.latency);
    this.limits.value = knobs.limits;
  }

  state(told) {
    this.killing.disabled = told.bot !== "up";
    this.crowd.textContent = `${told.crowd} people ask at once`;
    this.real = told.real;
    for (const name of ["speed", "beside"]) document.getElementById(name).disabled = told.real;
    document.querySelector('[data-fault="cut"]').disabled = told.real;
  }

  show(told, platforms) {
    for (const name of platforms) {
      if (!this.cards.has(name)) this.cards.set(name, new Card(name));
      this.cards.get(name).show(told.platforms[name] ?? {}, told.budgets[name] ?? []);
    }
    redraw(this.meters, platforms.map((name) => [name, () => this.cards.get(name).box]));
    const open = told.models.filter((one) => one.state === "open").length;
    this.sum.textContent = this.real ? "Claude itself: its stream is not seen here" : `${told.open} ${told.open === 1 ? "connection" : "connections"} open`;
    this.modelCard.classList.toggle("busy", open > 0);
    redraw(this.models, told.models.map((one, at) => [`${at}`, () => el("li")]));
    told.models.forEach((one, at) => this.drawModel(this.models.children[at], one));
  }

  drawModel(row, one) {
    const stopped = one.stopped === null ? "" : ` ${milliseconds(one.stopped)} after 🛑`;
    const how = one.state === "open" ? `${Math.round(one.rate)} characters/s` : `${STATES[one.state]}${stopped}`;
    row.className = one.state;
    redraw(row, [[one.platform, () => el("b", {}, CALLED[one.platform])], [one.question, () => el("span", {}, one.question)], [how, () => el("em", {}, how)]]);
  }
}

// One platform's figures.
class Card {
  constructor(name) {
    this.name = name;
    this.seen = [];
    this.figures = {};
    const figure = (key, label, title) => {
      this.figures[key] = el("b", {}, "–");
      return el("div", { title }, this.figures[key], el("span", {}, label));
    };
    this.canvas = el("canvas", { width: 240, height: 44, role: "img", "aria-label": "Staleness in the last minute" });
    this.bars = el("div", { class: "bars" });
    this.box = el("section", { class: `card meter of-${name}`, "aria-label": `${CALLED[name]}: figures` }, el("h2", {}, CALLED[name], " ", this.sum = el("small")),
      el("div", { class: "figures" },
        figure("edits", "edits", "How often messages were changed"), figure("refused", "429s", "Calls that were refused as too many"),
        figure("stale", "behind", "Age of the oldest letter that the model has sent and no message shows"),
        figure("socket", "🛑 to model", "From a stop until the model's connection was closed"), figure("final", "🛑 to last edit", "From a stop until the answer's last edit")),
      this.canvas, this.bars);
  }

  show(told, budgets) {
    const { figures } = this;
    figures.edits.textContent = told.edits ?? 0;
    figures.refused.textContent = told.refused ?? 0;
    const others = Object.entries(told.others ?? {});
    figures.refused.nextSibling.textContent = others.length ? "429s *" : "429s";
    figures.refused.parentElement.title = ["Posts and edits that were refused as too many", others.length ? "* and other calls:" : "", ...others.map(([what, count]) => `${what}: ${count}`)].filter(Boolean).join("\n");
    figures.refused.classList.toggle("bad", told.refused > 0);
    figures.stale.textContent = `${(told.stale ?? 0).toFixed(1)} s`;
    figures.socket.textContent = milliseconds(told.socket);
    figures.final.textContent = milliseconds(told.final);
    this.sum.textContent = told.cut ? `${told.cut} left incomplete` : told.live ? `${told.live} growing, ${told.rate.toFixed(1)} edits/s` : "quiet";
    this.sum.classList.toggle("bad", told.cut > 0);
    this.plot(told.stale ?? 0);
    redraw(this.bars, chosen(budgets).map((one) => [`${one.what} ${one.where}`, () => bar(one)]));
    chosen(budgets).forEach((one, at) => fill(this.bars.children[at], one));
  }

  plot(stale) {
    const now = performance.now();
    this.seen.push([now, stale]);
    while (this.seen.length && this.seen[0][0] < now - SPAN) this.seen.shift();
    const { canvas } = this;
    const pen = canvas.getContext("2d");
    canvas.width = Math.max(1, canvas.clientWidth * devicePixelRatio);
    canvas.height = Math.max(1, canvas.clientHeight * devicePixelRatio);
    const top = Math.max(1.2, ...this.seen.map(([, value]) => value)) * 1.1;
    const [width, height] = [canvas.width, canvas.height];
    pen.clearRect(0, 0, width, height);
    pen.beginPath();
    this.seen.forEach(([at, value], number) => pen[number ? "lineTo" : "moveTo"](width - ((now - at) / SPAN) * width, height - 2 - (value / top) * (height - 6)));
    const colour = getComputedStyle(this.box).getPropertyValue("--line");
    pen.strokeStyle = colour;
    pen.lineWidth = 1.5 * devicePixelRatio;
    pen.lineJoin = "round";
    pen.stroke();
    pen.lineTo(width, height);
    pen.lineTo(width - ((now - this.seen[0][0]) / SPAN) * width, height);
    pen.globalAlpha = 0.16;
    pen.fillStyle = colour;
    pen.fill();
    pen.globalAlpha = 1;
  }
}

const milliseconds = (seconds) => (seconds === null || seconds === undefined ? "–" : seconds < 0.00995 ? `${(seconds * 1000).toFixed(1)} ms` : seconds < 1 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(1)} s`);

// The limits of writes, of each kind the fullest.
function chosen(budgets) {
  const fullest = new Map();
  for (const one of budgets) {
    if (!WRITES.includes(one.what)) continue;
    const other = fullest.get(one.what);
    if (!other || one.refuses > other.refuses || one.used / one.calls > other.used / other.calls) fullest.set(one.what, one);
  }
  return WRITES.map((what) => fullest.get(what)).filter(Boolean).slice(0, 3);
}

function bar() {
  return el("div", { class: "bar" }, el("span"), el("div", {}, el("i")), el("small"));
}

function fill(row, one) {
  const [label, { firstElementChild: inner }, figure] = row.children;
  label.textContent = CALLED[one.what];
  inner.style.width = `${Math.min(100, (one.used / one.calls) * 100)}%`;
  row.classList.toggle("full", one.refuses > 0);
  figure.textContent = one.refuses > 0 ? `refuses ${one.refuses.toFixed(1)} s` : `${one.used} of ${one.calls} in ${one.seconds} s`;
}
