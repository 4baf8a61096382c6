/**
 * A pretraining run from its configuration to its exported backbone: everything that can be wrong is found before the
 * first step, everything that was done is in the run folder.
 */
import { imagesPerStep } from '../config/peakLr.js';
import type { Config } from '../config/schema.js';
import type { DecodePool } from '../data/decode/decodePool.js';
import { deviceBatch, type DeviceOptions } from '../data/device.js';
import { Feed } from '../data/feed.js';
import { openSource } from '../data/sources/openSource.js';
import { fileBytes, notReadText, photoText, type Source } from '../data/sources/source.js';
import { RunError, reasonOf } from '../errors.js';
import { type StartWeights, startWeights } from '../interop/startWeights.js';
import type { RunEvent } from '../protocol/events.js';
import type { MetricRow } from '../protocol/metrics.js';
import { RUN_VERSION, type EngineFingerprint, type PretrainSummary, type RunManifest } from '../protocol/run.js';
import { readLatestCheckpoint, removePartialCheckpoints, writeCheckpoint } from '../run/checkpoint.js';
import type { Checkpoint, UnloggedSteps } from '../run/checkpoint.js';
import { exportBackbone } from '../run/exportBackbone.js';
import { lockRun } from '../run/lock.js';
import { RunFolder } from '../run/runFolder.js';
import { headerText, paceText } from './describe.js';
import { engineDifferences, prepareEngine } from './engine.js';
import { FixedPhotos } from './fixedPhotos.js';
import { Alarms } from './health.js';
import { InterruptedError } from './interruptedError.js';
import { trainLoop } from './loop.js';
import type { PretrainOptions, PretrainProgress } from './pretrainOptions.js';
import { requireResumable, requireUnedited } from './resume.js';
import { figureText, startFigureText, startFrom } from './start.js';
import { StartReport } from './startReport.js';
import { checkpointTensors, createTrainState, restoreTrainState, type TrainState } from './state.js';
import { summarize } from './summary.js';

/** Trains and exports, with a pool of decode processes that the caller closes. */
export async function pretrainOn(pool: DecodePool, options: PretrainOptions): Promise<PretrainSummary> {
  const { out } = options;
  const source = openSource(options.data);
  const start = options.resume === true ? undefined : await startWeights(options.config.init); // a resumed run has them already
  const config = start === undefined ? options.config : identified(options.config, start);
  const folder = options.resume === true ? RunFolder.open(out) : RunFolder.create(out, config);
  const unlock = lockRun(out);
  try {
    const previous = options.resume === true ? folder.manifest() : undefined;
    if (previous !== undefined) {
      const saved = folder.config(); // first, since it says where the file is gone, or broken
      requireUnedited(previous, folder);
      requireResumable(previous, saved, config, source);
    }
    if (previous?.status === 'finished') return summaryOf(folder, config, previous);
    removePartialCheckpoints(out);
    return await new PretrainRun({ ...options, config }, pool, folder, source, { previous, start }).run();
  } finally {
    unlock();
    folder.discardUnlessBegun();
  }
}

/** The configuration that says which file its weights were. */
function identified(config: Config, { sha256 }: StartWeights): Config {
  return { ...config, init: { ...config.init, sha256 } };
}

class PretrainRun {
  readonly #options: PretrainOptions;
  readonly #config: Config;
  readonly #pool: DecodePool;
  readonly #folder: RunFolder;
  readonly #source: Source;
  readonly #alarms = new Alarms();
  readonly #engine: EngineFingerprint;
  readonly #state: TrainState;
  /** What was read of the weights that the run starts from, and what became of them. */
  readonly #startText: string | undefined;
  readonly #startStep: number;
  readonly #unlogged: UnloggedSteps;
  #manifest: RunManifest;
  /** Whether run.json is there: before it, a failure leaves no run behind. */
  #hasBegun: boolean;

