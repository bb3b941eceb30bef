import assert from 'node:assert/strict';
import { test } from 'node:test';
import { history } from '../../../src/cli/history.ts';
import { renderHistory } from '../../../src/cli/render/history.ts';
import { painter } from '../../../src/cli/render/style.ts';
import { renderVerdict } from '../../../src/cli/render/verdict.ts';
import { type RollbackOptions, rollback } from '../../../src/cli/rollback.ts';
import { verdictDocument } from '../../../src/control/result-documents.ts';
import { HISTORY, PROMOTED } from '../control/fake-control.ts';
import { cliFixture } from './fixture.ts';

const ROLLBACK: RollbackOptions = { wait: true, json: false };

test('rollback requests the generation, and reports the verdict', async (t) => {
  const at = cliFixture(t);
  const { control } = await at.run('example');
  const code = rollback({ ...ROLLBACK, to: '3', timeout: '90s' }, at.context);
  await control.until(() => control.rollbacks.length === 1);
  control.rollbacks[0]?.verdict(PROMOTED);
  assert.equal(await code, 0);
  assert.deepEqual(control.rollbacks[0]?.options, { to: 3, timeoutMs: 90_000 });
  assert.equal(at.out(), 'handover 2 promoted after 1.5s: generation 4 serves\n');
});

test('rollback without --to requests the previous release; --no-wait exits with 13', async (t) => {
  const at = cliFixture(t);
  const { control } = await at.run('example');
  assert.equal(await rollback({ ...ROLLBACK, wait: false }, at.context), 13);
  assert.deepEqual(control.rollbacks[0]?.options, { to: null, timeoutMs: null });
});

for (const to of ['0', '-1', 'last', '1.5', '99999999999']) {
  test(`--to ${to} exits with 2`, async (t) => {
    const at = cliFixture(t);
    const { control } = await at.run('example');
    assert.equal(await rollback({ ...ROLLBACK, to }, at.context), 2);
    assert.match(
      at.err(),
      /^zero rollback: --to .*: must be the number of a generation\. See "zero history"\n$/,
    );
    assert.equal(control.rollbacks.length, 0);
  });
}

test('history --json prints the document', async (t) => {
  const at = cliFixture(t);
  await at.run('example');
  assert.equal(await history({ json: true }, at.context), 0);
  assert.deepEqual(JSON.parse(at.out()), HISTORY);
});

test('the printed history is 80 columns wide and has no control characters', async (t) => {
  const at = cliFixture(t);
  await at.run('example');
  assert.equal(await history({ json: false }, at.context), 0);
  assert.deepEqual(at.out().split('\n'), [
    'GEN  STARTED              OUTCOME      HANDOVER  SERVED      ROLLBACK',
    '       RELEASE',
    '  1  2026-11-24 08:00:00  promoted     1.2s      2h          copy',
    '       /srv/app/releases/41/server --fast',
    '  2  2026-11-24 10:00:00  promoted     2s        1m, serves  file',
    '       /srv/app/releases/42/server --fast',
    '  3  2026-11-24 10:00:30  rolled back  5s        -           no',
    '       release of generation 1',
    '       readiness.http: GET /healthz returned 503\\u001b[2J',
    '',
  ]);
});

test('the history may be empty, and may have long texts', () => {
  const plain = painter(false);
  assert.equal(renderHistory({ version: 1, generations: [] }, plain), 'no generation yet\n');
  const [first] = HISTORY.generations;
  assert.ok(first?.release);
  const long = {
    ...first,
    release: { ...first.release, path: `/srv/${'a'.repeat(100)}` },
    rollback: { from: null, reason: `${'word '.repeat(30)}${'b'.repeat(100)}` },
  };
  const text = renderHistory({ version: 1, generations: [long] }, plain);
  for (const line of text.split('\n')) assert.ok(line.length <= 80, line);
});

test('a failed hook after the handover is reported with the verdict, and does not change it', () => {
  const hook = { step: 'hook.after_promote', reason: 'exited with code 1', output: ['no such host'] };
  const verdict = verdictDocument({ ...PROMOTED, hook });
  assert.deepEqual(renderVerdict(verdict, painter(false)).split('\n'), [
    'handover 2 promoted after 1.5s: generation 4 serves',
    'the hook that ran afterwards failed',
    '  step    hook.after_promote',
    '  reason  exited with code 1',
    '  last output:',
    '    | no such host',
    '',
  ]);
});

test('the history shows label, program and directory of a release', () => {
  const [first] = HISTORY.generations;
  const node = { path: '/usr/bin/node', args: ['app.js'], directory: '/srv/app/releases/41', sha256: null };
  const shown = (changes: Partial<typeof node> & { label?: string }) => {
    assert.ok(first);
    const generations = [{ ...first, release: { ...node, ...changes } }];
    return renderHistory({ version: 1, generations }, painter(false)).split('\n')[3];
  };
  const inside = ['/srv/app/releases/41/app.js'];
  assert.equal(shown({}), '       /usr/bin/node app.js  in /srv/app/releases/41');
  assert.equal(shown({ label: 'v41' }), '       v41  /usr/bin/node app.js  in /srv/app/releases/41');
  assert.equal(shown({ args: inside, label: '41' }), `       41  /usr/bin/node ${inside}`);
  assert.equal(shown({ directory: '/' }), '       /usr/bin/node app.js');
  const long = shown({ label: `v41-${'x'.repeat(124)}` }) ?? '';
  assert.match(long, /^ {7}\.\.\.x{29} {2}\.\.\.\S* app\.js {2}in \/srv\/app\/releases\/41$/);
  assert.equal(shown({ directory: '/', label: 'a\u001b[2Jb' }), '       a\\u001b[2Jb  /usr/bin/node app.js');
});
