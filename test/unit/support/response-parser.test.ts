import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Progress, ResponseParser } from '../../support/response-parser.ts';

const LENGTH = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello';
const CHUNKED = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n';

function feedBytewise(text: string): Progress {
  const parser = new ResponseParser();
  const bytes = Buffer.from(text, 'latin1');
  for (let i = 0; i < bytes.length - 1; i += 1) {
    assert.deepEqual(parser.feed(bytes.subarray(i, i + 1)), { kind: 'more' });
  }
  return parser.feed(bytes.subarray(bytes.length - 1));
}

function bodyOf(progress: Progress): string {
  assert.equal(progress.kind, 'complete');
  return progress.kind === 'complete' ? progress.response.body.toString() : '';
}

for (const [name, text] of Object.entries({ LENGTH, CHUNKED })) {
  test(`${name.toLowerCase()}: the response is complete with its last byte, whole or byte by byte`, () => {
    assert.equal(bodyOf(new ResponseParser().feed(Buffer.from(text))), 'hello');
    assert.equal(bodyOf(feedBytewise(text)), 'hello');
  });
}

test('a response without a length ends with the connection', () => {
  const parser = new ResponseParser();
  assert.equal(parser.feed(Buffer.from('HTTP/1.0 200 OK\r\n\r\nhello')).kind, 'more');
  const end = parser.finish();
  assert.equal(bodyOf(end), 'hello');
  assert.equal(end.kind === 'complete' && end.response.keepsAlive, false);
});

test('an end before the announced length is not complete', () => {
  const parser = new ResponseParser();
  parser.feed(Buffer.from(LENGTH.slice(0, -1)));
  assert.equal(parser.finish().kind, 'more');
});

test('interim responses are skipped; 204 has no body', () => {
  const text = 'HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n';
  assert.equal(bodyOf(new ResponseParser().feed(Buffer.from(text))), '');
});

test('Connection: close is detected', () => {
  const progress = new ResponseParser().feed(
    Buffer.from('HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 0\r\n\r\n'),
  );
  assert.equal(progress.kind === 'complete' && progress.response.keepsAlive, false);
});

test('invalid data is reported', () => {
  const rubbish = [
    'HELLO\r\n\r\n',
    'HTTP/1.1 200 OK\r\nno colon\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nab',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n',
  ];
  for (const text of rubbish) assert.equal(new ResponseParser().feed(Buffer.from(text)).kind, 'bad', text);
});
