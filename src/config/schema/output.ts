import { isAbsolute } from 'node:path';
import * as z from 'zod/mini';
import { quoted } from '../../common/text.ts';
import { formatSize, parseSize } from '../values/size.ts';
import { key, scalar } from './key.ts';
import { integer } from './scalars.ts';

const MIN_SIZE = 4096;

const directory = scalar(
  { kind: 'path' },
  (source) =>
    isAbsolute(source) && !source.includes('\0')
      ? { value: source }
      : { problem: `${quoted(source)} must be an absolute path` },
  (value) => value,
);

const size = scalar(
  { kind: 'size' },
  (source) => {
    const parsed = parseSize(source);
    return 'value' in parsed && parsed.value < MIN_SIZE
      ? { problem: `${quoted(source)} must be ${formatSize(MIN_SIZE)} or more` }
      : parsed;
  },
  formatSize,
);

export const output = z.strictObject({
  directory: key(
    'The directory of the files, as an absolute path; zero creates it if it is missing. The current file is `NAME.log`, with the name of the instance.',
    directory,
  ),
  size: key(
    'The size at which zero rotates a file; the units are B, KiB, MiB, GiB and TiB.',
    z.prefault(size, '10MiB'),
  ),
  keep: key(
    'How many rotated files are kept next to the current one: `NAME.log.1` is the newest.',
    z.prefault(integer(0, 1000), 5),
  ),
});
