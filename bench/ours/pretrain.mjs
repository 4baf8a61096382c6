// The whole of `halfway pretrain`, without pictures; timed from the first row of its metrics to the last.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pretrain } from '@halfway/ssl';
import * as torch from '@halfway/torch';
import { serve, treeCpuMs, treePeakRssMB } from './serve.mjs';

function prepare({ config, folder }) {
  const { steps, logEvery } = config.train;
  const run = async () => {
    const out = mkdtempSync(join(tmpdir(), 'halfway-bench-loop-'));
    const marks = [];
    const onProgress = ({ kind }) => {
      if (kind === 'row') marks.push({ at: performance.now(), cpuMs: treeCpuMs(), peakRssMB: treePeakRssMB() });
    };
    await pretrain({ config, recipe: 'bench', data: [folder], out: join(out, 'run'), onProgress });
    rmSync(out, { recursive: true });
    torch.memory.emptyCache(); // the peer, whose turn is next, may need these blocks' room
    const [first, last] = [marks[0], marks.at(-1)];
    const perStep = (from, to) => (to - from) / (steps - logEvery);
    return {
      ms: perStep(first.at, last.at),
      usage: { cpuMs: perStep(first.cpuMs, last.cpuMs), peakRssMB: last.peakRssMB },
    };
  };
  return { run };
}

await serve(prepare);
