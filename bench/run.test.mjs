import { describe, expect, it } from 'vitest';
import { parseArguments } from './arguments.mjs';
import { resultsPath, withSection } from './results.mjs';
import { rowOf } from './row.mjs';
import { tableOf } from './table.mjs';
import { quantile, takeTurns } from './turns.mjs';

describe('arguments', () => {
  it('are complete without options', () => {
    expect(parseArguments(['ops', 'step', 'ops', '--threads', '3'])).toEqual({
      ...{ suites: ['ops', 'step'], isJson: false, isQuick: false, only: '', threads: 3, device: 'cpu' },
      ...{ photos: undefined, compileLimitMs: 300_000 },
    });
    expect(parseArguments(['--help', 'nonsense'])).toEqual({ isHelp: true });
  });

  it.each([
    [[], /must be one of step, .*got none; type: npm run bench -- step$/],
    [['steps'], /got steps; type/],
    [['step', 'ops', '--device', 'cuda'], /must be cpu, or cuda for step alone, got cuda for step ops; type/],
    [['step', '--threads', '0'], /--threads must be a whole number of at least 1, got 0/],
    [['step', '--compile-limit', 'x'], /--compile-limit must be .* at least 0, got x/],
    [['step', '--thread', '1'], /Unknown option '--thread'.*npm run bench -- --help$/],
  ])('%j: the error says what to type', (args, message) => {
    expect(() => parseArguments(args)).toThrow(message);
  });
});

const figures = (name, ms) => ({ name, ms, lowMs: ms - 1, highMs: ms + 1, cpuMs: 2 * ms, peakRssMB: 100.4, parts: {} });

describe('rows and table', () => {
  const row = rowOf(
    { name: 'a step', dtype: 'float32', maxRatio: 0.9 },
    { ...figures('ours', 12.34567), parts: { forward: 5, backward: 7.5 } },
    [figures('slow', 30), figures('fast', 10)],
  );

  it('compare with the fastest peer and name the others', () => {
    expect(row).toMatchObject({
      ...{ name: 'a step', dtype: 'float32', oursMs: 12.35, peerMs: 10, peer: 'fast', ratio: 1.235, maxRatio: 0.9 },
      ...{ peakRssMB: 100, peerPeakRssMB: 100, oursCpuMs: 24.69, peerCpuMs: 20, note: 'slow took 30 ms' },
    });
  });

  it('are Markdown with aligned columns, what is over its bar, and remarks', () => {
    const bar = { name: 'start', dtype: 'auto', oursMs: 1500, peerMs: 2000, peer: 'bar', ratio: 0.75, maxRatio: 1 };
    const text = tableOf([row, { ...bar, peakRssMB: null, peerPeakRssMB: null, oursRangeMs: [1400, 1600] }]);
    expect(`\n${text}\n`).toBe(`
|        | dtype   |               ours, ms |     peer, ms | peer |      ratio |   bar |    CPU, ms |  peak, MB |
| ------ | ------- | ---------------------: | -----------: | ---- | ---------: | ----: | ---------: | --------: |
| a step | float32 | 12.35 (11.35 to 13.35) | 10 (9 to 11) | fast | 1.235 over | 0.900 | 24.69 / 20 | 100 / 100 |
| start  | auto    |    1500 (1400 to 1600) |         2000 | bar  |      0.750 | 1.000 |            |           |

- a step, float32: ours: forward 5, backward 7.5 ms; slow took 30 ms
`);
  });
});

describe('turns', () => {
  it('alternate, warm up first, and give medians of every time', async () => {
    const calls = [];
    const side = (name, ms) => ({
      name,
      run(times) {
        calls.push(`${name}${times}`);
        return { ms: Array(times).fill(ms), parts: Array(times).fill({ all: ms }), cpuMs: times * ms, peakRssMB: 7 };
      },
    });
    const [a, b] = await takeTurns([side('a', 10), side('b', 40)], { rounds: 2, turnMs: 20, warmMs: 15 });
    expect(calls).toEqual(['a1', 'a2', 'b1', 'a2', 'b1', 'b1', 'a2']);
    expect(a).toEqual({ name: 'a', ms: 10, lowMs: 10, highMs: 10, cpuMs: 10, peakRssMB: 7, parts: { all: 10 } });
    expect(b.ms).toBe(40);
  });

  it('have the quantiles of NumPy', () => {
    expect([0, 0.25, 0.5, 1].map((share) => quantile([4, 1, 2, 8], share))).toEqual([1, 1.75, 3, 8]);
  });
});

describe('results', () => {
  it('are named by CPU and day', () => {
    const cpu = { model: 'Intel(R) Xeon(R) Platinum 8480+', capability: 'AMX' };
    expect(resultsPath('results', cpu, new Date(2026, 0, 5))).toBe(
      'results/intel-xeon-platinum-8480-amx-2026-01-05.md',
    );
  });

  it('have one section a suite, in place of the last one of that suite', () => {
    const once = withSection(withSection('# CPU', 'step', 'a'), 'ops', 'b');
    expect(once).toBe('# CPU\n\n## step\n\na\n\n## ops\n\nb\n');
    expect(withSection(once, 'step', 'c')).toBe('# CPU\n\n## ops\n\nb\n\n## step\n\nc\n');
  });
});
