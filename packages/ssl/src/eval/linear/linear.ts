/**
 * The linear probe: logistic regression on frozen, z-scored features; the L2 strength is chosen on the validation part.
 *
 * n photos, D features, L classes.
 */
import { scope, tensor } from '@halfway/torch';
import type { LinearReport } from '../../protocol/report.js';
import type { LabelledFeatures } from '../knn/knn.js';
import { applyStandard, standardOf } from '../standardize.js';
import { numRightOf, outcomesOf, top1Of, TOP1_INTERVAL_TEXT } from '../top1.js';
import { fitLogistic, predictLogistic, type LogisticModel } from './logisticRegression.js';

/** L2 strengths tried, strongest first: each fit starts from the one before. */
const LOGISTIC_STRENGTHS: readonly number[] = [1, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6];

export interface LinearResult extends LinearReport {
  readonly right: Uint8Array; // outcome of each test photo, 1: right
}

/**
 * Top-1 of the test photos. Fits on `fit` once a strength, keeps the strength with the best top-1 on `validation` (the
 * stronger one on a tie), and looks at `test` once.
 */
export function linearProbe(fit: LabelledFeatures, validation: LabelledFeatures, test: LabelledFeatures): LinearResult {
  return scope(() => {
    const standard = standardOf(fit.features);
    const rows = applyStandard(fit.features, standard);
    const validationRows = applyStandard(validation.features, standard);
    const labels = tensor(fit.labels).to('int64');
    const numClasses = fit.labels.reduce((most, label) => Math.max(most, label + 1), 0);
    let best: { strength: number; numRight: number; model: LogisticModel } | undefined;
    let previous: LogisticModel | undefined;
    for (const strength of LOGISTIC_STRENGTHS) {
      previous = fitLogistic(rows, labels, numClasses, strength, previous);
      const numRight = numRightOf(outcomesOf(predictLogistic(validationRows, previous), validation.labels));
      if (best === undefined || numRight > best.numRight) best = { strength, numRight, model: previous };
    }
    if (best === undefined) throw new RangeError('internal: linearProbe: no strength to try');
    const predicted = predictLogistic(applyStandard(test.features, standard), best.model);
    const right = outcomesOf(predicted, test.labels);
    return report(right, best.strength, best.model, [fit, validation, test]);
  });
}

function report(
  right: Uint8Array,
  strength: number,
  model: LogisticModel,
  parts: readonly LabelledFeatures[],
): LinearResult {
  const [numFit, numValidation, numTest] = parts.map((part) => part.labels.length);
  const state = model.hasConverged ? 'converged' : 'not converged';
  return {
    ...top1Of(right),
    protocol:
      `logistic regression on z-scored features, L-BFGS (${state} in ${model.iterations} iterations), ` +
      `L2 ${strength} chosen of ${LOGISTIC_STRENGTHS.join(', ')} on ${numValidation ?? 0} validation photos, ` +
      `fitted on ${numFit ?? 0}, ${numTest ?? 0} test photos seen once; ${TOP1_INTERVAL_TEXT}`,
    right,
  };
}
