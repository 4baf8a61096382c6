/**
 * Whose features of v1 and v2 a task reads, where the base has a teacher or hides patches (docs/open-points.md, 5, 6 and 8).
 * The base does not know.
 */
import type { Tensor } from '@halfway/torch';
import * as torch from '@halfway/torch';
import type { ForwardContext } from '@halfway/torch/nn';
import type { Config } from '../config/schema.js';
import type { DeviceBatch, PlanMasks, View } from '../data/batch.js';
import { ConfigError } from '../errors.js';
import { pairOf } from '../pairs.js';
import type { Objective, SeenFeatures } from './objective.js';
import type { SplitTokens, TokenPart } from './split.js';
import { pathOf } from './transformedPair.js';

export type PairSource = Pick<Config['recon'], 'source' | 'masking' | 'teacherSeesTransformed'>;

/** Throws ConfigError for a source that the base does not have: a teacher, or views with hidden patches. */
export function expectSource({ teacher, planMasks }: Objective, source: PairSource): void {
  const asked = Object.entries({
    source: source.source === 'teacher_v1' && teacher === undefined && 'with a teacher',
    teacherSeesTransformed: !source.teacherSeesTransformed && teacher === undefined && 'with a teacher',
    masking: source.masking !== 'masked' && planMasks === undefined && 'that hides patches',
  });
  for (const [key, needed] of asked) {
    if (needed === false) continue;
    const value = source[key as keyof PairSource];
    throw new ConfigError(
      `recon.${key}: needs an objective ${needed}, got ${value} for one without; leave it out, or ${needed === 'with a teacher' ? 'use dino, ibot or dinov2' : 'use ibot or dinov2'}`,
      `recon.${key}`,
    );
  }
}

/** The base's plan; with `disable_for_v2` nothing of v2 is hidden. */
export function taskMasks(planMasks: PlanMasks, { masking }: PairSource): PlanMasks {
  if (masking !== 'disable_for_v2') return planMasks;
  return (drawOf, numImages) =>
    planMasks(drawOf, numImages).map((cells, view) => (view === 1 ? cells && new Uint8Array(cells.length) : cells));
}

/** The batch with what a teacher is to see in the place of v2: u, unless `teacherSeesTransformed`. */
export function taskBatch(batch: DeviceBatch, { teacherSeesTransformed }: PairSource): DeviceBatch {
  if (teacherSeesTransformed) return batch;
  const { path } = pathOf(batch);
  return { ...batch, views: batch.views.map((view, i) => (i === 1 ? { ...view, teacherImages: path.start } : view)) };
}

/** The split tokens of v1 and v2 that a task reads; another pass of the student where they are to know of no mask. */
export function pairFeatures(
  base: Objective,
  { features, teacherFeatures }: SeenFeatures,
  { views }: DeviceBatch,
  ctx: ForwardContext,
  { source, masking }: PairSource,
): readonly [SplitTokens, SplitTokens] {
  const whole = views.map(({ name, images }): View => ({ name, images }));
  const ofStudent = (first: number, end: number): readonly SplitTokens[] =>
    masking === 'unmasked' ? (base.encode?.(whole.slice(first, end), ctx) ?? []) : features.slice(first, end);
  switch (source) {
    case 'student':
      return pairOf(ofStudent(0, 2));
    case 'student_v2_only': {
      const z1 = torch.noGrad(() => ofStudent(0, 1).map(detached)); // an equivariant part may be made when it is read
      return pairOf([...z1, ...ofStudent(1, 2)]);
    }
    case 'teacher_v1': {
      const z1 = teacherFeatures?.slice(0, 1) ?? [];
      return pairOf([...z1, ...ofStudent(1, 2)]);
    }
    default:
      return source satisfies never;
  }
}

/** Patches of which the features that a task reads know nothing in one view or the other, bool [B, N]; undefined where all are seen. */
export function hiddenPatches({ views }: DeviceBatch, { source, masking }: PairSource): Tensor | undefined {
  if (masking === 'unmasked') return undefined;
  const [first, second] = views.slice(0, 2).map(({ mask }) => mask);
  const ofFirst = source === 'teacher_v1' ? undefined : first; // a teacher sees all
  return ofFirst && second ? ofFirst.logicalOr(second) : (ofFirst ?? second);
}

/** Tokens that no gradient goes through. */
function detached({ invariant, equivariant }: SplitTokens): SplitTokens {
  const still = ({ cls, patches }: TokenPart): TokenPart => ({ cls: cls.detach(), patches: patches.detach() });
  return { invariant: still(invariant), equivariant: still(equivariant) };
}
