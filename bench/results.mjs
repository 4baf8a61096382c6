// The file of results: one for a CPU and a day, one section a suite.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

/** `bench/results/<cpu>-<date>.md`, from the CPU's model and capability; nothing else of the machine is named. */
export function resultsPath(folder, { model, capability }, date) {
  const slug = `${model} ${capability}`
    .toLowerCase()
    .replace(/\((r|tm)\)|[^a-z0-9]+/g, ' ')
    .trim()
    .replace(/ +/g, '-');
  const day = [date.getFullYear(), date.getMonth() + 1, date.getDate()]
    .map((n) => String(n).padStart(2, '0'))
    .join('-');
  return `${folder}/${slug}-${day}.md`;
}

/** Puts a section into the text of a file, in place of the one of the same title, or at its end. */
export function withSection(text, title, body) {
  const [head = '', ...sections] = text.split(/^(?=## )/m);
  const others = sections.filter((section) => !section.startsWith(`## ${title}\n`));
  return [head.trim(), ...others.map((section) => section.trim()), `## ${title}\n\n${body.trim()}`]
    .filter((part) => part !== '')
    .join('\n\n')
    .concat('\n');
}

/** Writes a suite's section. */
export function writeSection(path, head, title, body) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, withSection(existsSync(path) ? readFileSync(path, 'utf8') : head, title, body));
}
