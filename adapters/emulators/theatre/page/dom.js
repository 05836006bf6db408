// Builds elements.  Text only ever becomes text: nothing here, or anywhere in the page, reads HTML.

export function el(name, props = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === "class") made.className = value;
    else if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "data") Object.assign(made.dataset, value);
    else if (key in made && typeof value !== "string") made[key] = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

// Makes `box` hold `parts`, [key, make] each: what has the same key stays the element that it is.
export function redraw(box, parts) {
  parts.forEach(([key, make], at) => {
    const there = box.children[at];
    if (there && there.drawnFrom === key) return;
    const made = make();
    made.drawnFrom = key;
    if (there) there.replaceWith(made);
    else box.append(made);
  });
  while (box.children.length > parts.length) box.lastElementChild.remove();
}

export function clock(seconds) {
  return new Date(seconds * 1000).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
}

// A colour that belongs to a name.
export function hue(name) {
  let sum = 7;
  for (const letter of name) sum = (sum * 31 + letter.codePointAt(0)) % 360;
  return sum;
}
