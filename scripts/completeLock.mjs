// Completes package-lock.json: node scripts/completeLock.mjs
// Native packages list one optional package for each platform. Where the registry in use lacks those of other platforms, `npm install`
// leaves them out of the lock file, and `npm ci` then refuses it anywhere ("Missing: ... from lock file"). Each missing one is added with
// the exact version its parent asks for and the platform in its name; npm never fetches it on another platform. Run it after `npm install`.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const platform =
  /(aix|android|darwin|freebsd|linux|netbsd|openbsd|openharmony|sunos|win32)-(arm64|arm|ia32|loong64|ppc64|riscv64|s390x|x64)\b/;

/** The lock file's packages with the missing platform packages added, and the names of those. Exact versions only. */
export function completePackages(packages) {
  const added = {};
  for (const [path, { optionalDependencies = {}, dev }] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      const [, os, cpu] = platform.exec(name) ?? [];
      const isKnown =
        packages[`node_modules/${name}`] !== undefined || packages[`${path}/node_modules/${name}`] !== undefined;
      if (isKnown || os === undefined || !/^\d+\.\d+\.\d+\S*$/.test(version)) continue;
      added[`node_modules/${name}`] = {
        version,
        cpu: [cpu],
        ...(dev === true ? { dev } : {}),
        optional: true,
        os: [os],
      };
    }
  }
  const entries = Object.entries({ ...packages, ...added }).sort(([a], [b]) => a.localeCompare(b, 'en'));
  return { packages: Object.fromEntries(entries), added: Object.keys(added) };
}

if (process.argv[1] === import.meta.filename) {
  const file = fileURLToPath(new URL('../package-lock.json', import.meta.url));
  const lock = JSON.parse(readFileSync(file, 'utf8'));
  const { packages, added } = completePackages(lock.packages);
  writeFileSync(file, `${JSON.stringify({ ...lock, packages }, null, 2)}\n`);
  process.stdout.write(`completeLock: added ${added.length} packages of other platforms\n`);
}
