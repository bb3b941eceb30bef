import assert from 'node:assert/strict';
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeEach, test } from 'node:test';
import type { RuntimeConfig } from '../../../../src/config/schema.ts';
import { resolveRelease } from '../../../../src/workers/spawning/release.ts';
import { ReleaseError, type ReleaseStep } from '../../../../src/workers/spawning/release-error.ts';
import { resolveUser } from '../../../../src/workers/spawning/target-user.ts';
import { folder, runtimeConfig } from '../support.ts';

const root = process.getuid?.() === 0 ? false : 'looking as another user needs root';
const context = { user: null, base: [Buffer.from('OWN=1')], startDirectory: process.cwd() };
chmodSync(folder, 0o755);
let here = '';

beforeEach(() => {
  here = mkdtempSync(join(folder, 'release-'));
  chmodSync(here, 0o755);
});

function file(name: string, content: string, mode = 0o755): string {
  const path = join(here, name);
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(path, content);
  chmodSync(path, mode);
  return path;
}

function refused(
  changes: Partial<RuntimeConfig> & { path: string },
  step: ReleaseStep,
  message: RegExp,
  user = context.user as ReturnType<typeof resolveUser>,
) {
  assert.throws(
    () => resolveRelease(runtimeConfig({ directory: here, ...changes }), { ...context, user }),
    (error: unknown) => {
      assert.ok(error instanceof ReleaseError, String(error));
      assert.equal(error.step, step);
      assert.match(error.message, message);
      return true;
    },
  );
}

test('symlinks of the directories are followed, and the last component is executed as written', () => {
  const target = file('releases/1/bin/real', '#!/bin/sh\n');
  symlinkSync('real', join(here, 'releases/1/bin/app'));
  symlinkSync('releases/1', join(here, 'current'));
  const release = resolveRelease(
    runtimeConfig({ directory: join(here, 'current'), path: 'bin/app' }),
    context,
  );
  assert.equal(release.path, join(here, 'current/bin/app'));
  assert.equal(release.executable, join(here, 'releases/1/bin/app'));
  assert.equal(release.directory, join(here, 'releases/1'));
  const { dev, ino, size, mtimeMs } = statSync(target);
  assert.deepEqual(release.identity, { device: dev, inode: ino, size, mtimeMs });
});

test('".." behind a symlink is resolved like the kernel does', () => {
  file('elsewhere/bin/app', '#!/bin/sh\n');
  mkdirSync(join(here, 'elsewhere/lib'));
  symlinkSync('elsewhere/lib', join(here, 'lib'));
  const release = resolveRelease(runtimeConfig({ directory: here, path: 'lib/../bin/app' }), context);
  assert.equal(release.executable, join(here, 'elsewhere/bin/app'));
});

test('every generation resolves the paths again', () => {
  file('1/app', '#!/bin/sh\n');
  file('2/app', '#!/bin/sh\n# two\n');
  const runtime = runtimeConfig({ directory: here, path: 'current/app' });
  symlinkSync('1', join(here, 'current'));
  const first = resolveRelease(runtime, context);
  rmSync(join(here, 'current'));
  symlinkSync('2', join(here, 'current'));
  const second = resolveRelease(runtime, context);
  assert.equal(first.executable, join(here, '1/app'));
  assert.equal(second.executable, join(here, '2/app'));
  assert.notDeepEqual(first.identity, second.identity);
});

test('a missing executable or directory is reported', () => {
  refused({ path: 'app' }, 'path', /^executable \/.*\/app: ENOENT: it does not exist$/);
  refused({ path: '/no/such/app' }, 'path', /^executable \/no\/such\/app: ENOENT/);
  refused(
    { path: '/bin/sh', directory: '/no/such' },
    'directory',
    /^directory \/no\/such: ENOENT: it does not exist$/,
  );
  refused({ path: '/bin/sh', directory: '/etc/passwd' }, 'directory', /ENOTDIR: it is not a directory/);
  symlinkSync('nowhere', join(here, 'dangling'));
  refused({ path: 'dangling' }, 'path', /dangling: ENOENT/);
});

