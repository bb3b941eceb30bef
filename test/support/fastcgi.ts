import { connect } from 'node:net';
import { parseTarget } from './target.ts';

/* The part of the FastCGI protocol (fastcgi.com spec, version 1) that one request needs. */

const VERSION = 1;
const REQUEST_ID = 1;
const TYPE = { beginRequest: 1, endRequest: 3, params: 4, stdin: 5, stdout: 6 } as const;
const RESPONDER = 1;
const HEADER = 8;

function record(type: number, content: Buffer): Buffer {
  const header = Buffer.from([
    VERSION,
    type,
    0,
    REQUEST_ID,
    content.length >> 8,
    content.length & 0xff,
    0,
    0,
  ]);
  return Buffer.concat([header, content]);
}

/** Names and values of at most 127 bytes. */
function params(values: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(
    Object.entries(values).map(([name, value]) =>
      Buffer.concat([Buffer.from([name.length, value.length]), Buffer.from(name + value)]),
    ),
  );
}

/**
 * Runs a script by one request on a separate connection, as a web server without keep-alive does. Resolves to the
 * output with its headers. Rejects when the connection ends before the request.
 */
export function runScript(address: string, script: string, query = ''): Promise<string> {
  const target = parseTarget(address);
  const request = Buffer.concat([
    record(TYPE.beginRequest, Buffer.from([0, RESPONDER, 0, 0, 0, 0, 0, 0])),
    record(
      TYPE.params,
      params({ SCRIPT_FILENAME: script, SCRIPT_NAME: '/', REQUEST_METHOD: 'GET', QUERY_STRING: query }),
    ),
    record(TYPE.params, Buffer.alloc(0)),
    record(TYPE.stdin, Buffer.alloc(0)),
  ]);
  return new Promise((resolve, reject) => {
    const socket = connect(
      'path' in target ? { path: target.path } : { host: target.host, port: target.port },
    );
    let received = Buffer.alloc(0);
    let printed = '';
    socket.setTimeout(10_000, () => socket.destroy(new Error('no answer within 10 s')));
    socket.once('connect', () => socket.write(request));
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      while (received.length >= HEADER) {
        const length = received.readUInt16BE(4);
        const end = HEADER + length + received.readUInt8(6);
        if (received.length < end) break;
        const type = received.readUInt8(1);
        if (type === TYPE.stdout) printed += received.toString('utf8', HEADER, HEADER + length);
        received = received.subarray(end);
        if (type !== TYPE.endRequest) continue;
        socket.destroy();
        resolve(printed);
        return;
      }
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('the connection ended before the request')));
  });
}
