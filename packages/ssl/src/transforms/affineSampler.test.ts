import { ones, scope, type Tensor, tensor } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { inverseRigid, rigidCanvasPx, sampleAffine } from './affineSampler.js';
import { createTransformation } from './createTransformation.js';
import { fixture, largestDifference, transformConfig } from './fixture.case.js';
import type { Transformation } from './transformation.js';

// Coordinates in f32 are good to 1e-6 of 13 px, and neighbouring pixels differ by at most 1.
const TOLERANCE = 1e-5;

const make = (name: Transformation['name'], changes: Parameters<typeof transformConfig>[0] = {}): Transformation =>
  createTransformation(name, transformConfig(changes), 13);

function expectGolden(actual: Tensor, key: string): void {
  expect(largestDifference(actual, fixture.get(key)), key).toBeLessThan(TOLERANCE);
}

describe('rotation, translation and SE(2)', () => {
  it("equal torchvision's rotate and affine, on square and wide images", () => {
    scope(() => {
      const [images, wide] = [fixture.get('images'), fixture.get('wide')];
      for (const name of ['rotation', 'translation', 'se2'] as const) {
        expectGolden(make(name).apply(images, fixture.get(`${name}/theta`), 'zeros'), `${name}/out`);
      }
      expectGolden(
        make('rotation').apply(wide, fixture.get('rotation/theta').narrow(0, 0, 2), 'zeros'),
        'rotation/wide',
      );
      expectGolden(make('se2').apply(wide, fixture.get('se2/theta').narrow(0, 0, 2), 'zeros'), 'se2/written');
    });
  });

  it("bicubic and reflect equal PyTorch's grid_sample, mean equals bilinear with that colour outside", () => {
    scope(() => {
      const [images, theta] = [fixture.get('images'), fixture.get('rotation/theta')];
      const bicubic = make('rotation', { interpolation: 'bicubic' });
      expectGolden(bicubic.apply(images, theta, 'zeros'), 'rotation/bicubic');
      expectGolden(make('rotation').apply(images, theta, 'reflect'), 'rotation/reflect');
      expectGolden(make('rotation').apply(images, theta, 'mean'), 'rotation/mean');
    });
  });

  // 5x5, +30 degrees: the output at (x = 4, y = 2) shows the source at (2 + 2 cos 30, 2 + 2 sin 30) = (3.7320508, 3).
  it('turn counter-clockwise: the golden sampling point', () => {
    scope(() => {
      const column = tensor([0, 1, 2, 3, 4]).expand([5, 5]);
      const coordinates = tensor([0, 0, 0]).view([3, 1, 1]).expand([3, 5, 5]).contiguous();
      coordinates.select(0, 0).copy_(column);
      coordinates.select(0, 1).copy_(column.transpose(0, 1));
      const turned = make('rotation').apply(coordinates.unsqueeze(0), tensor([[Math.PI / 6]]), 'zeros');
      const [x, y] = turned.select(3, 4).select(2, 2).toTypedArray();
      expect(x).toBeCloseTo(3.7320508, 5);
      expect(y).toBeCloseTo(3, 5);
    });
  });

  it('outputPx is the central part of the whole', () => {
    scope(() => {
      const [images, theta] = [fixture.get('images'), fixture.get('se2/theta')];
      for (const fill of ['zeros', 'mean', 'reflect'] as const) {
        const whole = make('se2').apply(images, theta, fill);
        const part = make('se2').apply(images, theta, fill, 7);
        expect(part.shape).toEqual([4, 3, 7, 7]);
        expect(largestDifference(part, whole.narrow(2, 3, 7).narrow(3, 3, 7))).toBeLessThan(TOLERANCE);
      }
    });
  });

  it('bicubic stays in [0, 1]', () => {
    scope(() => {
      const turned = make('rotation', { interpolation: 'bicubic' }).apply(
        fixture.get('images').round(),
        fixture.get('rotation/theta'),
        'zeros',
      );
      expect(turned.amin().item()).toBe(0);
      expect(turned.amax().item()).toBe(1);
    });
  });
});

interface Limits {
  readonly angleRad: number;
  readonly shiftPx: number;
}

describe('rigidCanvasPx', () => {
  const shownOutside = (
    sizePx: number,
    canvasPx: number,
    interpolation: 'bilinear' | 'bicubic',
    limits: Limits,
  ): number =>
    scope(() => {
      const angles = Array.from({ length: 73 }, (_, i) => (i / 72) * limits.angleRad);
      const theta = tensor(angles, { shape: [73, 1] });
      const corners = [-1, 1].flatMap((x) => [-1, 1].map((y) => [x * limits.shiftPx, y * limits.shiftPx]));
      const lost = corners.map((shift) => {
        const canvas = ones([73, 1, canvasPx, canvasPx]).mul(0.5); // black outside would darken it
        const inverse = inverseRigid(theta, tensor([shift]).expand([73, 2]));
        const shown = sampleAffine(canvas, inverse, { fill: 'zeros', interpolation, outputPx: sizePx });
        return shown.sub(0.5).abs().amax().item();
      });
      return Math.max(...lost);
    });

  it('is the least canvas of the right parity that shows nothing from outside', () => {
    const cases: [number, Limits][] = [
      [32, { angleRad: Math.PI / 4, shiftPx: 0 }],
      [15, { angleRad: 0, shiftPx: 1.4 }],
      [16, { angleRad: 0.3, shiftPx: 2.7 }],
      [9, { angleRad: Math.PI, shiftPx: 0 }],
    ];
    for (const interpolation of ['bilinear', 'bicubic'] as const) {
      for (const [sizePx, limits] of cases) {
        const canvasPx = rigidCanvasPx(sizePx, { ...limits, interpolation });
        expect((canvasPx - sizePx) % 2).toBe(0);
        expect(shownOutside(sizePx, canvasPx, interpolation, limits), `${sizePx} px`).toBeLessThan(1e-5);
        expect(shownOutside(sizePx, canvasPx - 2, interpolation, limits), `${sizePx} px`).toBeGreaterThan(1e-3);
      }
    }
  });

  it('gives 46 for 32 px, 92 for 64 px and 318 for 224 px turned by 45 degrees', () => {
    const rotation = make('rotation');
    expect([32, 64, 224].map((sizePx) => rotation.canvasPx(sizePx))).toEqual([46, 92, 318]);
  });
});
