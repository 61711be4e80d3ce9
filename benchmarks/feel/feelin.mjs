// feelin, a FEEL in JavaScript: node feelin.mjs SECONDS, with {rules, facts} on standard input.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import { join } from "node:path";

const require = createRequire(join(process.cwd(), "index.js"));
const { evaluate } = await import(pathToFileURL(require.resolve("feelin")).href);
const { rules, facts } = JSON.parse(readFileSync(0, "utf8"));
const seconds = Number(process.argv[2]);
const found = {};
for (const [name, text] of Object.entries(rules)) {
  try {
    const answer = evaluate(text, facts).value;
    let count = 0;
    const began = performance.now();
    while (performance.now() - began < seconds * 1000) { evaluate(text, facts); count += 1; }
    found[name] = { answer, seconds: (performance.now() - began) / 1000 / count };
  } catch (error) {
    found[name] = { error: String(error).slice(0, 100) };
  }
}
console.log(JSON.stringify(found));
