/**
 * The order in which photos are seen: a pure function of (seed, epoch), so that it can be entered at any step.
 *
 * Position p = step * batch + slot runs through a stream of permutations of the source, one an epoch, end to end. A batch may
 * reach over an epoch's end, or over several where the source is smaller than the batch.
 */
import { uniformStream } from '../transforms/philox.js';

/** What one slot of a batch shows. */
export interface Draw {
  readonly epoch: number;
  readonly index: number; // position in the source
}

const KEPT_EPOCHS = 2;

export class ShuffledOrder {
  private readonly numImages: number;
  private readonly seed: number;
  private readonly permutations = new Map<number, Uint32Array>();

  constructor(numImages: number, seed: number) {
    this.numImages = numImages;
    this.seed = seed;
  }

  /** The photo at a position of the stream. */
  at(position: number): Draw {
    const epoch = Math.floor(position / this.numImages);
    return { epoch, index: this.permutation(epoch)[position - epoch * this.numImages] ?? 0 };
  }

  /** The photos of one step's batch, in slot order. */
  batchAt(step: number, batch: number): Draw[] {
    return Array.from({ length: batch }, (_, slot) => this.at(step * batch + slot));
  }

  private permutation(epoch: number): Uint32Array {
    const known = this.permutations.get(epoch);
    if (known !== undefined) return known;
    for (const old of this.permutations.keys()) {
      if (this.permutations.size < KEPT_EPOCHS) break;
      this.permutations.delete(old);
    }
    const made = epochPermutation(this.numImages, this.seed, epoch);
    this.permutations.set(epoch, made);
    return made;
  }
}

/** Fisher-Yates shuffle of 0 .. numImages - 1 by the stream of (seed, epoch). */
export function epochPermutation(numImages: number, seed: number, epoch: number): Uint32Array {
  const draw = uniformStream(seed, epoch, 0, 0, 'order');
  const order = Uint32Array.from({ length: numImages }, (_, i) => i);
  for (let i = numImages - 1; i > 0; i--) {
    const j = Math.floor(draw() * (i + 1));
    const [a, b] = [order[i] ?? 0, order[j] ?? 0];
    order[i] = b;
    order[j] = a;
  }
  return order;
}
