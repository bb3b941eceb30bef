import { dirname, isAbsolute, join, relative, resolve, sep } from 'node:path';
import { realPathOf, statsOf } from '../common/files.ts';

/*
 * Paths as the user wrote them. Node and getcwd(3) resolve symbolic links: a process that was started in
 * `/srv/app/current` sees `/srv/app/releases/41`, but the next release will be in another folder.
 */

/**
 * The working directory with its symbolic links: $PWD if it names the working directory (POSIX sh, "cd"), otherwise the
 * result of getcwd(3). Throws the file system's error if the directory was removed.
 */
export function directoryAsGiven(): string {
  const here = process.cwd();
  const { PWD } = process.env;
  if (PWD === undefined || !isAbsolute(PWD) || resolve(PWD) !== PWD) return here;
  const [one, other] = [statsOf(PWD), statsOf(here)];
  return one !== null && one.ino === other?.ino && one.dev === other.dev ? PWD : here;
}

/**
 * The path of a file of this program through the symbolic links of `given`, so that the path finds the same file in a
 * later release.
 * @param real the file's path without symbolic links
 * @param given the absolute path by which the program was started
 */
export function pathAsGiven(real: string, given: string, directory: string = directoryAsGiven()): string {
  const below = relative(process.cwd(), given);
  const isBelow = below !== '' && !isAbsolute(below) && below.split(sep)[0] !== '..';
  const seen = isBelow ? join(directory, below) : given;
  for (let at = dirname(seen); at !== dirname(at); at = dirname(at)) {
    const rest = relative(realPathOf(at) ?? sep, real);
    const candidate = join(at, rest);
    if (rest.split(sep)[0] !== '..' && realPathOf(candidate) === real) return candidate;
  }
  return real;
}
