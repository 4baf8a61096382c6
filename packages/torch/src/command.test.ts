import { execFileSync, spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const program = fileURLToPath(new URL('../bin/halfway-torch.js', import.meta.url));
const run = (args: readonly string[]): { status: number | null; stdout: string; stderr: string } =>
  spawnSync(process.execPath, [program, ...args], { encoding: 'utf8' });

describe('halfway-torch', () => {
  it('is executable and explains itself', () => {
    accessSync(program, constants.X_OK);
    expect(execFileSync(program, ['--help'], { encoding: 'utf8' })).toMatch(/^Usage:\n {2}halfway-torch setup /);
    expect(run([]).stdout).toMatch(/^Usage:/);
  });

  it('setup says ready when nothing is left to do', () => {
    expect(run(['setup'])).toMatchObject({ status: 0, stdout: 'ready\n' });
  });

  it('doctor reports as text and as JSON', () => {
    expect(run(['doctor'])).toMatchObject({
      status: 0,
      stdout: expect.stringMatching(/The engine is ready\.\n$/) as string,
    });
    const { status, stdout } = run(['doctor', '--json']);
    expect([status, (JSON.parse(stdout) as { ok: boolean }).ok]).toEqual([0, true]);
  });

  it('says in one line what it cannot do: a wheel that is not there, wrong words and options', () => {
    const missing = run(['setup', '--from', '/no/such/torch.whl']);
    expect(missing).toMatchObject({ status: 1, stdout: '' });
    expect(missing.stderr).toMatch(/halfway-torch: setup: .*\/no\/such\/torch\.whl.*\n$/);
    expect(missing.stderr).not.toMatch(/ at .*\.js:/);
    const wrong = { 'set-up': 'set-up is no command', '--form': "Unknown option '--form'" };
    for (const [word, message] of Object.entries(wrong)) {
      expect(run([word])).toMatchObject({
        status: 2,
        stderr: expect.stringContaining(`halfway-torch: ${message}`) as string,
      });
    }
    expect(run(['setup', 'now'])).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('now is one word too many') as string,
    });
  });
});
