// Unpacks the needed part of a wheel (a zip file) into a folder, with Python's own zipfile module: it knows zip64, checks every
// file's CRC and refuses paths that lead outside.

import { type CacheFolder, type Env, diskError, formatBytes } from './cacheFolder.js';
import { runCommand } from './commands.js';
import { SetupError } from './errors.js';
import type { SetupLog } from './setupLog.js';

/** Which part of the wheels is unpacked. */
export type Part = 'cpu' | 'cuda';

// Patterns are in the part of regular expressions that Python and JavaScript share.
const pythonOnly = 'lib(torch_python|shm|torch|torch_global_deps)\\.so';
const cudaOnly = 'lib(torch_cuda\\w*|c10_cuda|caffe2_nvrtc|torch_nvshmem)\\.so';
const headersAndNotices = [
  'torch/include/.*',
  'torch/version\\.py',
  'torch\\.libs/.*',
  '[^/]*\\.dist-info/(METADATA|licenses?/.*|LICENSE[^/]*)',
];

const patterns: Readonly<Record<Part, { wanted: readonly string[]; unwanted: readonly string[] }>> = {
  cpu: {
    wanted: [...headersAndNotices, 'torch/lib/[^/]*\\.so[^/]*', 'nvidia/[^/]*/lib/lib(cudart|cupti)\\.so[^/]*'],
    unwanted: [`torch/lib/(${pythonOnly}|${cudaOnly})`],
  },
  cuda: {
    wanted: [
      ...headersAndNotices,
      'torch/lib/[^/]*\\.so[^/]*',
      'nvidia/[^/]*/lib/[^/]*\\.so[^/]*',
      'nvidia/[^/]*/include/.*',
    ],
    unwanted: [`torch/lib/${pythonOnly}`],
  },
};

// Reads {"wheel", "folder", "wanted", "unwanted"} from standard input; prints `done total` bytes after each large file.
const program = `
import json, re, shutil, sys, zipfile, os
job = json.load(sys.stdin)
wanted = re.compile('|'.join(job['wanted']))
unwanted = re.compile('|'.join(job['unwanted']))
try:
    with zipfile.ZipFile(job['wheel']) as wheel:
        files = [i for i in wheel.infolist() if not i.is_dir() and wanted.fullmatch(i.filename) and not unwanted.fullmatch(i.filename)]
        total, done = sum(i.file_size for i in files), 0
        for info in files:
            wheel.extract(info, job['folder'])
            done += info.file_size
            if info.file_size > 1000000 or info is files[-1]:
                print(done, total, flush=True)
except (zipfile.BadZipFile, EOFError) as error:
    sys.exit('corrupt: %s' % error)
except OSError as error:
    sys.exit('oserror: %s %s' % (error.errno, error))
except Exception as error:
    sys.exit('corrupt: %s: %s' % (type(error).__name__, error))
`;

/**
 * Unpacks the files of `part` from the wheel at `path` into `folder`, keeping their relative places (libraries find each other by them).
 * @returns the number of bytes written
 * Throws SetupError 'corrupt-wheel' for a truncated or damaged file, 'disk-full' or 'cache-not-writable'.
 */
export async function unpackWheel(
  path: string,
  folder: string,
  { part, python, env, log, cache }: { part: Part; python: string; env: Env; log: SetupLog; cache: CacheFolder },
): Promise<number> {
  const { wanted, unwanted } = patterns[part];
  const name = path.slice(path.lastIndexOf('/') + 1);
  let writtenBytes = 0;
  const { status, stderr } = await runCommand([python, '-c', program], {
    env,
    input: JSON.stringify({ wheel: path, folder, wanted, unwanted: unwanted.map((pattern) => `${pattern}.*`) }),
    onLine: (line) => {
      const [doneBytes = 0, totalBytes = 0] = line.split(' ').map(Number);
      writtenBytes = doneBytes;
      log.progress(`unpacking ${name}: ${formatBytes(doneBytes)} of ${formatBytes(totalBytes)}`);
    },
  });
  if (status === 0) return writtenBytes;
  throw unpackError(stderr, path, cache);
}

// errno numbers of Linux, as Python reports them.
const systemErrorCodes = new Map([
  [28, 'ENOSPC'],
  [122, 'EDQUOT'],
  [13, 'EACCES'],
  [1, 'EPERM'],
  [30, 'EROFS'],
]);

function unpackError(stderr: string, path: string, cache: CacheFolder): SetupError {
  const systemError = /^oserror: (\d+) (.*)/m.exec(stderr);
  const code = systemErrorCodes.get(Number(systemError?.[1]));
  const known =
    code === undefined ? undefined : diskError(Object.assign(new Error(stderr.trim()), { code }), cache.root);
  if (known !== undefined) return known;
  const reason =
    /^corrupt: (.*)/m.exec(stderr)?.[1] ?? systemError?.[2] ?? stderr.trim().split('\n').at(-1) ?? 'unknown reason';
  return new SetupError(
    'corrupt-wheel',
    `setup: ${path} is not a complete wheel (${reason}); download it again, then run: npx halfway-torch setup --from ${path}`,
  );
}
