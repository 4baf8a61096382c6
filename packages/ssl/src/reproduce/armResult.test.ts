import { describe, expect, it } from 'vitest';
import { RunError } from '../errors.js';
import { InterruptedError } from '../train/pretrain.js';
import { armResult, type EndedProcess } from './armResult.js';

const arm = { name: 'task', seed: 3, runDir: 'study/task-3' };

/** What a process comes to that ended with status 1, or as the test says. */
function resultOf(ended: Partial<EndedProcess>): unknown {
  try {
    return armResult(arm, { status: 1, signal: null, stdout: '', stderr: '', ...ended });
  } catch (error) {
    return error;
  }
}

const lineOf = (line: object): string => `some text\n${JSON.stringify(line)}\n`;

describe('armResult', () => {
  it('is the summary of a training that finished', () => {
    expect(resultOf({ status: 0, stdout: lineOf({ run: 'study/task-3', steps: 4 }) })).toEqual({
      ...{ run: 'study/task-3', steps: 4 },
    });
  });

  it('knows a training that was stopped by the kind of its error, whatever its words', () => {
    const stopped = resultOf({ stdout: lineOf({ error: 'halfway: saved, and so on', kind: 'InterruptedError' }) });
    expect(stopped).toBeInstanceOf(InterruptedError);
    expect(String(stopped)).toBe('InterruptedError: saved, and so on');
    const failed = resultOf({ stdout: lineOf({ error: 'halfway: pretrain: stopped at a wall', kind: 'DataError' }) });
    expect(failed).toBeInstanceOf(RunError);
    expect(String(failed)).toContain(
      'study: training "task" with seed 3 must finish, got: pretrain: stopped at a wall\n' +
        'its whole log is study/task-3/train.log;',
    );
  });

  it.each(['', 'no JSON', '{"run": "study/ta', '7'])(
    'says that a summary is missing where the last line is %j',
    (line) => {
      const failed = resultOf({ status: 0, stdout: `some text\n${line}` });
      expect(failed).toBeInstanceOf(RunError);
      expect(String(failed)).toContain('must finish, got: no summary as its last line, but "');
    },
  );

  it('says what a process said last that had no time for more, or the signal that ended it', () => {
    expect(String(resultOf({ stderr: 'step 1\nhalfway: out of memory\n' }))).toContain('got: out of memory\n');
    expect(String(resultOf({ status: null, signal: 'SIGKILL' }))).toContain('got: SIGKILL\n');
    expect(String(resultOf({}))).toContain('got: no message\n');
  });
});
