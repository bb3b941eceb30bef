import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { foldHistory } from '../../../../src/history/entries.ts';
import { lineReader, VERSION, writeLine } from '../../../../src/history/format/format.ts';
import type { HistoryLine, NewLine } from '../../../../src/history/lines.ts';
import { ROOT } from '../../../support/paths.ts';
import { HASH, RELEASE, timed } from '../support.ts';

const AT = '2026-11-24T12:00:00.000Z';
const FAILURE = { step: 'exit', reason: 'exited with code 1' };

/** Each kind of line with its written document. */
const LINES: readonly (readonly [NewLine, object])[] = [
  [
    { event: 'generation', generation: 2, rollbackTo: 1, release: RELEASE },
    {
      event: 'generation_started',
      generation: 2,
      rollback_to: 1,
      release: {
        path: '/srv/app/server',
        args: ['--fast'],
        directory: '/srv/app',
        kind: 'program',
        device: 1,
        inode: 10,
        size: 1000,
        mtime_ms: 5,
        environment_names: ['PATH'],
      },
    },
  ],
  [
    { event: 'serves', generation: 2 },
    { event: 'generation_serving', generation: 2 },
  ],
  [
    {
      event: 'handover',
      handover: 3,
      outcome: 'rolled_back',
      generation: 2,
      incumbent: 1,
      duration: 13,
      failure: FAILURE,
    },
    {
      event: 'handover_finished',
      handover: 3,
      outcome: 'rolled_back',
      generation: 2,
      incumbent: 1,
      duration_ms: 13,
      failure: FAILURE,
    },
  ],
  [
    { event: 'rolled_back', generation: 2, failure: FAILURE },
    { event: 'generation_rolled_back', generation: 2, failure: FAILURE },
  ],
  [
    { event: 'executable', generation: 2, sha256: HASH('a'), notKept: 'EACCES' },
    { event: 'executable_hashed', generation: 2, sha256: HASH('a'), copy_error: 'EACCES' },
  ],
  [
    { event: 'label', generation: 2, label: 'v1.2.3 "blue"' },
    { event: 'release_labelled', generation: 2, label: 'v1.2.3 "blue"' },
  ],
  [{ event: 'stopped' }, { event: 'supervisor_stopped' }],
];

test('the scripts of an interpreter are written and read again', () => {
  const scripts = [{ path: '/srv/app/app.js', inode: 7, size: 8, mtime_ms: 9.5 }];
  const release = { ...RELEASE, kind: 'interpreter', scripts } as const;
  const [line] = timed([{ event: 'generation', generation: 2, rollbackTo: null, release }]);
  assert.ok(line);
  assert.deepEqual(JSON.parse(writeLine(line)).release.scripts, scripts);
  assert.deepEqual(lineReader()(writeLine(line)), { kind: 'line', line });
});

for (const [line, document] of LINES) {
  test(`${line.event} is written as its document, and read again`, () => {
    const [whole] = timed([line]);
    assert.ok(whole);
    const text = writeLine(whole);
    assert.deepEqual(JSON.parse(text), { version: VERSION, time: AT, ...document });
    assert.deepEqual(lineReader()(text), { kind: 'line', line: whole });
  });
}

test('an unknown field is ignored, and an unknown event is not damage', () => {
  const read = lineReader();
  const serving = { version: VERSION, time: AT, event: 'generation_serving', generation: 2 };
  assert.deepEqual(read(JSON.stringify({ ...serving, label: 'v42' })), {
    kind: 'line',
    line: { at: AT, event: 'serves', generation: 2 },
  });
  assert.deepEqual(read(JSON.stringify({ ...serving, event: 'generation_adopted' })), { kind: 'unknown' });
});

test('a line of a newer version is distinguished from a damaged one, whatever its content', () => {
  const read = lineReader();
  assert.deepEqual(read('{"version":3}'), { kind: 'newer', version: 3 });
  assert.deepEqual(read('{"version":17,"at":{},"event":7}'), { kind: 'newer', version: 17 });
});

const serving = { version: VERSION, time: AT, event: 'generation_serving', generation: 1 };
const started = { ...serving, event: 'generation_started', rollback_to: null };
const { environment, ...file } = RELEASE;
const release = { ...file, environment_names: environment };

