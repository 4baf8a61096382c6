import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import type { UnloggedSteps } from '../run/checkpoint.js';
import { DivergedError } from './divergedError.js';
import { Meter } from './meter.js';
import { StepClock } from './stepClock.js';

const indices = Int32Array.of(7, 11);

/** Of steps of 8 photos. */
function newMeter(unlogged: UnloggedSteps = { names: [], rows: [] }): Meter {
  const photoName = (index: number): string => `photos/${index}.jpg`;
  return new Meter({ imagesPerStep: 8, clock: new StepClock(), photoName, unlogged });
}

/** Adds a step with these scalars. */
function add(meter: Meter, step: number, loss: number, finite = 1): void {
  torch.scope(() => {
    const scalars = { loss, recon: loss / 4, gradNorm: 1, finite };
    const tensors = Object.fromEntries(Object.entries(scalars).map(([name, value]) => [name, torch.full([], value)]));
    meter.add(step, tensors, [
      { waitMs: 1, indices: indices.subarray(0, 1) },
      { waitMs: 3, indices: indices.subarray(1) },
    ]);
  });
}

describe('Meter', () => {
  it('gives the means since the last row, of exactly what the steps returned', () => {
    const meter = newMeter();
    add(meter, 1, 1);
    add(meter, 2, 2);
    const row = meter.read(2, { lr: 0.5, numbers: {} });
    expect(row).toMatchObject({ step: 2, loss: 1.5, recon: 0.375, gradNorm: 1, lr: 0.5, dataWaitMs: 4 });
    expect(row).not.toHaveProperty('finite');
    expect(row.imagesPerSecond).toBeCloseTo(8000 / row.stepMs, 6);
    add(meter, 3, 7);
    expect(meter.read(3, { lr: 0.5, numbers: {} }).loss).toBe(7);
  });

  it('goes on from a checkpoint with the same means, to the bit', () => {
    const losses = [0.1, 0.7, 0.3, 0.9].map(Math.fround);
    const [whole, first] = [newMeter(), newMeter()];
    losses.forEach((loss, i) => add(whole, i + 1, loss));
    losses.slice(0, 3).forEach((loss, i) => add(first, i + 1, loss));
    const saved = JSON.parse(JSON.stringify(first.unlogged())) as ReturnType<Meter['unlogged']>;
    const second = newMeter(saved);
    add(second, 4, losses[3] ?? NaN);
    const pace = { imagesPerSecond: 0, stepMs: 0, dataWaitMs: 0 };
    expect({ ...second.read(4, { lr: 0, numbers: {} }), ...pace }).toEqual({
      ...whole.read(4, { lr: 0, numbers: {} }),
      ...pace,
    });
  });

  it('a checkpoint does not change the row that follows', () => {
    const meter = newMeter();
    add(meter, 1, 1);
    expect(meter.unlogged().rows).toHaveLength(1);
    add(meter, 2, 3);
    expect(meter.read(2, { lr: 0, numbers: {} })).toMatchObject({ loss: 2, dataWaitMs: 4 });
    expect(meter.unlogged().rows).toEqual([]);
  });

  it('names the first step that was not finite, what was not, and the photos', () => {
    for (const read of [(meter: Meter) => meter.read(3, { lr: 0, numbers: {} }), (meter: Meter) => meter.unlogged()]) {
      const meter = newMeter();
      add(meter, 1, 1);
      add(meter, 2, NaN, 0);
      add(meter, 3, NaN, 0);
      expect(() => read(meter)).toThrow(DivergedError);
      expect(() => read(meter)).toThrow(
        'train: every step must be finite, got loss, recon not finite at step 2; nothing of it was applied. ' +
          'Lower optim.lr, set optim.clipNorm, or look at its photos: photos/7.jpg, photos/11.jpg',
      );
    }
    const meter = newMeter();
    add(meter, 1, 1, 0);
    expect(() => meter.read(1, { lr: 0, numbers: {} })).toThrow("got the objective's state not finite at step 1");
  });

  it('holds nothing on the device after a row', () => {
    const before = torch.memory.stats().liveTensors;
    const meter = newMeter();
    add(meter, 1, 1);
    meter.read(1, { lr: 0, numbers: {} });
    expect(torch.memory.stats().liveTensors).toBe(before);
  });

  it('names eight photos of a step, each once, and says how many more there are', () => {
    const meter = newMeter();
    torch.scope(() => {
      const scalars = { loss: torch.full([], NaN), finite: torch.full([], 0) };
      meter.add(1, scalars, [{ waitMs: 0, indices: Int32Array.from({ length: 12 }, (_, i) => Math.max(0, i - 1)) }]);
    });
    const first = Array.from({ length: 8 }, (_, i) => `photos/${i}.jpg`).join(', ');
    expect(() => meter.unlogged()).toThrow(new RegExp(`or look at its photos: ${first} and 3 more$`));
  });
});
