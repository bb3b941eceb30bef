import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { type FoundLabel, findLabel } from '../../../../src/supervisor/run/release-label.ts';
import { temporaryFolder } from '../../../support/temporary.ts';

const COMMIT = '0123456789abcdef0123456789abcdef01234567';

/** A release directory, and its default label. */
function release(t: TestContext): { folder: string; found(written?: string): Promise<FoundLabel | null> } {
  const folder = join(temporaryFolder(t), 'app');
  mkdirSync(folder);
  return { folder, found: (written = folder) => findLabel({ written: [written], found: [folder] }) };
}

function git(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, '..'), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

describe('the default label of a release', () => {
  it('is the name of the target of its symlink', async (t) => {
    const { folder } = release(t);
    const target = join(folder, 'releases', '2024-01-02');
    mkdirSync(join(target, 'bin'), { recursive: true });
    for (const [name, to] of [
      ['current', 'releases/2024-01-02'],
      ['absolute', target],
      ['slash', 'releases/2024-01-02/'],
      ['up', 'releases/../releases/2024-01-02/.'],
    ] as const) {
      symlinkSync(to, join(folder, name));
      const place = { written: [join(folder, name, 'bin')], found: [join(target, 'bin')] };
      assert.deepEqual(await findLabel(place), { label: '2024-01-02', from: 'link' }, name);
    }
  });

  it('is not that of the next release if the link is replaced in the meantime', async (t) => {
    const { folder } = release(t);
    mkdirSync(join(folder, '42'));
    symlinkSync('42', join(folder, 'current'));
    assert.equal(await findLabel({ written: [join(folder, 'current')], found: [join(folder, '41')] }), null);
  });

  it('is not the name of a link that names no release, or is broken', async (t) => {
    const { folder } = release(t);
    mkdirSync(join(folder, 'usr/bin'), { recursive: true });
    symlinkSync('usr/bin', join(folder, 'bin'));
    const moved = { written: [join(folder, 'bin')], found: [join(folder, 'usr/bin')] };
    assert.equal(await findLabel(moved), null);
    symlinkSync('nowhere', join(folder, 'broken'));
    symlinkSync('loop', join(folder, 'loop'));
    for (const name of ['broken', 'loop', 'broken/below', 'missing'])
      assert.equal(await findLabel({ written: [join(folder, name)], found: [folder] }), null, name);
  });

  it('is the first line of VERSION', async (t) => {
    const { folder, found } = release(t);
    writeFileSync(join(folder, 'VERSION'), '1.4.0\r\nbuilt by ci\n');
    assert.deepEqual(await found(), { label: '1.4.0', from: 'version_file' });
  });

  for (const [what, text] of [
    ['empty', ''],
    ['binary', Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1])],
    ['not UTF-8', Buffer.from([0x76, 0xff])],
    ['larger than 4 KiB', `1.4.0\n${'x'.repeat(5000)}`],
    ['one long line', 'x'.repeat(3000)],
  ] as const) {
    it(`is not VERSION if that is ${what}`, async (t) => {
      const { folder, found } = release(t);
      writeFileSync(join(folder, 'VERSION'), text);
      assert.equal(await found(), null);
    });
  }

  it('does not block if VERSION is a FIFO, a directory or a device', async (t) => {
    const { folder, found } = release(t);
    const path = join(folder, 'VERSION');
    execFileSync('mkfifo', [path]);
    assert.equal(await found(), null);
    execFileSync('sh', ['-c', 'rm "$1" && mkdir "$1"', 'sh', path]);
    assert.equal(await found(), null);
    execFileSync('sh', ['-c', 'rmdir "$1" && ln -s /dev/zero "$1"', 'sh', path]);
    assert.equal(await found(), null);
  });

  it('is the commit that is checked out: detached, loose or packed', async (t) => {
    for (const files of [
      { '.git/HEAD': `${COMMIT}\n` },
      { '.git/HEAD': 'ref: refs/heads/a/b\n', '.git/refs/heads/a/b': `${COMMIT}\n` },
      {
        '.git/HEAD': 'ref: refs/heads/main\n',
        '.git/packed-refs': `# pack-refs with: peeled\n${'f'.repeat(40)} refs/heads/other/refs/heads/main\n${COMMIT} refs/heads/main\n^${'e'.repeat(40)}\n`,
      },
    ]) {
      const { folder, found } = release(t);
      git(folder, files as Record<string, string>);
      assert.deepEqual(await found(), { label: COMMIT.slice(0, 12), from: 'git' });
    }
  });

  it('is the commit of a linked working tree, whose .git is a file', async (t) => {
    const { folder, found } = release(t);
    git(folder, {
      '.git': 'gitdir: repo/.git/worktrees/app\n',
      'repo/.git/worktrees/app/HEAD': 'ref: refs/heads/main\n',
      'repo/.git/worktrees/app/commondir': '../..\n',
      'repo/.git/refs/heads/main': `${COMMIT}\n`,
    });
    assert.deepEqual(await found(), { label: COMMIT.slice(0, 12), from: 'git' });
  });

  it('is the output of git', async (t) => {
    const { folder, found } = release(t);
    const run = (...args: string[]) =>
      execFileSync('git', ['-C', folder, '-c', 'user.name=x', '-c', 'user.email=x@x', ...args], {
        encoding: 'utf8',
      });
    run('init', '--quiet');
    run('commit', '--quiet', '--allow-empty', '--message', 'one');
    const commit = run('rev-parse', 'HEAD').slice(0, 12);
    assert.deepEqual(await found(), { label: commit, from: 'git' });
    run('pack-refs', '--all');
    assert.deepEqual(await found(), { label: commit, from: 'git' });
  });

  for (const [what, files] of [
    ['a branch without a commit', { '.git/HEAD': 'ref: refs/heads/main\n' }],
    ['a ref outside of the repository', { '.git/HEAD': 'ref: refs/../../secret\n', secret: `${COMMIT}\n` }],
    [
      'a ref that names no commit',
      { '.git/HEAD': 'ref: refs/heads/main\n', '.git/refs/heads/main': 'root:x:0:0\n' },
    ],
    ['a .git file with a missing target', { '.git': 'gitdir: /nowhere\n' }],
    ['a .git file of something else', { '.git': 'what?\n' }],
    ['an empty .git directory', { '.git/config': '' }],
  ] as const) {
    it(`is absent with ${what}`, async (t) => {
      const { folder, found } = release(t);
      git(folder, files as Record<string, string>);
      assert.equal(await found(), null);
    });
  }

  it('is found by the link first, then by VERSION, then by git', async (t) => {
    const { folder, found } = release(t);
    git(folder, { '.git/HEAD': `${COMMIT}\n` });
    assert.equal((await found())?.from, 'git');
    writeFileSync(join(folder, 'VERSION'), '1.4.0\n');
    assert.equal((await found())?.from, 'version_file');
    const link = join(folder, '..', 'current');
    symlinkSync('app', link);
    assert.equal((await found(link))?.from, 'link');
  });
});
