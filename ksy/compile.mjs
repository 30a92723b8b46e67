// Compiles a .ksy file in debug mode, so that the parser records where each field lies.
// Usage: node compile.mjs LANGUAGE KSY_FILE OUTPUT_FOLDER
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import compiler from "kaitai-struct-compiler";
import yaml from "js-yaml";

const [language, ksyFile, outputFolder] = process.argv.slice(2);
const description = yaml.load(readFileSync(ksyFile, "utf8"));
const files = await compiler.compile(language, description, null, true);
for (const [name, text] of Object.entries(files)) {
  writeFileSync(join(outputFolder, name), text);
}
