// The README, every page of docs/torch and docs/own-loop.md are programs: their TypeScript blocks, read from top to bottom, are compiled as in a user's
// strict project and run by themselves, and what console.log prints is what the comment behind it says. Uses the built package, as
// a user does. The tables of pytorch.md are run too, and compared with what PyTorch gives (fixtures/pytorchPage.py).

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterAll, describe, expect, it } from 'vitest';
import { zeros } from './index.js';
import { loadSafetensors } from './io/index.js';
import { Fixture } from './testing/fixture.case.js';
import { expectClose, tolerances } from './testing/index.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const docs = join(root, 'docs/torch');
const pages = [
  'packages/torch/README.md',
  ...readdirSync(docs).map((name) => `docs/torch/${name}`),
  'docs/own-loop.md',
];

// Packages are found from here, and what a page writes stays here.
const folder = mkdtempSync(join(root, 'node_modules/.pages-'));
afterAll(() => rmSync(folder, { recursive: true }));

interface Row {
  readonly python: string;
  readonly typescript: string;
}

/** The TypeScript of a page in reading order; rows of a table `| Python | TypeScript | ...` become calls of `record`. */
function readPage(page: string): { readonly program: string; readonly rows: readonly Row[] } {
  const text = readFileSync(join(root, page), 'utf8');
  const parts = [...text.matchAll(/^```ts\n(.*?)^```$|^\| `([^|]+?)` +\| `([^|]+?)` +\|/gms)];
  const rows: Row[] = [];
  const program = parts.map(([, block, python = '', typescript = '']) => {
    if (block !== undefined) return block;
    rows.push({ python, typescript });
    return `record(${JSON.stringify(python)}, ${typescript});\n`;
  });
  return { program: program.join(''), rows };
}

/** What the comments behind the calls of console.log say: on the same line, or on those below. */
function promisedOutput(program: string): string[] {
  const lines = program.split('\n');
  return lines.flatMap((line, i) => {
    const call = /^ *console\.log\(.*\);(?: \/\/ (.*))?$/.exec(line);
    if (call === null) return [];
    const [, behind] = call;
    const below = lines.slice(i + 1).map((next) => /^ *\/\/ ?(.*)$/.exec(next)?.[1]);
    const promised = behind === undefined ? below.slice(0, below.indexOf(undefined)) : [behind];
    if (promised.length === 0) throw new Error(`${line}: a comment must say what it prints`);
    return promised as string[];
  });
}

/** Errors of the compiler in the pages' programs, each with its page and line of code. */
function compileErrors(programs: ReadonlyMap<string, string>): string[] {
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
    module: ts.ModuleKind.NodeNext,
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
  };
  const host = ts.createCompilerHost(options);
  const virtual = new Map(
    [...programs].map(([page, program]) => [join(folder, `${page.replaceAll('/', '-')}.mts`), program]),
  );
  const disk = { ...host };
  host.fileExists = (path) => virtual.has(path) || disk.fileExists(path);
  host.readFile = (path) => virtual.get(path) ?? disk.readFile(path);
  host.getSourceFile = (path, version) => {
    const text = virtual.get(path);
    return text === undefined ? disk.getSourceFile(path, version) : ts.createSourceFile(path, text, version);
  };
  const compiled = ts.createProgram([...virtual.keys()], options, host);
  return ts.getPreEmitDiagnostics(compiled).map(({ file, start = 0, messageText }) => {
    const line = file?.text.slice(file.text.lastIndexOf('\n', start) + 1).split('\n', 1)[0];
    return `${file?.fileName ?? ''}: ${line ?? ''}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

/** Runs a program in a process of its own; returns the lines that it printed. */
function run(program: string): string[] {
  const { outputText } = ts.transpileModule(program, {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  const args = ['--input-type=module', '--eval', outputText];
  const printed = execFileSync(process.execPath, args, {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return printed.split('\n').slice(0, -1);
}

// What goes around a page with tables: each row's value as it is then, and at the end all of them in a file.
const beforeRows = `
const rows = new Map<string, torch.Tensor>();
const record = (row: string, value: unknown): void => {
  const dtype = typeof value === 'boolean' ? 'bool' : 'float64';
  if (value instanceof torch.Tensor) rows.set(row, value.detach().clone());
  else if (dtype === 'bool' || typeof value === 'number' || Array.isArray(value)) {
    rows.set(row, torch.tensor(value as number[], { dtype }));
  }
};
`;
const afterRows = `
import { saveSafetensors as saveRows } from '@halfway/torch/io';
saveRows('rows.safetensors', rows);
`;

const programs = new Map(
  pages.map((page) => {
    const { program, rows } = readPage(page);
    return [page, rows.length === 0 ? program : beforeRows + program + afterRows];
  }),
);

describe('the pages', () => {
  it('compile in a strict project', () => {
    expect(compileErrors(programs)).toEqual([]);
  });

  it.each(pages)('%s prints what it says', (page) => {
    const program = programs.get(page) ?? '';
    expect(run(program)).toEqual(promisedOutput(program));
  });
});

describe('the tables of pytorch.md', () => {
  const { rows } = readPage('docs/torch/pytorch.md');

  it('give what PyTorch gives', () => {
    const expected = new Fixture('pytorchPage').below('');
    run(programs.get('docs/torch/pytorch.md') ?? '');
    const { tensors } = loadSafetensors(join(folder, 'rows.safetensors'));
    const statements = rows.filter(({ python }) => !expected.has(python)).map(({ python }) => python);
    expect(statements).toEqual(['x[1, :2] = 0', 'x[0] += 1', 'layer.requires_grad_(True)']);
    for (const [row, wanted] of expected) {
      const actual = tensors.get(row) ?? zeros([0]);
      // Numbers and arrays of JavaScript come as float64.
      if (actual.dtype !== 'float64') expect(actual.dtype, row).toBe(wanted.dtype);
      expectClose(actual.to('float64'), wanted.to('float64'), { what: row, ...tolerances[wanted.dtype] });
    }
  });
});
