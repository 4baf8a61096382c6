import { describe, expect, it } from 'vitest';
import { streamLog } from './setupLog.js';

function record(isTTY: boolean) {
  const stream = { text: '', isTTY, columns: 30, write: (text: string) => void (stream.text += text) };
  return stream;
}

describe('streamLog', () => {
  it('rewrites one line on a terminal and never lets it wrap', () => {
    const stream = record(true);
    const log = streamLog(stream);
    log.progress('x'.repeat(100));
    log.progress('two');
    log.line('done');
    expect(stream.text).toBe(`\r\x1b[K  ${'x'.repeat(26)}\r\x1b[K  two\r\x1b[Kdone\n`);
  });

  it('prints plain lines elsewhere, progress at most once in ten seconds', () => {
    const stream = record(false);
    let nowMs = 0;
    const log = streamLog(stream, () => nowMs);
    log.line('start');
    for (const ms of [1_000, 9_999, 10_000, 12_000, 20_000]) {
      nowMs = ms;
      log.progress(`at ${String(ms)}`);
    }
    expect(stream.text).toBe('start\n  at 10000\n  at 20000\n');
  });
});
