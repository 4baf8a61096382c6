// A thousand small operators.
import * as torch from '@halfway/torch';
import { serve } from './serve.mjs';

const NUM_CALLS = 1000;
const [a, b] = [torch.ones([2, 2]), torch.ones([2, 2])];

const KINDS = {
  single() {
    for (let i = 0; i < NUM_CALLS; i++) a.add(b).dispose();
  },
  chain() {
    let sum = a;
    for (let i = 0; i < NUM_CALLS; i++) sum = sum.add(b);
  },
};

await serve(({ kind }) => ({ run: () => torch.inferenceMode(() => torch.scope(KINDS[kind])) }));
