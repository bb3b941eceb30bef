import assert from 'node:assert/strict';
import { isIPv4, isIPv6 } from 'node:net';
import { test } from 'node:test';
import { formatInet6, parseInet4, parseInet6 } from '../../../src/common/inet.ts';
import { seededRandom } from '../../support/random.ts';

function isInet6(text: string): boolean {
  try {
    parseInet6(text);
    return true;
  } catch (error) {
    assert.ok(error instanceof RangeError, String(error));
    return false;
  }
}

const WRITTEN = [
  ...[
    '0.0.0.0',
    '255.255.255.255',
    '1.2.3',
    '1.2.3.4.5',
    '01.2.3.4',
    '256.1.1.1',
    '1.2.3.',
    '-1.2.3.4',
    '1e1.2.3.4',
  ],
  ...[
    '::',
    '::1',
    '1::',
    '1:2:3:4:5:6:7:8',
    '1:2:3:4:5:6:7::',
    '::2:3:4:5:6:7:8',
    '1::3:4:5:6:7:8',
    'FE80::A',
  ],
  ...[
    '::1.2.3.4',
    '1:2:3:4:5:6:1.2.3.4',
    '::ffff:1.2.3.4',
    '1.2.3.4::',
    '::1.2.3.4:1',
    '1:2:3:4:5:6:7:1.2.3.4',
  ],
  ...[
    '',
    ':',
    ':::',
    '1:::2',
    '::1::',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '12345::',
    'g::',
    '::01.2.3.4',
    '1:',
    ':1',
  ],
  ...['1::2:3:4:5:6:7:8', '::1:2:3:4:5:6:7:8', '::-1', '::0x1', ' ::1', '::1 '],
];

test('an address is valid exactly if node:net accepts it', () => {
  const random = seededRandom(7);
  const signs = ['0', '1', 'f', '25', '256', ':', '::', '.', '1.2.3.4'];
  const made = Array.from({ length: 5000 }, () => {
    const length = 1 + Math.floor(random() * 15);
    return Array.from({ length }, () => signs[Math.floor(random() * signs.length)]).join('');
  });
  for (const text of [...WRITTEN, ...made]) {
    assert.equal(parseInet4(text) !== null, isIPv4(text), text);
    assert.equal(isInet6(text), isIPv6(text), text);
  }
});

test('a zone is not part of the bytes', () => {
  assert.equal(isInet6('fe80::1%eth0'), false);
});

test('the bytes are those of the address', () => {
  assert.deepEqual(parseInet4('127.0.0.1'), Buffer.of(127, 0, 0, 1));
  assert.equal(parseInet6('1::1.2.3.4').toString('hex'), '00010000000000000000000001020304');
  assert.equal(formatInet6(parseInet6('0001:0:0::8')), '1::8');
});
