// Files that go out with the next question: picked, dropped or pasted, and sent in pieces before it.

import { piece, Refused } from "./wire.js";

const PIECE = 512 * 1024;
const MOST = 10;

export class Files {
  constructor(list, complain) {
    this.list = list;
    this.complain = complain;
    this.all = [];
    this.most = 20_000_000;
  }

  add(talk, files) {
    for (const file of files) {
      if (this.all.length >= MOST) return this.complain(`A question may have ${MOST} files.`);
      if (!file.size || file.size > this.most) {
        this.complain(`${file.name} has nothing in it, or more than ${Math.floor(this.most / 1e6)} MB.`);
        continue;
      }
      const one = { file, key: "", row: this.row(file) };
      one.row.querySelector("button").onclick = () => this.drop(one);
      this.all.push(one);
      one.sent = this.send(talk, one).catch((error) => {
        this.drop(one);
        this.complain(error instanceof Refused ? error.message : `${file.name} can't be read.`);
      });
    }
  }

  async send(talk, one) {
    const { file } = one;
    const told = new URLSearchParams({ name: file.name, type: file.type, size: file.size });
    const name = newId();
    for (let at = 0; at < file.size; at += PIECE) {
      if (one.dropped) return;
      const path = `/web/files/${talk}/${name}?${told}&offset=${at}`;
      const answer = await piece(path, await file.slice(at, at + PIECE).arrayBuffer());
      one.row.querySelector("progress").value = (at + PIECE) / file.size;
      if (answer.whole) one.key = answer.key;
    }
    one.row.classList.add("whole");
  }

  // Returns the keys of all, once they are sent.
  async take() {
    await Promise.all(this.all.map((one) => one.sent));
    return this.all.map((one) => one.key).filter(Boolean);
  }

  clear() {
    for (const one of [...this.all]) this.drop(one);
  }

  drop(one) {
    one.dropped = true;
    one.row.remove();
    this.all = this.all.filter((each) => each !== one);
  }

  row(file) {
    const row = document.createElement("li");
    const name = document.createElement("bdi");
    name.textContent = file.name;
    const progress = document.createElement("progress");
    progress.value = 0;
    progress.ariaLabel = `${file.name} is being sent`;
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.ariaLabel = `Take ${file.name} away`;
    button.textContent = "×";
    row.append(name, progress, button);
    this.list.append(row);
    return row;
  }
}

export function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_");
}
