/** Weights in and out by the command line: a published checkpoint becomes ours, and ours another program's. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadSafetensors } from '@halfway/torch/io';
import { describe, expect, it } from 'vitest';
import * as made from '../interop/pth/madeFile.case.js';
import { published } from '../interop/published.case.js';
import { scratchFolder } from '../run/scratch.case.js';
import { lastJson, runProgram } from './runProgram.case.js';

const folder = scratchFolder();
const [ours, theirs] = [join(folder, 'ours'), join(folder, 'theirs')];

describe('halfway import', () => {
  it('reads a checkpoint, says what it is, and writes what halfway export takes', async () => {
    const imported = await runProgram(['import', published('ibot.pth'), '--heads', '2', '--out', ours]);
    expect([imported.code, imported.stdout]).toEqual([
      0,
      expect.stringMatching(
        /^\S+ibot\.pth: dino, below teacher\.backbone\n {2}left out .*\n {2}skipped .*\n {2}matched {5}30 tensors\n/,
      ),
    ]);
    const exported = await runProgram([
      'export',
      '--weights',
      join(ours, 'backbone.safetensors'),
      '--format',
      'hf',
      '--out',
      theirs,
      '--json',
    ]);
    expect([exported.code, lastJson(exported)['format']]).toEqual([0, 'hf']);
    expect(JSON.parse(readFileSync(join(theirs, 'config.json'), 'utf8'))).toMatchObject({
      model_type: 'dinov2',
      num_attention_heads: 2,
    });
    expect(
      loadSafetensors(join(theirs, 'model.safetensors')).tensors.get('encoder.layer.1.attention.attention.key.bias')
        ?.shape,
    ).toEqual([8]);
    const again = await runProgram(['import', join(theirs, 'model.safetensors'), '--heads', '2', '--json']);
    expect(lastJson(again)).toMatchObject({
      format: 'hf-dinov2',
      prefix: '',
      files: [],
      model: { widthDim: 8, depth: 2 },
    });
  });

  it('needs to be told what weights do not tell', async () => {
    const { code, stderr } = await runProgram(['import', published('dino.pth')]);
    expect([code, stderr]).toEqual([
      2,
      `halfway: ${published('dino.pth')}: the number of heads must be said, since no published ViT has the width 8; for example --heads 1\n`,
    ]);
  });

  it('refuses a file that would run something, in one line, and runs nothing', async () => {
    const [path, canary] = [join(folder, 'hostile.pth'), join(folder, 'executed')];
    writeFileSync(path, made.archivePth(made.call('os', 'system', made.text(`touch ${canary}`))));
    const { code, stderr } = await runProgram(['import', path]);
    expect([code, stderr.trim().split('\n')]).toEqual([
      1,
      [expect.stringContaining('got "os.system", which was not run;')],
    ]);
    expect(existsSync(canary)).toBe(false);
  });
});
