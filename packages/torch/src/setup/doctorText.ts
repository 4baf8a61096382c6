// The doctor's report as text for a terminal.

import type { DoctorReport } from './doctor.js';

const marks = { ok: 'ok     ', warning: 'WARNING', failed: 'FAILED ' } as const;

/** The report as lines: one a check, its next command below it, the places searched when libtorch is missing, and a last line that sums up. */
export function doctorText(report: DoctorReport): string {
  const width = Math.max(...report.checks.map(({ name }) => name.length));
  const lines = report.checks.flatMap(({ name, status, detail, next }) => [
    `${marks[status]} ${name.padEnd(width)}  ${detail}`,
    ...(next === undefined ? [] : [`${' '.repeat(width + 10)}next: ${next}`]),
  ]);
  if (report.libtorch === undefined) {
    lines.push(
      '',
      'Searched for libtorch:',
      ...report.tried.map(({ origin, path, reason }) => `  ${origin}: ${path} ${reason}`),
    );
  }
  const first = report.checks.find(({ status }) => status === 'failed');
  lines.push('', first === undefined ? 'The engine is ready.' : `Not ready. Start with: ${first.next ?? first.detail}`);
  return lines.join('\n');
}
