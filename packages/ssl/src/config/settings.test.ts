import { describe, expect, it } from 'vitest';
import { applySettings } from './settings.js';

describe('applySettings', () => {
  it('changes nested keys in a copy, the last setting of a key wins', () => {
    const tree = { optim: { lr: 1, betas: [0.9, 0.95] } };
    const changed = applySettings(tree, ['optim.lr=2', 'train.batch=8', 'optim.lr=3']);
    expect(changed).toEqual({ optim: { lr: 3, betas: [0.9, 0.95] }, train: { batch: 8 } });
    expect(tree.optim.lr).toBe(1);
  });

  it('reads values as YAML does', () => {
    const values = ['a=1e-3', 'b=true', 'c=rotation', 'd=[1, 2]', 'e=', 'f=x=y', 'g="8"', 'h={'];
    expect(applySettings(undefined, values)).toEqual({
      ...{ a: 0.001, b: true, c: 'rotation', d: [1, 2], e: null, f: 'x=y', g: '8', h: '{' },
    });
  });

  it('refuses a setting without a key, and one that would reach the prototype of all objects', () => {
    for (const setting of ['optim.lr', '=3', 'optim.=3', '.lr=3', '__proto__.lr=3', 'optim.__proto__.lr=3']) {
      expect(() => applySettings({}, [setting])).toThrow(`--set: must be key.path=value, got ${setting};`);
    }
    expect(({} as Record<string, unknown>)['lr']).toBeUndefined();
  });
});
