/**
 * The configuration beside a file of weights, and what it tells of them. Read are the config.yaml of a run and the config.json of our
 * exports, of timm and of Hugging Face.
 */
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Tensor } from '@halfway/torch';
import { z } from 'zod';
import { parseConfig } from '../config/parse.js';
import { readConfigFile } from '../config/recipe.js';
import type { Config } from '../config/schema.js';
import { DataError, reasonOf } from '../errors.js';
import { vitConfig } from '../models/vit.js';
import { EXPORT_VERSION } from '../run/exportBackbone.js';
import { requireVersion } from '../run/versioned.js';
import { toldByHuggingFace } from './huggingFace.js';
import { toldByTimm } from './timm.js';
import type { ToldSettings } from './toldSettings.js';
import { shapeSettings } from './vitSettings.js';

/** What the configuration at `path` tells. */
export interface ToldBeside extends ToldSettings {
  readonly path: string;
}

/**
 * What the configuration beside a file tells of its weights, which have our names; undefined where there is none, or one of other weights.
 * Throws DataError when it is no JSON; where it is ours, ConfigError when it breaks a rule and RunError when it is of another version.
 */
export function toldBeside(file: string, tensors: ReadonlyMap<string, Tensor>): ToldBeside | undefined {
  const told = readBeside(dirname(file));
  if (told === undefined) return undefined;
  const { widthDim, depth } = shapeSettings(tensors);
  const isTheirs = (told.widthDim ?? widthDim) === widthDim && (told.depth ?? depth) === depth;
  return isTheirs ? told : undefined;
}

function readBeside(folder: string): ToldBeside | undefined {
  const path = join(folder, 'config.json');
  if (existsSync(path)) {
    const json = readJson(path);
    const ofImages = join(folder, 'preprocessor_config.json'); // Hugging Face's
    const images = existsSync(ofImages) ? readJson(ofImages) : undefined;
    const told = toldByUs(json, path) ?? toldByTimm(json) ?? toldByHuggingFace(json, images);
    return told && { path, ...told };
  }
  const [checkpoints, run] = [dirname(folder), dirname(dirname(folder))]; // of RUN/checkpoints/step-N
  if (basename(checkpoints) !== 'checkpoints' || !existsSync(join(run, 'run.json'))) return undefined;
  const ofRun = join(run, 'config.yaml');
  return { path: ofRun, ...ofModel(readConfigFile(ofRun).model) };
}

function readJson(path: string): unknown {
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as unknown;
  } catch (error) {
    throw new DataError(
      `${path}: the configuration beside weights must be JSON, got ${reasonOf(error)}; mend it, or move it away`,
      { path },
    );
  }
}

const OURS = z.object({ model: z.looseObject({}), split: z.looseObject({}) });

function toldByUs(json: unknown, path: string): ToldSettings | undefined {
  const { data } = OURS.safeParse(json);
  if (data === undefined) return undefined;
  requireVersion(path, json, EXPORT_VERSION);
  return ofModel(parseConfig({ model: data.model, split: data.split }, path).model);
}

function ofModel(model: Config['model']): ToldSettings {
  if (model.kind === 'resnet18') return { imagePx: model.imagePx };
  const { widthDim, depth, numHeads, positionResize } = vitConfig(model);
  return { widthDim, depth, numHeads, positionResize };
}
