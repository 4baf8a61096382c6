/** By itself in a file: tensors that other tests left would be collected in between, and count. */
import * as torch from '@halfway/torch';
import { expect, it } from 'vitest';
import { loadWeights } from './loadWeights.js';
import { published } from './published.case.js';

it('loadWeights leaves no tensor but those it returns', async () => {
  for (const name of ['ibot.pth', 'hf-vit.safetensors', 'timm-registers.safetensors']) {
    const before = torch.memory.stats();
    const { tensors } = await loadWeights(published(name));
    expect([name, torch.memory.stats().liveTensors - before.liveTensors]).toEqual([name, tensors.size]);
    tensors.forEach((tensor) => tensor.dispose());
    expect([name, torch.memory.stats().liveBytes]).toEqual([name, before.liveBytes]);
  }
});
