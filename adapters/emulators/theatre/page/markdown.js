// Draws what people and bots write: Slack's markdown blocks and mrkdwn, and Discord's markdown.
// It makes elements from a text, block by block; what it does not know stays text.

import { el } from "./dom.js";

const FENCE = /^(\s*)(`{3,})\s*([\w+#.-]*)\s*$/;
const ITEM = /^(\s*)(?:([-*+•◦▪])|(\d{1,9})[.)])\s+(.*)$/;
const RULE = /^ {0,3}(?:-{3,}|\*{3,}|_{3,})\s*$/;
const DELIMITER = /^\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*$/;

// What each way of writing has, beside fences, quotes and text.
const DIALECTS = {
  markdown: { heading: /^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$/, lists: true, tables: true, rules: true },
  mrkdwn: {},
  discord: { heading: /^ ?(#{1,3})\s+(.+)$/, small: /^-#\s+(.*)$/, lists: true },
};

// Returns [key, make] for each block of `text`; `names` says who and what its tokens mean.
export function blocks(text, dialect, names) {
  const lines = text.split("\n");
  const found = [];
  for (let at = 0; at < lines.length; ) {
    const [end, make] = block(lines, at, dialect, names);
    if (make) found.push([`${dialect} ${lines.slice(at, end).join("\n")}`, make]);
    at = end;
  }
  return found;
}

function block(lines, at, dialect, names) {
  const knows = DIALECTS[dialect];
  const line = lines[at];
  const draw = (piece) => inline(piece, dialect, names);
  const fence = line.match(FENCE);
  if (fence) return fenced(lines, at, fence);
  if (!line.trim()) return [at + 1, null];
  if (/^ {0,3}> ?/.test(line)) {
    const end = run(lines, at, (each) => /^ {0,3}> ?/.test(each));
    const inner = lines.slice(at, end).map((each) => each.replace(/^ {0,3}> ?/, "")).join("\n");
    return [end, () => el("blockquote", {}, blocks(inner, dialect, names).map(([, make]) => make()))];
  }
  const heading = knows.heading && line.match(knows.heading);
  if (heading) return [at + 1, () => el("p", { class: `h${heading[1].length}` }, draw(heading[2]))];
  const small = knows.small && line.match(knows.small);
  if (small) return [at + 1, () => el("p", { class: "small" }, draw(small[1]))];
  if (knows.rules && RULE.test(line)) return [at + 1, () => el("hr")];
  if (knows.tables && line.includes("|") && DELIMITER.test(lines[at + 1] ?? "")) {
    const end = run(lines, at + 2, (each) => each.includes("|") && each.trim());
    return [end, () => table(lines.slice(at, end), draw)];
  }
  if (knows.lists && ITEM.test(line)) {
    const end = run(lines, at + 1, (each) => ITEM.test(each) || /^\s{2,}\S/.test(each));
    return [end, () => list(lines.slice(at, end), draw)];
  }
  const end = run(lines, at + 1, (each) => each.trim() && !begins(each, knows));
  return [end, () => el("p", {}, draw(lines.slice(at, end).join("\n")))];
}

function begins(line, knows) {
  return (
    FENCE.test(line) || /^ {0,3}> /.test(line) || (knows.heading && knows.heading.test(line)) ||
    (knows.small && knows.small.test(line)) || (knows.rules && RULE.test(line)) || (knows.lists && ITEM.test(line))
  );
}

function run(lines, at, same) {
  while (at < lines.length && same(lines[at])) at++;
  return at;
}

function fenced(lines, at, fence) {
  const close = new RegExp(`^\\s*\`{${fence[2].length},}\\s*$`);
  let end = at + 1;
  while (end < lines.length && !close.test(lines[end])) end++;
  const code = lines.slice(at + 1, end).join("\n");
  return [Math.min(end + 1, lines.length), () => el("pre", { tabindex: "0", data: { language: fence[3] } }, el("code", {}, code))];
}

function cells(line) {
  return line.trim().replace(/^\||\|$/g, "").split(/(?<!\\)\|/).map((each) => each.trim().replaceAll("\\|", "|"));
}

function table([head, rule, ...rows], draw) {
  const sides = cells(rule).map((each) => (each.endsWith(":") ? (each.startsWith(":") ? "center" : "right") : ""));
  const row = (line, name) => el("tr", {}, cells(line).map((each, at) => el(name, { class: sides[at] || null }, draw(each))));
  const made = el("table", {}, el("thead", {}, row(head, "th")), el("tbody", {}, rows.map((line) => row(line, "td"))));
  return el("div", { class: "table", tabindex: "0" }, made);
}

function list(lines, draw) {
  const root = { indent: -1, box: el("div") };
  const open = [root];
  for (const line of lines) {
    const item = line.match(ITEM);
    if (!item) {
      open.at(-1).last?.append("\n", ...draw(line.trim()));
      continue;
    }
    const indent = item[1].length;
    while (open.length > 1 && indent < open.at(-1).indent) open.pop();
    if (indent > open.at(-1).indent) {
      const box = item[3] ? el("ol", { start: item[3] }) : el("ul");
      (open.at(-1).last ?? open.at(-1).box).append(box);
      open.push({ indent, box });
    }
    const made = el("li", {}, draw(item[4]));
    open.at(-1).box.append(made);
    open.at(-1).last = made;
  }
  return root.box;
}

