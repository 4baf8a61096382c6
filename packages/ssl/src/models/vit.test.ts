import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { configSchema } from '../config/schema.js';
import { Adapter } from './adapter.js';
import { encodeViews, type EncodedView } from './encodeViews.js';
import { evalContext, expectClose, Fixture, loadWeights, present, relativeError } from './fixture.case.js';
import { Resnet18 } from './resnet.js';
import { Vit, vitConfig } from './vit.js';
import type { VitConfig } from './vit.js';

const SPLIT = { location: 'adapter', dim: 7 } as const;
const SMALL: VitConfig = {
  imagePx: 12,
  patchPx: 4,
  widthDim: 10,
  depth: 2,
  numHeads: 2,
  ffn: 'mlp',
  mlpRatio: 3,
  numRegisters: 2,
  layerScale: 1e-5,
  dropPathRate: 0,
  dropPathSchedule: 'linear',
  dropPathForm: 'image',
  init: 'ibot',
  positionResize: 'size',
};
const PLAIN: VitConfig = { ...SMALL, imagePx: 15, patchPx: 5, widthDim: 12, numHeads: 3, mlpRatio: 2, numRegisters: 0 };
const fixture = new Fixture('models');
const variants = new Fixture('models/vit');

function build(config: VitConfig, weights?: string, from = fixture): Vit {
  const vit = new Vit(config, torch.generator(1));
  if (weights) loadWeights(vit, from.below(`${weights}/w/`));
  return vit;
}

