/** Parity with torchvision's class on weights, images and probes that fixtures/models/resnet.py and this file draw alike. */
import * as torch from '@halfway/torch';
import { init } from '@halfway/torch/nn';
import { expectNoLeak } from '@halfway/torch/testing';
import { describe, expect, it } from 'vitest';
import { evalContext, expectClose, Fixture, present, relativeError } from './fixture.case.js';
import { Resnet18, type ResnetConfig } from './resnet.js';

const [GRID, BATCH] = [2, 3] as const; // of the fixture
const fixture = new Fixture('models/resnet');

const CASES = (['torchvision', 'sie'] as const).flatMap((variant) =>
  ([['imagenet', 32] as const, ['small', 8] as const] as const).map(([stem, patchPx]) => ({ variant, stem, patchPx })),
);
const SMALL: ResnetConfig = {
  ...{ variant: 'torchvision', stem: 'small' },
  zeroInitResidual: true,
  patchPx: 8,
  imagePx: 16,
};

interface Case {
  readonly net: Resnet18;
  readonly images: torch.Tensor;
  readonly probe: torch.Tensor; // of the patch tokens [B, N, D]
}

/** The network of a case with the fixture's weights, and its images. Call it in a scope. */
function drawCase({ variant, stem, patchPx }: (typeof CASES)[number]): Case {
  const rng = torch.generator(fixture.get(`${variant}_${stem}/seed`).item());
  const imagePx = GRID * patchPx;
  const net = new Resnet18({ variant, stem, patchPx, imagePx, zeroInitResidual: true }, torch.generator(0));
  for (const [name, value] of [...net.stateDict()].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const bound = Math.sqrt(6 / init.fanIn(value));
    if (value.rank === 4) init.uniform_(value, -bound, bound, rng);
    else if (/(weight|running_var)$/.test(name)) init.uniform_(value, 0.5, 1.5, rng);
    else if (value.rank === 1) init.uniform_(value, -0.2, 0.2, rng);
  }
  const images = init.uniform_(torch.empty([BATCH, 3, imagePx, imagePx]), -2, 2, rng).requiresGrad_();
  const probe = init.uniform_(torch.empty([BATCH, 512, GRID, GRID]), -1, 1, rng);
  return { net, images, probe: probe.flatten(2).transpose(1, 2) };
}

/** What the fixture has of a tensor: the root mean square and up to 64 of its values, evenly spaced. */
function sample(value: torch.Tensor): torch.Tensor {
  const flat = value.detach().to('float64').flatten();
  const spaced = flat.slice(0, 0, flat.numel, Math.ceil(flat.numel / 64));
  return torch.cat([flat.square().mean().sqrt().reshape([1]), spaced]);
}

function mapOf(patches: torch.Tensor): torch.Tensor {
  return patches.transpose(1, 2); // [B, D, N], in memory the order of [B, D, G, G]
}

