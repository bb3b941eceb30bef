import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, statSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ROOT } from './paths.ts';
import { type Scope, temporaryFolder } from './temporary.ts';

const FILE = join(ROOT, 'bin', `zero-linux-${process.arch}`);

/** The executable of this checkout. Builds it if it is missing or older than the output of `npm run build`. */
export function executableFile(): string {
  const built = statSync(join(ROOT, 'dist', 'zero.cjs')).mtimeMs;
  if (!existsSync(FILE) || statSync(FILE).mtimeMs < built) {
    execFileSync(process.execPath, [join(ROOT, 'scripts', 'executable.js'), process.arch], {
      cwd: ROOT,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  return FILE;
}

/** A root file system with the executable as /zero, the libraries that ldd(1) lists for it, and nothing else. */
export function bareRoot(scope: Scope): string {
  const root = temporaryFolder(scope);
  for (const folder of ['dev', 'proc', 'run', 'tmp', 'var/lib'])
    mkdirSync(join(root, folder), { recursive: true });
  const file = executableFile();
  copyFileSync(file, join(root, 'zero'));
  const listed = execFileSync('ldd', [file], { encoding: 'utf8' });
  for (const [library] of listed.matchAll(/\/\S+/g)) {
    mkdirSync(join(root, dirname(library)), { recursive: true });
    copyFileSync(library, join(root, library));
  }
  // Paths of the test are the same inside.
  mkdirSync(join(root, dirname(root)), { recursive: true });
  symlinkSync('/', join(root, root));
  return root;
}

/** Prefix for arguments of zero: runs it inside, with /proc and /dev, in a separate mount namespace. */
export function inRoot(root: string): [string, ...string[]] {
  const mounts = 'mount -t proc none "$0/proc" && mount --bind /dev "$0/dev" && exec chroot "$0" /zero "$@"';
  return ['unshare', '--mount', 'sh', '-c', mounts, root];
}
