import assert from 'node:assert/strict';
import { once } from 'node:events';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { ResponseBytes } from '../../../src/control/response-bytes.ts';

/** A response of a real server, and the server's side of it. */
async function respond(t: TestContext): Promise<{ bytes: ResponseBytes; response: ServerResponse }> {
  const server = http.createServer().listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const request = http.get({ host: '127.0.0.1', port, agent: false });
  const [, response] = (await once(server, 'request')) as [IncomingMessage, ServerResponse];
  response.writeHead(200).write('first ');
  const [incoming] = (await once(request, 'response')) as [IncomingMessage];
  return { bytes: new ResponseBytes(incoming), response };
}

async function readAll(bytes: ResponseBytes): Promise<{ text: string; error: unknown }> {
  let text = '';
  try {
    for await (const chunk of bytes.read()) text += chunk;
    return { text, error: null };
  } catch (error) {
    return { text, error };
  }
}

test('a complete body is read', async (t) => {
  const { bytes, response } = await respond(t);
  response.end('last');
  assert.deepEqual(await readAll(bytes), { text: 'first last', error: null });
});

test('data before a broken connection is read before the error', async (t) => {
  const { bytes, response } = await respond(t);
  response.write('last');
  await turn();
  const closed = once(response, 'close');
  response.destroy();
  await closed;
  // The client has detected that too, before any read.
  for (let turns = 0; turns < 10; turns += 1) await turn();
  const { text, error } = await readAll(bytes);
  assert.equal(text, 'first last');
  assert.equal((error as NodeJS.ErrnoException).code, 'ECONNRESET');
});

test('a body larger than the buffer is read completely', async (t) => {
  const { bytes, response } = await respond(t);
  const large = 'x'.repeat(5_000_000);
  response.end(large);
  const { text, error } = await readAll(bytes);
  assert.equal(error, null);
  assert.equal(text.length, 'first '.length + large.length);
});

test('a reader that stops early closes the connection', async (t) => {
  const { bytes, response } = await respond(t);
  const closed = once(response, 'close');
  for await (const chunk of bytes.read()) {
    assert.equal(String(chunk), 'first ');
    break;
  }
  await closed;
});
