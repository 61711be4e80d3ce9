// Makes the editor quick: what is wrong is underlined while one types, names are completed, and the
// effect on all customers follows. Without this script the same form works with its buttons.

const form = document.getElementById("rule");
const status = document.getElementById("status");
const preview = document.getElementById("preview");
const editor = crypto.randomUUID();
const address = (path) => `${path}?name=${encodeURIComponent(form.dataset.name)}`;

function send(path, fields, signal) {
  return fetch(path, { method: "POST", body: fields, signal, headers: { "X-Part": "1" } });
}

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// -- underlines -----------------------------------------------------------------------------------
// A copy of the text lies behind each field, with the characters marked that something is about.

class Mirror {
  constructor(area) {
    this.area = area;
    this.marks = [];
    this.copy = element("div", { class: "mirror", "aria-hidden": "true" });
    area.before(this.copy);
    area.classList.add("mirrored");
    area.addEventListener("scroll", () => this.scroll());
    this.draw();
  }
  show(marks) {
    this.marks = [...marks].sort((a, b) => a.start - b.start);
    this.draw();
  }
  draw() {
    const text = this.area.value;
    this.copy.replaceChildren();
    let place = 0;
    for (const { start, end, is_warning: warning } of this.marks) {
      if (start < place || end > text.length) continue;
      const marked = element("mark", { class: warning ? "warning" : "error" }, text.slice(start, end));
      this.copy.append(text.slice(place, start), marked);
      place = end;
    }
    this.copy.append(`${text.slice(place)}\n`);
    this.fit();
  }
  // The field grows with its text.
  fit() {
    this.area.style.height = "auto";
    this.area.style.height = `${this.area.scrollHeight + 2}px`;
    this.scroll();
  }
  scroll() {
    this.copy.scrollTop = this.area.scrollTop;
    this.copy.scrollLeft = this.area.scrollLeft;
  }
  // Returns where a character stands, relative to the field.
  place(offset) {
    const probe = element("span", {}, "\u200b");
    const text = this.area.value;
    this.copy.replaceChildren(text.slice(0, offset), probe, text.slice(offset));
    const found = { left: probe.offsetLeft, top: probe.offsetTop + probe.offsetHeight };
    this.draw();
    return { left: found.left - this.area.scrollLeft, top: found.top - this.area.scrollTop };
  }
}

const mirrors = new Map();
for (const area of form.querySelectorAll("textarea")) mirrors.set(area.name, new Mirror(area));

// Replaces a part of a field so that the browser can undo it.
function replace(field, start, end, text) {
  field.focus();
  field.setSelectionRange(start, end);
  if (!document.execCommand("insertText", false, text)) {
    field.setRangeText(text, start, end, "end");
    field.dispatchEvent(new Event("input", { bubbles: true }));
  }
}

function explained(mark) {
  const kind = mark.is_warning ? "Warning" : "Error";
  const where = mark.place && !mark.field ? ` in ${mark.place}` : "";
  const item = element("li", { class: kind.toLowerCase() },
    element("strong", {}, `${kind}${where}:`), ` ${mark.message} `);
  if (mark.hint) item.append(element("span", { class: "quiet" }, mark.hint), " ");
  if (mark.fix) {
    const [start, end, text] = mark.fix;
    const button = element("button", { type: "button", class: "small" }, `Write ${text}`);
    button.addEventListener("click", () => replace(form.elements[mark.field], start, end, text));
    item.append(button);
  }
  return item;
}

function show(marks) {
  for (const holder of form.querySelectorAll("[data-found]")) {
    const own = marks.filter((mark) => mark.field === holder.dataset.found);
    holder.replaceChildren(...(own.length ? [element("ul", {}, ...own.map(explained))] : []));
    mirrors.get(holder.dataset.found)?.show(own);
    form.elements[holder.dataset.found]?.removeAttribute?.("aria-invalid");
  }
  for (const mark of marks.filter((one) => one.field && !one.is_warning)) {
    form.elements[mark.field]?.setAttribute("aria-invalid", "true");
  }
}

// -- checking and previewing ----------------------------------------------------------------------

let running = new AbortController();
let timer = 0;

