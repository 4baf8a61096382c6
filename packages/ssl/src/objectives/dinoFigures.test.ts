import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { valueOf } from '../models/fixture.case.js';
import { targetFigures } from './dinoFigures.js';

describe('figures of the targets', () => {
  it('are 1 and 1 where the teacher says nothing', () => {
    torch.scope(() => {
      const figures = targetFigures(torch.full([3, 8], 1 / 8));
      expect(valueOf(figures, 'teacherEntropy')).toBeCloseTo(1, 6);
      expect(valueOf(figures, 'usedPrototypes')).toBe(1);
    });
  });

  it('are 0 and the number of prototypes that win where it is sure', () => {
    torch.scope(() => {
      const sure = torch.tensor([1, 0, 0, 0, 0, 1, 1, 0, 0, 1, 0, 0], { shape: [4, 3] });
      const figures = targetFigures(sure);
      expect(valueOf(figures, 'teacherEntropy')).toBeCloseTo(0, 6);
      expect(valueOf(figures, 'usedPrototypes')).toBe(2);
    });
  });
});
