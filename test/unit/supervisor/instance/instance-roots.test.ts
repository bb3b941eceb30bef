import assert from 'node:assert/strict';
import { chownSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import {
  defaultRoot,
  instanceRootsFor,
  linkInstance,
  type Owner,
  runtimeDirectoriesIn,
} from '../../../../src/supervisor/instance/instance-roots.ts';
import { temporaryFolder } from '../../../support/temporary.ts';

const UID = process.geteuid?.() ?? 0;
/** The user of this test, as an ordinary one. */
const USER = UID === 0 ? 54_321 : UID;

/** A directory for temporary files of this test only. */
function temporary(t: TestContext): string {
  const folder = temporaryFolder(t);
  const { TMPDIR } = process.env;
  process.env.TMPDIR = folder;
  t.after(() => {
    if (TMPDIR === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = TMPDIR;
  });
  return folder;
}

const directoriesOf = (owner: Owner) => instanceRootsFor(owner).map(({ directory }) => directory);

describe('the instances of a user are', () => {
  it('in the runtime directory of a login, else in that for temporary files', (t) => {
    const folder = temporary(t);
    const login = join(folder, 'login');
    assert.equal(defaultRoot({ uid: USER, environment: { XDG_RUNTIME_DIR: login } }), join(login, 'zero'));
    assert.equal(defaultRoot({ uid: USER, environment: {} }), join(folder, `zero-${USER}`));
    assert.equal(defaultRoot({ uid: 0, environment: { XDG_RUNTIME_DIR: login } }), '/run/zero');
  });

  it('not in the runtime directory of another user, which su(1) keeps in the environment', (t) => {
    const folder = temporary(t);
    const environment = { XDG_RUNTIME_DIR: folder };
    assert.equal(defaultRoot({ uid: UID + 1, environment }), join(folder, `zero-${UID + 1}`));
  });

  it('searched for in all of these, with any environment', (t) => {
    const folder = temporary(t);
    const always = [`/run/user/${USER}/zero`, join(folder, `zero-${USER}`), `/tmp/zero-${USER}`, '/run/zero'];
    assert.deepEqual(directoriesOf({ uid: USER, environment: {} }), always);
    const environment = { XDG_RUNTIME_DIR: '/nowhere' };
    assert.deepEqual(directoriesOf({ uid: USER, environment }), ['/nowhere/zero', ...always]);
  });

  it("found by root in the directories of all users, each once, and not below another user's directory", (t) => {
    const folder = temporary(t);
    for (const name of [`zero-${UID}`, 'zero-1', 'zero-x', 'zero-']) mkdirSync(join(folder, name));
    symlinkSync(folder, join(folder, 'zero-2'));
    const found = instanceRootsFor({ uid: 0, environment: {} });
    assert.deepEqual(found[0], { directory: '/run/zero', uid: null });
    const here = found.filter(({ directory }) => directory.startsWith(folder));
    // A directory that root created is valid for any user.
    const own = [{ directory: join(folder, `zero-${UID}`), uid: UID }];
    assert.deepEqual(here, UID === 0 ? [...own, { directory: join(folder, 'zero-1'), uid: 1 }] : own);
  });
});

describe('an instance whose runtime directory is elsewhere', () => {
  it('is linked there while it runs', (t) => {
    const folder = temporary(t);
    const runtime = join(temporaryFolder(t), 'run');
    mkdirSync(runtime);
    const root = { directory: join(folder, `zero-${USER}`), uid: USER };
    const unlink = linkInstance(runtime, { uid: USER, environment: {} });
    assert.deepEqual(runtimeDirectoriesIn(root), [runtime]);
    unlink();
    assert.deepEqual(runtimeDirectoriesIn(root), []);
  });

  it('replaces broken links', (t) => {
    const links = join(temporary(t), `zero-${USER}`, '.instances');
    const [dead, alive] = [temporaryFolder(t), temporaryFolder(t)];
    linkInstance(dead, { uid: USER, environment: {} });
    rmSync(dead, { recursive: true });
    linkInstance(alive, { uid: USER, environment: {} });
    assert.deepEqual(readdirSync(links), [encodeURIComponent(alive)]);
  });

  it('is not linked in a directory that another user created', (t) => {
    const root = join(temporary(t), `zero-${USER + 1}`);
    mkdirSync(root);
    if (UID === 0) chownSync(root, USER, USER);
    const linking = () => linkInstance('/srv/run', { uid: USER + 1, environment: {} });
    assert.throws(linking, /zero-\d+ belongs to /);
    assert.deepEqual(readdirSync(root), []);
  });

  it('is not linked if it is in a standard directory', (t) => {
    const folder = temporary(t);
    linkInstance(join(folder, `zero-${USER}`, 'web'), { uid: USER, environment: {} });
    assert.deepEqual(readdirSync(folder), []);
  });
});

it('links in a directory are read, not followed, and names that begin with a dot are ignored', (t) => {
  const folder = temporary(t);
  const root = { directory: join(folder, `zero-${UID}`), uid: UID };
  mkdirSync(join(root.directory, 'web'), { recursive: true });
  mkdirSync(join(root.directory, '.instances', 'directory'), { recursive: true });
  symlinkSync('relative', join(root.directory, '.instances', 'relative'));
  symlinkSync('/nowhere', join(root.directory, '.instances', 'nowhere'));
  assert.deepEqual(runtimeDirectoriesIn(root), [join(root.directory, 'web'), '/nowhere']);
  assert.deepEqual(
    runtimeDirectoriesIn({ ...root, uid: UID + 1 }),
    UID === 0 ? [join(root.directory, 'web'), '/nowhere'] : [],
  );
});
