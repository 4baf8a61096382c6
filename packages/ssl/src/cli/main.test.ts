/** The command line: its options are fixed here, its words and exit codes for those who use it wrongly. */
import type { Command } from 'commander';
import { describe, expect, it, vi } from 'vitest';
import { createProgram, main } from './main.js';
import { runProgram, lastJson } from './runProgram.case.js';

/** `command: --flag <value> ...` for every command, in order. */
function flagsOf(command: Command, prefix = ''): string[] {
  const name = `${prefix}${command.name()}`;
  const flags = [
    ...command.registeredArguments.map((argument) => `[${argument.name()}]`),
    ...command.options.map(({ flags: f }) => f),
  ];
  return [`${name}: ${flags.join(' ')}`.trim(), ...command.commands.flatMap((child) => flagsOf(child, `${name} `))];
}

describe('halfway', () => {
  it('has these commands and options', () => {
    expect(flagsOf(createProgram())).toEqual([
      'halfway: --version',
      'halfway setup: --from <wheels...> --cuda --force --json',
      'halfway doctor: --json',
      'halfway pretrain: --recipe <name|file> --data <paths...> --out <folder> --init <file> --steps <n> --seed <n> --device <name> ' +
        '--set <key.path=value> --resume --allow-other-engine --dry-run --num-photos <n> --json',
      'halfway eval: [run] --tasks <list> --photos <n> --r2-parameters <list> --r2-borders <list> --data <paths...> --test <paths...> ' +
        '--baseline <kind> --step <n> --weights <file> --features <kind> --device <name> --json',
      'halfway export: [run] --weights <file> --format <name> --out <folder> --json',
      'halfway import: [file] --format <name> --key <name> --heads <n> --out <folder> --json',
      'halfway data:',
      'halfway data preview: --recipe <name|file> --data <paths...> --out <file> --photos <n> --set <key.path=value> --json',
      'halfway data check: --data <paths...> --set <key.path=value> --json',
      'halfway quickstart: --out <folder> --seed <n> --steps <n> --json',
      'halfway study: --recipe <name|file> --arm <name:key=value,...> --seeds <list> --steps <n> --data <paths...> --test <paths...> ' +
        '--knn-over <paths...> --tasks <list> --photos <n> --r2-parameters <list> --r2-borders <list> --out <folder> --json',
    ]);
  });

  it('helps with examples for every command', () => {
    const leaves = (command: Command): Command[] =>
      command.commands.length === 0 ? [command] : command.commands.flatMap(leaves);
    for (const command of leaves(createProgram())) {
      let help = '';
      command.configureOutput({ writeOut: (text) => (help += text) }).outputHelp();
      expect([command.name(), help.includes('Examples:\n  halfway ')]).toEqual([command.name(), true]);
    }
  });

  const wrong: [args: string[], message: string][] = [
    [['pretrian'], 'halfway: there is no command pretrian; did you mean pretrain?\n'],
    [['data', 'prevew'], 'halfway: there is no command prevew; did you mean preview?\n'],
    [['pretrain', '--recpe', 'x'], "halfway: unknown option '--recpe'\n(Did you mean --recipe?)\n"],
    [['pretrain'], 'halfway: --recipe: must be named, got none; one of paper/'],
    [
      ['pretrain', '--recipe', 'small/vicreg'],
      'halfway: --out: a run folder must be named, got none; for example --out runs/a\n',
    ],
    [
      ['pretrain', '--resume'],
      'halfway: --out: the run folder to go on with must be named, got none; for example --out runs/a\n',
    ],
    [
      ['pretrain', '--steps', '1.5'],
      "halfway: option '--steps <n>' argument '1.5' is invalid. must be a whole number from 1.\n",
    ],
    [['pretrain', '--recipe', 'smal/vicreg'], 'got smal/vicreg; did you mean small/vicreg?\n'],
    [
      ['pretrain', '--recipe', 'small/vicreg', '--set', 'recon.lamda=3'],
      'no key recon.lamda; did you mean recon.lambda?\n',
    ],
    [['eval', 'runs/a', '--tasks', 'r2,kn'], 'halfway: --tasks: must be of r2, knn, linear, rank, got kn\n'],
    [['eval', 'runs/a', '--r2-borders', 'black'], 'halfway: --r2-borders: must be of inside, zeros, got black\n'],
    [
      ['eval', 'runs/a', '--r2-parameters', 'rotation,colour'],
      'halfway: --r2-parameters: must be of rotation, color, blur, translation, got colour\n',
    ],
    [
      ['eval', 'runs/a', '--tasks', 'knn', '--r2-borders', 'inside'],
      'halfway: --r2-parameters, --r2-borders: need the task r2, got --tasks knn; add it\n',
    ],
    [['quickstart', '--steps', '0'], "argument '0' is invalid. must be a whole number from 1.\n"],
    [['quickstart', '--seed', '5000000000'], 'train.seed: must be at most 4294967295, got 5000000000\n'],
    [['study', '--recipe', 'small/vicreg', '--out', 'x'], 'halfway: study: needs at least one --arm, got none;'],
    [
      ['study', '--recipe', 'small/vicreg', '--out', 'x', '--arm', 'a/b:recon.lambda=1'],
      'halfway: --arm: must be a name of letters, digits, "-", "_" and "." (not dots alone), then ":key=value,...", got a/b:recon.lambda=1\n',
    ],
    [
      ['study', '--recipe', 'small/vicreg', '--out', 'x', '--arm', '..'],
      'halfway: --arm: must be a name of letters, digits, "-", "_" and "." (not dots alone), then ":key=value,...", got ..\n',
    ],
    [
      ['study', '--recipe', 'small/vicreg', '--out', 'x', '--arm', 'untrained'],
      'halfway: study: an arm must not be named untrained, the name of the encoder that has learned nothing; choose another name\n',
    ],
    [
      ['study', '--recipe', 'small/vicreg', '--out', 'x', '--arm', 'a', '--seeds', '0,x'],
      'halfway: --seeds: must be whole numbers with commas between them, got 0,x\n',
    ],
    [
      ['study', '--recipe', 'small/vicreg', '--out', 'x', '--arm', 'a', '--data', 'photos'],
      'halfway: study: --data needs --test: photos to ask about, which are not trained on\n',
    ],
    [
      ['study', '--recipe', 'small/vicreg', '--out', 'x', '--arm', 'a', '--seeds', '1,1'],
      'halfway: study: needs at least one seed, all different, got 1, 1\n',
    ],
    [
      ['study', '--recipe', 'small/vicreg', '--out', 'x', '--arm', 'a:recon.lamda=1'],
      'no key recon.lamda; did you mean recon.lambda?\n',
    ],
    [['eval'], 'halfway: eval: a run folder or --weights must be named, got none\n'],
    [['export', '--out', 'x'], 'halfway: export: a run folder or --weights must be named, got none\n'],
    [
      ['export', 'runs/a', '--weights', 'b.safetensors', '--out', 'x'],
      'halfway: export: a run folder or --weights must be named, got both, runs/a and b.safetensors; leave one of them out\n',
    ],
    [
      ['eval', 'runs/a', '--weights', 'b.safetensors'],
      'halfway: eval: a run folder or --weights must be named, got both, runs/a and b.safetensors; leave one of them out\n',
    ],
  ];
  it('used wrongly says so in one line, without a backtrace, and ends with 2', async () => {
    for (const [args, message] of wrong) {
      const written = { stdout: '', stderr: '' };
      const spies = (['stdout', 'stderr'] as const).map((name) =>
        vi.spyOn(process[name], 'write').mockImplementation((text) => {
          written[name] += String(text);
          return true;
        }),
      );
      const code = await main(args);
      for (const spy of spies) spy.mockRestore();
      expect([args, written.stderr.includes(message), written.stderr.includes('    at ')]).toEqual([args, true, false]);
      expect([args, code, written.stdout]).toEqual([args, 2, '']);
    }
  });

  it('fails with 1, and with --json tells machines why', async () => {
    const failed = await runProgram([
      'pretrain',
      '--recipe',
      'small/vicreg',
      '--data',
      '/nowhere',
      '--out',
      '/tmp/never-made',
      '--json',
    ]);
    expect([failed.code, failed.stderr]).toEqual([
      1,
      expect.stringContaining('halfway: data: the path must exist, got /nowhere'),
    ]);
    expect(lastJson(failed)).toEqual({
      error: expect.stringContaining('halfway: data: the path must exist, got /nowhere') as string,
      kind: 'DataError',
    });
  });

  it('says in one line that a folder cannot be made where nothing can', async () => {
    const { code, stderr } = await runProgram(['pretrain', '--recipe', 'small/vicreg', '--out', '/proc/halfway-test']);
    expect([code, stderr.trim().split('\n').at(-1)]).toEqual([
      1,
      expect.stringMatching(
        /^halfway: run: \/proc\/halfway-test must be writable, .*; .* choose another folder with --out$/,
      ),
    ]);
  });

  it('shows what follows from a recipe without training', async () => {
    const result = await runProgram([
      'pretrain',
      '--recipe',
      'paper/vicreg-rot',
      '--set',
      'train.batch=1024',
      '--dry-run',
      '--json',
    ]);
    expect(result.code).toBe(0);
    expect(lastJson(result)).toMatchObject({
      config: { train: { batch: 1024 }, transform: { rotationDeg: 45 } },
      derived: { peakLr: 4e-4, warmupSteps: 6256, gridPatches: 14, parameters: { encoder: 21_665_664 } },
    });
    const text = await runProgram(['pretrain', '--recipe', 'small/vicreg', '--dry-run', '--num-photos', '640']);
    expect(text.stdout).toMatch(
      /\n# stepsPerEpoch: 10\n# epochs: 500\n[^]*\n# views, 32 px: 2\n[^]*\n# flops, total: \d+ \(11\.4 G\)\n/,
    );
    const training = await runProgram(['pretrain', '--recipe', 'small/vicreg', '--num-photos', '640']);
    expect([training.code, training.stderr]).toEqual([
      2,
      expect.stringContaining('--num-photos: goes with --dry-run, got 640 for a training; leave it out'),
    ]);
  });
});
