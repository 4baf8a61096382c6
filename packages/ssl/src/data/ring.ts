/**
 * Where everything lies in the shared memory between the decode processes and the feed: offsets, and typed views of them.
 *
 * The ring has `numBanks` banks; a bank holds one batch: B slots of control words, then per view one block of B images.
 * A slot has one writer, the process that was given its job; the feed reads a bank only when all its jobs were answered.
 * B slots of a batch, V views, C canvas pixels a side.
 */

/** Fate of a slot's job, written by its decode process; what the feed reads when that process has died. */
export const SLOT = { waiting: 0, started: 1, done: 2, failed: 3 } as const;

export type SlotState = (typeof SLOT)[keyof typeof SLOT];

/** Plain numbers, sent to the decode processes as they are. */
export interface RingLayout {
  readonly numBanks: number;
  readonly numSlots: number; // B
  readonly canvasPx: readonly number[]; // one per view
  readonly bankBytes: number;
  readonly totalBytes: number;
}

/** The photo that a slot shows, as its decode process found it. */
export interface SlotPhoto {
  readonly widthPx: number; // upright
  readonly heightPx: number;
}

const WORD_BYTES = 4;
const FIXED_WORDS = 3; // state, width, height
const BOX_WORDS = 4; // x, y, width, height
const ALIGN_BYTES = 64; // cache line

/** Lays out a ring of `numBanks` batches of `numSlots` photos with views of the given canvas sides. */
export function ringLayout(numBanks: number, numSlots: number, canvasPx: readonly number[]): RingLayout {
  const pixelBytes = canvasPx.reduce((sum, side) => sum + align(numSlots * imageBytes(side)), 0);
  const bankBytes = align(numSlots * slotWords(canvasPx.length) * WORD_BYTES) + pixelBytes;
  return { numBanks, numSlots, canvasPx, bankBytes, totalBytes: Math.max(ALIGN_BYTES, numBanks * bankBytes) };
}

/** Bytes of one image u8 [3, C, C]. */
export function imageBytes(canvasPx: number): number {
  return 3 * canvasPx * canvasPx;
}

/** A ring's memory, seen through its layout. Both sides of the process border use this class. */
export class Ring {
  readonly layout: RingLayout;
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;
  private readonly viewOffsets: readonly number[];

  constructor(buffer: ArrayBufferLike, layout: RingLayout) {
    this.layout = layout;
    this.words = new Int32Array(buffer, 0, Math.floor(layout.totalBytes / WORD_BYTES));
    this.bytes = new Uint8Array(buffer, 0, layout.totalBytes);
    let offset = align(layout.numSlots * slotWords(layout.canvasPx.length) * WORD_BYTES);
    this.viewOffsets = layout.canvasPx.map((side) => {
      const start = offset;
      offset += align(layout.numSlots * imageBytes(side));
      return start;
    });
  }

  state(bank: number, slot: number): number {
    return Atomics.load(this.words, this.wordOf(bank, slot));
  }

  setState(bank: number, slot: number, state: SlotState): void {
    Atomics.store(this.words, this.wordOf(bank, slot), state);
  }

  photo(bank: number, slot: number): SlotPhoto {
    const word = this.wordOf(bank, slot);
    return { widthPx: this.words[word + 1] ?? 0, heightPx: this.words[word + 2] ?? 0 };
  }

  setPhoto(bank: number, slot: number, photo: SlotPhoto): void {
    this.words.set([photo.widthPx, photo.heightPx], this.wordOf(bank, slot) + 1);
  }

  /** The box that a view's canvas shows: x, y, width, height in pixels of the upright photo. */
  box(bank: number, slot: number, view: number): Int32Array {
    const word = this.wordOf(bank, slot) + FIXED_WORDS + BOX_WORDS * view;
    return this.words.subarray(word, word + BOX_WORDS);
  }

  /** One image u8 [3, C, C] of a view. */
  image(bank: number, slot: number, view: number): Uint8Array {
    const size = imageBytes(this.layout.canvasPx[view] ?? 0);
    return this.images(bank, view).subarray(slot * size, (slot + 1) * size);
  }

  /** All images u8 [B, 3, C, C] of a view. */
  images(bank: number, view: number): Uint8Array {
    const start = bank * this.layout.bankBytes + (this.viewOffsets[view] ?? 0);
    return this.bytes.subarray(start, start + this.layout.numSlots * imageBytes(this.layout.canvasPx[view] ?? 0));
  }

  private wordOf(bank: number, slot: number): number {
    return (bank * this.layout.bankBytes) / WORD_BYTES + slot * slotWords(this.layout.canvasPx.length);
  }
}

function slotWords(numViews: number): number {
  return FIXED_WORDS + BOX_WORDS * numViews;
}

function align(numBytes: number): number {
  return Math.ceil(numBytes / ALIGN_BYTES) * ALIGN_BYTES;
}
