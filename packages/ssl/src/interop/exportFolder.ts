/** The folder of an export: nothing that is not ours is overwritten, and nothing of an earlier export stays beside a new one. */
import { existsSync, readdirSync, readFileSync, realpathSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { scope } from '@halfway/torch';
import { ConfigError } from '../errors.js';
import { makeFolder } from '../makeFolder.js';
import { discard, diskError } from '../run/files.js';
import { huggingFaceConfig } from './huggingFace.js';
import { timmConfig } from './timm.js';
import type { VitSettings } from './vitSettings.js';

/** All that an export of any format may consist of. */
const EXPORT_FILES: readonly string[] = [
  ...['backbone.safetensors', 'model.safetensors', 'adapter.safetensors'],
  ...['config.json', 'preprocessor_config.json'],
];

/** Within the folder of an export: what is written of it, and while it is there a sign that files without a configuration are ours. */
const UNFINISHED = '.export.partial';

/**
 * Files of an earlier export that one of `names` does not replace, for removal once that is written.
 * @param weights the file that the export is made of, or for a run the one of its own export
 * @throws ConfigError unless the folder is new, empty (but for hidden files) or holds nothing but an earlier export, or what one that was
 * interrupted has left, whose weights are not those to be exported; RunError when it cannot be read
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

/** What an export consists of, and what has to go when it comes. */
export interface ExportFiles {
  readonly names: readonly string[];
  readonly stale: readonly string[]; // what `staleFiles` found
}

/**
 * Writes an export aside, then moves it to its folder. Weights never stand beside a configuration that is not theirs: an export that fails or
 * is interrupted while it is written leaves what was there before, and one that is interrupted while it is moved leaves files without a
 * configuration, which the next export may replace.
 * @param write is given the folder to write into
 * @returns the files' paths
 * @throws RunError when the disk does not take the files
 */
export function writeExport(folder: string, files: ExportFiles, write: (unfinished: string) => void): string[] {
  const unfinished = join(folder, UNFINISHED);
  const isRemainder = existsSync(unfinished) && !existsSync(join(folder, 'config.json'));
  try {
    makeFolder(unfinished);
    discardContent(unfinished); // of an export that was killed
    scope(() => write(unfinished));
  } catch (error) {
    discardContent(unfinished);
    if (!isRemainder) discard(unfinished); // else it is what tells that the remainder is ours
    throw diskError(folder, error);
  }
  try {
    publish(unfinished, folder, files);
  } catch (error) {
    throw diskError(folder, error);
  }
  return files.names.map((name) => join(folder, name));
}

/** Moves the files of a written export to where they belong: a configuration is the first to go and the last to come. */
function publish(unfinished: string, folder: string, { names, stale }: ExportFiles): void {
  rmSync(join(folder, 'config.json'), { force: true });
  for (const path of stale) rmSync(path);
  const last = (name: string): number => Number(name === 'config.json');
  for (const name of [...names].sort((a, b) => last(a) - last(b))) {
    renameSync(join(unfinished, name), join(folder, name));
  }
  rmSync(unfinished, { recursive: true });
}

function discardContent(folder: string): void {
  for (const name of existsSync(folder) ? readdirSync(folder) : []) discard(join(folder, name));
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

/**
 * Whether config.json has the keys that an export writes, all and no others: what timm and Hugging Face save or publish has more. Without
 * one, whether an export was interrupted while it was moved.
 */
function isOurs(folder: string): boolean {
  const path = join(folder, 'config.json');
  if (!existsSync(path)) return existsSync(join(folder, UNFINISHED));
  let json: unknown;
  try {
    json = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return false;
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
