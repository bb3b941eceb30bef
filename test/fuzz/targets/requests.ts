import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorDocument } from '../../../src/control/documents.ts';
import { errorStatus } from '../../../src/control/protocol.ts';
import { type ControlServer, createControlServer } from '../../../src/control/server.ts';
import { FakeControl, FakeViews } from '../../unit/control/fake-control.ts';
import { corpusOf, type Target } from '../target.ts';
import { formatsLike } from './formats.ts';

/** Milliseconds to wait for more of a response that does not end. */
const ENOUGH = 20;

interface Recorded {
  readonly request: {
    readonly method: string;
    readonly path: string;
    readonly headers: Readonly<Record<string, string>>;
    readonly body: string;
  };
}

/** The bytes of a client on the control socket. */
export function requests(): Target {
  const folder = mkdtempSync(join(tmpdir(), 'zero-fuzz-'));
  const path = join(folder, 'control.sock');
  const warnings: string[] = [];
  let server: ControlServer | null = null;
  return {
    name: 'requests',
    corpus: corpusOf('requests', formatsLike(/\.json$/, 'control-1').map(requestOf)),
    words: [
      '/v1/status',
      '/v1/logs?follow=true',
      '/v1/reload',
      '/v1/signal',
      '"timeout_ms":',
      '"preview":true',
      'Content-Length: ',
      'Transfer-Encoding: chunked\r\n',
      'Zero-Protocol: ',
      'Last-Event-ID: ',
      'Expect: 100-continue\r\n',
      'Upgrade: x\r\nConnection: upgrade\r\n',
      '\r\n\r\n',
      '%00',
      '%zz',
    ],
    async check(input) {
      server ??= await createControlServer({
        path,
        mode: 0o600,
        group: null,
        control: new FakeControl(),
        views: new FakeViews(),
        identity: { version: '1.2.3', name: 'example', pid: 4242 },
        warn: (message) => warnings.push(message),
      });
      const answer = await talk(path, input);
      assert.deepEqual(warnings, []);
      return outcomeOf(answer);
    },
    async close() {
      await server?.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function requestOf(file: Buffer): Buffer {
  const { request }: Recorded = JSON.parse(file.toString());
  const { method, path, headers, body } = request;
  const fields = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return Buffer.from([`${method} ${path} HTTP/1.1`, ...fields, '', body].join('\r\n'));
}

/** Sends bytes and ends. Resolves to the response when the connection ends or the response pauses. */
function talk(path: string, bytes: Buffer): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect({ path, allowHalfOpen: true });
    const chunks: Buffer[] = [];
    let timer: NodeJS.Timeout | null = null;
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      timer ??= setTimeout(() => socket.destroy(), ENOUGH);
    });
    // The server may refuse the request before it has read everything.
    socket.on('error', () => {});
    socket.on('close', () => {
      if (timer !== null) clearTimeout(timer);
      resolve(Buffer.concat(chunks).toString());
    });
    socket.on('end', () => socket.destroy());
    socket.end(bytes);
  });
}

/** Every response is valid in the protocol. An exception of the supervisor would be `internal`. */
function outcomeOf(answer: string): string {
  if (answer === '') return 'closed';
  const [head = '', body = ''] = answer.replace(/^HTTP\/1\.1 100 Continue\r\n\r\n/, '').split('\r\n\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
  if (status === 200) return '200';
  const { code } = errorDocument.parse(JSON.parse(body)).error;
  assert.ok(code !== 'internal' && code in errorStatus, `${code}: ${body}`);
  return `${status}`;
}
