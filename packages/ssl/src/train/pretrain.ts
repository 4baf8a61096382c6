/**
 * A pretraining run from its configuration to its exported backbone: everything that can be wrong is found before the
 * first step, everything that was done is in the run folder.
 */
import * as torch from '@halfway/torch';
import type { Config } from '../config/schema.js';
import { deviceBatch } from '../data/device.js';
import { Feed } from '../data/feed.js';
import { openSource } from '../data/sources/openSource.js';
import type { Source } from '../data/sources/source.js';
import { RunError } from '../errors.js';
import type { MetricRow } from '../protocol/metrics.js';
import { RUN_VERSION, type EngineFingerprint, type PretrainSummary, type RunManifest } from '../protocol/run.js';
import { readLatestCheckpoint, writeCheckpoint } from '../run/checkpoint.js';
import { exportBackbone } from '../run/exportBackbone.js';
import { lockRun } from '../run/lock.js';
import { RunFolder, type RunEvent } from '../run/runFolder.js';
import { chooseComputeDtype } from './computeDtype.js';
import { Alarms } from './health.js';
import { FixedPhotos } from './fixedPhotos.js';
import { trainLoop } from './loop.js';
import { requireResumable } from './resume.js';
import { checkpointTensors, createTrainState, restoreTrainState, type TrainState } from './state.js';

export interface PretrainOptions {
  readonly config: Config;
  readonly recipe: string; // its name, for the manifest
  /** Folders, tar shards, file lists. */
  readonly data: readonly string[];
  readonly out: string;
  /** Goes on with the run in `out`; one that is finished is left alone. */
  readonly resume?: boolean;
  /** Goes on although the engine differs from the one that began: other bits, said in the run's events. */
  readonly allowOtherEngine?: boolean;
  readonly onProgress?: (progress: PretrainProgress) => void;
  /** Stops after the step at hand, with a checkpoint. */
  readonly signal?: AbortSignal;
}

/** What a caller is told while it runs. */
export type PretrainProgress =
  | { readonly kind: 'header'; readonly text: string }
  | { readonly kind: 'row'; readonly row: MetricRow; readonly totalSteps: number }
  | { readonly kind: 'event'; readonly event: RunEvent };

/** A run that was asked to stop; its checkpoint is written. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}

/**
 * Trains and exports.
 *
 * @example const { run, final } = await pretrain({ config: loadRecipe('small/vicreg-rot'), recipe: 'small/vicreg-rot', data: ['photos'], out: 'runs/a' });
 * @throws ConfigError, DataError, RunError before the first step; DivergedError, DataError, RunError, InterruptedError later
 */
export async function pretrain(options: PretrainOptions): Promise<PretrainSummary> {
  const { config, out } = options;
  const source = openSource(options.data);
  const folder = options.resume === true ? RunFolder.open(out) : RunFolder.create(out, config);
  const unlock = lockRun(out);
  try {
    const previous = options.resume === true ? folder.manifest() : undefined;
    if (previous !== undefined) requireResumable(previous, folder.config(), config, source);
    if (previous?.status === 'finished') return summaryOf(folder, previous);
    return await new PretrainRun(options, folder, source, previous).run();
  } finally {
    unlock();
    folder.discardUnlessBegun();
  }
}

class PretrainRun {
  readonly #options: PretrainOptions;
  readonly #config: Config;
  readonly #folder: RunFolder;
  readonly #source: Source;
  readonly #alarms = new Alarms();
  readonly #engine: EngineFingerprint;
  readonly #state: TrainState;
  readonly #startStep: number;
  #manifest: RunManifest;

