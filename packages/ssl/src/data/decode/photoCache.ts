/**
 * Decoded photos that stay in memory, up to a budget.
 *
 * First come, first kept: photos are drawn in a new permutation every epoch, where a cache that evicts the least recently used
 * throws out what comes back (its hit rate falls with the square of the share that fits); one that keeps what it has hits at
 * exactly that share.
 */

export interface Sized {
  readonly bytes: number;
}

export class PhotoCache<T extends Sized> {
  private readonly budgetBytes: number;
  private readonly kept = new Map<number, T>();
  private usedBytes = 0;

  constructor(budgetBytes: number) {
    this.budgetBytes = budgetBytes;
  }

  get(index: number): T | undefined {
    return this.kept.get(index);
  }

  /** Keeps a photo if there is room for it; false means that the caller still owns it. */
  offer(index: number, photo: T): boolean {
    if (this.usedBytes + photo.bytes > this.budgetBytes) return false;
    this.kept.set(index, photo);
    this.usedBytes += photo.bytes;
    return true;
  }

  /** Gives all kept photos back. */
  clear(): T[] {
    const photos = [...this.kept.values()];
    this.kept.clear();
    this.usedBytes = 0;
    return photos;
  }
}
