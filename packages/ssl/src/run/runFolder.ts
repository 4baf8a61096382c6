/**
 * The run folder: what training writes and everything else reads. Its layout is documented in docs/run-folder.md.
 */
import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { configText, readConfigFile } from '../config/recipe.js';
import type { Config } from '../config/schema.js';
import { RunError } from '../errors.js';
import type { MetricRow } from '../protocol/metrics.js';
import { RUN_VERSION, type RunManifest } from '../protocol/run.js';
import { diskError, writeAtomic } from './files.js';

/** Something that happened at a step, for people and for other tools: RUN/events.jsonl. */
export interface RunEvent {
  readonly step: number;
  readonly kind: 'start' | 'resume' | 'checkpoint' | 'image' | 'alarm' | 'badPhoto' | 'stop' | 'finish';
  readonly message: string;
}

/** Paths and small files of one run. Checkpoints are in checkpoint.ts. */
export class RunFolder {
  readonly #metrics: string;

  constructor(readonly path: string) {
    this.#metrics = join(path, 'metrics.jsonl');
  }

  /**
   * Makes the folder of a new run.
   * @throws RunError when it holds anything, or cannot be made
   */
  static create(path: string, config: Config): RunFolder {
    if (existsSync(path) && readdirSync(path).length > 0) {
      const advice = existsSync(join(path, 'run.json'))
        ? 'go on with it: --resume, or choose another folder'
        : 'choose another folder';
      throw new RunError(`--out: must be a new or empty folder, got ${path}; ${advice}`);
    }
    const folder = new RunFolder(path);
    try {
      for (const name of ['checkpoints', 'images', 'export', 'reports'])
        mkdirSync(join(path, name), { recursive: true });
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

  /** run.json. Throws RunError when it is damaged or of another version. */
  manifest(): RunManifest {
    const path = join(this.path, 'run.json');
    let manifest: RunManifest;
    try {
      manifest = JSON.parse(readFileSync(path, 'utf8')) as RunManifest;
    } catch (error) {
      throw new RunError(
        `run: ${path} must be readable, got ${error instanceof Error ? error.message : String(error)}`,
      );
    }
    const version: number = manifest.version;
    if (version !== RUN_VERSION) {
      throw new RunError(
        `run: ${path} must be of version ${RUN_VERSION}, got ${version}; use the halfway that made it`,
      );
    }
    return manifest;
  }

  writeManifest(manifest: RunManifest): void {
    writeAtomic(join(this.path, 'run.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  }

  appendMetrics(row: MetricRow): void {
    this.#append(this.#metrics, `${JSON.stringify(row)}\n`);
  }

  /** The rows of metrics.jsonl; a last line that a crash cut off is left out. */
  metrics(): MetricRow[] {
    if (!existsSync(this.#metrics)) return [];
    const lines = readFileSync(this.#metrics, 'utf8').split('\n').slice(0, -1);
    return lines.map((line) => JSON.parse(line) as MetricRow);
  }

  /** Cuts metrics.jsonl back to the rows up to `step`, so that a resumed run does not have rows twice. */
  cutMetrics(step: number): void {
    if (!existsSync(this.#metrics)) return;
    const text = readFileSync(this.#metrics, 'utf8');
    let keptBytes = 0;
    for (const line of text.split('\n').slice(0, -1)) {
      if ((JSON.parse(line) as MetricRow).step > step) break;
      keptBytes += Buffer.byteLength(line) + 1;
    }
    truncateSync(this.#metrics, keptBytes);
  }

  appendEvent(event: RunEvent): void {
    this.#append(join(this.path, 'events.jsonl'), `${JSON.stringify({ ...event, at: new Date().toISOString() })}\n`);
    this.log(`step ${event.step}: ${event.kind}: ${event.message}`);
  }

  /** A line of train.log. */
  log(line: string): void {
    this.#append(join(this.path, 'train.log'), `${new Date().toISOString()} ${line}\n`);
  }

  /** Removes a folder in which no run has begun, so that the same command can be typed again. */
  discardUnlessBegun(): void {
    if (!existsSync(join(this.path, 'run.json'))) rmSync(this.path, { recursive: true, force: true });
  }

  #append(path: string, text: string): void {
    try {
      appendFileSync(path, text);
    } catch (error) {
      throw diskError(path, error);
    }
  }
}
