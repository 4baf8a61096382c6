import { describe, expect, it } from 'vitest';
import { TensorDisposedError, TorchError, generator, randn } from './index.js';

const draw = (rng: ReturnType<typeof generator>) => randn([5], { generator: rng }).toArray();

describe('generator', () => {
  it('equals PyTorch for the same seed', () => {
    // torch.randn(3, generator=torch.Generator().manual_seed(0)), torch 2.15
    const expected = [1.5409960746765137, -0.293428897857666, -2.1787893772125244];
    expect(randn([3], { generator: generator(0) }).toArray()).toEqual(expected);
  });

  it('goes on from a state, also in another generator', () => {
    const rng = generator(5);
    draw(rng);
    const state = rng.getState();
    const next = draw(rng);
    expect(draw(rng)).not.toEqual(next);
    expect(draw(rng.setState(state))).toEqual(next);
    expect(draw(generator(1).setState(state))).toEqual(next);
  });

  it('starts again with manualSeed; 64-bit seeds differ', () => {
    const rng = generator(5);
    const first = draw(rng);
    expect(draw(rng.manualSeed(5))).toEqual(first);
    expect(draw(generator((1n << 64n) - 1n))).not.toEqual(draw(generator((1n << 64n) - 2n)));
  });

  it('refuses what is no seed or no state, and use after its end', () => {
    expect(() => generator(-1)).toThrow(/seed must be an integer in \[0, 2\^64\), got -1/);
    expect(() => generator(0.5)).toThrow(TorchError);
    expect(() => generator(1n << 64n)).toThrow(TorchError);
    expect(() => generator(0).setState(new Uint8Array(10))).toThrow(TorchError);
    const rng = generator(0);
    rng.dispose();
    expect(() => draw(rng)).toThrow(TensorDisposedError);
    expect(() => rng.getState()).toThrow(TensorDisposedError);
    expect(() => randn([1], { generator: JSON.parse('{}') as typeof rng })).toThrow(/must be a generator/);
  });
});
