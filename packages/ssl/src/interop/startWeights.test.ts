/** The file that a run starts from: found in folders too, and told from others by its hash. */
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { scratchFolder } from '../run/scratch.case.js';
import { published } from './published.case.js';
import { startWeights } from './startWeights.js';

const scratch = scratchFolder();
const REST = { headWarmupFraction: 0.1, lrMult: 0.1 };

async function read(file: string, sha256?: string): Promise<[path: string, sha256: string, numTensors: number]> {
  const weights = await startWeights({ ...REST, file, ...(sha256 !== undefined && { sha256 }) });
  if (weights === undefined) throw new Error('no weights');
  const { tensors, report } = weights;
  const numTensors = tensors.size;
  for (const tensor of tensors.values()) tensor.dispose();
  return [report.path, weights.sha256, numTensors];
}

describe('startWeights', () => {
  it('reads nothing where no file is named', async () => {
    expect(await startWeights(REST)).toBeUndefined();
  });

  it.each(['.', 'export/backbone.safetensors', 'backbone.safetensors', 'model.safetensors'])(
    'takes a file, and of a folder the weights in it: %s',
    async (inside) => {
      const folder = join(scratch, `in-${inside.replace('/', '-')}`);
      const path = inside === '.' ? published('dino.pth') : join(folder, inside);
      if (inside !== '.') {
        mkdirSync(dirname(path), { recursive: true });
        copyFileSync(published('timm-registers.safetensors'), path);
      }
      const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex');
      const [found, hash, numTensors] = await read(inside === '.' ? path : folder);
      expect([found, hash]).toEqual([path, sha256]);
      expect(numTensors).toBeGreaterThan(20);
      expect((await read(path, sha256))[1]).toBe(sha256);
    },
  );

  it('takes the network that is named where a file has several, else the teacher', async () => {
    const prefixOf = async (init: { readonly file: string; readonly key?: string }): Promise<string | undefined> => {
      const weights = await startWeights({ ...REST, ...init });
      for (const tensor of weights?.tensors.values() ?? []) tensor.dispose();
      return weights?.report.prefix;
    };
    const file = published('ibot.pth');
    expect(await prefixOf({ file })).toBe('teacher.backbone.');
    expect(await prefixOf({ file, key: 'student' })).toBe('student.module.backbone.');
    await expect(prefixOf({ file, key: 'ema' })).rejects.toThrow(/weights must have .* below ema, got student\.module/);
  });

  it('refuses, in one line, a file that is not there, an empty folder, another file than was meant, and one without weights', async () => {
    await expect(read('/nowhere/x.pth')).rejects.toThrow(
      /^init\.file: must be a file of weights, a run or an export, got \/nowhere\/x\.pth, which does not exist; name another$/,
    );
    mkdirSync(join(scratch, 'empty'));
    await expect(read(join(scratch, 'empty'))).rejects.toThrow(
      /^init\.file: a folder must hold export\/backbone\.safetensors or .*, got .*empty; name a file of weights$/,
    );
    const other = '0'.repeat(64);
    await expect(read(published('dino.pth'), other)).rejects.toThrow(
      new RegExp(
        `^init\\.file: must be the file that init\\.sha256 names, got .*dino\\.pth with [0-9a-f]{64} where ${other} is wanted; `,
      ),
    );
    const text = join(scratch, 'notes.txt');
    writeFileSync(text, 'no weights in here');
    await expect(read(text)).rejects.toThrow(
      /notes\.txt: the header must fit the file .*; it is truncated or no safetensors file$/,
    );
  });
});
