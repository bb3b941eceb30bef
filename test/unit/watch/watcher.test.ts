import assert from 'node:assert/strict';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { decodeEvents, watchDirectories } from '../../../src/linux/inotify.ts';
import { survey } from '../../../src/watch/survey.ts';
import { Watcher } from '../../../src/watch/watcher.ts';
import { temporaryFolder } from '../../support/temporary.ts';

/** A watcher whose quiet time passes when the test decides. */
async function start(t: TestContext, paths: readonly string[]) {
  const warnings: string[] = [];
  let changes = 0;
  let armed: (() => void) | null = null;
  let waiting: (() => void) | null = null;
  const watcher = new Watcher({
    paths,
    quiet: 1000,
    watchDirectories,
    timers: {
      set: (_, run) => {
        armed = run;
        waiting?.();
        return run;
      },
      clear: () => {
        armed = null;
      },
    },
    watching: () => {},
    changed: () => {
      changes += 1;
    },
    warn: (message) => warnings.push(message),
  });
  t.after(() => watcher.close());
  const turns = async () => {
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  const armedAgain = () =>
    armed === null
      ? new Promise<void>((resolve) => {
          waiting = resolve;
        })
      : Promise.resolve();
  /** Waits for an event, and until the quiet time has passed. */
  const quiet = async () => {
    await armedAgain();
    // Events of the same change arrive together.
    await turns();
    for (let run = armed; run; run = armed) {
      armed = null;
      run();
      await turns();
    }
    return changes;
  };
  // A newly watched path is checked once more.
  await quiet();
  return { warnings, quiet, turns, changes: () => changes, armed: () => armed !== null };
}

const FIRST = 'first';

function deployed(t: TestContext): { folder: string; file: string } {
  const folder = temporaryFolder(t);
  const file = join(folder, 'server');
  writeFileSync(file, FIRST);
  return { folder, file };
}

test('a file that is replaced by rename(2) is one change, and existing files are none', async (t) => {
  const { file } = deployed(t);
  const { quiet, changes } = await start(t, [file]);
  assert.equal(changes(), 0);
  writeFileSync(`${file}.new`, 'second');
  renameSync(`${file}.new`, file);
  assert.equal(await quiet(), 1);
});

test('a file that is still being written is not complete', async (t) => {
  const { file } = deployed(t);
  const { quiet, warnings } = await start(t, [file]);
  const fd = openSync(file, 'w');
  writeSync(fd, 'half');
  assert.equal(await quiet(), 0);
  assert.match(warnings.join(), /server is being written to: waiting until it is closed/);
  writeSync(fd, ' and half');
  closeSync(fd);
  assert.equal(await quiet(), 1);
});

test('a file that is restored unchanged is no change', async (t) => {
  const { file } = deployed(t);
  const at = new Date('2026-11-24T12:00:00Z');
  utimesSync(file, at, at);
  const { quiet } = await start(t, [file]);
  renameSync(file, `${file}.old`);
  renameSync(`${file}.old`, file);
  assert.equal(await quiet(), 0);
});

test('other files in the directory cause no event', async (t) => {
  const { folder, file } = deployed(t);
  const { turns, armed } = await start(t, [file]);
  writeFileSync(join(folder, 'log'), 'a line');
  await turns();
  assert.equal(armed(), false);
});

test('a replaced symlink of a release directory is one change, and the new directory is watched', async (t) => {
  const folder = temporaryFolder(t);
  for (const release of ['41', '42']) {
    mkdirSync(join(folder, 'releases', release), { recursive: true });
    writeFileSync(join(folder, 'releases', release, 'server'), release);
  }
  const current = join(folder, 'current');
  symlinkSync('releases/41', current);
  const { quiet } = await start(t, [join(current, 'server')]);
  symlinkSync('releases/42', `${current}.new`);
  renameSync(`${current}.new`, current);
  assert.equal(await quiet(), 1);
  appendFileSync(join(folder, 'releases', '42', 'server'), 'more');
  assert.equal(await quiet(), 2);
});

test('directories are watched recursively, including new entries', async (t) => {
  const { folder } = deployed(t);
  const { quiet } = await start(t, [folder]);
  mkdirSync(join(folder, 'a', 'b'), { recursive: true });
  writeFileSync(join(folder, 'a', 'b', 'c'), '1');
  assert.equal(await quiet(), 1);
  writeFileSync(join(folder, 'a', 'b', 'c'), '22');
  assert.equal(await quiet(), 2);
  rmSync(join(folder, 'a'), { recursive: true });
  assert.equal(await quiet(), 3);
});

test('a missing path is awaited, with the directories on it', async (t) => {
  const folder = temporaryFolder(t);
  const directory = join(folder, 'app', 'bin');
  const file = join(directory, 'server');
  mkdirSync(directory, { recursive: true });
  writeFileSync(file, FIRST);
  const { quiet, warnings } = await start(t, [file]);
  rmSync(join(folder, 'app'), { recursive: true });
  assert.equal(await quiet(), 0);
  assert.deepEqual(warnings, [`watch: ${file} does not exist: waiting for it`]);
  mkdirSync(directory, { recursive: true });
  writeFileSync(file, 'second');
  assert.equal(await quiet(), 1);
});

test('a replaced directory is watched again', async (t) => {
  const folder = temporaryFolder(t);
  for (const name of ['app', 'next']) {
    mkdirSync(join(folder, name));
    writeFileSync(join(folder, name, 'server'), name);
  }
  const { quiet } = await start(t, [join(folder, 'app')]);
  renameSync(join(folder, 'app'), join(folder, 'old'));
  renameSync(join(folder, 'next'), join(folder, 'app'));
  assert.equal(await quiet(), 1);
  writeFileSync(join(folder, 'app', 'server'), 'again');
  assert.equal(await quiet(), 2);
});

test('a watch that the kernel refuses is reported with the solution', async () => {
  const warnings: string[] = [];
  const refuse = () => {
    throw Object.assign(new Error('inotify_add_watch /: ENOSPC'), { code: 'ENOSPC' });
  };
  await new Promise<void>((resolve) => {
    const watcher = new Watcher({
      paths: ['/etc/passwd'],
      quiet: 1,
      watchDirectories: () => ({ add: refuse, remove: () => {}, close: () => {} }),
      timers: { set: () => null, clear: () => {} },
      watching: () => {},
      changed: () => {},
      warn: (message) => {
        warnings.push(message);
        watcher.close();
        resolve();
      },
    });
  });
  assert.match(warnings[0] ?? '', /ENOSPC: raise fs\.inotify\.max_user_watches/);
});

test('cyclic symlinks, and a file in place of a directory, are ignored', async (t) => {
  const { folder, file } = deployed(t);
  symlinkSync('b', join(folder, 'a'));
  symlinkSync('a', join(folder, 'b'));
  const paths = [join(folder, 'a'), join(file, 'x'), join(folder, 'a', '..', 'none')];
  assert.deepEqual((await survey(paths)).missing, paths);
});

test('a fingerprint distinguishes permissions and links', async (t) => {
  const { folder } = deployed(t);
  const prints = new Set<string>();
  const look = async () => prints.add((await survey([folder])).fingerprint);
  await look();
  symlinkSync('one', join(folder, 'link'));
  await look();
  rmSync(join(folder, 'link'));
  symlinkSync('two', join(folder, 'link'));
  await look();
  await look();
  assert.equal(prints.size, 3);
});

test('events are parsed as described in inotify(7)', () => {
  const event = (wd: number, mask: number, name: string) => {
    const padded = name === '' ? 0 : 16;
    const bytes = Buffer.alloc(16 + padded);
    bytes.writeInt32LE(wd, 0);
    bytes.writeUInt32LE(mask, 4);
    bytes.writeUInt32LE(padded, 12);
    bytes.write(name, 16);
    return bytes;
  };
  const bytes = Buffer.concat([
    event(1, 0x2, 'a'),
    event(1, 0x8, 'a'),
    event(2, 0x100, 'new'),
    event(2, 0x40, 'old'),
    event(3, 0x8000, ''),
    event(-1, 0x4000, ''),
  ]);
  assert.deepEqual(
    decodeEvents(bytes).map(({ watch, name, what }) => `${watch} ${name} ${what}`),
    ['1 a written', '1 a closed', '2 new changed', '2 old gone', '3  gone', '-1  changed'],
  );
});
