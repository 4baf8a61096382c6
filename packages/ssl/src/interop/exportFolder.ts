/** The folder of an export: nothing that is not ours is overwritten, and nothing of an earlier export stays beside a new one. */
import { existsSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ConfigError } from '../errors.js';
import { diskError } from '../run/files.js';
import { huggingFaceConfig } from './huggingFace.js';
import { timmConfig } from './timm.js';
import type { VitSettings } from './vitSettings.js';

/** All that an export of any format may consist of. */
const EXPORT_FILES: readonly string[] = [
  ...['backbone.safetensors', 'model.safetensors', 'adapter.safetensors'],
  ...['config.json', 'preprocessor_config.json'],
];

/**
 * Files of an earlier export that one of `names` does not replace, for removal once that is written.
 * @param weights the file that the export is made of, or for a run the one of its own export
 * @throws ConfigError unless the folder is new, empty (but for hidden files) or holds nothing but an earlier export, whose weights are
 * not those to be exported; RunError when it cannot be read
 */
export function staleFiles(folder: string, names: readonly string[], weights: string): string[] {
  const found = namesIn(folder);
  const other = found.find((name) => !EXPORT_FILES.includes(name)) ?? (isOurs(folder) ? undefined : found[0]);
  if (other !== undefined) {
    throw new ConfigError(
      `export: --out must be a folder that is new, empty or holds nothing but an earlier export, got ${folder} with ${other}; choose another folder`,
    );
  }
  const stale = found.filter((name) => !names.includes(name)).map((name) => join(folder, name));
  if (existsSync(weights) && stale.some((path) => realpathSync(path) === realpathSync(weights))) {
    throw new ConfigError(
      `export: --out must not be the folder of the weights in another form, which would be replaced, got ${folder}; choose another folder`,
    );
  }
  return stale;
}

/**
 * Removes the files that `staleFiles` found.
 * @throws RunError naming the one that cannot be
 */
export function removeStale(paths: readonly string[]): void {
  for (const path of paths) {
    try {
      rmSync(path);
    } catch (error) {
      throw diskError(path, error);
    }
  }
}

/**
 * Moves the files of a finished export from a folder in the same place to where they belong. A configuration is the last to come and
 * the first to go: weights never stand beside one that is not theirs.
 * @throws RunError naming the folder when one of them cannot be moved
 */
export function publish(from: string, folder: string, names: readonly string[]): string[] {
  try {
    rmSync(join(folder, 'config.json'), { force: true });
    const last = (name: string): number => Number(name === 'config.json');
    for (const name of [...names].sort((a, b) => last(a) - last(b))) renameSync(join(from, name), join(folder, name));
    rmSync(from, { recursive: true });
  } catch (error) {
    throw diskError(folder, error);
  }
  return names.map((name) => join(folder, name));
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => !name.startsWith('.'));
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw diskError(folder, error);
  }
}

/** Sizes do not matter: only keys are compared. */
const ANY: VitSettings = {
  ...{ size: 'custom', imagePx: 224, patch: 16, widthDim: 8, depth: 1, numHeads: 1, ffn: 'mlp', mlpRatio: 4 },
  ...{ layerScale: 0, numRegisters: 0 },
};

/** Whether config.json has the keys that an export writes, all and no others: what timm and Hugging Face save or publish has more. */
function isOurs(folder: string): boolean {
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8'));
  } catch {
    return false; // none there, or no JSON
  }
  const theirs = [timmConfig(ANY), huggingFaceConfig(ANY), huggingFaceConfig({ ...ANY, numRegisters: 4 })];
  return (
    theirs.some((config) => keysOf(config, 2) === keysOf(json, 2)) ||
    keysOf({ version: 1, model: {}, split: {}, pixels: {} }, 1) === keysOf(json, 1)
  );
}

/** Sorted keys of an object, and of the objects in it to a depth. */
function keysOf(value: unknown, depth: number): string {
  if (depth === 0 || typeof value !== 'object' || value === null || Array.isArray(value)) return '';
  const keys = Object.entries(value).map(([key, inner]) => `${key}{${keysOf(inner, depth - 1)}}`);
  return keys.sort().join();
}
