// One side of a comparison: a program that stays warm between its turns. It takes one JSON request a line on standard input and
// answers each with one JSON line on standard output; ours/serve.mjs and peers/serve.py are the other end.
//
//   {"prepare": {...}}  ->  {"baseRssMB": n, ...}   makes everything ready; baseRssMB is what the process takes before that
//   {"times": n}        ->  {"ms": [n numbers], "parts": [n objects], "cpuMs": n, "peakRssMB": n}
//   anything            ->  {"error": "..."}        when it fails
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { BenchError } from './benchError.mjs';

const running = new Set();
process.on('exit', closeAll);

/** Ends every side that still runs: without it this process would wait for them. */
export function closeAll() {
  for (const side of running) side.close();
}

const ANSWER_LIMIT_MS = 600_000;
const KEPT_CHARACTERS = 4000; // of what it says on standard error

export class Side {
  #child;
  #answers;
  #lastWords = '';
  #limitMs;
  #options;

  /**
   * Starts it.
   * @param name what the table calls it
   * @param command interpreter, script and arguments
   * @param threads of its engine
   * @param options what it alone is told to prepare; isOptional: others are compared without it when it cannot be made ready
   * within limitMs
   */
  constructor(name, command, threads, { options = {}, isOptional = false, limitMs = ANSWER_LIMIT_MS } = {}) {
    this.name = name;
    this.isOptional = isOptional;
    this.#options = options;
    this.#limitMs = limitMs;
    const [program, ...args] = command;
    const env = { ...process.env, OMP_NUM_THREADS: String(threads) };
    // A group of its own, so that what it starts (workers, compilers) ends with it.
    this.#child = spawn(program, args, { env, stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    running.add(this);
    this.#child.on('error', (error) => this.#hear(error.message));
    this.#child.stdin.on('error', () => undefined); // the answer that does not come tells of it
    this.#child.stderr.setEncoding('utf8').on('data', (text) => this.#hear(text));
    this.#answers = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** Makes it ready; resolves to what it says of itself. @throws BenchError */
  prepare(options) {
    return this.#ask({ prepare: { ...options, ...this.#options } }, this.#limitMs);
  }

  /** Lets it do its work `times` times. @throws BenchError */
  run(times) {
    return this.#ask({ times }, ANSWER_LIMIT_MS);
  }

  /** Ends it, and everything that it has started. */
  close() {
    running.delete(this);
    this.#child.stdin.end();
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch (error) {
      if (error.code !== 'ESRCH') throw error; // it had ended already
    }
  }

  async #ask(request, limitMs) {
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const answer = await withLimit(this.#answers.next(), limitMs);
    if (answer === undefined) throw this.#failure(`must answer within ${limitMs / 1000} s, got nothing`);
    if (answer.done) throw this.#failure(`must go on, got its end: ${this.#lastWords.trim() || 'without a message'}`);
    const result = JSON.parse(answer.value);
    if (result.error !== undefined) throw this.#failure(`must do its work, got ${result.error.trim()}`);
    return result;
  }

  #hear(text) {
    this.#lastWords = (this.#lastWords + text).slice(-KEPT_CHARACTERS);
  }

  #failure(text) {
    return new BenchError(`bench: ${this.name} ${text}`);
  }
}

/** The promise's value, or undefined when it takes longer. */
async function withLimit(promise, limitMs) {
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, limitMs)));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
