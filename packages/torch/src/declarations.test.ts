// The declarations of the built package, in the strictest project without @types/node and with no more of `lib` than its target has.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterAll, expect, it } from 'vitest';

// Packages are found from here.
const folder = mkdtempSync(fileURLToPath(new URL('../../../node_modules/.declarations-', import.meta.url)));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

const program = `
import { DeviceEvent, generator, zeros } from '@halfway/torch';
export * from '@halfway/torch/io';
export * from '@halfway/torch/nn';
export * from '@halfway/torch/optim';
export * from '@halfway/torch/setup';
export * from '@halfway/torch/testing';
{
  using x = zeros([2]);
  using rng = generator(0);
  using event = new DeviceEvent('cpu');
  void [x, rng, event];
}`;

it('compile for those who have no more than the package', () => {
  const path = join(folder, 'consumer.mts');
  writeFileSync(path, program);
  const compiled = ts.createProgram([path], {
    ...{ strict: true, noEmit: true, types: [], lib: ['lib.es2022.d.ts'] },
    ...{ target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.NodeNext },
  });
  const messages = ts.getPreEmitDiagnostics(compiled).map(({ file, messageText }) => {
    return `${file?.fileName ?? ''}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
  expect(messages).toEqual([]);
});
