import { afterEach, describe, expect, it } from 'vitest';
import {
  TorchError,
  convTf32,
  float32MatmulPrecision,
  generator,
  randn,
  setConvTf32,
  setFloat32MatmulPrecision,
} from './index.js';

describe('the precision of float32', () => {
  afterEach(() => {
    setFloat32MatmulPrecision('highest');
    setConvTf32(true);
  });

  it("begins as PyTorch's", () => {
    expect([float32MatmulPrecision(), convTf32()]).toEqual(['highest', true]);
  });

  it('is what it was set to', () => {
    for (const precision of ['high', 'medium', 'highest'] as const) {
      setFloat32MatmulPrecision(precision);
      expect(float32MatmulPrecision()).toBe(precision);
    }
    setConvTf32(false);
    expect(convTf32()).toBe(false);
    expect(() => {
      setFloat32MatmulPrecision('exact' as 'high');
    }).toThrow(new TorchError('setFloat32MatmulPrecision: must be one of highest high medium, got exact'));
  });

  it('highest gives the same product as before, whatever was set between', () => {
    const x = randn([64, 64], { generator: generator(0) });
    const product = (): string => x.matmul(x).toBytes().join();
    const before = product();
    setFloat32MatmulPrecision('medium');
    product();
    setFloat32MatmulPrecision('highest');
    expect(product()).toBe(before);
  });
});