describe('vit', () => {
  it.each([
    ['vit_plain', { ...PLAIN, layerScale: 0 }, fixture],
    ['vit_full', SMALL, fixture],
    ['swiglu', { ...SMALL, widthDim: 12, ffn: 'swiglu', mlpRatio: 2, layerScale: 0 }, variants],
    ['swiglufused', { ...SMALL, ffn: 'swiglufused', numRegisters: 0 }, variants], // F = 24 from 30
  ] as const)('%s: tokens and gradients equal those of PyTorch modules', (name, config, from) => {
    torch.scope(() => {
      const vit = build(config, name, from);
      const images = from.leaf(`${name}/x/images`);
      const tokens = vit.forward(images, evalContext());
      let total = torch.zeros([]);
      for (const part of ['cls', 'registers', 'patches'] as const) {
        if (tokens[part].numel === 0) continue;
        expectClose(tokens[part], from.get(`${name}/y/${part}`), part);
        total = total.add(tokens[part].mul(from.get(`${name}/probe/${part}`)).sum());
      }
      total.backward();
      expectClose(images.grad, from.get(`${name}/gx/images`), 'images', 2e-5);
      for (const [key, parameter] of vit.namedParameters()) {
        // The gradient of the keys' bias is zero but for rounding: compare the whole qkv bias at once.
        expectClose(parameter.grad, from.get(`${name}/g/${key}`), key, 2e-5);
      }
    });
  });

  it.each([20, 8])('%i px: positions are resized bicubically by size', (px) => {
    torch.scope(() => {
      const vit = build(SMALL, 'vit_full');
      const tokens = vit.forward(fixture.get(`vit_full_${px}/x/images`), evalContext());
      for (const part of ['cls', 'patches'] as const)
        expectClose(tokens[part], fixture.get(`vit_full_${px}/y/${part}`), part);
    });
  });

  it('bfloat16 stays within 3 % of float32', () => {
    torch.scope(() => {
      const vit = build(SMALL, 'vit_full');
      const { patches } = vit.forward(fixture.get('vit_full/x/images'), evalContext('bfloat16'));
      expect(patches.dtype).toBe('bfloat16');
      expect(relativeError(patches, fixture.get('vit_full/y/patches'))).toBeLessThan(3e-2);
    });
  });

  it('has the names of DINOv2 checkpoints', () => {
    torch.scope(() => {
      const block = (i: number): string[] =>
        ['norm1', 'attn.qkv', 'attn.proj', 'ls1', 'norm2', 'mlp.fc1', 'mlp.fc2', 'ls2'].flatMap((part) =>
          (part.startsWith('ls') ? ['gamma'] : ['weight', 'bias']).map((leaf) => `blocks.${i}.${part}.${leaf}`),
        );
      const expected = [
        ...['cls_token', 'pos_embed', 'register_tokens', 'patch_embed.proj.weight', 'patch_embed.proj.bias'],
        ...[0, 1].flatMap(block),
        ...['norm.weight', 'norm.bias'],
      ];
      expect([...build(SMALL).stateDict().keys()].sort()).toEqual(expected.sort());
    });
  });

  const DINOV2 = { patch: 14, imagePx: 518, layerScale: 1e-5 } as const;
  const GIANT = { size: 'custom', widthDim: 1536, depth: 40, numHeads: 24, ffn: 'swiglufused' } as const;
  it.each([
    [{ size: 'tiny' }, false, 5_524_416],
    [{ size: 'small' }, false, 21_665_664],
    [{ size: 'small' }, true, 21_666_048], // iBOT's student
    [{ size: 'base' }, false, 85_798_656],
    [{ size: 'large' }, false, 303_301_632],
    [{ size: 'small', ...DINOV2 }, true, 22_056_576],
    [{ size: 'small', numRegisters: 4, ...DINOV2 }, true, 22_056_576 + 4 * 384],
    [{ size: 'base', ...DINOV2 }, true, 86_580_480],
    [{ size: 'large', ...DINOV2 }, true, 304_368_640],
    [{ ...GIANT, ...DINOV2 }, true, 1_136_480_768],
  ] as const)('%o, mask token %s: %i parameters', (options, maskToken, expected) => {
    torch.scope(() => {
      const { depth, ...config } = vitConfig(configSchema.parse({ model: options }).model);
      const count = (d: number): number =>
        new Vit({ ...config, depth: d, maskToken }, torch.generator(0)).numParameters();
      expect(count(0) + depth * (count(1) - count(0))).toBe(expected);
    });
  });

  it('has an adapter that starts as its linear layers do', () => {
    torch.scope(() => {
      const { proj } = new Adapter(64, { location: 'adapter', dim: 64 }, torch.generator(0));
      expect(present(proj).weight.std().item()).toBeCloseTo(0.02, 3);
      expect(present(present(proj).bias).abs().max().item()).toBe(0);
      expect(new Adapter(64, { location: 'backbone', dim: 64 }, torch.generator(0)).proj).toBeUndefined();
    });
  });

  it('starts from the iBOT initialisation', () => {
    torch.scope(() => {
      const vit = build({ ...SMALL, widthDim: 64 });
      const block = present(vit.blocks[0]);
      expect(present(vit.stateDict().get('blocks.0.mlp.fc1.weight')).std().item()).toBeCloseTo(0.02, 3);
      expect(present(block.attn.qkv.bias).abs().max().item()).toBe(0);
      expect(vit.posEmbed.std().item()).toBeCloseTo(0.02, 2.5);
      expect(vit.clsToken.std().item()).toBeCloseTo(0.02, 2.2); // 64 values: +- 0.0018
      expect(present(vit.registerTokens).abs().max().item()).toBeLessThan(1e-5);
      const bound = 1 / Math.sqrt(3 * 4 * 4); // PyTorch's Conv2d default
      expect(vit.patchEmbed.proj.weight.abs().max().item()).toBeLessThanOrEqual(bound);
      expect(vit.patchEmbed.proj.weight.std().item() / bound).toBeCloseTo(1 / Math.sqrt(3), 1.5);
    });
  });

  it("DINOv2's initialisation differs in the class token only", () => {
    torch.scope(() => {
      const [ibot, dinov2] = [build(SMALL), build({ ...SMALL, init: 'dinov2' })].map((vit) => vit.stateDict());
      const differing = [...present(ibot)].filter(([name, value]) => !value.equal(present(dinov2?.get(name))));
      expect(differing.map(([name]) => name)).toEqual(['cls_token']);
      expect(present(dinov2?.get('cls_token')).abs().max().item()).toBeLessThan(1e-5);
    });
  });

  it.each(['image', 'batch_subset'] as const)(
    'drop path by %s rises linearly or is uniform, and acts in training only',
    (dropPathForm) => {
      torch.scope(() => {
        const config = { ...SMALL, depth: 3, dropPathRate: 0.6, layerScale: 1, dropPathForm };
        const vit = build(config);
        const ratesOf = (vit: Vit): number[] => vit.blocks.map((block) => block.dropPath.rate);
        expect(ratesOf(vit)).toEqual([0, 0.3, 0.6]);
        expect(ratesOf(build({ ...config, dropPathSchedule: 'uniform' }))).toEqual([0.6, 0.6, 0.6]);
        const images = torch.randn([8, 3, 12, 12], { generator: torch.generator(2) });
        const run = (train: boolean): torch.Tensor => vit.forward(images, evalContext('float32', train)).cls;
        expect(relativeError(run(false), run(false))).toBe(0);
        expect(relativeError(run(true), run(false))).toBeGreaterThan(1e-3);
      });
    },
  );

  it('names the nearest sizes when the patch does not divide the image', () => {
    expect(() => build({ ...SMALL, imagePx: 30, patchPx: 8 })).toThrow(
      'model.imagePx: must be a multiple of the patch, 8 px, got 30 px; use 24 or 32',
    );
    expect(() => build({ ...SMALL, imagePx: 6, patchPx: 8 })).toThrow('use 8 px');
    torch.scope(() => {
      const vit = build(SMALL);
      expect(() => vit.forward(torch.zeros([1, 3, 13, 13]), evalContext())).toThrow('use 12 or 16 px');
      expect(() => vit.forward(torch.zeros([1, 3, 12, 16]), evalContext())).toThrow(
        'vit: images must be square, got 12 x 16 px',
      );
    });
  });

  it('names width and heads that do not fit', () => {
    expect(() => build({ ...SMALL, widthDim: 10, numHeads: 3 })).toThrow(
      'model.numHeads: must divide model.widthDim 10, got 3; use 2 or 5',
    );
  });
});

