import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Fixture } from '../../models/fixture.case.js';
import { uniformStream } from '../../transforms/philox.js';
import {
  type CropAugment,
  type CropBox,
  type CropRequest,
  type PhotoSize,
  planCrops,
  planSquare,
  randomResizedCrop,
} from './plan.js';

const augment: CropAugment = { preset: 'all', cropRatio: [3 / 4, 4 / 3] };
const plain = (sizePx: number): CropRequest => requestOf({ sizePx, canvasPx: sizePx });
const requestOf = (request: Partial<CropRequest>): CropRequest => ({
  ...{ sizePx: 32, canvasPx: 32, sharesWithFirst: false, cropScale: [0.08, 1] },
  ...request,
});
const streams = (index: number) => (view: number) => uniformStream(7, 0, index, view, 'crop');
const boxArea = (box: CropBox): number => box.width * box.height;

describe('random resized crop', () => {
  it("gives torchvision's boxes for the same uniform numbers", () => {
    const fixture = new Fixture('data');
    const sizes = fixture.get('rrc.sizes').toArray() as number[][];
    const draws = fixture.get('rrc.draws').toArray() as number[][];
    const boxes = sizes.map(([widthPx = 0, heightPx = 0], row) => {
      const numbers = (draws[row] ?? []).values();
      const draw = (): number => numbers.next().value ?? NaN;
      const { x, y, width, height } = randomResizedCrop({ widthPx, heightPx }, [0.08, 1], [3 / 4, 4 / 3], draw);
      return [x, y, width, height];
    });
    expect(boxes).toEqual(fixture.get('rrc.boxes').toArray());
  });
});

describe('planCrops', () => {
  it('is a pure function of the streams, with these numbers', () => {
    const views = [plain(32), requestOf({ canvasPx: 46 })];
    expect(planCrops({ widthPx: 128, heightPx: 170 }, views, augment, streams(3))).toMatchInlineSnapshot(`
      [
        {
          "height": 131,
          "width": 125,
          "x": 2,
          "y": 4,
        },
        {
          "height": 153,
          "width": 128,
          "x": 0,
          "y": 17,
        },
      ]
    `);
  });

  it('takes the central square without augmentation', () => {
    const none = { ...augment, preset: 'none' } as const;
    expect(planCrops({ widthPx: 101, heightPx: 50 }, [plain(8)], none, streams(0))).toEqual([
      { x: 25, y: 0, width: 50, height: 50 },
    ]);
    const canvas = [requestOf({ sizePx: 8, canvasPx: 12 })];
    expect(planCrops({ widthPx: 101, heightPx: 50 }, canvas, none, streams(0))).toEqual([
      { x: 25, y: 0, width: 50, height: 50 },
    ]);
  });

  it('grows a canvas about the centre of the crop where the photo has room', () => {
    const small = { cropScale: [0.01, 0.01] } as const;
    const photo = { widthPx: 1000, heightPx: 1000 };
    for (let index = 0; index < 20; index++) {
      const [view, canvas] = planCrops(
        photo,
        [requestOf(small), requestOf({ ...small, canvasPx: 64, sharesWithFirst: true })],
        augment,
        streams(index),
      );
      if (view === undefined || canvas === undefined) throw new Error('no boxes');
      expect(Math.abs(canvas.width - 2 * view.width)).toBeLessThanOrEqual(1);
      expect(Math.abs(canvas.height - 2 * view.height)).toBeLessThanOrEqual(1);
      expect(boxArea(view)).toBeGreaterThan(9500);
      expect(Math.abs(view.x + view.width / 2 - canvas.x - canvas.width / 2)).toBeLessThanOrEqual(1);
    }
  });

  const photos: fc.Arbitrary<PhotoSize> = fc.record({
    widthPx: fc.integer({ min: 1, max: 3000 }),
    heightPx: fc.integer({ min: 1, max: 3000 }),
  });
  const requests = fc.record({
    sizePx: fc.integer({ min: 1, max: 64 }),
    margin: fc.integer({ min: 0, max: 64 }),
    sharesWithFirst: fc.boolean(),
  });

  it('never reaches outside the photo, for any photo, canvas and augmentation', () => {
    fc.assert(
      fc.property(
        photos,
        fc.array(requests, { minLength: 1, maxLength: 3 }),
        fc.nat(1e6),
        fc.double({ min: 0.01, max: 1, noNaN: true }),
        (photo, wanted, index, low) => {
          const views = wanted.map(({ sizePx, margin, sharesWithFirst }, i): CropRequest => ({
            sizePx,
            cropScale: [low, 1],
            canvasPx: sizePx + 2 * margin,
            sharesWithFirst: i > 0 && sharesWithFirst,
          }));
          const boxes = planCrops(photo, views, augment, streams(index));
          expect(boxes).toHaveLength(views.length);
          for (const { x, y, width, height } of boxes) {
            for (const value of [x, y, width, height]) expect(Number.isInteger(value)).toBe(true);
            expect(Math.min(x, y)).toBeGreaterThanOrEqual(0);
            expect(Math.min(width, height)).toBeGreaterThanOrEqual(1);
            expect(x + width).toBeLessThanOrEqual(photo.widthPx);
            expect(y + height).toBeLessThanOrEqual(photo.heightPx);
          }
        },
      ),
      { numRuns: 500 },
    );
  });

  it('keeps the aspect ratio where a canvas has to shrink', () => {
    const photo = { widthPx: 400, heightPx: 300 };
    const wide = { ...augment, cropRatio: [4 / 3, 4 / 3] } as const;
    const whole = requestOf({ sizePx: 10, canvasPx: 20, cropScale: [1, 1] });
    const [canvas] = planCrops(photo, [whole], wide, streams(0));
    expect(canvas).toEqual({ x: 0, y: 0, width: 400, height: 300 }); // the view is its central 200 x 150
  });

  it('gives two views of one crop the same box', () => {
    const [first, second] = planCrops(
      { widthPx: 90, heightPx: 70 },
      [plain(16), { ...plain(16), sharesWithFirst: true }],
      augment,
      streams(1),
    );
    expect(second).toEqual(first);
    const [, own] = planCrops({ widthPx: 90, heightPx: 70 }, [plain(16), plain(16)], augment, streams(1));
    expect(own).not.toEqual(first);
  });
});

describe('planSquare', () => {
  it('resizes the short side and cuts the middle as torchvision does', () => {
    const size = (widthPx: number, heightPx: number): PhotoSize => ({ widthPx, heightPx });
    expect(planSquare(size(83, 61), 24)).toEqual({
      part: { x: 0, y: 0, width: 83, height: 61 },
      resized: size(32, 24),
      x: 4,
      y: 0,
    });
    expect(planSquare(size(33, 20), 31)).toMatchObject({ resized: size(51, 31), x: 10 });
    expect(planSquare(size(20, 41), 20)).toMatchObject({ resized: size(20, 41), y: 10 }); // 10.5 goes to the even 10
    expect(planSquare(size(20, 43), 20)).toMatchObject({ y: 12 }); // 11.5 to the even 12
    expect(planSquare(size(1, 60000), 224)).toMatchObject({ part: { y: 29998, height: 4 }, resized: size(224, 896) });
  });
});
