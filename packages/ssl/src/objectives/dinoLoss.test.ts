import * as torch from '@halfway/torch';
import type { Tensor } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { expectGradient, present } from '../models/fixture.case.js';
import { centeredTargets } from './centering.js';
import { dinoLoss, rowCrossEntropy } from './dinoLoss.js';
import { wave } from './wave.case.js';

const random = (shape: readonly number[], seed: number): Tensor =>
  torch.randn(shape, { generator: torch.generator(seed), dtype: 'float64' });

describe('rowCrossEntropy', () => {
  it('equals the closed-form golden numbers', () => {
    torch.scope(() => {
      const targets = centeredTargets(wave(Math.sin, 2, 4), wave(Math.sin, 1, 4).mul(0.1), 0.04);
      const rows = rowCrossEntropy(wave(Math.cos, 2, 4), targets, 0.1);
      expect(present(rows.select(0, 0)).item()).toBeCloseTo(7.8566778573, 9);
      expect(present(rows.select(0, 1)).item()).toBeCloseTo(11.177164662, 9);
    });
  });

  it('takes half precision and answers in f32', () => {
    torch.scope(() => {
      const [logits, targets] = [random([3, 5], 0).to('bfloat16'), random([3, 5], 1).to('float32').softmax(-1)];
      const rows = rowCrossEntropy(logits, targets, 0.1);
      expect(rows.dtype).toBe('float32');
      expect(rows.toArray()).toEqual(rowCrossEntropy(logits.to('float32'), targets, 0.1).toArray());
    });
  });
});

describe('dinoLoss', () => {
  const student = (): Tensor => random([4, 3, 5], 2); // V = 4 views, B = 3
  const teacher = (): Tensor => random([2, 3, 5], 3).softmax(-1);

  it('is the mean over the pairs of different views', () => {
    torch.scope(() => {
      const [s, p] = [student(), teacher()];
      const pairs = [0, 1].flatMap((q) => [0, 1, 2, 3].filter((v) => v !== q).map((v) => [q, v] as const));
      const losses = pairs.map(([q, v]) => rowCrossEntropy(s.select(0, v), p.select(0, q), 0.1).mean().item());
      expect(pairs.length).toBe(6);
      expect(dinoLoss(s, p, 0.1).item()).toBeCloseTo(losses.reduce((sum, loss) => sum + loss) / 6, 10);
    });
  });

  it('of one pair is the mean of its images: the closed-form golden number', () => {
    torch.scope(() => {
      const targets = centeredTargets(wave(Math.sin, 2, 4), wave(Math.sin, 1, 4).mul(0.1), 0.04);
      const views = torch.stack([wave(Math.sin, 2, 4), wave(Math.cos, 2, 4)]); // the teacher saw the first
      expect(dinoLoss(views, targets.unsqueeze(0), 0.1).item()).toBeCloseTo(9.5169212597, 9);
    });
  });

  it('has the gradient of its differences', () => {
    torch.scope(() => {
      const p = teacher();
      expectGradient(([s]) => dinoLoss(present(s), p, 0.5), [student()]);
    });
  });

  it('of a student that knows nothing is ln K', () => {
    torch.scope(() => {
      const nothing = torch.zeros([4, 3, 5], { dtype: 'float64' });
      expect(dinoLoss(nothing, teacher(), 0.1).item()).toBeCloseTo(Math.log(5), 12);
    });
  });

  it('of the same distributions is their entropy, and no student does better', () => {
    torch.scope(() => {
      const scores = random([1, 3, 5], 4).expand([2, -1, -1]);
      const p = scores.div(0.1).softmax(-1);
      const entropy = p.mul(p.log()).sum([-1]).mean().neg().item();
      expect(dinoLoss(scores, p, 0.1).item()).toBeCloseTo(entropy, 10);
      expect(dinoLoss(random([2, 3, 5], 5), p, 0.1).item()).toBeGreaterThan(entropy);
    });
  });

  it('does not see what a student says of the view that its teacher saw', () => {
    torch.scope(() => {
      const [s, p] = [student(), teacher().narrow(0, 0, 1)]; // one teacher view, the first
      const other = torch.cat([random([1, 3, 5], 6), s.narrow(0, 1, 3)]);
      expect(dinoLoss(other, p, 0.1).item()).toBeCloseTo(dinoLoss(s, p, 0.1).item(), 12);
    });
  });

  it('names a batch without a pair', () => {
    torch.scope(() => {
      const one = student().narrow(0, 0, 1);
      expect(() => dinoLoss(one, teacher().narrow(0, 0, 1), 0.1)).toThrow(
        'dinoLoss: needs two views of the student or more, of which the teacher has seen the first, got 1 of the student and 1 of the teacher; give both global views to both',
      );
      expect(() => dinoLoss(one, teacher(), 0.1)).toThrow('got 1 of the student and 2 of the teacher');
    });
  });
});
