// The CI workflow tests what the packages say they support, and runs scripts that exist.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { minimumTorchVersion } from '../packages/torch/src/setup/libtorch.js';
import { wheelPins } from '../packages/torch/src/setup/wheelPins.js';
import { root } from './start.mjs';

const workflow = readFileSync(join(root, '.github/workflows/ci.yml'), 'utf8');
const commands = [...workflow.matchAll(/^ +(?:- )?run: ([^|\n]+)$/gm)].map(([, command]) => command);
const versionsOf = (key) =>
  [...workflow.matchAll(new RegExp(`\\b${key}: (\\[[^\\]]*\\]|[\\d.]+)`, 'g'))].flatMap(([, list]) =>
    list.match(/[\d.]+/g),
  );

describe('the CI workflow', () => {
  it('runs on the oldest Node that the packages accept, and on newer ones', () => {
    const { engines } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    const majors = versionsOf('node').map(Number);
    expect(Math.min(...majors)).toBe(Number(/>=(\d+)/.exec(engines.node)?.[1]));
    expect(majors).toEqual(expect.arrayContaining([20, 22, 24]));
  });

  it('runs on the oldest libtorch that is accepted and on the one that setup brings, and nowhere names another', () => {
    const versions = [`${minimumTorchVersion}.0`, wheelPins.cpu[0].version];
    expect([...new Set(versionsOf('libtorch'))].sort()).toEqual(versions);
    for (const [, version] of workflow.matchAll(/(?:torch==|matrix\.libtorch == '|halfway-)(\d[\d.]*\d)/g))
      expect(versions).toContain(version);
  });

  it('runs what a person runs', () => {
    const { scripts } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    expect(commands).toContain('./.ci/run');
    for (const command of commands.filter((text) => !text.startsWith('sudo '))) {
      const [file] = /[\w./]+\.mjs|\.\/\.ci\/run/.exec(command) ?? [];
      const [, script] = /^npm (?:run )?(\S+)/.exec(command) ?? [];
      expect(file === undefined ? script in scripts : existsSync(join(root, file)), command).toBe(true);
    }
  });
});
