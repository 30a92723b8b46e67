// Compiles a .ksy file in debug mode, so that the parser records where each field lies.
// What the description says about each type and field goes into NAME.words.json: the compiler drops it.
// Usage: node compile.mjs LANGUAGE KSY_FILE OUTPUT_FOLDER
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import compiler from "kaitai-struct-compiler";
import yaml from "js-yaml";

const [language, ksyFile, outputFolder] = process.argv.slice(2);
const description = yaml.load(readFileSync(ksyFile, "utf8"));
const guest = ksyFile.startsWith("guest/"); // qcow2 has code of its own for the values of its fields
const files = await compiler.compile(language, description, null, true);
for (const [name, text] of Object.entries(files)) {
  writeFileSync(join(outputFolder, name), text);
}

const text = (doc) => (doc ?? "").trim().replace(/\s*\n\s*/g, " ");
const section = (node) => (node["doc-ref"] ?? "").replace(/^\S*\s*/, "");

// How a value is to be read: `-unit` (unix, filetime, guid, …), `-flags` (bit to name), and the names of an enumeration.
function readings(field) {
  const found = {};
  if (field["-unit"]) found.unit = field["-unit"];
  if (field["-flags"]) found.flags = field["-flags"];
  if (field.enum && guest) found.values = description.enums[field.enum];
  return found;
}

function typeOf(field) {
  if (typeof field.type === "string") return field.type;
  return guest && field.type ? Object.values(field.type.cases).join("|") : "";
}

function wordsOfType(node) {
  const fields = {};
  for (const field of node.seq ?? []) {
    fields[field.id] = { name: field["-orig-id"] ?? "", type: typeOf(field), doc: text(field.doc), ...readings(field) };
  }
  for (const [id, instance] of Object.entries(node.instances ?? {})) {
    fields[id] = { name: instance["-orig-id"] ?? "", type: "", doc: text(instance.doc) };
  }
  return { doc: text(node.doc), spec: section(node), fields };
}

const words = { [description.meta.id]: wordsOfType(description) };
for (const [name, node] of Object.entries(description.types)) {
  words[name] = wordsOfType(node);
}
writeFileSync(join(outputFolder, `${description.meta.id}.words.json`), JSON.stringify(words, null, 1) + "\n");
