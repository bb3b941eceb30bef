import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  closing,
  connectionIn,
  type Headers,
  withConnection,
} from '../../../../src/service/drain/close-header.ts';

test('Connection contains close, and keeps the names of hop-by-hop headers', () => {
  const cases: [unknown, string][] = [
    [undefined, 'close'],
    ['keep-alive', 'close'],
    ['Keep-Alive', 'close'],
    ['close', 'close'],
    ['X-Hop, Keep-Alive', 'X-Hop, close'],
    [['keep-alive', 'X-Hop'], 'X-Hop, close'],
    ['', 'close'],
  ];
  for (const [value, expected] of cases) assert.equal(closing(value), expected);
});

test('the three argument forms of writeHead are kept', () => {
  const cases: [Headers, Headers][] = [
    [
      { connection: 'x', 'Keep-Alive': 't', a: ['1', '2'] },
      { a: ['1', '2'], Connection: 'close' },
    ],
    [
      ['A', '1', 'CONNECTION', 'x', 'A', '2'],
      ['A', '1', 'A', '2', 'Connection', 'close'],
    ],
    [
      [
        ['A', '1'],
        ['keep-alive', 't'],
      ],
      [
        ['A', '1'],
        ['Connection', 'close'],
      ],
    ],
    [{}, { Connection: 'close' }],
    [[], ['Connection', 'close']],
    // Node refuses this value, and must receive it unchanged.
    [
      ['A', '1', 'B'],
      ['A', '1', 'B'],
    ],
  ];
  for (const [headers, expected] of cases) {
    const before = structuredClone(headers);
    assert.deepEqual(withConnection(headers, 'close'), expected);
    assert.deepEqual(headers, before);
  }
});

test('the last one of repeated headers counts', () => {
  assert.equal(connectionIn(['Connection', 'a', 'connection', 'b']), 'b');
  assert.equal(connectionIn({ Other: 'x' }), undefined);
});
