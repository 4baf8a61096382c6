import { describe, expect, it } from 'vitest';
import { describeData, formatDescription } from './describeData.js';
import { dataConfig, folderOf, picture } from './photos.case.js';
import { openSource } from './sources/openSource.js';

describe('describeData', () => {
  it('counts photos, classes and sizes, and lists every bad file', async () => {
    const photo = (width: number, height: number): Promise<Buffer> => picture(0, width, height).jpeg().toBuffer();
    const turned = await picture(0, 40, 300).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    const source = openSource([
      folderOf({
        'cat/a.jpg': await photo(64, 80),
        'cat/b.jpg': turned,
        'dog/c.jpg': await photo(127, 130),
        'dog/d.jpg': 'broken',
        ...{ 'dog/e.HEIC': 'x', 'cat/f.heic': 'x', 'cat/notes': 'x' },
      }),
    ]);
    const progress: number[] = [];
    const description = await describeData(source, { config: dataConfig(), onProgress: (done) => progress.push(done) });
    expect(description).toMatchObject({
      numPhotos: 4,
      classes: [
        { name: 'cat', count: 2 },
        { name: 'dog', count: 2 },
      ],
      shortSides: [
        { fromPx: 32, count: 1 },
        { fromPx: 64, count: 2 },
      ],
      smallest: [64, 80],
      largest: [127, 130],
      notRead: [
        { suffix: '.heic', count: 2 },
        { suffix: '', count: 1 },
      ],
      bad: [{ id: 'dog/d.jpg' }],
      hasTooManyBad: true,
    });
    expect(progress).toEqual([4]);
    const text = formatDescription(description);
    expect(text).toMatch(
      /^4 photos, 0\.0 MB, in .*\n2 files like \*\.heic, 1 file without a suffix are not read\n2 classes: cat 2, dog 2\nfrom 64 x 80 to 127 x 130 px/,
    );
    expect(text).toMatch(/1 cannot be read, too many for a run:\n.*d\.jpg: not a photo: starts with "broken"$/);
  });
});
