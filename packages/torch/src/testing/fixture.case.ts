/** Golden tensors for this package's tests, made by the Python scripts in fixtures/. Not a test itself. */
import { fileURLToPath } from 'node:url';
import { loadSafetensors } from '../io/index.js';
import type { Tensor } from '../tensor.js';

export function fixturePath(topic: string): string {
  return fileURLToPath(new URL(`../../../../fixtures/${topic}.safetensors`, import.meta.url));
}

/** The tensors of `fixtures/<topic>.safetensors`. */
export class Fixture {
  readonly #tensors: ReadonlyMap<string, Tensor>;

  constructor(topic: string) {
    this.#tensors = loadSafetensors(fixturePath(topic)).tensors;
  }

  /** Throws Error when there is no such key. */
  get(key: string): Tensor {
    const found = this.#tensors.get(key);
    if (found === undefined) throw new Error(`fixture: no tensor ${key}; run the script beside the file again`);
    return found;
  }

  /** A fresh copy that wants a gradient. */
  leaf(key: string): Tensor {
    return this.get(key).clone().requiresGrad_();
  }

  /** Entries below a prefix by the rest of their names. */
  below(prefix: string): Map<string, Tensor> {
    const found = [...this.#tensors].filter(([key]) => key.startsWith(prefix));
    return new Map(found.map(([key, tensor]) => [key.slice(prefix.length), tensor]));
  }
}
