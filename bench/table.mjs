// Rows as a table of Markdown, aligned as prettier does: for the terminal and for the file of results.

const COLUMNS = [
  ['', (row) => row.name, 'left'],
  ['dtype', (row) => row.dtype, 'left'],
  ['ours, ms', (row) => withRange(row.oursMs, row.oursRangeMs)],
  ['peer, ms', (row) => withRange(row.peerMs, row.peerRangeMs)],
  ['peer', (row) => row.peer, 'left'],
  ['ratio', (row) => `${row.ratio.toFixed(3)}${row.ratio > row.maxRatio ? ' over' : ''}`],
  ['bar', (row) => row.maxRatio.toFixed(3)],
  ['CPU, ms', (row) => pair(row.oursCpuMs, row.peerCpuMs)],
  ['peak, MB', (row) => pair(row.peakRssMB, row.peerPeakRssMB)],
];

/** A table of Markdown, and under it what the rows have to say beside their figures. */
export function tableOf(rows) {
  const cells = [COLUMNS.map(([title]) => title), ...rows.map((row) => COLUMNS.map(([, cellOf]) => cellOf(row)))];
  const widths = COLUMNS.map((_, i) => Math.max(3, ...cells.map((line) => line[i].length)));
  const line = (texts) => `| ${texts.join(' | ')} |`;
  const aligned = cells.map((texts) =>
    line(texts.map((text, i) => (isLeft(i) ? text.padEnd(widths[i]) : text.padStart(widths[i])))),
  );
  const rule = line(widths.map((width, i) => (isLeft(i) ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`)));
  const remarks = rows.flatMap(remarksOf);
  const [head, ...body] = aligned;
  return [head, rule, ...body, ...(remarks.length > 0 ? ['', ...remarks] : [])].join('\n');
}

function isLeft(column) {
  return COLUMNS[column][2] === 'left';
}

function withRange(ms, range) {
  return range === undefined ? `${ms}` : `${ms} (${range.join(' to ')})`;
}

/** Ours, then the peer's. */
function pair(ours, peer) {
  return (ours ?? undefined) === undefined ? '' : `${ours} / ${peer}`;
}

function remarksOf({ name, dtype, peer, oursParts = {}, peerParts = {}, note = '' }) {
  const parts = [
    ['ours', oursParts],
    [peer, peerParts],
  ]
    .filter(([, of]) => Object.keys(of).length > 0)
    .map(
      ([side, of]) =>
        `${side}: ${Object.entries(of)
          .map(([part, ms]) => `${part} ${ms}`)
          .join(', ')} ms`,
    );
  const text = [...parts, note].filter((part) => part !== '').join('; ');
  return text === '' ? [] : [`- ${name}, ${dtype}: ${text}`];
}
