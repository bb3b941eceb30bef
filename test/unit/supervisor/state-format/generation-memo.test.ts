import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  decodeMemos,
  encodeMemos,
  type GenerationMemo,
  type Memos,
} from '../../../../src/supervisor/state-format/generation-memo.ts';

const MEMO: GenerationMemo = {
  generation: 4,
  source: { kind: 'file', path: '/etc/zero.yaml', text: 'service: { runtime: { path: /srv/app } }\n' },
  earlier: null,
  release: {
    path: '/srv/app',
    executable: '/srv/releases/4/app',
    directory: '/srv/releases/4',
    identity: { device: 1, inode: 2, size: 3, mtimeMs: 4.5 },
    environment: new Map([
      ['PATH', Buffer.from('/bin')],
      // Names and values are bytes without an encoding.
      ['\xff\xe9', Buffer.from([0xff, 0, 0x80])],
    ]),
    environmentNames: ['PATH'],
  },
  record: {
    path: '/srv/releases/4/app',
    args: ['${PORT}'],
    directory: '/srv/releases/4',
    kind: 'program',
    device: 1,
    inode: 2,
    size: 3,
    mtime_ms: 4.5,
    environment: ['PATH'],
  },
  rollbackTo: null,
  label: 'v4',
};

const MEMOS: Memos = {
  supervisor: {
    environment: [Buffer.from('A=1'), Buffer.from([0x42, 0x3d, 0xff])],
    commandLine: ['/usr/bin/node', 'zero.js', '--config', 'zero.yaml'],
    directory: '/srv',
  },
  generations: [
    MEMO,
    {
      ...MEMO,
      generation: 5,
      source: {
        kind: 'arguments',
        arguments: { listen: ['8080'], command: ['node', 'app.js'] },
        directory: '/srv',
      },
      rollbackTo: 4,
      earlier: {
        generation: 4,
        record: MEMO.record,
        label: 'v4',
        executable: '/copies/4',
        directory: '/srv/releases/4',
      },
    },
  ],
};

test('memos are read as written, including the bytes of environments', () => {
  assert.deepEqual(decodeMemos(encodeMemos(MEMOS)), MEMOS);
});

test('memos of another version and invalid bytes are a problem, not an exception', () => {
  const problemOf = (text: string) => {
    const read = decodeMemos(Buffer.from(text));
    return 'problem' in read ? read.problem : assert.fail('it was read');
  };
  const newer = encodeMemos(MEMOS).toString().replace('"version":1', '"version":2');
  assert.match(problemOf(newer), /version 2, and this zero reads 1/);
  for (const text of [
    '',
    '{',
    'null',
    '[]',
    '{"version":1}',
    '{"version":1,"supervisor":{},"generations":3}',
  ])
    assert.match(problemOf(text), /^memos/, text);
});