  constructor(options: PretrainOptions, folder: RunFolder, source: Source, previous: RunManifest | undefined) {
    this.#options = options;
    this.#config = options.config;
    this.#folder = folder;
    this.#source = source;
    const { threads, computeDtype } = this.#config.train;
    if (threads > 0) torch.setNumThreads(threads);
    const checkpoint = previous === undefined ? undefined : readLatestCheckpoint(folder.path);
    this.#engine = {
      libtorch: torch.libtorchVersion(),
      cpuCapability: torch.cpuCapability(),
      threads: torch.getNumThreads(),
      computeDtype: checkpoint?.engine.computeDtype ?? chooseComputeDtype(computeDtype),
      device: 'cpu',
    };
    if (checkpoint !== undefined) this.#requireSameEngine(checkpoint.engine);
    this.#state = createTrainState(this.#config, this.#engine.computeDtype);
    this.#startStep = checkpoint?.step ?? 0;
    if (checkpoint !== undefined) {
      restoreTrainState(this.#state, checkpoint);
      folder.cutMetrics(this.#startStep);
    }
    this.#manifest = {
      version: RUN_VERSION,
      status: 'running',
      step: this.#startStep,
      totalSteps: this.#config.train.steps,
      recipe: options.recipe,
      seed: this.#config.train.seed,
      startedAt: previous?.startedAt ?? new Date().toISOString(),
      updatedAt: new Date().toISOString(),
      parameters: this.#state.objective.network.numParameters(),
      engine: this.#engine,
      data: source.fingerprint,
    };
  }