  constructor(
    options: PretrainOptions,
    pool: DecodePool,
    folder: RunFolder,
    source: Source,
    { previous, start }: { readonly previous: RunManifest | undefined; readonly start: StartWeights | undefined },
  ) {
    this.#options = options;
    this.#config = options.config;
    this.#pool = pool;
    this.#folder = folder;
    this.#source = source;
    const checkpoint = previous === undefined ? undefined : readLatestCheckpoint(folder.path);
    if (checkpoint !== undefined) folder.cutEvents(); // before the first event of this process
    this.#engine = prepareEngine(this.#config, fileBytes(source), checkpoint?.engine);
    if (checkpoint !== undefined) this.#requireSameEngine(checkpoint);
    this.#state = createTrainState(this.#config, this.#engine.computeDtype);
    this.#startText = start && this.#startFrom(start);
    this.#startStep = checkpoint?.step ?? 0;
    this.#hasBegun = previous !== undefined;
    this.#unlogged = checkpoint?.unlogged ?? { names: [], rows: [] };
    if (checkpoint !== undefined) {
      restoreTrainState(this.#state, checkpoint);
      folder.cutMetrics(this.#startStep);
    }
    const now = new Date().toISOString();
    this.#manifest = {
      version: RUN_VERSION,
      status: 'running',
      step: this.#startStep,
      totalSteps: this.#config.train.steps,
      recipe: options.recipe,
      seed: this.#config.train.seed,
      startedAt: previous?.startedAt ?? now,
      updatedAt: now,
      parameters: this.#state.objective.network.numParameters(),
      engine: this.#engine,
      data: source.fingerprint,
      configSha256: folder.configSha256(),
    };
  }

  async run(): Promise<PretrainSummary> {
    this.#tryCheckpoint();
    const photos = await FixedPhotos.load(this.#pool, this.#source, this.#config, this.#state.objective);
    try {
      const header = headerText(this.#folder.path, this.#config, this.#manifest, this.#state.objective);
      const notRead = notReadText(this.#source);
      const text = [header, notRead, this.#startText].filter((part) => part !== undefined).join('\n');
      this.#progress({ kind: 'header', text });
      const report = new StartReport(this.#options, this.#folder, this.#state.model);
      const before = this.#startStep === 0 ? await report.begin() : undefined;
      const feed = this.#startFeed();
      photos.tryLook(this.#state);
      this.#writeManifest({});
      this.#folder.log(`\n${text}`);
      const left = `${this.#config.train.steps - this.#startStep} steps to go`;
      if (this.#startStep === 0) this.#event('start', `starts, ${left}`);
      else this.#event('resume', `goes on, ${left}`);
      if (before !== undefined) this.#event('figure', startFigureText(before));
      return await this.#end(await this.#train(photos, feed), report);
    } catch (error) {
      if (this.#hasBegun && !(error instanceof InterruptedError)) this.#noteFailure(error);
      throw error;
    } finally {
      photos.dispose();
    }
  }

  /** Writes a checkpoint and reads it back: what cannot work fails here, before the first step. */
  #tryCheckpoint(): void {
    if (this.#startStep > 0) return; // it was read just now
    this.#checkpoint(0, this.#unlogged);
    const { model, optimizer } = readLatestCheckpoint(this.#folder.path);
    for (const tensor of [...model.values(), ...optimizer.values()]) tensor.dispose();
  }

  #startFrom(start: StartWeights): string {
    const text = startFrom(this.#state.objective, start, this.#config.model);
    for (const tensor of start.tensors.values()) tensor.dispose();
    return text;
  }

  /** What decides the pixels of a batch, beside the photos. */
  get #views(): DeviceOptions {
    const { views, planMasks } = this.#state.objective;
    const { seed, device } = this.#config.train;
    return { views, planMasks, config: this.#config, seed, device };
  }

  /** Batches from the first step to the last; their photos are decoded from now on. */
  #startFeed(): Feed {
    const { optim, train } = this.#config;
    // The feed hands out batch after batch, and does not know how many make a step.
    const range = { startStep: this.#startStep * optim.accumulate, endStep: train.steps * optim.accumulate };
    return new Feed(this.#pool, {
      ...this.#views,
      config: this.#config,
      source: this.#source,
      batch: train.batch,
      ...range,
    });
  }

  async #train(photos: FixedPhotos, feed: Feed): Promise<number> {
    const { steps } = this.#config.train;
    let numBad = 0;
    const reportBad = (): void => {
      for (const photo of feed.bad.slice(numBad)) {
        this.#event('badPhoto', `${photoText(photo)}: ${photo.reason}`);
      }
      numBad = feed.bad.length;
    };
    try {
      return await trainLoop(this.#state, {
        config: this.#config,
        startStep: this.#startStep,
        unlogged: this.#unlogged,
        nextBatch: () => feed.next(),
        photoName: (index) => {
          const photo = this.#source.samples[index];
          return photo === undefined ? `photo ${index}` : photoText(photo);
        },
        toDevice: (host) => deviceBatch(host, this.#views),
        onPace: (stepMs, step) => {
          this.#manifest = { ...this.#manifest, step };
          this.#event('estimate', paceText(stepMs, steps - step, this.#engine.device));
        },
        onRow: (row) => {
          this.#onRow(row);
          reportBad();
        },
        onImages: (step) => this.#images(photos, step),
        onCheckpoint: (step, unlogged) => this.#checkpoint(step, unlogged),
        signal: this.#options.signal ?? new AbortController().signal,
      });
    } finally {
      reportBad();
    }
  }

  async #end(finished: number, report: StartReport): Promise<PretrainSummary> {
    const { steps } = this.#config.train;
    exportBackbone(this.#folder.path, this.#state.model, this.#config);
    if (finished < steps) {
      this.#writeManifest({ status: 'interrupted', step: finished });
      this.#event('stop', `stopped at step ${finished} of ${steps}`);
      throw new InterruptedError(
        `pretrain: stopped at step ${finished} of ${steps}, saved in ${this.#folder.path}; the same command with --resume goes on`,
      );
    }
    const after = await report.end();
    if (after !== undefined) this.#event('figure', `${figureText(after)}, after training`);
    this.#writeManifest({ status: 'finished', step: finished });
    this.#event('finish', 'finished');
    return summaryOf(this.#folder, this.#config, this.#manifest);
  }

  #onRow(row: MetricRow): void {
    this.#manifest = { ...this.#manifest, step: row.step };
    this.#folder.appendMetrics(row);
    this.#progress({ kind: 'row', row, totalSteps: this.#config.train.steps });
    const { advice } = this.#state.objective;
    for (const text of this.#alarms.ofRow(row, this.#config, advice)) this.#event('alarm', text);
  }

  async #images(photos: FixedPhotos, step: number): Promise<void> {
    const { figures, path } = await photos.inspect(this.#state, this.#folder.path, step);
    const text = Object.entries(figures).map(([name, value]) => `${name} ${value.toFixed(4)}`);
    this.#manifest = { ...this.#manifest, step };
    this.#event('image', [path, ...text].join(', '));
    for (const alarm of this.#alarms.ofInspection(figures, step, this.#config.train.steps)) this.#event('alarm', alarm);
  }

  #checkpoint(step: number, unlogged: UnloggedSteps): void {
    this.#folder.flushMetrics();
    const checkpoint = { ...checkpointTensors(this.#state), step, unlogged, engine: this.#engine };
    writeCheckpoint(this.#folder.path, checkpoint, this.#config.train.keepCheckpoints);
    if (step === 0) return; // nothing has begun yet
    this.#writeManifest({ step });
    this.#event('checkpoint', `step-${step}`);
  }

  #requireSameEngine({ step, engine }: Checkpoint): void {
    const differences = engineDifferences(engine, this.#engine);
    if (differences === '') return;
    if (this.#options.allowOtherEngine === true) {
      this.#folder.appendEvent({ step, kind: 'alarm', message: `goes on with other bits: ${differences}` });
      return;
    }
    throw new RunError(
      `--resume: the engine must be the one that began the run, for the same bits, got ${differences}; ` +
        'go on where it was begun, or accept other bits with --allow-other-engine',
    );
  }

  /** Says in run.json why the run failed; where the disk is the reason, it cannot. */
  #noteFailure(error: unknown): void {
    try {
      this.#writeManifest({ status: 'failed', message: reasonOf(error) });
    } catch {
      return; // the first error is the one to tell
    }
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
    this.#hasBegun = true;
  }
}

function summaryOf(folder: RunFolder, config: Config, { step, parameters }: RunManifest): PretrainSummary {
  const run = { path: folder.path, steps: step, parameters, imagesPerStep: imagesPerStep(config) };
  return summarize(run, folder.metrics(), folder.initReport());
}