describe('resnet18', () => {
  it.each(CASES)(
    '$variant, $stem stem: tokens, gradients and running statistics equal those of torchvision',
    (which) => {
      torch.scope(() => {
        const name = `${which.variant}_${which.stem}`;
        const { net, images, probe } = drawCase(which);
        expectClose(sample(mapOf(net.forward(images, evalContext()).patches)), fixture.get(`${name}/eval`), 'eval');
        const { cls, registers, patches } = net.forward(images, evalContext('float32', true));
        expectClose(sample(mapOf(patches)), fixture.get(`${name}/train`), 'train');
        expect([cls.shape, registers.shape]).toEqual([
          [BATCH, 512],
          [BATCH, 0, 512],
        ]);
        expectClose(cls, patches.mean([1]), 'cls');
        patches.mul(probe).sum().backward();
        // Float32 through twenty batch norms, of 12 values each in the last stage, against float64: PyTorch itself is 1.5e-5 away.
        const expectGradient = (key: string, gradient: torch.Tensor | undefined): void =>
          expectClose(sample(present(gradient)), fixture.get(`${name}/g/${key}`), key, 5e-5);
        expectGradient('images', images.grad);
        for (const [key, parameter] of net.namedParameters()) expectGradient(key, parameter.grad);
        for (const [key, buffer] of net.namedBuffers()) {
          expectClose(sample(buffer), fixture.get(`${name}/buffer/${key}`), key);
        }
      });
    },
  );

  it.each(CASES)("$variant, $stem stem: has torchvision's names, and its tokens the grid of the patch", (which) => {
    torch.scope(() => {
      const { net, images } = drawCase(which);
      const name = `${which.variant}_${which.stem}`;
      const expected = ['g/', 'buffer/'].flatMap((kind) => [...fixture.below(`${name}/${kind}`).keys()]);
      expect([...net.stateDict().keys()].sort()).toEqual(expected.filter((key) => key !== 'images').sort());
      expect([net.gridPatches, net.patchPx, net.widthDim]).toEqual([GRID, which.patchPx, 512]);
      expect(net.forward(images, evalContext()).patches.shape).toEqual([BATCH, GRID ** 2, 512]);
    });
  });

  it.each([
    [{ variant: 'torchvision', stem: 'imagenet' }, 11_176_512], // torchvision's 11,689,512 less fc
    [{ variant: 'torchvision', stem: 'small' }, 11_168_832],
    [{ variant: 'sie', stem: 'imagenet' }, 11_180_736], // one shortcut of 64 x 64 and its norm more
  ] as const)('%o: %i parameters', (options, expected) => {
    torch.scope(() => {
      const net = new Resnet18({ ...SMALL, ...options, patchPx: 32, imagePx: 32 }, torch.generator(0));
      expect(net.numParameters()).toBe(expected);
    });
  });

  it('starts with residual branches of zero: a block without projection is relu(x)', () => {
    torch.scope(() => {
      const x = torch.randn([2, 64, 4, 4], { generator: torch.generator(1) });
      const blockOf = (zeroInitResidual: boolean): torch.Tensor =>
        present(new Resnet18({ ...SMALL, zeroInitResidual }, torch.generator(0)).layer1[0]).forward(x, evalContext());
      expect(relativeError(blockOf(true), x.relu())).toBe(0);
      expect(relativeError(blockOf(false), x.relu())).toBeGreaterThan(0.1);
    });
  });

  it('convolutions start from N(0, 2 / fan_out), norms from the identity', () => {
    torch.scope(() => {
      const net = new Resnet18(SMALL, torch.generator(0));
      const state = net.stateDict();
      // 2,359,296 values of std sqrt(2 / (512 * 9)); their own std is within 0.05 %.
      expect(present(state.get('layer4.1.conv2.weight')).std().item() / Math.sqrt(2 / (512 * 9))).toBeCloseTo(1, 2);
      expect(present(state.get('bn1.weight')).min().item()).toBe(1);
      expect(present(state.get('bn1.bias')).abs().max().item()).toBe(0);
    });
  });

  it('images change each other in training only', () => {
    torch.scope(() => {
      const net = new Resnet18(SMALL, torch.generator(0));
      const images = torch.randn([2, 3, 16, 16], { generator: torch.generator(1) });
      const first = (batch: torch.Tensor, train: boolean): torch.Tensor =>
        net.forward(batch, evalContext('float32', train)).patches.narrow(0, 0, 1);
      expect(relativeError(first(images, true), first(images.narrow(0, 0, 1), true))).toBeGreaterThan(0.01);
      expectClose(first(images, false), first(images.narrow(0, 0, 1), false), 'alone');
    });
  });

  it('bfloat16 stays within 5 % of float32', () => {
    torch.scope(() => {
      const { net, images } = drawCase({ variant: 'torchvision', stem: 'small', patchPx: 8 });
      const expected = net.forward(images, evalContext()).patches;
      const { cls, patches } = net.forward(images, evalContext('bfloat16'));
      expect([cls.dtype, patches.dtype]).toEqual(['bfloat16', 'bfloat16']);
      expect(relativeError(patches, expected)).toBeLessThan(0.05);
    });
  });

  it('names what it cannot take', () => {
    expect(() => new Resnet18({ ...SMALL, imagePx: 20 }, torch.generator(0))).toThrow(
      'model.imagePx: must be a multiple of the patch, 8 px, got 20 px; use 16 or 24',
    );
    torch.scope(() => {
      const net = new Resnet18(SMALL, torch.generator(0));
      const mask = torch.zeros([1, 4], { dtype: 'bool' });
      expect(() => net.forward(torch.zeros([1, 3, 16, 24]), evalContext())).toThrow(
        'resnet18: images must be square, got 16 x 24 px',
      );
      expect(() => net.forward(torch.zeros([1, 3, 16, 16]), evalContext(), mask)).toThrow('has no mask token');
      expect(() => net.forward(torch.zeros([1, 3, 8, 8]), evalContext('float32', true))).toThrow(
        'BatchNorm2d: the input must be [B, 512, H, W] with at least 2 values a channel',
      );
    });
  });

  it('leaves nothing behind', () => {
    const net = new Resnet18(SMALL, torch.generator(0));
    expectNoLeak(() => {
      net
        .forward(torch.ones([2, 3, 16, 16]), evalContext('float32', true))
        .patches.sum()
        .backward();
      for (const parameter of net.parameters()) parameter.grad = undefined;
    });
  });
});
