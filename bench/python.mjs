// The peers' Python: a virtual environment in .peers/ with the pinned packages of peers/requirements.txt, made when it is not there; or the
// one that HALFWAY_PEERS_PYTHON names, as it is.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { BenchError } from './benchError.mjs';

const ENVIRONMENT = fileURLToPath(new URL('../.peers/venv', import.meta.url));
const REQUIREMENTS = fileURLToPath(new URL('peers/requirements.txt', import.meta.url));
const CHOSEN = process.env.HALFWAY_PEERS_PYTHON;
const PYTHON = CHOSEN ?? `${ENVIRONMENT}/bin/python`;
const LEAST_PYTHON = [3, 11]; // of the pinned NumPy

/**
 * The Python that runs the peers, with every package at its pin unless the user has chosen it.
 * @param say told what is done and how long it may take, before it is done
 * @throws BenchError with what to type
 */
export function preparePython(say) {
  if (CHOSEN !== undefined) return CHOSEN;
  if (!existsSync(PYTHON)) makeEnvironment(say);
  if (differences().length === 0) return PYTHON;
  say(
    `peers: pip installs ${differences().join(', ')} into .peers/venv (from nothing a download of about 3 GB, some 2 to 20 minutes, 5.5 GB on disk)`,
  );
  const { status } = spawnSync(PYTHON, ['-m', 'pip', 'install', '--requirement', REQUIREMENTS], {
    stdio: ['ignore', 2, 2], // standard output is for the result
  });
  if (status === 0 && differences().length === 0) return PYTHON;
  throw new BenchError(
    `bench: pip must install ${differences().join(', ')}, got status ${status} (see above); check the network and what ` +
      `\`${PYTHON} -m pip config list\` says, then run the same command again; to begin anew: rm -r .peers/venv`,
  );
}

/** What the peers run on, such as `kornia==0.9.0`. */
export function peerVersions() {
  const installed = installedVersions();
  return requirements().map((pin) => {
    const [name] = pin.split('==');
    return `${name}==${installed[name] ?? 'none'}`;
  });
}

/** The pinned packages. */
function requirements() {
  return readFileSync(REQUIREMENTS, 'utf8').trim().split('\n');
}

/** Those that the environment does not have. */
function differences() {
  const installed = installedVersions();
  return requirements().filter((pin) => {
    const [name, version] = pin.split('==');
    return installed[name] !== version;
  });
}

/** The environment's packages: version by name. */
function installedVersions() {
  const program =
    'import importlib.metadata as m, json\n' +
    'print(json.dumps({d.metadata["Name"].lower(): d.version.split("+")[0] for d in m.distributions()}))';
  const { status, stdout, stderr } = spawnSync(PYTHON, ['-c', program], { encoding: 'utf8' });
  if (status !== 0) {
    throw new BenchError(
      `bench: ${PYTHON} must run, got: ${stderr.trim()}; type: rm -r .peers/venv, then the same command again`,
    );
  }
  return JSON.parse(stdout);
}

function makeEnvironment(say) {
  say('peers: python3 -m venv .peers/venv (some seconds)');
  const program = `import sys; sys.exit(sys.version_info < (${LEAST_PYTHON.join(', ')}))`;
  if (spawnSync('python3', ['-c', program]).status !== 0) {
    throw new BenchError(
      `bench: python3 must be Python ${LEAST_PYTHON.join('.')} or newer; install it (Debian, Ubuntu: sudo apt install python3 ` +
        'python3-venv), or put it on PATH, then run the same command again',
    );
  }
  const { status } = spawnSync('python3', ['-m', 'venv', ENVIRONMENT], { stdio: ['ignore', 2, 2] });
  if (status !== 0) {
    throw new BenchError(
      `bench: python3 -m venv must make .peers/venv, got status ${status} (see above); Debian, Ubuntu: sudo apt install ` +
        'python3-venv; then run the same command again',
    );
  }
}