describe('encodeViews', () => {
  it('has the batch statistics of all views of a size together, or of each alone', () => {
    torch.scope(() => {
      const options = { stem: 'small', variant: 'torchvision', zeroInitResidual: false } as const;
      const encoder = new Resnet18({ ...options, imagePx: 8, patchPx: 8 }, torch.generator(1));
      const adapter = new Adapter(encoder.widthDim, SPLIT, torch.generator(4));
      const generator = torch.generator(5);
      const views = [1, 2].map((scale) => torch.randn([3, 3, 8, 8], { generator }).mul(scale));
      const ctx = evalContext('float32', true);
      const encode = (eachAlone: boolean): EncodedView[] => {
        const inputs = views.map((images) => ({ images }));
        return encodeViews({ encoder, adapter }, inputs, ctx, { eachAlone });
      };
      const forward = (images: torch.Tensor): torch.Tensor => adapter.forward(encoder.forward(images, ctx), ctx).cls;
      const together = forward(torch.cat(views)).chunk(2);
      for (const [i, view] of views.entries()) {
        expectClose(encode(false)[i]?.cls, present(together[i]), `view ${i} with the other`);
        expectClose(encode(true)[i]?.cls, forward(view), `view ${i} alone`);
      }
      // The second view is twice the first's scale: together it is not what it is alone.
      expect(forward(present(views[1])).allclose(present(together[1]), 1e-2, 1e-2)).toBe(false);
    });
  });

  it('gives the tokens of separate passes, in order, with views of two sizes', () => {
    torch.scope(() => {
      const encoder = build(SMALL, 'vit_full');
      const adapter = new Adapter(encoder.widthDim, SPLIT, torch.generator(4));
      const generator = torch.generator(5);
      const views = [12, 8, 12].map((px) => torch.randn([2, 3, px, px], { generator }));
      const together = encodeViews(
        { encoder, adapter },
        views.map((images) => ({ images })),
        evalContext(),
      );
      for (const [i, view] of views.entries()) {
        const alone = adapter.forward(encoder.forward(view, evalContext()), evalContext());
        expectClose(together[i]?.cls, alone.cls, `cls of view ${i}`);
        expectClose(together[i]?.patches, alone.patches, `patches of view ${i}`);
      }
    });
  });

  it('leaves no tensor behind', () => {
    const [encoder, adapter] = [build(SMALL), new Adapter(SMALL.widthDim, SPLIT, torch.generator(4))];
    const before = torch.memory.stats().liveTensors;
    torch.scope(
      () => encodeViews({ encoder, adapter }, [{ images: torch.ones([2, 3, 12, 12]) }], evalContext()).length,
    );
    expect(torch.memory.stats().liveTensors).toBe(before);
  });
});