// Inline: the first rule that holds at a place is taken.

const WEB = /^(?:https?:\/\/|mailto:)/i;
const BARE = /https?:\/\/[^\s<>|)\]"']*[^\s<>|)\]"'.,:;!?*_~`]/y;
const MARKS = {
  markdown: [["***", "strong em"], ["**", "strong"], ["__", "strong"], ["~~", "s"], ["*", "em"], ["_", "em"]],
  mrkdwn: [["*", "strong"], ["_", "em"], ["~", "s"]],
  discord: [["***", "strong em"], ["**", "strong"], ["__", "u"], ["~~", "s"], ["||", "span"], ["*", "em"], ["_", "em"]],
};
const ENTITIES = { amp: "&", lt: "<", gt: ">", quot: '"' };

export function inline(text, dialect, names) {
  const made = [];
  let plain = "";
  let at = 0;
  const put = (node, length) => {
    if (plain) made.push(plain);
    plain = "";
    made.push(node);
    at += length;
  };
  while (at < text.length) {
    const node = special(text, at, dialect, names);
    if (node && node[0] === null) {
      plain += node[2];
      at += node[1];
    } else if (node) put(node[0], node[1]);
    else plain += text[at++];
  }
  if (plain) made.push(plain);
  return made.flatMap(broken);
}

// Line feeds are shown.
function broken(node) {
  if (typeof node !== "string") return [node];
  return node.split("\n").flatMap((line, at) => (at ? [el("br"), line] : [line]));
}

function special(text, at, dialect, names) {
  const rest = text.slice(at);
  switch (text[at]) {
    case "\\":
      return dialect !== "mrkdwn" && /^\\[!-/:-@[-`{-~]/.test(rest) ? [null, 2, rest[1]] : null;
    case "&":
      return entity(rest, dialect);
    case "`":
      return code(rest);
    case "<":
      return token(rest, dialect, names);
    case "[":
      return dialect === "mrkdwn" ? null : labelled(rest, dialect, names);
    case "h":
      return bare(text, at);
    default:
      return emphasis(text, at, dialect, names);
  }
}

function entity(rest, dialect) {
  if (dialect === "discord") return null;
  const found = rest.match(/^&(?:(amp|lt|gt|quot)|#(\d{1,6})|#x([\da-f]{1,5}));/i);
  if (!found) return null;
  const shown = found[1] ? ENTITIES[found[1].toLowerCase()] : String.fromCodePoint(Number.parseInt(found[2] ?? found[3], found[2] ? 10 : 16));
  return [null, found[0].length, shown];
}

function code(rest) {
  const found = rest.match(/^(`+)(?!`)([\s\S]*?[^`])\1(?!`)/);
  return found ? [el("code", {}, found[2].replace(/^ (.*) $/, "$1")), found[0].length] : null;
}

function token(rest, dialect, names) {
  const found = rest.match(/^<([^<>\n]+)>/);
  if (!found) return null;
  const [inner, label] = found[1].split("|");
  const shown = names(inner, dialect);
  if (shown) return [el("span", { class: "mention" }, shown), found[0].length];
  return WEB.test(inner) ? [link(inner, [label || inner]), found[0].length] : null;
}

function labelled(rest, dialect, names) {
  const found = rest.match(/^\[((?:[^[\]\\\n]|\\.)+)\]\(<?(https?:\/\/[^\s()<>]+)>?(?:\s+"[^"]*")?\)/i);
  return found ? [link(found[2], inline(found[1], dialect, names)), found[0].length] : null;
}

function bare(text, at) {
  BARE.lastIndex = at;
  const found = BARE.exec(text);
  return found ? [link(found[0], [found[0]]), found[0].length] : null;
}

function link(address, shown) {
  const known = WEB.test(address);
  return known ? el("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, shown) : el("span", {}, shown);
}

function emphasis(text, at, dialect, names) {
  for (const [mark, tags] of MARKS[dialect]) {
    if (!text.startsWith(mark, at) || /\s/.test(text[at + mark.length] ?? " ")) continue;
    const inWord = mark[0] === "_" || dialect === "mrkdwn";
    if (inWord && /\w/.test(text[at - 1] ?? "")) continue;
    let end = text.indexOf(mark, at + mark.length);
    while (end > 0 && (/\s/.test(text[end - 1]) || (mark.length === 1 && text[end + 1] === mark) || (inWord && /\w/.test(text[end + mark.length] ?? "")))) {
      end = text.indexOf(mark, end + (text[end + 1] === mark ? 2 : 1));
    }
    if (end <= at + mark.length) continue;
    const inner = inline(text.slice(at + mark.length, end), dialect, names);
    const node = tags.split(" ").reduceRight((made, tag) => [el(tag, tag === "span" ? { class: "spoiler", tabindex: "0" } : {}, made)], inner);
    return [node[0], end + mark.length - at];
  }
  return null;
}
