/** Where the program's words go: results to standard output, the rest to standard error. */
import type { FailureLine } from '../protocol/failure.js';

/** Writes a line for people. */
export function say(text: string): void {
  endLiveLine();
  process.stderr.write(`${printable(text)}\n`);
}

/** The text with its control characters written out (`\\x1b`): names of files may hold them, and a terminal would obey. */
export function printable(text: string): string {
  return text.replace(
    /(?![\n\t])\p{Cc}/gu,
    (character) => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

/** Writes a result: with `--json` one JSON object, which is the last line of standard output, else text. */
export function printResult(result: object, text: string, isJson: boolean): void {
  endLiveLine();
  process.stdout.write(isJson ? `${JSON.stringify(result)}\n` : text === '' ? '' : `${printable(text)}\n`);
}

/** Writes why the command failed; with `--json` also as one JSON object, the last line of standard output. */
export function printError(failure: FailureLine, isJson: boolean): void {
  say(failure.error);
  if (isJson) process.stdout.write(`${JSON.stringify(failure)}\n`);
}

let hasLiveLine = false;

/** A line that the next one replaces, on a terminal; elsewhere nothing, since a log wants whole lines. */
export function showLive(text: string): void {
  if (!process.stderr.isTTY) return;
  const width = Math.max(20, process.stderr.columns - 1);
  process.stderr.write(`\r\x1b[2K${printable(text).slice(0, width)}`);
  hasLiveLine = true;
}

const PLAIN_EVERY_MS = 10_000;

/** Progress as texts that replace each other: live on a terminal, elsewhere a whole line now and then. */
export function plainOrLive(): (text: string) => void {
  let saidAt = -Infinity;
  return (text) => {
    showLive(text);
    const now = performance.now();
    if (process.stderr.isTTY || now - saidAt < PLAIN_EVERY_MS) return;
    saidAt = now;
    say(text);
  };
}

/** Progress in which some texts are live (`plainOrLive`) and the others stay, each on a line of its own. */
export function noticesAndLive(): (text: string, isLive: boolean) => void {
  const show = plainOrLive();
  return (text, isLive) => (isLive ? show(text) : say(text));
}

/** Ends the live line, so that what follows has a line of its own. */
export function endLiveLine(): void {
  if (hasLiveLine) process.stderr.write('\n');
  hasLiveLine = false;
}

/** `[=====>    ]` */
export function barText(fraction: number, width = 20): string {
  const done = Math.round(Math.min(1, fraction) * width);
  return `[${'='.repeat(done)}${' '.repeat(width - done)}]`;
}
