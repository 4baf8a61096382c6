import * as torch from '@halfway/torch';
import type { Tensor } from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { configSchema } from '../config/schema.js';
import type { DeviceBatch, View } from '../data/batch.js';
import { evalContext, present, valueOf } from '../models/fixture.case.js';
import { createObjective } from './create.js';
import { objectiveBatch, stepParams } from './objective.case.js';
import type { Objective, ObjectiveOutput } from './objective.js';
import { hiddenPatches, pairFeatures } from './pairSource.js';
import type { PairSource } from './pairSource.js';

const make = (recon: object = {}, objective = 'ibot'): Objective => {
  const head = { hiddenDim: 7, bottleneckDim: 5, prototypes: 11 };
  const config = configSchema.parse({
    model: { size: 'custom', widthDim: 12, depth: 1, numHeads: 2, patch: 4, imagePx: 16 },
    split: { dim: 10, equivariantDim: 4 },
    ...{ objective, dino: head, ibot: { ...head, masks: { ratios: [[0.5, 0.2]] } } },
    decoder: { channels: 8, activation: 'gelu' },
    recon: { target: 'rotation', ...recon },
  });
  return createObjective(config, torch.generator(0));
};

const forward = (objective: Objective, batch: DeviceBatch): ObjectiveOutput =>
  objective.forward(batch, stepParams(objective), objective.initialState(), evalContext('float32', true));

const withViews = (batch: DeviceBatch, change: (view: View, i: number) => View): DeviceBatch => ({
  ...batch,
  views: batch.views.map(change),
});
const seen = (view: View): View => ({ ...view, mask: torch.zerosLike(present(view.mask)) });

/** The term after the teacher has moved away from the student. */
function reconWithOtherTeacher(recon: object, batch?: (objective: Objective) => DeviceBatch): number {
  return torch.scope(() => {
    const objective = make(recon);
    torch.noGrad(() => {
      for (const parameter of present(objective.teacher).network.parameters()) parameter.mul_(0.5);
    });
    return valueOf(forward(objective, (batch ?? objectiveBatch)(objective)).terms, 'recon');
  });
}

