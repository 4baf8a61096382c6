// Linear regression: the line through noisy points, by gradient descent.
//
//   node examples/dist/linearRegression.js

import * as torch from '@halfway/torch';
import { type ForwardContext, Linear, mseLoss } from '@halfway/torch/nn';
import { SGD } from '@halfway/torch/optim';

/** A fitted line, and the loss before each step. */
export interface Fit {
  readonly slope: number;
  readonly intercept: number;
  readonly losses: readonly number[];
}

/** Fits y = slope x + intercept to 200 points of the line y = 3 x - 2, with noise of standard deviation 0.1. */
export function fitLine(numSteps: number): Fit {
  const rng = torch.generator(0);
  const ctx: ForwardContext = { train: true, rng, computeDtype: 'float32' };

  const x = torch.rand([200, 1], { generator: rng });
  const noise = torch.randn([200, 1], { generator: rng }).mul(0.1);
  const y = x.mul(3).sub(2).add(noise);

  const line = new Linear(1, 1, rng);
  const optimizer = new SGD([{ name: 'line', parameters: line.parameters(), weightDecay: 0 }], { momentum: 0.9 });
  const losses: number[] = [];
  for (let step = 0; step < numSteps; step++) {
    const loss = torch.scope(() => {
      const loss = mseLoss(line.forward(x, ctx), y);
      loss.backward();
      optimizer.step({ lr: 0.1 });
      optimizer.zeroGrad();
      return loss.item();
    });
    losses.push(loss);
  }
  return { slope: line.weight.item(), intercept: line.bias?.item() ?? 0, losses };
}

if (process.argv[1] === import.meta.filename) {
  const { slope, intercept, losses } = fitLine(200);
  console.log(`loss ${losses[0]?.toFixed(3) ?? ''} -> ${losses.at(-1)?.toFixed(3) ?? ''}`);
  console.log(`y = ${slope.toFixed(2)} x + ${intercept.toFixed(2)} (drawn from y = 3 x - 2)`);
}