const DAMAGED: readonly (readonly [what: string, text: string])[] = [
  ['nothing', ''],
  ['null', 'null'],
  ['a list', '[]'],
  ['a truncated line', JSON.stringify(serving).slice(0, -5)],
  ['a version that is not a number', JSON.stringify({ ...serving, version: '2' })],
  ['version 0', JSON.stringify({ ...serving, version: 0 })],
  ['no event', JSON.stringify({ ...serving, event: undefined })],
  ['no time', JSON.stringify({ ...serving, time: undefined })],
  ['an invalid time', JSON.stringify({ ...serving, time: 'yesterday' })],
  ['a negative generation', JSON.stringify({ ...serving, generation: -1 })],
  ['a relative path', JSON.stringify({ ...started, release: { ...release, path: 'server' } })],
  ['an argument that is not text', JSON.stringify({ ...started, release: { ...release, args: [1] } })],
  [
    'a hash that is a path',
    JSON.stringify({ ...serving, event: 'executable_hashed', sha256: '../../etc', copy_error: null }),
  ],
  ['version 1 without its time', '{"event":"serves","generation":1}'],
  [
    'version 1 with a hash that is a path',
    `{"at":"${AT}","event":"executable","generation":1,"sha256":"../x","not_kept":null}`,
  ],
];

for (const [what, text] of DAMAGED) {
  test(`damaged: ${what}`, () => assert.deepEqual(lineReader()(text), { kind: 'torn' }));
}

/** A file of an earlier version, see test/fixtures/formats. */
function recorded(version: number): { texts: string[]; lines: HistoryLine[] } {
  const path = join(ROOT, 'test/fixtures/formats', `history-${version}.jsonl`);
  const texts = readFileSync(path, 'utf8').trim().split('\n');
  const read = lineReader();
  const lines = texts.flatMap((text) => {
    const found = read(text);
    assert.equal(found.kind, 'line', text);
    return found.kind === 'line' ? [found.line] : [];
  });
  return { texts, lines };
}

for (let version = 1; version <= VERSION; version += 1) {
  test(`the recorded history of version ${version} keeps its meaning`, () => {
    const { entries, serves } = foldHistory(
      recorded(version).lines,
      null,
      Date.parse('2026-11-26T14:00:00Z'),
    );
    assert.deepEqual(
      entries.map(({ generation, outcome, rollbackTo }) => [generation, outcome, rollbackTo]),
      [
        [1, 'promoted', null],
        [2, 'promoted', null],
        [3, 'rolled_back', null],
        [4, 'rolled_back', null],
        [5, 'timed_out', null],
        [6, 'promoted', null],
        [7, 'aborted', null],
        [8, 'promoted', null],
        [9, 'rolled_back', null],
        [10, 'superseded', null],
        [11, 'promoted', null],
        [12, 'promoted', null],
        [13, 'promoted', 1],
        [14, 'promoted', null],
      ],
    );
    assert.deepEqual(serves, [1, 2, 6, 8, 9, 8, 11, 12, 13, 14]);
    const [first, , third] = entries;
    assert.deepEqual(first, {
      generation: 1,
      at: '2026-11-26T13:20:16.414Z',
      release: {
        path: '/srv/example/server',
        args: ['--port', '8080'],
        directory: '/srv/example',
        kind: 'script',
        device: 65024,
        inode: 2147282,
        size: 99,
        mtime_ms: 1795699216299.7688,
        environment: ['PATH', 'PUPPET_SOCKET'],
      },
      label: null,
      sha256: '9f29f3170fb87057130e0dbec6ec15668981e45a444ac338d6b9bacd41cd4013',
      notKept: null,
      handover: 1,
      rollbackTo: null,
      outcome: 'promoted',
      failure: null,
      duration: 389,
      served: 773,
    });
    assert.deepEqual(third?.failure, { step: 'exit', reason: 'exited with code 7' });
    assert.equal(
      entries.at(-1)?.notKept,
      "EEXIST: file already exists, mkdir '/srv/example/data/executables'",
    );
  });

  test(`version ${version} is converted to the current version without loss`, () => {
    const { lines } = recorded(version);
    const read = lineReader();
    assert.deepEqual(
      lines.map((line) => read(writeLine(line))),
      lines.map((line) => ({ kind: 'line', line })),
    );
  });
}
