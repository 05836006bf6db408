// What a screen reader is told of an answer that grows: whole sentences, a few at a time.

const END = /[.!?…:。！？](?=["'”’)\]]*(\s|$))|\n(?=\S)/g;
const PAUSE = 900;

export class Speech {
  constructor(place) {
    this.place = place;
    this.said = new Map();
    this.ready = [];
  }

  // Takes the blocks of a message; `whole` when no more is to come.  Looks only at those that are new.
  take(key, blocks, whole) {
    const at = this.said.get(key) ?? { block: 0, character: 0 };
    while (at.block < blocks.length) {
      const last = at.block === blocks.length - 1;
      const text = told(blocks[at.block]);
      const end = last && !whole ? sentences(text) : text.length;
      if (end > at.character) this.ready.push(text.slice(at.character, end).trim());
      at.character = Math.max(end, at.character);
      if (last) break;
      at.block += 1;
      at.character = 0;
    }
    this.said.set(key, at);
    this.timer ??= setTimeout(() => this.speak(), PAUSE);
  }

  // Lets what is there already be: a page that was opened anew does not read everything aloud.
  skip(key, blocks) {
    const last = blocks.length - 1;
    this.said.set(key, { block: Math.max(0, last), character: last < 0 ? 0 : told(blocks[last]).length });
  }

  say(line) {
    this.ready.push(line);
    this.timer ??= setTimeout(() => this.speak(), PAUSE);
  }

  speak() {
    this.timer = undefined;
    const line = this.ready.filter(Boolean).join(" ");
    this.ready = [];
    if (!line) return;
    const paragraph = document.createElement("p");
    paragraph.textContent = line;
    while (this.place.childElementCount > 2) this.place.firstChild.remove();
    this.place.append(paragraph);
  }
}

function told(block) {
  const code = block.querySelector("figure.code");
  return code ? `Code${code.dataset.language ? `, ${code.dataset.language}` : ""}. ` : block.textContent;
}

function sentences(text) {
  let end = 0;
  for (const found of text.matchAll(END)) end = found.index + found[0].length;
  return end;
}
