import * as torch from '@halfway/torch';
import { describe, expect, it } from 'vitest';
import { createObjective } from '../objectives/create.js';
import { manifestOf, tinyConfig } from '../run/scratch.case.js';
import { headerText } from './describe.js';

/** The line of a run's header that begins with a word. */
function headerLine(word: string, ...settings: string[]): string | undefined {
  const config = tinyConfig(...settings);
  const text = torch.scope(() =>
    headerText('runs/a', config, manifestOf(config), createObjective(config, torch.generator(0))),
  );
  return text.split('\n').find((line) => line.startsWith(word));
}

describe('headerText', () => {
  it('has the peak rate that is used, and what made it of optim.lr', () => {
    expect(headerLine('optimizer')).toBe('optimizer adamw, lr 0.0005, weight decay 0.05, clip none');
    const scaled = ['optim.lr=0.064', 'optim.lrScaling=linear_256', 'optim.accumulate=2']; // 8 images a step
    expect(headerLine('optimizer', ...scaled)).toMatch(
      /^optimizer adamw, lr 0\.002 \(optim\.lr 0\.064, linear_256\), /,
    );
    expect(headerLine('few')).toMatch(/^few +a batch has photos up to 2 times, .*; lower train.batch, or add photos$/); // 3 for a batch of 4
    expect(headerLine('few', 'train.batch=3')).toBeUndefined();
    expect(headerLine('start', ...scaled, 'init.file=a.pth')).toContain('then at lr 0.0002 (init.lrMult 0.1)');
  });
});