test('a directory, a file without x and a special file are reported', () => {
  refused({ path: '.' }, 'path', /EISDIR/);
  file('plain', 'x', 0o644);
  refused({ path: 'plain' }, 'path', /plain: EACCES: no execute permission/);
  refused({ path: '/dev/null' }, 'path', /EACCES: not a regular file/);
});

test('scripts and their interpreters are checked', () => {
  file('gone', '#! /no/such/interpreter -x\n');
  refused({ path: 'gone' }, 'path', /gone: its interpreter \/no\/such\/interpreter does not exist$/);
  file('windows', '#!/bin/sh\r\nexit 0\r\n');
  refused({ path: 'windows' }, 'path', /its interpreter "\/bin\/sh\\r" does not exist: .*CRLF/);
  file('text', 'echo hello\n');
  refused({ path: 'text' }, 'path', /neither a program nor a script that begins with #!/);
  file('empty', '');
  refused({ path: 'empty' }, 'path', /the file is empty/);
  file('bare', '#!\n');
  refused({ path: 'bare' }, 'path', /has no interpreter/);
  file('fine', '#!/bin/sh -e\n');
  resolveRelease(runtimeConfig({ directory: here, path: 'fine' }), context);
});

test('the environment file is read, and its errors have their position', () => {
  file('app', '#!/bin/sh\n');
  const runtime = { directory: here, path: 'app', environment_file: 'env' };
  refused(runtime, 'environment_file', /^environment_file \/.*\/env: ENOENT: it does not exist$/);
  file('env', 'A=1\nsecret\n', 0o600);
  refused(runtime, 'environment_file', /\/env:2: is not NAME=VALUE$/);
  file('env', 'A=1\n', 0o600);
  const release = resolveRelease(runtimeConfig({ ...runtime, inherit_environment: true }), context);
  assert.deepEqual(release.environmentNames, ['A', 'OWN']);
});

test('permissions are checked for the target user', { skip: root }, () => {
  const nobody = resolveUser('nobody', undefined);
  const path = file('private/app', '#!/bin/sh\n');
  resolveRelease(runtimeConfig({ path, directory: '/' }), { ...context, user: nobody });
  chmodSync(path, 0o700);
  refused(
    { path, directory: '/' },
    'path',
    /EACCES: no execute permission on .* \(as user nobody\)$/,
    nobody,
  );
  chownSync(path, nobody?.uid ?? 0, 0);
  resolveRelease(runtimeConfig({ path, directory: '/' }), { ...context, user: nobody });
  chmodSync(join(here, 'private'), 0o700);
  refused({ path, directory: '/' }, 'path', /EACCES: no search permission on directory/, nobody);
  refused({ path: '/bin/sh', directory: join(here, 'private') }, 'directory', /EACCES/, nobody);
});

test('an unknown user or group, and one that zero may not become, are reported', () => {
  const step = { name: 'ReleaseError', step: 'user' };
  assert.throws(() => resolveUser('no-such-user', undefined), {
    ...step,
    message: /^user no-such-user does not exist/,
  });
  assert.throws(() => resolveUser(undefined, 'no-such-group'), {
    ...step,
    message: /^group no-such-group does not/,
  });
  assert.throws(() => resolveUser('root', undefined, { uid: 1000, gid: 1000 }), {
    ...step,
    message: /^run as root: EPERM: zero runs as uid 1000, and only root can change the user/,
  });
});

test('users and groups are resolved', () => {
  assert.equal(resolveUser(undefined, undefined), null);
  const number = resolveUser('4242', '4343', { uid: 0, gid: 0 });
  assert.deepEqual(number, {
    name: '4242',
    uid: 4242,
    gid: 4343,
    groups: [],
    home: '/',
    shell: '/bin/sh',
    switches: true,
  });
  assert.equal(resolveUser('4242', undefined, { uid: 4242, gid: 4242 })?.switches, false);
});
