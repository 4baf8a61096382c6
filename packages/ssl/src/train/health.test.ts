import { describe, expect, it } from 'vitest';
import * as torch from '@halfway/torch';
import type { MetricRow } from '../protocol/metrics.js';
import { Alarms, healthFigures } from './health.js';

const train = { steps: 100, batch: 64 };

function row(change: Partial<MetricRow> = {}): MetricRow {
  return {
    ...{ step: 50, loss: 1, lr: 1e-3, gradNorm: 1, imagesPerSecond: 100, dataWaitMs: 1, stepMs: 100 },
    ...{ featureStd: 0.8, effectiveRank: 20 },
    ...change,
  };
}

describe('Alarms', () => {
  it('say what is wrong and which key to change', () => {
    const cases: [change: Partial<MetricRow>, text: string][] = [
      [{ featureStd: 0.01 }, 'features of all photos are nearly the same (std 0.0100): raise the weight of'],
      [{ effectiveRank: 1.2 }, 'few directions (effective rank 1.2): raise vicreg.covariance'],
      [{ dataWaitMs: 45 }, '45 % of the time is waiting for photos: raise data.decodeProcesses'],
    ];
    for (const [change, text] of cases) {
      const alarms = new Alarms().ofRow(row(change), train);
      expect(alarms).toHaveLength(1);
      expect(alarms[0]).toContain(text);
    }
    expect(new Alarms().ofRow(row(), train)).toEqual([]);
  });

  it('are raised once each, whatever their numbers are', () => {
    const alarms = new Alarms();
    expect(alarms.ofRow(row({ dataWaitMs: 45 }), train)).toHaveLength(1);
    expect(alarms.ofRow(row({ dataWaitMs: 61 }), train)).toEqual([]);
    expect(alarms.ofRow(row({ dataWaitMs: 61, featureStd: 0 }), train)).toHaveLength(1);
  });

  it('wait for the end of the first tenth, when features are nearly equal anyway', () => {
    const alarms = new Alarms();
    expect(alarms.ofRow(row({ step: 9, featureStd: 0 }), train)).toEqual([]);
    expect(alarms.ofRow(row({ step: 10, featureStd: 0 }), train)).toHaveLength(1);
  });

  it('say that the decoder ignores the first view when exchanging it costs nothing, from half of the run on', () => {
    const ignoring = { reconSame: 0.5, reconSwapped: 0.505 };
    expect(new Alarms().ofInspection(ignoring, 49, 100)).toEqual([]);
    expect(new Alarms().ofInspection(ignoring, 50, 100)[0]).toContain('the decoder ignores the first view');
    expect(new Alarms().ofInspection({ reconSame: 0.5, reconSwapped: 0.6 }, 50, 100)).toEqual([]);
    expect(new Alarms().ofInspection({}, 50, 100)).toEqual([]); // the plain base has no decoder
  });
});

describe('healthFigures', () => {
  it('tell spread features from collapsed ones', () => {
    torch.scope(() => {
      const generator = torch.generator(0);
      const spread = healthFigures(torch.randn([64, 8], { generator }));
      const collapsed = healthFigures(torch.ones([64, 8]).add(torch.randn([64, 8], { generator }).mul(1e-4)));
      expect(spread.featureStd).toBeGreaterThan(0.9);
      expect(spread.effectiveRank).toBeGreaterThan(7);
      expect(collapsed.featureStd).toBeLessThan(0.01);
    });
  });
});
