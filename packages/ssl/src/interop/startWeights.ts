/** The file that a run starts from: which one it is, and what it holds. */
import { createHash } from 'node:crypto';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Config } from '../config/schema.js';
import { DataError } from '../errors.js';
import { type LoadedWeights, loadWeights } from './loadWeights.js';

export interface StartWeights extends LoadedWeights {
  readonly sha256: string; // of the file, hexadecimal
}

/** Where a folder has its weights: a run, our own export, those for timm and Hugging Face. */
const IN_FOLDERS = ['export/backbone.safetensors', 'backbone.safetensors', 'model.safetensors'];

/**
 * Reads the weights that `init.file` names, of its networks the one of `init.key`; undefined where it names none.
 *
 * Throws DataError when there is no such file, or it is not the one that `init.sha256` says, and what `loadWeights` throws.
 */
export async function startWeights({ file, sha256: wanted, key }: Config['init']): Promise<StartWeights | undefined> {
  if (file === undefined) return undefined;
  const path = weightsAt(file);
  const sha256 = await sha256Of(path);
  if (wanted !== undefined && sha256 !== wanted) {
    throw new DataError(
      `init.file: must be the file that init.sha256 names, got ${path} with ${sha256} where ${wanted} is wanted; ` +
        'name that file, or leave init.sha256 out',
      { path },
    );
  }
  return { ...(await loadWeights(path, key === undefined ? {} : { key })), sha256 };
}

function weightsAt(path: string): string {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined) {
    throw new DataError(
      `init.file: must be a file of weights, a run or an export, got ${path}, which does not exist; name another`,
      { path },
    );
  }
  if (!found.isDirectory()) return path;
  const inside = IN_FOLDERS.find((name) => existsSync(join(path, name)));
  if (inside !== undefined) return join(path, inside);
  throw new DataError(`init.file: a folder must hold ${IN_FOLDERS.join(' or ')}, got ${path}; name a file of weights`, {
    path,
  });
}

async function sha256Of(path: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path), hash);
  return hash.digest('hex');
}
