// `node scripts/packTest.mjs`: what a user of the published packages gets. Packs both, installs them into an empty folder outside the
// repository, and does there what the READMEs say: types, the engine's example, and the command `halfway`. Takes about two minutes once
// the engine is set up, too long for every test run: the CI workflow runs it.

import { spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, sep } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import ts from 'typescript';
import { prepareOrExit, root, say } from './start.mjs';

const PACKAGES = ['torch', 'ssl'];
const TSC = join(root, 'node_modules/typescript/bin/tsc');

/** The way of one user: `folder` is theirs, `app` their project in it. */
async function main() {
  await prepareOrExit();
  const folder = mkdtempSync(join(tmpdir(), 'halfway-pack-test-'));
  const app = join(folder, 'app');
  try {
    await step('pack', () => pack(folder));
    await step('npm install', () => install(folder, app));
    const installed = filesOf(join(app, 'node_modules'));
    await step('types, as the READMEs use them', () => compileExamples(app));
    await step('the example of @halfway/torch', () => runTorchExample(app));
    await step('every entry of the packages', () => importEntries(app));
    await step('halfway', () => runCommands(folder, app));
    expect(
      isDeepStrictEqual(filesOf(join(app, 'node_modules')), installed),
      'nothing may be written into node_modules after npm install',
    );
    say('packTest: the packed packages work');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Packs both packages and looks at what is inside: every built file has its source beside it, and nothing is a test. */
async function pack(folder) {
  const workspaces = PACKAGES.flatMap((name) => ['--workspace', `packages/${name}`]);
  const report = JSON.parse(await run(['npm', 'pack', '--json', '--pack-destination', folder, ...workspaces], root));
  for (const { name, files, size } of Object.values(report)) {
    const paths = new Set(files.map(({ path }) => path));
    for (const path of paths) {
      const source = path.replace(/^dist\/(.*)\.js$/, 'src/$1.ts');
      expect(paths.has(source), `${name}: ${path} has no ${source}; remove packages/*/dist and build again`);
      expect(!/\.(test|case)\./.test(path), `${name}: ${path} is for tests only`);
    }
    say(`  ${name}: ${files.length} files, ${(size / 1e6).toFixed(1)} MB`);
  }
  const recipes = Object.values(report).flatMap(({ files }) => files.filter(({ path }) => path.endsWith('.yaml')));
  const written = readdirSync(join(root, 'recipes'), { recursive: true }).filter((path) => path.endsWith('.yaml'));
  expect(recipes.length === written.length, `all ${written.length} recipes must be packed, got ${recipes.length}`);
}

async function install(folder, app) {
  mkdirSync(app);
  writeFileSync(join(app, 'package.json'), JSON.stringify({ name: 'app', private: true, type: 'module' }));
  const tarballs = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  const packages = [...tarballs.map((name) => join(folder, name)), '@types/node@20']; // as every TypeScript project for Node has it
  await run(['npm', 'install', '--no-audit', '--no-fund', ...packages], app);
}

/** Compiles the READMEs' examples in both ways that projects resolve modules; strict, libraries' own declarations included. */
async function compileExamples(app) {
  const pages = ['packages/torch/README.md', 'packages/ssl/README.md', 'README.md'];
  const programs = pages.map((page, i) => {
    const program = `example${i}.ts`;
    writeFileSync(join(app, program), exampleOf(page));
    return program;
  });
  for (const [module, moduleResolution] of [
    ['node16', 'node16'],
    ['esnext', 'bundler'],
  ]) {
    const options = [
      '--strict',
      '--types',
      'node',
      '--target',
      'es2022',
      '--module',
      module,
      '--moduleResolution',
      moduleResolution,
    ];
    await run([process.execPath, TSC, '--noEmit', ...options, ...programs], app);
  }
}

async function runTorchExample(app) {
  const { outputText } = ts.transpileModule(exampleOf('packages/torch/README.md'), {
    compilerOptions: { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 },
  });
  writeFileSync(join(app, 'torch.js'), outputText);
  const weights = JSON.parse(await run([process.execPath, 'torch.js'], app));
  expect(
    weights.flat().every((weight) => Math.abs(weight - 1) < 0.1),
    `the example's weights must be close to 1, got ${JSON.stringify(weights)}`,
  );
}

async function importEntries(app) {
  for (const name of PACKAGES) {
    const { exports, scripts } = JSON.parse(
      readFileSync(join(app, 'node_modules/@halfway', name, 'package.json'), 'utf8'),
    );
    expect(scripts === undefined, `@halfway/${name} must run nothing at npm install`);
    for (const entry of Object.keys(exports)) {
      const specifier = `@halfway/${name}${entry.slice(1)}`;
      const program = `if (Object.keys(await import('${specifier}')).length === 0) throw new Error('${specifier} is empty')`;
      await run([process.execPath, '--input-type=module', '--eval', program], app);
    }
  }
}

async function runCommands(folder, app) {
  const halfway = (...args) => run(['npx', '--no', 'halfway', ...args], app);
  await halfway('--help');
  await run(['npx', '--no', 'halfway-torch', 'doctor'], app); // the command of those who have the engine alone
  const report = JSON.parse(await halfway('doctor', '--json'));
  expect(
    report.addonPath.startsWith(report.cacheFolder + sep),
    `the addon must be in the cache, got ${report.addonPath}`,
  );
  await halfway('data', 'preview', '--out', join(folder, 'shipped.png')); // of the photos that come with the package

  await makePhotos(app, join(folder, 'photos'));
  const run5 = ['--recipe', 'quickstart', '--steps', '5', '--set', 'train.batch=16'];
  await halfway('pretrain', ...run5, '--data', join(folder, 'photos'), '--out', join(folder, 'run'));
  const weights = join(folder, 'run/export/backbone.safetensors');
  expect(existsSync(weights) && statSync(weights).size > 0, 'pretrain must leave export/backbone.safetensors');
}

/** 32 photos of noise, made by the image library that @halfway/ssl brings. */
async function makePhotos(app, folder) {
  const sharp = createRequire(join(app, 'node_modules/@halfway/ssl/package.json'))('sharp');
  mkdirSync(folder);
  for (let i = 0; i < 32; i++) {
    const noise = { type: 'gaussian', mean: 100 + i, sigma: 40 };
    await sharp({ create: { width: 80, height: 64, channels: 3, noise } })
      .jpeg()
      .toFile(join(folder, `${i}.jpg`));
  }
}

/** The first TypeScript block of a Markdown file of the repository. */
function exampleOf(file) {
  const example = /^```ts\n(.*?)^```$/ms.exec(readFileSync(join(root, file), 'utf8'))?.[1];
  expect(example !== undefined, `${file} must have a block of TypeScript`);
  return example;
}

/** Path, size and modification time of every file below a folder. */
function filesOf(folder) {
  return readdirSync(folder, { recursive: true })
    .sort()
    .map((path) => {
      const { size, mtimeMs } = statSync(join(folder, path));
      return { path, size, mtimeMs };
    });
}

async function step(name, body) {
  const startMs = performance.now();
  say(name);
  await body();
  say(`  ${((performance.now() - startMs) / 1000).toFixed(0)} s`);
}

/** Runs a program and returns what it printed; Error with all of its output when it does not end with status 0. */
function run([program, ...args], cwd) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    const output = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'])
      child[name].setEncoding('utf8').on('data', (text) => (output[name] += text));
    child.on('error', reject);
    child.on('close', (status) => {
      if (status === 0) resolve(output.stdout);
      else
        reject(
          new Error(
            `packTest: ${[program, ...args].join(' ')} ended with ${status}:\n${output.stdout}${output.stderr}`,
          ),
        );
    });
  });
}

function expect(holds, message) {
  if (!holds) throw new Error(`packTest: ${message}`);
}

await main();
