import { describe, expect, it } from 'vitest';
import { dataConfig, photoSource } from './photos.case.js';
import { renderSquares, type Squares } from './squares.js';

async function collect(chunks: AsyncIterable<Squares>): Promise<{ indices: number[]; images: Map<number, string> }> {
  const indices: number[] = [];
  const images = new Map<number, string>();
  for await (const chunk of chunks) {
    const bytes = chunk.pixels.length / chunk.indices.length;
    chunk.indices.forEach((index, i) =>
      images.set(index, Buffer.from(chunk.pixels.subarray(i * bytes, (i + 1) * bytes)).toString('hex')),
    );
    indices.push(...chunk.indices);
  }
  return { indices, images };
}

describe('renderSquares', () => {
  it('renders what is asked for in that order, whatever the chunks and processes', async () => {
    const source = await photoSource(9);
    const wanted = [8, 1, 7, 1, 0, 3];
    const one = await collect(renderSquares(source, wanted, { sizePx: 10, config: dataConfig(), batch: 4 }));
    expect(one.indices).toEqual(wanted);
    const two = await collect(
      renderSquares(source, wanted, { sizePx: 10, config: dataConfig({ data: { decodeProcesses: 2 } }), batch: 64 }),
    );
    expect(two).toEqual(one);
    expect(new Set(one.images.values()).size).toBe(5);
    for (const image of one.images.values()) expect(image).toHaveLength(2 * 3 * 10 * 10);
  });

  it('leaves bad photos out, tells of each, and gives up on too many', async () => {
    const source = await photoSource(6, { '02.jpg': 'x', '03.jpg': 'x' });
    const told: string[] = [];
    const options = { sizePx: 8, batch: 2, onBad: ({ id }: { id: string }): void => void told.push(id) };
    const allowed = { ...options, config: dataConfig({ data: { maxBadFraction: 0.4 } }) };
    expect((await collect(renderSquares(source, [0, 1, 2, 3, 4, 5], allowed))).indices).toEqual([0, 1, 4, 5]);
    expect(told).toEqual(['02.jpg', '03.jpg']);
    // An evaluation has no --set.
    await expect(collect(renderSquares(source, [0, 2, 4], { ...options, config: dataConfig() }))).rejects.toThrow(
      /got 1 of 3 .* so far; mend or remove them \(halfway data check finds all\):\n.*02\.jpg/,
    );
  });

  it('asks for nothing where nothing is wanted', async () => {
    expect(
      (await collect(renderSquares(await photoSource(1), [], { sizePx: 8, config: dataConfig(), batch: 4 }))).indices,
    ).toEqual([]);
  });
});