describe('whose features a task reads', () => {
  it("student: gradients reach the first view's pixels; student_v2_only and teacher_v1: they do not", () => {
    torch.scope(() => {
      const gradients = (source: string): boolean[] => {
        const objective = make({ source });
        const batch = withViews(objectiveBatch(objective), (view) => ({
          ...view,
          images: view.images.clone().requiresGrad_(),
        }));
        present(forward(objective, batch).terms['recon']).backward();
        return batch.views
          .slice(0, 2)
          .map(({ images }) => images.grad !== undefined && images.grad.abs().amax().item() > 0);
      };
      expect(gradients('student')).toEqual([true, true]);
      expect(gradients('student_v2_only')).toEqual([false, true]);
      expect(gradients('teacher_v1')).toEqual([false, true]);
    });
  });

  it("teacher_v1: the teacher's of the first view, of which it hides nothing", () => {
    // As long as the teacher equals the student, its features are those of the student that sees all of v1.
    torch.scope(() => {
      const recon = (source: string, change: (view: View, i: number) => View): number => {
        const objective = make({ source });
        return valueOf(forward(objective, withViews(objectiveBatch(objective), change)).terms, 'recon');
      };
      const whole = (view: View, i: number): View => (i === 0 ? seen(view) : view);
      expect(recon('teacher_v1', (view) => view)).toBeCloseTo(recon('student', whole), 5);
      expect(recon('teacher_v1', (view) => view)).not.toBeCloseTo(
        recon('student', (view) => view),
        5,
      );
    });
    expect(reconWithOtherTeacher({ source: 'teacher_v1' })).not.toBeCloseTo(reconWithOtherTeacher({}), 5);
  });

  it('unmasked: those of whole views, whatever is hidden from the student', () => {
    torch.scope(() => {
      const [masked, unmasked] = [make(), make({ masking: 'unmasked' })];
      const batch = objectiveBatch(masked);
      const recon = (objective: Objective, from: DeviceBatch): number =>
        valueOf(forward(objective, from).terms, 'recon');
      expect(recon(unmasked, batch)).toBeCloseTo(recon(masked, withViews(batch, seen)), 5);
      expect(recon(masked, batch)).not.toBeCloseTo(recon(unmasked, batch), 5);
      const patch = (objective: Objective): number => valueOf(forward(objective, batch).terms, 'patch');
      expect(patch(unmasked)).toBe(patch(masked)); // the base does not notice
    });
  });

  it('unmasked: the student sees again only what is read, and learns only from what has gradients', () => {
    torch.scope(() => {
      const passes = (source: PairSource['source']): unknown => {
        const base = make({ target: 'none' });
        const seenAgain: unknown[] = [];
        const batch = objectiveBatch(base);
        const noted: Objective = {
          ...base,
          encode: (views, ctx) => {
            seenAgain.push([views.map(({ name }) => name).join(), torch.isGradEnabled()]);
            return base.encode?.(views, ctx) ?? [];
          },
        };
        pairFeatures(noted, forward(base, batch), batch, evalContext('float32', true), {
          source,
          masking: 'unmasked',
          teacherSeesTransformed: true,
        });
        return seenAgain;
      };
      expect(passes('student')).toEqual([['v1,v2', true]]);
      expect(passes('teacher_v1')).toEqual([['v2', true]]);
      expect(passes('student_v2_only')).toEqual([
        ['v1', false],
        ['v2', true],
      ]);
    });
  });

  it('disable_for_v2: nothing of the second view is hidden from anyone', () => {
    torch.scope(() => {
      const plan = (masking: string): readonly (Uint8Array | undefined)[] => {
        let state = 1;
        const draw = (): number => (state = (state * 16807) % 2147483647) / 2147483647;
        return present(make({ masking }).planMasks)(() => draw, 3);
      };
      const [plain, changed] = [plan('masked'), plan('disable_for_v2')];
      const count = (cells: Uint8Array | undefined): number => present(cells).reduce((sum, cell) => sum + cell, 0);
      expect(changed[0]).toEqual(plain[0]);
      expect([count(plain[1]) > 0, count(changed[1])]).toEqual([true, 0]);
      expect(changed[1]?.length).toBe(plain[1]?.length);
    });
  });

  it('says of which patches it knows nothing: those hidden from either view that it reads', () => {
    torch.scope(() => {
      const batch = objectiveBatch(make());
      const [first, second] = batch.views.map(({ mask }) => present(mask).flatten().toArray() as unknown as boolean[]);
      const hidden = (source: PairSource['source'], masking: PairSource['masking']): unknown =>
        hiddenPatches(batch, { source, masking, teacherSeesTransformed: true })?.flatten().toArray();
      expect(hidden('student', 'masked')).toEqual(first?.map((isHidden, i) => isHidden || second?.[i]));
      expect(hidden('teacher_v1', 'masked')).toEqual(second);
      expect(hidden('student', 'unmasked')).toBeUndefined();
      expect(first).not.toEqual(second);
    });
  });

  it('the teacher sees the second view after g, or before', () => {
    torch.scope(() => {
      const cls = (recon: object, change: (view: View, i: number) => View = (view) => view): number => {
        const objective = make(recon);
        return valueOf(forward(objective, withViews(objectiveBatch(objective), change)).terms, 'cls');
      };
      const before = cls({ teacherSeesTransformed: false });
      expect(before).not.toBeCloseTo(cls({}), 5);
      const startOf = (view: View): Tensor => present(view.path).start;
      const asIfStart = (view: View, i: number): View => (i === 1 ? { ...view, teacherImages: startOf(view) } : view);
      expect(before).toBe(cls({}, asIfStart));
    });
  });

  it('names what the objective does not have', () => {
    const vicreg = (recon: object) => (): Objective => make(recon, 'vicreg');
    expect(vicreg({ source: 'teacher_v1' })).toThrow(
      'recon.source: needs an objective with a teacher, got teacher_v1 for one without; leave it out, or use dino, ibot or dinov2',
    );
    expect(vicreg({ teacherSeesTransformed: false })).toThrow(
      'recon.teacherSeesTransformed: needs an objective with a teacher',
    );
    expect(vicreg({ masking: 'unmasked' })).toThrow(
      'recon.masking: needs an objective that hides patches, got unmasked',
    );
    expect(() => make({ masking: 'disable_for_v2' }, 'dino')).toThrow(
      'that hides patches, got disable_for_v2 for one without',
    );
  });
});
