import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { DinoHead, type DinoHeadConfig } from './dinoHead.js';
import { evalContext, expectClose, present } from './fixture.case.js';

const config = (change: Partial<DinoHeadConfig> = {}): DinoHeadConfig => ({
  ...{
    inputDim: 6,
    hiddenDim: 8,
    bottleneckDim: 5,
    headInitStd: 0.02,
    prototypes: 7,
    patchPrototypes: 0,
    equivariantDim: 0,
    normLastLayer: false,
  },
  ...change,
});
const head = (change: Partial<DinoHeadConfig> = {}): DinoHead => new DinoHead(config(change), torch.generator(0));
const names = (change: Partial<DinoHeadConfig> = {}): string[] =>
  head(change)
    .namedParameters()
    .map(([name]) => name);
const MLP = ['mlp.0.weight', 'mlp.0.bias', 'mlp.2.weight', 'mlp.2.bias', 'mlp.4.weight', 'mlp.4.bias'];

describe('dinoHead', () => {
  it("has the references' names, with prototypes for patches where they have their own", () => {
    torch.scope(() => {
      expect(names()).toEqual([...MLP, 'last_layer.weight_g', 'last_layer.weight_v']);
      expect(names({ patchPrototypes: 3 }).slice(-2)).toEqual(['last_layer2.weight_g', 'last_layer2.weight_v']);
    });
  });

  it.each([
    [384, 8192, 7_614_720],
    [1024, 8192, 8_925_440],
    [1024, 65536, 23_662_848],
  ])('from %d to %d has %d parameters', (inputDim, prototypes, expected) => {
    torch.scope(() => {
      const large = { inputDim, prototypes, hiddenDim: 2048, bottleneckDim: 256 };
      expect(head(large).numParameters()).toBe(expected);
    });
  });

  it('gives cosines, whatever the length of tokens and prototypes', () => {
    torch.scope(() => {
      const made = head();
      torch.noGrad(() => made.lastLayer.weightV.mul_(30));
      const tokens = torch.randn([9, 6], { generator: torch.generator(1) }).mul(50);
      const embedded = made.embed(tokens, evalContext());
      expect(embedded.mul(embedded).sum([1]).sub(1).abs().amax().item()).toBeLessThan(1e-6);
      const scores = made.lastLayer.scorer(evalContext())(embedded);
      expect(scores.shape).toEqual([9, 7]);
      expect(scores.abs().amax().item()).toBeLessThanOrEqual(1 + 1e-6);
      torch.noGrad(() => made.lastLayer.weightG.fill_(2));
      const doubled = made.lastLayer.scorer(evalContext())(embedded);
      expect(doubled.sub(scores.mul(2)).abs().amax().item()).toBeLessThan(1e-6);
    });
  });

  it("begins with the references' weights, or with larger ones for layers that are narrower", () => {
    torch.scope(() => {
      const stds = (headInitStd: number): number[] =>
        [0, 2, 4].map((layer) => {
          const weights = head({ inputDim: 90, hiddenDim: 100, bottleneckDim: 80, headInitStd }).stateDict();
          return present(weights.get(`mlp.${layer}.weight`))
            .std()
            .item();
        });
      for (const [given, measured] of [0.02, 0.1].flatMap((std) => stds(std).map((value) => [std, value] as const))) {
        expect(measured / given).toBeCloseTo(1, 1);
      }
    });
  });

  it('with equivariant outputs has a last layer that is cut in two', () => {
    torch.scope(() => {
      const [cut, whole] = [head({ equivariantDim: 3 }), head({ prototypes: 10 })];
      const state = cut.stateDict();
      const [first, second] = ['last_layer.', 'last_layer_equi.'].map(
        (prefix) => (name: string) => state.get(prefix + name),
      );
      const joined = ['weight_g', 'weight_v'].map((name): [string, torch.Tensor] => [
        `last_layer.${name}`,
        torch.cat([present(first?.(name)), present(second?.(name))]),
      ]);
      whole.loadStateDict(new Map([...[...state].filter(([name]) => name.startsWith('mlp.')), ...joined]));
      const [tokens, ctx] = [torch.randn([4, 6], { generator: torch.generator(3) }), evalContext()];
      const scores = whole.lastLayer.scorer(ctx)(whole.embed(tokens, ctx)); // [4, 10]
      expectClose(cut.lastLayer.scorer(ctx)(cut.embed(tokens, ctx)), scores.narrow(1, 0, 7), 'prototypes');
      expectClose(cut.equivariant(tokens, ctx), scores.narrow(1, 7, 3), 'equivariant');
      expect(() => head().equivariant(tokens, ctx)).toThrow('internal: dinoHead');
    });
  });

  it('trains the gains of its prototypes, or keeps them', () => {
    torch.scope(() => {
      expect(head().lastLayer.weightG.requiresGrad).toBe(true);
      const kept = head({ normLastLayer: true, patchPrototypes: 3 });
      expect([kept.lastLayer.weightG.requiresGrad, present(kept.lastLayer2).weightG.requiresGrad]).toEqual([
        false,
        false,
      ]);
      expect(kept.lastLayer.weightV.requiresGrad).toBe(true);
    });
  });

  it('begins as iBOT does: linear layers of std 0.02 without bias, prototypes uniform in 1 / sqrt(E)', () => {
    torch.scope(() => {
      const made = new DinoHead(config({ inputDim: 64, hiddenDim: 64, prototypes: 50 }), torch.generator(0));
      const state = made.stateDict();
      const std = present(state.get('mlp.0.weight')).std().item();
      expect(Math.abs(std / 0.02 - 1)).toBeLessThan(0.05);
      expect(present(state.get('mlp.2.bias')).abs().amax().item()).toBe(0);
      const largest = made.lastLayer.weightV.detach().abs().amax().item();
      expect(largest).toBeLessThanOrEqual(1 / Math.sqrt(5));
      expect(largest).toBeGreaterThan(0.9 / Math.sqrt(5));
    });
  });

  it('computes products in the compute dtype and lengths in f32', () => {
    torch.scope(() => {
      const [made, ctx] = [head(), evalContext('bfloat16')];
      const embedded = made.embed(torch.randn([4, 6], { generator: torch.generator(2) }), ctx);
      expect([embedded.dtype, made.lastLayer.scorer(ctx)(embedded).dtype]).toEqual(['bfloat16', 'bfloat16']);
    });
  });
});