async function check() {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const fields = new URLSearchParams(new FormData(form));
  fields.set("editor", editor);
  try {
    const answer = await send(address("/check"), fields, signal);
    if (!answer.ok) return fail(await answer.text());
    const { marks, errors, feel } = await answer.json();
    show(marks);
    for (const one of form.querySelectorAll("[data-feel]")) one.textContent = feel[one.dataset.feel] ?? "";
    status.textContent = errors ? `${errors === 1 ? "1 error" : `${errors} errors`}: ${marks.find((one) => !one.is_warning).message}` : "";
    if (errors) return;  // what was counted for an earlier text stays, dimmed
    const found = await send(address("/preview"), fields, signal);
    if (found.status === 409) return later();  // an older text has overtaken this one: ask again
    if (!found.ok) return fail(await found.text());
    const parts = ["written", "curves"];
    const before = parts.map((part) => document.getElementById(part)?.innerHTML ?? "");
    preview.innerHTML = await found.text();
    preview.classList.remove("old");
    status.textContent = preview.querySelector(".headline")?.textContent ?? "";
    parts.forEach((part, number) => fill(part, before[number], true));
    const examples = [...preview.querySelectorAll("#examples button[name=customer]")].slice(0, 3);
    for (const one of examples) fields.append("example", one.value);
    const others = await send(address("/more"), fields, signal);
    if (others.status === 409) return;  // a newer text of this editor is under way
    if (!others.ok) return fail(await others.text());
    const more = await others.json();
    for (const part of parts) fill(part, more[part], false);
  } catch (error) {
    if (error.name !== "AbortError") fail("<p>The console does not answer: is it still running?</p>");
  }
}

function fail(html) {
  preview.innerHTML = html;
  preview.classList.remove("old");
}

// Shows a part that follows a preview; until the new one is there, the one before is dimmed.
function fill(part, html, isOld) {
  const holder = document.getElementById(part);
  holder.innerHTML = html;
  holder.classList.toggle("old", isOld);
  prepareSliders();
}

function later() {
  clearTimeout(timer);
  preview.classList.add("old");
  timer = setTimeout(check, 150);
}

let isChanged = "unsaved" in form.dataset;
form.addEventListener("submit", () => { isChanged = false; });
addEventListener("beforeunload", (event) => isChanged && event.preventDefault());
form.addEventListener("input", (event) => {
  isChanged = true;
  mirrors.get(event.target.name)?.show([]);
  later();
});
form.addEventListener("change", ({ target }) => {  // the customer's fields need other inputs
  if (!target.name?.endsWith(".measure")) return;
  const has = Boolean(form.elements[target.name.replace(/measure$/, "field")]);
  const button = form.querySelector("button[value=try]");
  if (has !== (target.value === "customer")) form.requestSubmit(button);
});
form.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.tagName === "INPUT") {  // it would submit the form
    event.preventDefault();
    check();
  }
});
form.addEventListener("click", async (event) => {
  const button = event.target.closest("button[name=customer], button[value=try]");
  if (!button) return;
  event.preventDefault();
  if (button.value === "try") return check();
  const holder = button.nextElementSibling;
  const isOpen = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!isOpen));
  if (isOpen) return holder.replaceChildren();
  const fields = new URLSearchParams(new FormData(form));
  fields.set("customer", button.value);
  holder.innerHTML = await (await send(address("/example"), fields)).text();
});

// -- thresholds -----------------------------------------------------------------------------------
// A threshold is dragged along its curve: its row is marked, and the number is written once it is let go.

function dragged(event) {
  const slider = event.target;
  if (slider.type !== "range") return;
  event.stopPropagation();
  const holder = slider.closest(".threshold");
  const rows = [...holder.previousElementSibling.querySelectorAll("tbody tr")];
  rows.forEach((row, number) => row.classList.toggle("now", number === Number(slider.value)));
  const [name, reach] = rows[slider.value].children;
  const number = name.firstChild.textContent.trim();
  slider.setAttribute("aria-valuetext", `${number}: ${reach.textContent}`);
  holder.querySelector("output").textContent = number;
  if (event.type !== "change") return;
  replace(form.elements.when, Number(slider.dataset.start), Number(slider.dataset.end), number);
}

function prepareSliders() {
  for (const one of preview.querySelectorAll(".threshold")) one.hidden = false;
}

preview.addEventListener("input", dragged);
preview.addEventListener("change", dragged);

// -- completion -----------------------------------------------------------------------------------

