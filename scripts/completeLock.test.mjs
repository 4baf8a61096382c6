import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { completePackages } from './completeLock.mjs';

const parent = {
  version: '1.2.3',
  dev: true,
  optionalDependencies: {
    '@x/y-linux-x64-gnu': '1.2.3',
    '@x/y-win32-arm64-msvc': '1.2.3',
    fsevents: '2.0.0',
    '@x/y-darwin-x64': '^1.0.0',
  },
};

describe('completePackages', () => {
  it('adds what a registry did not have, with the exact version and the platform of its name', () => {
    const { packages, added } = completePackages({
      'node_modules/y': parent,
      'node_modules/@x/y-linux-x64-gnu': { version: '1.2.3' },
    });
    expect(added).toEqual(['node_modules/@x/y-win32-arm64-msvc']);
    expect(packages['node_modules/@x/y-win32-arm64-msvc']).toEqual({
      version: '1.2.3',
      cpu: ['arm64'],
      dev: true,
      optional: true,
      os: ['win32'],
    });
    expect(packages['node_modules/@x/y-linux-x64-gnu']).toEqual({ version: '1.2.3' });
  });

  it("finds nothing missing in this repository's lock file", () => {
    const lock = JSON.parse(readFileSync(new URL('../package-lock.json', import.meta.url), 'utf8'));
    expect(completePackages(lock.packages).added, 'run: node scripts/completeLock.mjs').toEqual([]);
  });
});
