import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../../support/paths.ts';

/** Recorded files of every version with a matching name. */
export function formatsLike(name: RegExp, folder = ''): Buffer[] {
  const path = join(ROOT, 'test/fixtures/formats', folder);
  return readdirSync(path)
    .filter((file) => name.test(file))
    .sort()
    .map((file) => readFileSync(join(path, file)));
}