class Completion {
  constructor(area, mirror) {
    Object.assign(this, { area, mirror, options: [], chosen: 0, start: 0, asked: new AbortController() });
    this.list = element("ul", { role: "listbox", id: `${area.id}-options`, class: "options", "aria-label": "Suggestions" });
    this.list.hidden = true;
    area.parentElement.append(this.list);
    area.setAttribute("aria-autocomplete", "list");
    area.addEventListener("input", (event) => event.isTrusted && this.ask(false));
    area.addEventListener("keydown", (event) => this.press(event));
    area.addEventListener("blur", () => this.close());
    this.list.addEventListener("mousedown", (event) => {
      event.preventDefault();  // the field keeps the focus
      const item = event.target.closest("[role=option]");
      if (item) this.take(Number(item.dataset.number));
    });
  }
  async ask(always) {
    const { area } = this;
    const position = area.selectionStart;
    const before = area.value.slice(0, position);
    if (!always && !/[\w"[.( ]$/.test(before)) return this.close();
    this.asked.abort();
    this.asked = new AbortController();
    const fields = new URLSearchParams({ text: area.value, position, kind: area.dataset.kind });
    for (const name of this.usable()) fields.append("value", name);
    try {
      const answer = await send("/complete", fields, this.asked.signal);
      if (!answer.ok || area.selectionStart !== position || document.activeElement !== area) return;
      const { start, options } = await answer.json();
      const typed = area.value.slice(start, position);
      const isWhole = options.length === 1 && options[0].insert === typed;
      if (!options.length || isWhole || (!always && !typed && !/["[.]$/.test(before))) return this.close();
      this.open(start, options);
    } catch (error) {
      if (error.name !== "AbortError") this.close();
    }
  }
  // Returns the names of values that this text may use: a value may use those before it.
  usable() {
    const own = /^values\.(\d+)\.feel$/.exec(this.area.name);
    const names = [...form.querySelectorAll("input[name^='values.'][name$='.name']")];
    return own ? names.slice(0, Number(own[1])).map((one) => one.value.trim()).filter(Boolean) : [];
  }
  open(start, options) {
    Object.assign(this, { start, options, chosen: 0 });
    this.list.replaceChildren(...options.map((one, number) => element("li",
      { role: "option", id: `${this.list.id}-${number}`, "data-number": number },
      element("span", { class: "label" }, one.label), " ",
      element("span", { class: "quiet" }, one.detail + (one.doc ? ` · ${one.doc}` : "")))));
    const { left, top } = this.mirror.place(start);
    this.list.hidden = false;
    const room = this.area.parentElement.clientWidth - this.list.offsetWidth;
    this.list.style.left = `${Math.max(0, Math.min(left, room))}px`;
    this.list.style.top = `${top + 2}px`;
    this.area.setAttribute("aria-controls", this.list.id);
    status.textContent = `${options.length} suggestions`;
    this.choose(0);
  }
  close() {
    this.asked.abort();
    this.list.hidden = true;
    this.area.removeAttribute("aria-activedescendant");
    this.area.removeAttribute("aria-controls");
  }
  choose(number) {
    this.chosen = (number + this.options.length) % this.options.length;
    for (const item of this.list.children) {
      item.setAttribute("aria-selected", String(Number(item.dataset.number) === this.chosen));
    }
    const item = this.list.children[this.chosen];
    item.scrollIntoView({ block: "nearest" });
    this.area.setAttribute("aria-activedescendant", item.id);
  }
  take(number) {
    const { insert } = this.options[number];
    let end = this.area.selectionStart;
    if (insert.endsWith('"') && this.area.value[end] === '"') end += 1;
    this.close();
    replace(this.area, this.start, end, insert);
    if (insert.endsWith("(")) this.ask(true);
  }
  press(event) {
    if (event.key === " " && event.ctrlKey) {
      event.preventDefault();
      this.ask(true);
    } else if (!this.list.hidden) {
      const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
      if (step) this.choose(this.chosen + step);
      else if (event.key === "Enter") this.take(this.chosen);
      else if (event.key === "Escape") this.close();
      else return;  // Tab leaves the field
      event.preventDefault();
    }
  }
}

for (const area of form.querySelectorAll("textarea[data-kind]")) {
  if (area.dataset.kind !== "yaml") new Completion(area, mirrors.get(area.name));
}
addEventListener("resize", () => mirrors.forEach((mirror) => mirror.fit()));
check();