  async run(): Promise<PretrainSummary> {
    const { objective } = this.#state;
    const { seed, batch, steps } = this.#config.train;
    const signal = this.#options.signal ?? new AbortController().signal;
    const photos = await FixedPhotos.load(this.#source, this.#config, objective);
    this.#tryForward(photos);
    if (this.#startStep === 0) this.#checkpoint(0); // the disk takes it, and it can be read back
    readLatestCheckpointOnce(this.#folder.path);
    this.#writeManifest({});
    this.#progress({ kind: 'header', text: this.#header() });
    this.#event(this.#startStep === 0 ? 'start' : 'resume', `of ${steps} steps`);

    const views = { views: objective.views, config: this.#config, seed };
    const feed = await Feed.start({ ...views, source: this.#source, batch, startStep: this.#startStep });
    let numBad = 0;
    try {
      const finished = await trainLoop(this.#state, {
        config: this.#config,
        startStep: this.#startStep,
        nextBatch: () => feed.next(),
        toDevice: (host) => deviceBatch(host, views),
        onRow: (row) => {
          this.#onRow(row);
          for (const { path, reason } of feed.bad.slice(numBad)) this.#event('badPhoto', `${path}: ${reason}`);
          numBad = feed.bad.length;
        },
        onImages: (step) => this.#images(photos, step),
        onCheckpoint: (step) => this.#checkpoint(step),
        signal,
      });
      return this.#end(finished);
    } catch (error) {
      if (!(error instanceof InterruptedError)) {
        this.#writeManifest({ status: 'failed', message: error instanceof Error ? error.message : String(error) });
      }
      throw error;
    } finally {
      await feed.close();
      photos.dispose();
    }
  }

  #end(finished: number): PretrainSummary {
    const { steps } = this.#config.train;
    exportBackbone(this.#folder.path, this.#state.objective.network, this.#config);
    if (finished < steps) {
      this.#writeManifest({ status: 'interrupted', step: finished });
      this.#event('stop', `stopped at step ${finished} of ${steps}`);
      throw new InterruptedError(
        `pretrain: stopped at step ${finished} of ${steps}, saved in ${this.#folder.path}; the same command with --resume goes on`,
      );
    }
    this.#writeManifest({ status: 'finished', step: finished });
    this.#event('finish', `${steps} steps`);
    return summaryOf(this.#folder, this.#manifest);
  }

  #onRow(row: MetricRow): void {
    this.#folder.appendMetrics(row);
    this.#progress({ kind: 'row', row, totalSteps: this.#config.train.steps });
    for (const text of this.#alarms.ofRow(row, this.#config.train.steps, this.#config.train.batch))
      this.#event('alarm', text);
  }

  async #images(photos: FixedPhotos, step: number): Promise<void> {
    const { figures, path } = await photos.inspect(this.#state, this.#folder.path, step);
    const text = Object.entries(figures).map(([name, value]) => `${name} ${value.toFixed(4)}`);
    this.#manifest = { ...this.#manifest, step };
    this.#event('image', [path, ...text].join(', '));
    for (const alarm of this.#alarms.ofInspection(figures, step, this.#config.train.steps)) this.#event('alarm', alarm);
  }

  #checkpoint(step: number): void {
    const tensors = checkpointTensors(this.#state);
    writeCheckpoint(this.#folder.path, { ...tensors, step, engine: this.#engine }, this.#config.train.keepCheckpoints);
    this.#writeManifest({ step });
  }

  /** A mistake in shapes shows here, on a few photos, and not after the header. */
  #tryForward(photos: FixedPhotos): void {
    torch.scope(() => torch.noGrad(() => photos.look(this.#state)));
  }

  #requireSameEngine(saved: EngineFingerprint): void {
    const differences = Object.entries(this.#engine).filter(
      ([key, value]) => saved[key as keyof EngineFingerprint] !== value,
    );
    if (differences.length === 0) return;
    const text = differences
      .map(
        ([key, value]) => `${key} ${String(value)} where the run has ${String(saved[key as keyof EngineFingerprint])}`,
      )
      .join(', ');
    if (this.#options.allowOtherEngine === true) {
      this.#folder.appendEvent({
        step: this.#startStepOf(),
        kind: 'alarm',
        message: `goes on with other bits: ${text}`,
      });
      return;
    }
    throw new RunError(
      `--resume: the engine must be the one that began the run, for the same bits, got ${text}; ` +
        'set it back, or accept other bits with --allow-other-engine',
    );
  }

  #startStepOf(): number {
    return this.#folder.manifest().step;
  }

  #header(): string {
    const { model, train, recon, optim } = this.#config;
    const { engine, data, parameters } = this.#manifest;
    const views = this.#state.objective.views.map(({ name, sizePx }) => `${name} ${sizePx} px`).join(', ');
    const shape = model.size === 'custom' ? `ViT ${model.widthDim} x ${model.depth}` : `ViT-${model.size}`;
    const task =
      recon.target === 'none'
        ? 'no task'
        : `${recon.target}, ${recon.intermediates} states, lambda ${recon.lambda}, fill ${recon.fill}`;
    return [
      `run       ${this.#folder.path}, seed ${train.seed}, steps ${this.#startStep} to ${train.steps}`,
      `model     ${shape}, patch ${model.patch}, ${(parameters / 1e6).toFixed(2)} M parameters in training`,
      `objective ${this.#config.objective}; reconstruction: ${task}`,
      `data      ${data.numImages} photos of ${data.paths.join(', ')}; views ${views}; batch ${train.batch}`,
      `optimizer AdamW, lr ${optim.lr}, weight decay ${optim.weightDecay}, clip ${optim.clipNorm || 'none'}`,
      `engine    libtorch ${engine.libtorch}, ${engine.device} ${engine.cpuCapability}, ${engine.threads} threads, ${engine.computeDtype}`,
      `memory    ${(torch.memory.stats().peakBytes / 1e6).toFixed(0)} MB of tensors so far; training needs more, the budget is ${(torch.memory.stats().budgetBytes / 1e9).toFixed(1)} GB`,
    ].join('\n');
  }

  #event(kind: RunEvent['kind'], message: string): void {
    const event = { step: this.#manifest.step, kind, message };
    this.#folder.appendEvent(event);
    this.#progress({ kind: 'event', event });
  }

  #progress(progress: PretrainProgress): void {
    this.#options.onProgress?.(progress);
  }

  #writeManifest(change: Partial<RunManifest>): void {
    this.#manifest = { ...this.#manifest, ...change, updatedAt: new Date().toISOString() };
    this.#folder.writeManifest(this.#manifest);
  }
}

/** Reads the newest checkpoint back and lets it go: a disk that loses data is found before the training. */
function readLatestCheckpointOnce(runDir: string): void {
  const { model, optimizer } = readLatestCheckpoint(runDir);
  for (const tensor of [...model.values(), ...optimizer.values()]) tensor.dispose();
}

function summaryOf(folder: RunFolder, { step, parameters }: RunManifest): PretrainSummary {
  const rows = folder.metrics();
  const {
    step: _step,
    lr: _lr,
    imagesPerSecond: _rate,
    dataWaitMs: _wait,
    stepMs: _ms,
    gradNorm: _norm,
    ...final
  } = rows.at(-1) ?? {
    step,
  };
  const seconds = rows.reduce((sum, row, i) => sum + (row.stepMs * (row.step - (rows[i - 1]?.step ?? 0))) / 1000, 0);
  const images = rows.reduce(
    (sum, row, i) => sum + (row.imagesPerSecond * row.stepMs * (row.step - (rows[i - 1]?.step ?? 0))) / 1000,
    0,
  );
  return {
    run: folder.path,
    steps: step,
    seconds,
    imagesPerSecond: images / seconds,
    parameters,
    final: final,
  };
}
