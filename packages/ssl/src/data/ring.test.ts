import { describe, expect, it } from 'vitest';
import { imageBytes, Ring, ringLayout, SLOT } from './ring.js';

describe('ring', () => {
  it('gives every word and pixel a place of its own', () => {
    const layout = ringLayout(3, 5, [4, 7]);
    const ring = new Ring(new ArrayBuffer(layout.totalBytes), layout);
    const places: [number, number][] = [];
    const place = (view: Uint8Array | Int32Array): void =>
      void places.push([view.byteOffset, view.byteOffset + view.byteLength]);
    for (let bank = 0; bank < 3; bank++) {
      for (let slot = 0; slot < 5; slot++) {
        for (const view of [0, 1]) {
          place(ring.image(bank, slot, view));
          place(ring.box(bank, slot, view));
        }
      }
    }
    places.sort((a, b) => a[0] - b[0]);
    places.forEach(([start], i) => expect(start).toBeGreaterThanOrEqual(places[i - 1]?.[1] ?? 0));
    expect(places.at(-1)?.[1]).toBeLessThanOrEqual(layout.totalBytes);
    expect(layout.bankBytes % 64).toBe(0);
  });

  it('keeps what is written to one slot out of the others', () => {
    const layout = ringLayout(2, 3, [2]);
    const ring = new Ring(new SharedArrayBuffer(layout.totalBytes), layout);
    ring.setState(1, 2, SLOT.done);
    ring.setPhoto(1, 2, { widthPx: 30, heightPx: 40 });
    ring.box(1, 2, 0).set([1, 2, 3, 4]);
    ring.image(1, 2, 0).fill(9);
    expect([ring.state(1, 2), ring.photo(1, 2), [...ring.box(1, 2, 0)]]).toEqual([
      SLOT.done,
      { widthPx: 30, heightPx: 40 },
      [1, 2, 3, 4],
    ]);
    expect([ring.state(1, 1), ring.state(0, 2), ring.photo(1, 1).widthPx]).toEqual([SLOT.waiting, SLOT.waiting, 0]);
    const others = ring.images(1, 0).subarray(0, 2 * imageBytes(2));
    expect(new Set(others)).toEqual(new Set([0]));
    expect(new Set(ring.images(1, 0).subarray(others.length))).toEqual(new Set([9]));
  });
});
