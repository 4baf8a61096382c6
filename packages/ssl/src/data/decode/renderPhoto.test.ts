import { scope, type Tensor } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { Fixture } from '../../models/fixture.case.js';
import { uniformStream } from '../../transforms/philox.js';
import { Ring, ringLayout } from '../ring.js';
import { type CropRequest, planCrops } from '../views/plan.js';
import type { RenderJob, RenderRequest } from './messages.js';
import { renderPhoto, resizeBox, type UprightPhoto, uprightPhoto } from './renderPhoto.js';

const fixture = new Fixture('data');

/** A photo as it comes from the decoder, from pixels u8 [H, W, 3]. */
function photoOf(pixels: Tensor, orientation = 1): UprightPhoto {
  const [heightPx = 0, widthPx = 0] = pixels.shape;
  return uprightPhoto({ data: pixels.toBytes(), widthPx, heightPx, orientation });
}

const job = (slot: number, drawnIndex = 4): RenderJob => ({
  slot,
  index: 0,
  path: '',
  offsetBytes: 0,
  sizeBytes: 0,
  epoch: 2,
  drawnIndex,
});

function render(photo: UprightPhoto, request: RenderRequest, canvasPx: readonly number[]): Ring {
  const layout = ringLayout(1, 2, canvasPx);
  const ring = new Ring(new ArrayBuffer(layout.totalBytes), layout);
  renderPhoto(photo, request, job(1), ring, 0);
  return ring;
}

/** Equal, but for one level in a byte of a hundred: libtorch's weights have 16 bits, PIL's 22. */
function expectNear(actual: Uint8Array, expected: Uint8Array, what: string): void {
  expect(actual.length, what).toBe(expected.length);
  const differences = Array.from(actual, (value, i) => Math.abs(value - (expected[i] ?? NaN)));
  expect(Math.max(...differences), what).toBeLessThanOrEqual(1);
  expect(differences.filter((difference) => difference > 0).length / expected.length, what).toBeLessThan(0.01);
}

describe('renderPhoto', () => {
  it('crops and resizes as PIL does, up and down', () => {
    const photo = photoOf(fixture.get('photo'));
    for (let i = 0; i < 6; i++) {
      const [x = 0, y = 0, width = 0, height = 0] = fixture.get(`crop${i}.box`).toTypedArray() as Int32Array;
      const expected = fixture.get(`crop${i}.out`); // [3, S, S]
      const sizePx = expected.shape[1] ?? 0;
      const bytes = scope(() => resizeBox(photo, { x, y, width, height }, sizePx, sizePx).toBytes());
      expectNear(bytes, expected.toBytes(), `crop ${i}`);
    }
  });

  it("makes torchvision's resized and centre-cropped square", () => {
    for (let i = 0; i < 5; i++) {
      const expected = fixture.get(`square${i}.out`);
      const sizePx = expected.shape[1] ?? 0;
      const ring = render(photoOf(fixture.get(`square${i}.photo`)), { kind: 'square', sizePx }, [sizePx]);
      expectNear(ring.image(0, 1, 0), expected.toBytes(), `square ${i}`);
    }
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('turns EXIF orientation %i upright as PIL does', (orientation) => {
    const upright = fixture.get(`exif.upright${orientation}`); // [H, W, 3]
    const photo = photoOf(fixture.get('exif.stored'), orientation);
    expect([photo.heightPx, photo.widthPx]).toEqual(upright.shape.slice(0, 2));
    expect([...photo.pixels.toBytes()]).toEqual([...upright.toBytes()]);
    const whole = { x: 0, y: 0, width: photo.widthPx, height: photo.heightPx };
    const seen = scope(() =>
      resizeBox(photo, whole, photo.heightPx, photo.widthPx).squeeze(0).permute([1, 2, 0]).toBytes(),
    );
    expect([...seen]).toEqual([...upright.toBytes()]); // what is cropped, not only what is kept
  });

  const views: CropRequest[] = [
    { sizePx: 12, canvasPx: 12, sharesWithFirst: false, cropScale: [0.08, 1] },
    { sizePx: 12, canvasPx: 18, sharesWithFirst: false, cropScale: [0.08, 1] },
  ];
  const augment = { preset: 'all', cropRatio: [3 / 4, 4 / 3] } as const;
  const request = { kind: 'views', seed: 9, views, augment } as const;

  it('renders each view from its planned box', () => {
    const photo = photoOf(fixture.get('photo'));
    const ring = render(photo, request, [12, 18]);
    const boxes = planCrops(photo, views, augment, (view) => uniformStream(9, 2, 4, view, 'crop'));
    expect(ring.photo(0, 1)).toEqual({ widthPx: 83, heightPx: 61 });
    boxes.forEach((box, view) => {
      expect([...ring.box(0, 1, view)]).toEqual([box.x, box.y, box.width, box.height]);
      const side = views[view]?.canvasPx ?? 0;
      const expected = scope(() => resizeBox(photo, box, side, side).toBytes());
      expect([...ring.image(0, 1, view)]).toEqual([...expected]);
    });
    expect([...ring.image(0, 0, 0)].every((byte) => byte === 0)).toBe(true); // the other slot
  });

  it('cuts the first view out of the canvas of the view that shares its crop', () => {
    const sharing = [{ ...views[0] }, { ...views[1], sharesWithFirst: true }] as CropRequest[];
    const ring = render(photoOf(fixture.get('photo')), { ...request, views: sharing }, [12, 18]);
    const [view, canvas] = [ring.image(0, 1, 0), ring.image(0, 1, 1)];
    for (let c = 0; c < 3; c++) {
      for (let y = 0; y < 12; y++) {
        const row = canvas.subarray(c * 324 + (y + 3) * 18 + 3).subarray(0, 12);
        expect([...view.subarray(c * 144 + y * 12).subarray(0, 12)]).toEqual([...row]);
      }
    }
  });

  it('shows a photo of one pixel as a plain square', () => {
    const photo = uprightPhoto({ data: Uint8Array.of(7, 8, 9), widthPx: 1, heightPx: 1, orientation: 6 });
    const ring = render(photo, request, [12, 18]);
    expect(new Set(ring.image(0, 1, 1).subarray(0, 324))).toEqual(new Set([7]));
    expect(new Set(render(photo, { kind: 'square', sizePx: 5 }, [5]).image(0, 1, 0))).toEqual(new Set([7, 8, 9]));
  });
});
