/**
 * Features on disk by content: a file is used only if weights, photos and protocol are those it was made from, and its
 * bytes are the ones that were written. One file a label, so that the folder cannot grow without bound.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Tensor } from '@halfway/torch';
import { loadSafetensors, saveSafetensors } from '@halfway/torch/io';
import { reasonOf } from '../errors.js';
import { makeFolder } from '../makeFolder.js';
import { discard } from '../run/files.js';

/** Everything features depend on, as text: equal text, equal features. What takes time to say is said when it is asked for. */
export interface FeatureKey {
  readonly weights: () => string; // sha256 of the encoder's state
  readonly photos: () => string; // fingerprint of the source and of the photos taken from it, and when their files changed
  readonly protocol: string; // sizes, kind, split, transformation, ranges, device
}

/** Bumped when the code changes what features are made of. */
const CACHE_VERSION = '3'; // 1: photos of EXIF orientation 6 to 8 were noise; 2: no split, no device

/** A folder of features. */
export class FeatureCache {
  readonly #dir: string;
  readonly #onNotice: (text: string) => void;

  /** @param onNotice told in one sentence when a file is stale or corrupt and will be computed again */
  constructor(dir: string, onNotice: (text: string) => void = () => undefined) {
    this.#dir = dir;
    this.#onNotice = onNotice;
  }

  /** The tensors stored under this label for this key, outside every scope; undefined if there are none that fit. */
  load(label: string, key: FeatureKey): Map<string, Tensor> | undefined {
    const path = this.#path(label);
    if (!existsSync(path)) return undefined;
    try {
      const { tensors, metadata } = loadSafetensors(path);
      const reason = this.#mismatch(key, tensors, metadata);
      if (reason === undefined) return tensors;
      for (const tensor of tensors.values()) tensor.dispose();
      this.#onNotice(`feature cache: ${path} ${reason}; computing again`);
    } catch (error) {
      this.#onNotice(`feature cache: ${path} cannot be read (${reasonOf(error)}); computing again`);
    }
    discard(path);
    return undefined;
  }

  /** Stores the tensors under this label, in place of what was there. A full disk costs the cache, not the result. */
  store(label: string, key: FeatureKey, tensors: Map<string, Tensor>): void {
    const path = this.#path(label);
    try {
      makeFolder(this.#dir);
      saveSafetensors(path, tensors, { ...metadataOf(key), checksum: checksumOf(tensors) });
    } catch (error) {
      this.#onNotice(`feature cache: ${path} cannot be written (${reasonOf(error)}); going on without it`);
    }
  }

  #path(label: string): string {
    return join(this.#dir, `${label}.safetensors`);
  }

  #mismatch(key: FeatureKey, tensors: Map<string, Tensor>, metadata: Record<string, string>): string | undefined {
    const wanted = metadataOf(key);
    const changed = Object.keys(wanted).filter((name) => metadata[name] !== wanted[name as keyof typeof wanted]);
    if (changed.length > 0) return `is stale (${changed.join(', ')} changed)`;
    if (metadata['checksum'] !== checksumOf(tensors)) return 'is corrupt (checksum differs)';
    return undefined;
  }
}

function metadataOf(key: FeatureKey): { version: string; weights: string; photos: string; protocol: string } {
  return { version: CACHE_VERSION, weights: key.weights(), photos: key.photos(), protocol: key.protocol };
}

/** sha256 over names, shapes, dtypes and bytes, in the order of names: of a cache file's content or of an encoder. */
export function checksumOf(tensors: Map<string, Tensor>): string {
  const hash = createHash('sha256');
  for (const name of [...tensors.keys()].sort()) {
    const tensor = tensors.get(name);
    if (tensor === undefined) continue;
    hash.update(`${name}:${tensor.dtype}:${tensor.shape.join('x')}\n`).update(tensor.toBytes());
  }
  return hash.digest('hex');
}
