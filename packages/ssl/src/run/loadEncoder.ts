/** The frozen half of a run: encoder and adapter with their weights, for evaluation and for users of the library. */
import { existsSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { generator, OutOfMemoryError, type Tensor } from '@halfway/torch';
import { loadSafetensors } from '@halfway/torch/io';
import { parseConfig } from '../config/parse.js';
import type { Config } from '../config/schema.js';
import { RunError, reasonOf } from '../errors.js';
import { Adapter } from '../models/adapter.js';
import { createEncoder } from '../models/createEncoder.js';
import type { Encoder } from '../models/encoder.js';
import { checkpointSteps } from './checkpoint.js';
import { EXPORT_VERSION } from './exportBackbone.js';
import { exportedTensors } from './exportedTensors.js';
import { RunFolder } from './runFolder.js';
import { readJson, requireVersion, versionOf } from './versioned.js';

/** Encoder and adapter, and the configuration that they are of. */
export interface FrozenNetwork {
  readonly encoder: Encoder;
  readonly adapter: Adapter;
  readonly config: Config;
}

export interface LoadedEncoder extends FrozenNetwork {
  readonly runDir: string | undefined; // of a run; undefined for a file of weights
  readonly step?: number; // of a run's checkpoint
  readonly source: string; // for people
}

export interface LoadEncoderOptions {
  /** The run's checkpoint of so many steps; its newest by default. */
  readonly step?: number | undefined;
  /** Seed of an untrained network of the same shape, in place of the weights. */
  readonly random?: number | undefined;
}

/**
 * Encoder and adapter of a run folder or of an exported `backbone.safetensors` beside its config.json.
 * @throws RunError
 */
export function loadEncoder(source: string, { step, random }: LoadEncoderOptions = {}): LoadedEncoder {
  const isRun = existsSync(source) && statSync(source).isDirectory();
  if (step !== undefined && !isRun) {
    throw new RunError(
      `weights: a step is of a run, got step ${step} of the file ${source}; name the run folder instead`,
    );
  }
  const config = isRun ? RunFolder.open(source).config() : exportedConfig(source);
  const runDir = isRun ? source : undefined;
  if (random !== undefined) return { ...drawn(config, random), runDir, source: `untrained, seed ${random}` };
  const { path, ...found } = isRun ? modelOf(source, step) : { path: source, source };
  const { tensors } = loadSafetensors(path);
  try {
    return { ...frozenCopy(config, tensors), runDir, ...found };
  } catch (error) {
    if (error instanceof OutOfMemoryError) throw error;
    throw new RunError(
      `weights: ${path} must fit its configuration, got ${reasonOf(error)}; use the config.json it was exported with`,
    );
  } finally {
    for (const tensor of tensors.values()) tensor.dispose();
  }
}

/**
 * A copy, on the CPU, of the encoder and adapter that a model would export.
 * @param model by the names of a checkpoint
 * Throws StateDictError when it is not of this configuration.
 */
export function frozenCopy(config: Config, model: ReadonlyMap<string, Tensor>): FrozenNetwork {
  const network = drawn(config, 0);
  try {
    const exported = exportedTensors(model, config.eval.weights);
    network.encoder.loadStateDict(below(exported, 'encoder.'));
    network.adapter.loadStateDict(below(exported, 'adapter.'));
    return network;
  } catch (error) {
    disposeNetwork(network);
    throw error;
  }
}

/** Frees the weights of a network that is not needed any more. */
export function disposeNetwork({ encoder, adapter }: FrozenNetwork): void {
  for (const module of [encoder, adapter]) {
    for (const weight of module.stateDict().values()) weight.dispose();
  }
}

function drawn(config: Config, seed: number): FrozenNetwork {
  const rng = generator(seed);
  const encoder = createEncoder(config.model, rng);
  const adapter = new Adapter(encoder.widthDim, config.split, rng);
  rng.dispose();
  return { encoder, adapter, config };
}

function modelOf(runDir: string, wanted: number | undefined): { path: string; step: number; source: string } {
  const kept = checkpointSteps(runDir);
  const step = wanted ?? kept.at(-1);
  if (step === undefined) {
    throw new RunError(`run: ${runDir} must hold a checkpoint, got none yet; wait for its first, or train longer`);
  }
  if (!kept.includes(step)) {
    throw new RunError(
      `run: ${runDir} must hold the checkpoint of step ${step}, got ${kept.join(', ') || 'none yet'}; ` +
        'train.keepCheckpoints says how many are kept, train.checkpointEvery which',
    );
  }
  return {
    path: join(runDir, 'checkpoints', `step-${step}`, 'model.safetensors'),
    step,
    source: `${runDir}, step ${step}`,
  };
}

function exportedConfig(weights: string): Config {
  const path = join(dirname(weights), 'config.json');
  if (!existsSync(weights) || !existsSync(path)) {
    throw new RunError(
      `weights: must be a run folder or an exported backbone.safetensors with its config.json, got ${weights}; see RUN/export`,
    );
  }
  const json = readJson(path);
  if (versionOf(json) === undefined) {
    throw new RunError(
      `weights: ${path} must be of a halfway export in its own form, got one without a version; convert the weights with ` +
        `halfway import ${weights} --out FOLDER`,
    );
  }
  requireVersion(path, json, EXPORT_VERSION);
  const { model, split } = json as { model: unknown; split: unknown };
  return parseConfig({ model, split }, path);
}

function below(tensors: ReadonlyMap<string, Tensor>, prefix: string): Map<string, Tensor> {
  return new Map(
    [...tensors].flatMap(([name, tensor]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), tensor]] : [])),
  );
}
