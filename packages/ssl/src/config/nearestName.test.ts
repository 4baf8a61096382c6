import { describe, expect, it } from 'vitest';
import { nearestName } from './nearestName.js';

describe('nearestName', () => {
  it('finds the candidate with the fewest edits, whatever its case', () => {
    expect(nearestName('lamda', ['batch', 'lambda', 'label'])).toBe('lambda');
    expect(nearestName('IMAGEPX', ['imagePx', 'patch'])).toBe('imagePx');
    expect(nearestName('batch', ['patch', 'batch'])).toBe('batch');
  });

  it('finds nothing where every candidate would be another word', () => {
    expect(nearestName('momentum', ['lr', 'betas', 'weightDecay'])).toBeUndefined();
    expect(nearestName('x', [])).toBeUndefined();
  });
});
