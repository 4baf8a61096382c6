/**
 * Photos that could not be read: counted, replaced, and too many of them an error.
 */
import { DataError } from '../errors.js';
import { type BadSample, photoText, type Source } from './sources/source.js';

const LISTED = 20;

export class BadPhotos {
  private readonly source: Source;
  private readonly maxFraction: number;
  private readonly numPhotos: number;
  private readonly remedy: string;
  private readonly byIndex = new Map<number, BadSample>();

  /**
   * @param numPhotos those that are asked for, of which `maxFraction` may be bad; all of the source by default
   * @param remedy what the caller's user can do beside mending the photos; nothing by default
   */
  constructor(source: Source, maxFraction: number, { numPhotos = source.samples.length, remedy = '' } = {}) {
    this.source = source;
    this.maxFraction = maxFraction;
    this.numPhotos = numPhotos;
    this.remedy = remedy;
  }

  get list(): readonly BadSample[] {
    return [...this.byIndex.values()];
  }

  /** Takes a photo out of use. */
  add(index: number, reason: string): void {
    const sample = this.source.samples[index];
    if (sample !== undefined && !this.byIndex.has(index)) {
      this.byIndex.set(index, { index, id: sample.id, path: sample.path, reason });
    }
  }

  /** The photo itself, or the next one in the source's order that is not known to be bad (all bad: any). */
  nextGood(index: number): number {
    const total = this.source.samples.length;
    let good = index;
    for (let tried = 1; this.byIndex.has(good) && tried < total; tried++) good = (good + 1) % total;
    return good;
  }

  /** @throws DataError when more than the allowed share is bad, or all. */
  check(): void {
    const total = this.numPhotos;
    const numBad = this.byIndex.size;
    if (numBad <= this.maxFraction * total && numBad < total) return;
    const percent = ((100 * numBad) / total).toFixed(numBad * 100 < total ? 2 : 1);
    throw new DataError(
      `data: at most data.maxBadFraction ${this.maxFraction} of the photos may be unreadable, got ${numBad} of ${total} (${percent} %) so far; ` +
        `mend or remove them (halfway data check finds all)${this.remedy}:\n${describeBad(this.list)}`,
    );
  }
}

/** Bad photos as lines for a message, the first twenty of them. */
export function describeBad(bad: readonly BadSample[]): string {
  const lines = bad.slice(0, LISTED).map((photo) => `  ${photoText(photo)}: ${photo.reason}`);
  const more = bad.length - lines.length;
  return [...lines, ...(more > 0 ? [`  and ${more} more`] : [])].join('\n');
}
