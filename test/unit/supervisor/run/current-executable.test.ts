import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, it } from 'node:test';
import type { Config } from '../../../../src/config/index.ts';
import { fileAt } from '../../../../src/history/release-record.ts';
import {
  type CurrentExecutable,
  currentExecutable,
  type ReleaseFiles,
  releaseFiles,
  withCurrentFiles,
} from '../../../../src/supervisor/run/current-executable.ts';
import type { Prepared } from '../../../../src/supervisor/run/prepare.ts';
import { openExecutable, recordOf } from '../../../../src/supervisor/run/release-file.ts';
import type { Release } from '../../../../src/workers/spawning/release.ts';

const COPY = '/var/lib/zero/x/executables/hash/server';
let folder = '';

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'zero-'));
});

function write(name: string, text: string): string {
  const path = join(folder, name);
  // Renamed over the old file, as in a deploy: another inode.
  writeFileSync(`${path}.new`, text, { mode: 0o755 });
  renameSync(`${path}.new`, path);
  return path;
}

/** The result of a handover's preparation for this command. */
function prepared(executable: string, args: readonly string[], rollbackTo: number | null = null): Prepared {
  const file = fileAt(executable);
  assert.ok(file);
  const { device, inode, size, mtime_ms: mtimeMs } = file;
  const release: Release = {
    path: executable,
    executable,
    directory: folder,
    identity: { device, inode, size, mtimeMs },
    environment: new Map(),
    environmentNames: [],
  };
  const record = recordOf(release, args);
  const { fd: source, close } = openExecutable(release, record);
  const unused = {
    config: {} as Config,
    settings: {} as Prepared['settings'],
    acquired: {} as Prepared['acquired'],
    snapshot: null,
    earlier: null,
  };
  return { ...unused, release, user: null, record, rollbackTo, label: null, source, close };
}

function files(copy: string | null, forbidden: string | null = null): ReleaseFiles {
  return { ...releaseFiles(() => copy), mayExecute: () => forbidden };
}

function current(
  found: Prepared,
  copy: string | null = null,
  forbidden: string | null = null,
): CurrentExecutable {
  const result = currentExecutable(1, found, files(copy, forbidden));
  found.close();
  return result;
}

describe('a restarted worker executes', () => {
  it('its file if that is unchanged', () => {
    const server = write('server', 'one');
    assert.deepEqual(current(prepared(server, []), COPY), { answer: 'same', executable: server });
  });

  it('the kept copy of a file that was replaced, removed or changed', () => {
    for (const change of [
      (path: string) => write('server', `instead of ${path}`),
      (path: string) => rmSync(path),
      (path: string) => writeFileSync(path, 'longer than before'),
    ]) {
      const server = write('server', 'one');
      const found = prepared(server, []);
      change(server);
      const { answer, executable } = current(found, COPY);
      assert.deepEqual([answer, executable], ['kept copy', COPY]);
    }
  });

  it('the current file if no copy is kept', () => {
    const server = write('server', 'one');
    const found = prepared(server, []);
    write('server', 'two');
    const reason = `${server} was replaced`;
    assert.deepEqual(current(found), { answer: 'changed, no copy', executable: server, reason });
  });

  it('the current file if its user may not execute the copy', () => {
    const server = write('server', 'one');
    const found = prepared(server, []);
    rmSync(server);
    const result = current(found, COPY, 'EACCES');
    assert.equal(result.answer, 'changed, no copy');
    assert.match(
      'reason' in result ? result.reason : '',
      /does not exist any more, and its copy .* cannot be used: EACCES/,
    );
  });

  it('no copy of a copy: a copy that was changed since the rollback is not trusted', () => {
    const copy = write('copy', 'one');
    const found = prepared(copy, []);
    write('copy', 'two');
    assert.equal(current(found, copy).answer, 'changed, no copy');
  });
});

describe('for an interpreted program', () => {
  it('a replaced script is a change, and has no copy', () => {
    const script = write('app.js', 'one');
    const found = prepared(process.execPath, ['--enable-source-maps', 'app.js', 'data.json']);
    assert.equal(current(found, COPY).answer, 'same');
    write('app.js', 'two');
    const reason = `${script} was replaced`;
    assert.deepEqual(current(found, COPY), {
      answer: 'changed, no copy',
      executable: process.execPath,
      reason,
    });
  });

  it('data files in the arguments may change', () => {
    write('app.js', 'one');
    write('data.json', '{}');
    const found = prepared(process.execPath, ['app.js', 'data.json']);
    write('data.json', '{"more": 1}');
    assert.equal(current(found).answer, 'same');
  });

  it('a script without an extension is recognised by its position', () => {
    write('serve', 'one');
    write('other', 'one');
    const found = prepared(process.execPath, ['--trace-warnings', 'serve', 'other']);
    assert.deepEqual(
      found.record.scripts?.map(({ path }) => path),
      [join(folder, 'serve')],
    );
  });

  it('arguments that are not files are not scripts', () => {
    for (const args of [['-e', 'console.log(1)'], ['${fd.http}'], ['.'], [''], ['x'.repeat(5000)]])
      assert.deepEqual(prepared(process.execPath, args).record.scripts, []);
  });
});

describe('a file that changes before its first process is started', () => {
  it('is the release of the generation', () => {
    const server = write('server', 'one');
    const found = prepared(server, []);
    write('server', 'built by the hook');
    const made = withCurrentFiles(found, files(null));
    assert.equal(made.record.size, 'built by the hook'.length);
    assert.equal(current(made).answer, 'same');
  });

  it('is not the release of a rollback, which specifies its release', () => {
    const server = write('server', 'one');
    const found = prepared(server, [], 3);
    write('server', 'two');
    assert.equal(current(withCurrentFiles(found, files(null))).answer, 'changed, no copy');
  });
});
