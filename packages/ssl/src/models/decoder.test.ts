import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { Decoder } from './decoder.js';
import type { DecoderConfig } from './decoder.js';
import { evalContext, expectClose, Fixture, loadWeights, present, relativeError } from './fixture.case.js';
import { createFusion } from './fusion.js';

const fixture = new Fixture('decoders');
const GRID: DecoderConfig = {
  kind: 'token_grid',
  channels: 8,
  activation: 'relu',
  concat: 'feature',
  equivariantDim: 3,
  gridPatches: 3,
  patchPx: 4,
  sizePx: 12,
};
// The configurations of fixtures/models.py, by its names.
const CASES: Readonly<Record<string, DecoderConfig>> = {
  token_grid_8: { ...GRID, equivariantDim: 5, gridPatches: 2, patchPx: 8, sizePx: 16 },
  token_grid_4: { ...GRID, activation: 'gelu' },
  token_grid_14: { ...GRID, gridPatches: 1, patchPx: 14, sizePx: 14 },
  token_grid_token: { ...GRID, equivariantDim: 5, concat: 'token' },
  conv_upsample_4: { ...GRID, kind: 'conv_upsample' },
  global_10: { ...GRID, kind: 'global', gridPatches: 2, patchPx: 5, sizePx: 10 },
  global_token: {
    ...GRID,
    kind: 'global',
    gridPatches: 2,
    patchPx: 5,
    sizePx: 10,
    activation: 'gelu',
    concat: 'token',
  },
};

/** Features of two views as a decoder of that configuration takes them. */
function join(first: torch.Tensor, second: torch.Tensor, config: DecoderConfig): torch.Tensor {
  return createFusion({ ...config, attentionHeads: 1 }, torch.generator(0)).forward(first, second, evalContext());
}

describe('decoder', () => {
  it.each(Object.entries(CASES))(
    '%s: image and gradients equal those of an independent PyTorch module',
    (name, config) => {
      torch.scope(() => {
        const decoder = new Decoder(config, torch.generator(0));
        loadWeights(decoder, fixture.below(`${name}/w/`));
        const [first, second] = [fixture.leaf(`${name}/x/first`), fixture.leaf(`${name}/x/second`)];
        const image = decoder.forward(join(first, second, config), evalContext());
        expectClose(image, fixture.get(`${name}/y/images`), 'image');
        image
          .mul(fixture.get(`${name}/probe/images`))
          .sum()
          .backward();
        expectClose(first.grad, fixture.get(`${name}/gx/first`), 'first', 2e-5);
        expectClose(second.grad, fixture.get(`${name}/gx/second`), 'second', 2e-5);
        for (const [key, parameter] of decoder.namedParameters()) {
          expectClose(parameter.grad, fixture.get(`${name}/g/${key}`), key, 2e-5);
        }
      });
    },
  );

  it.each<[DecoderConfig['kind'], number, number]>([
    ['token_grid', 8, 8],
    ['token_grid', 8, 16],
    ['conv_upsample', 8, 8],
    ['global', 1, 16],
  ])('%s, grid %i, patch %i: starts with images of the scale of its input', (kind, gridPatches, patchPx) => {
    torch.scope(() => {
      const rng = torch.generator(0);
      const sizes = { channels: 128, equivariantDim: 32, gridPatches, patchPx, sizePx: gridPatches * patchPx };
      const images = Array.from({ length: 8 }, () => {
        const decoder = new Decoder({ ...GRID, ...sizes, kind }, rng);
        return decoder.forward(torch.randn([16, gridPatches ** 2, 64], { generator: rng }), evalContext());
      });
      const scale = torch.stack(images).pow(2).mean().sqrt().item();
      // Padding takes a little at the border of each map. With the default of the layers it is 0.05 to 0.09, nearly all of it biases.
      expect(scale).toBeGreaterThan(0.6);
      expect(scale).toBeLessThan(1.4);
    });
  });

  it('bfloat16 gives float32 images within 3 %', () => {
    torch.scope(() => {
      const decoder = new Decoder(present(CASES.token_grid_8), torch.generator(0));
      loadWeights(decoder, fixture.below('token_grid_8/w/'));
      const joined = join(fixture.get('token_grid_8/x/first'), fixture.get('token_grid_8/x/second'), GRID);
      const image = decoder.forward(joined, evalContext('bfloat16'));
      expect(image.dtype).toBe('float32');
      expect(relativeError(image, fixture.get('token_grid_8/y/images'))).toBeLessThan(3e-2);
    });
  });

  it.each([
    [224, 16],
    [224, 14],
    [96, 8],
    [64, 8],
    [64, 4],
    [32, 4],
    [32, 2],
    [64, 32],
    [3, 1],
  ])('%i px, patch %i: the output has the size of the view', (sizePx, patchPx) => {
    torch.scope(() => {
      const gridPatches = sizePx / patchPx;
      for (const kind of ['token_grid', 'global', 'conv_upsample'] as const) {
        const decoder = new Decoder({ ...GRID, kind, gridPatches, patchPx, sizePx }, torch.generator(0));
        const image = torch.noGrad(() => decoder.forward(torch.ones([1, gridPatches ** 2, 6]), evalContext()));
        expect(image.shape).toEqual([1, 3, sizePx, sizePx]);
      }
    });
  });

  it.each([
    [2048, 1_738_723],
    [256, 821_219],
  ])('224 px, patch 16, C0 256, %i equivariant features: %i parameters', (equivariantDim, expected) => {
    torch.scope(() => {
      const config = { ...GRID, channels: 256, equivariantDim, gridPatches: 14, patchPx: 16, sizePx: 224 };
      expect(new Decoder(config, torch.generator(0)).numParameters()).toBe(expected);
    });
  });

  it('a decoder sees both views', () => {
    torch.scope(() => {
      for (const concat of ['feature', 'token', 'cross_attention'] as const) {
        const config = { ...GRID, activation: 'gelu', concat } as const;
        const decoder = new Decoder(config, torch.generator(0));
        const features = (seed: number): torch.Tensor => torch.randn([1, 9, 3], { generator: torch.generator(seed) });
        const [a, b, c] = [features(1), features(2), features(3)];
        const image = (x: torch.Tensor, y: torch.Tensor): torch.Tensor =>
          decoder.forward(join(x, y, config), evalContext());
        expect(relativeError(image(a, c), image(a, b))).toBeGreaterThan(1e-3);
        expect(relativeError(image(c, b), image(a, b))).toBeGreaterThan(1e-3);
      }
    });
  });

  it('names channel counts that fit', () => {
    expect(() => new Decoder({ ...GRID, channels: 20 }, torch.generator(0))).toThrow(
      'decoder.channels: must be a multiple of 8, got 20; use 16 or 24',
    );
  });
});
