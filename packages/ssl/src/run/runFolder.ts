/**
 * The run folder: what training writes and everything else reads. Its layout is documented in docs/run-folder.md.
 */
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  closeSync,
  existsSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
} from 'node:fs';
import { join } from 'node:path';
import { configText, readConfigFile } from '../config/recipe.js';
import type { Config } from '../config/schema.js';
import { RunError } from '../errors.js';
import { makeFolder } from '../makeFolder.js';
import type { RunEvent } from '../protocol/events.js';
import { INIT_VERSION, type InitReport } from '../protocol/init.js';
import type { MetricRow } from '../protocol/metrics.js';
import { type EvalReport, REPORT_VERSION } from '../protocol/report.js';
import { RUN_VERSION, type RunManifest } from '../protocol/run.js';
import { diskError, writeAtomic } from './files.js';
import { isLeftLocked } from './lock.js';
import { parseJson, readVersioned } from './versioned.js';

const INIT_REPORT = 'reports/init.json';

/** Paths and small files of one run. Checkpoints are in checkpoint.ts. */
export class RunFolder {
  readonly #metrics: string;
  readonly #events: string;

  private constructor(readonly path: string) {
    this.#metrics = join(path, 'metrics.jsonl');
    this.#events = join(path, 'events.jsonl');
  }

  /**
   * Makes the folder of a new run.
   * @throws RunError when it holds anything, or cannot be made
   */
  static create(path: string, config: Config): RunFolder {
    requireEmpty(path);
    const folder = new RunFolder(path);
    try {
      for (const name of ['checkpoints', 'images', 'export', 'reports']) makeFolder(join(path, name));
    } catch (error) {
      throw diskError(path, error);
    }
    writeAtomic(join(path, 'config.yaml'), configText(config));
    return folder;
  }

  /** The folder of a run that exists. Throws RunError when it is none. */
  static open(path: string): RunFolder {
    if (!existsSync(join(path, 'run.json'))) {
      throw new RunError(
        `run: must be the folder of a run, got ${path} without run.json; start one with halfway pretrain`,
      );
    }
    return new RunFolder(path);
  }

  config(): Config {
    return readConfigFile(join(this.path, 'config.yaml'));
  }

  /** sha256 of config.yaml as it is on disk. */
  configSha256(): string {
    return createHash('sha256')
      .update(readFileSync(join(this.path, 'config.yaml')))
      .digest('hex');
  }

  /** run.json. Throws RunError when it is damaged or of another version. */
  manifest(): RunManifest {
    return readVersioned(join(this.path, 'run.json'), RUN_VERSION) as RunManifest;
  }

  writeManifest(manifest: RunManifest): void {
    writeAtomic(join(this.path, 'run.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  }

  /** reports/init.json, of a run that started from weights and measured them; undefined of others. Throws RunError as `manifest` does. */
  initReport(): InitReport | undefined {
    const path = join(this.path, INIT_REPORT);
    return existsSync(path) ? (readVersioned(path, INIT_VERSION) as InitReport) : undefined;
  }

  writeInitReport(report: InitReport): void {
    writeAtomic(join(this.path, INIT_REPORT), `${JSON.stringify(report)}\n`);
  }

  /** What `halfway eval --step` found in the features that the run names, by step. Throws RunError as `manifest` does. */
  stepReports(): { readonly step: number; readonly report: EvalReport }[] {
    const folder = join(this.path, 'reports');
    const name = new RegExp(`^eval-${this.config().eval.features}-step-(\\d+)\\.json$`);
    const found = readdirSync(folder).flatMap((file) => {
      const step = name.exec(file)?.[1];
      if (step === undefined) return [];
      const path = join(folder, file);
      return [{ step: Number(step), report: readVersioned(path, REPORT_VERSION) as EvalReport }];
    });
    return found.sort((a, b) => a.step - b.step);
  }

  appendMetrics(row: MetricRow): void {
    append(this.#metrics, `${JSON.stringify(row)}\n`);
  }

  /** The rows of metrics.jsonl; a last line that a crash cut off is left out. */
  metrics(): MetricRow[] {
    return this.#metricLines().map((line) => parseJson(this.#metrics, line) as MetricRow);
  }

  /** Cuts metrics.jsonl back to the rows up to `step`, so that a resumed run does not have rows twice. */
  cutMetrics(step: number): void {
    let keptBytes = 0;
    for (const line of this.#metricLines()) {
      if ((parseJson(this.#metrics, line) as MetricRow).step > step) break;
      keptBytes += Buffer.byteLength(line) + 1;
    }
    if (existsSync(this.#metrics)) truncateSync(this.#metrics, keptBytes);
  }

  /** Makes the rows so far durable: a checkpoint must not outlive the rows that led to it. */
  flushMetrics(): void {
    if (!existsSync(this.#metrics)) return;
    const file = openSync(this.#metrics, 'r+');
    try {
      fsyncSync(file);
    } catch (error) {
      throw diskError(this.#metrics, error);
    } finally {
      closeSync(file);
    }
  }

  /** Cuts off a last line of events.jsonl that a crash left unfinished, so that the next event has a line of its own. */
  cutEvents(): void {
    if (!existsSync(this.#events)) return;
    const bytes = readFileSync(this.#events);
    truncateSync(this.#events, bytes.lastIndexOf('\n') + 1);
  }

  /** A line of events.jsonl, and the same for people in train.log. */
  appendEvent(event: RunEvent): void {
    append(this.#events, `${JSON.stringify({ ...event, at: new Date().toISOString() })}\n`);
    this.log(`step ${event.step}: ${event.kind}: ${event.message}`);
  }

  /** A line of train.log. */
  log(line: string): void {
    append(join(this.path, 'train.log'), `${new Date().toISOString()} ${line}\n`);
  }

  /** Removes a folder in which no run has begun, so that the same command can be typed again. */
  discardUnlessBegun(): void {
    if (!existsSync(join(this.path, 'run.json'))) rmSync(this.path, { recursive: true, force: true });
  }

  #metricLines(): string[] {
    return existsSync(this.#metrics) ? readFileSync(this.#metrics, 'utf8').split('\n').slice(0, -1) : [];
  }
}

function requireEmpty(path: string): void {
  let names: string[];
  try {
    names = existsSync(path) ? readdirSync(path) : [];
  } catch (error) {
    throw diskError(path, error); // a file, or a folder that cannot be read
  }
  if (names.length === 0 || isKilledStart(path, names)) return;
  const isRun = names.includes('run.json');
  const advice = isRun ? 'go on with it: --resume, or choose another folder' : 'choose another folder';
  throw new RunError(`--out: must be a new or empty folder, got ${path}; ${advice}`);
}

/** What is there before run.json: a start that was killed in the middle leaves it, and the next one writes over it. */
const BEFORE_THE_FIRST_STEP = new Set(['lock.json', 'config.yaml', 'checkpoints', 'images', 'export', 'reports']);

function isKilledStart(path: string, names: readonly string[]): boolean {
  return names.every((name) => BEFORE_THE_FIRST_STEP.has(name)) && isLeftLocked(path);
}

function append(path: string, text: string): void {
  try {
    appendFileSync(path, text);
  } catch (error) {
    throw diskError(path, error);
  }
}
