import { connect as connectHttp2 } from 'node:http2';
import { request as requestHttps } from 'node:https';
import { connect, type NetConnectOpts } from 'node:net';

/** The protocol of a request. */
export type Protocol = 'http' | 'https' | 'http2' | 'net';

/**
 * Sends one request on a separate connection. Resolves to its response, parsed as JSON. Rejects without a complete
 * response.
 */
export async function ask(protocol: Protocol, target: NetConnectOpts, path = '/'): Promise<Answer> {
  const body = await ASK[protocol](target, path);
  return JSON.parse(body);
}

export interface Answer {
  readonly generation: number;
  readonly pid: number;
  readonly kind: string;
  readonly child?: Readonly<Record<string, string>>;
  readonly own?: Readonly<Record<string, string>>;
}

const ASK: Readonly<Record<Protocol, (target: NetConnectOpts, path: string) => Promise<string>>> = {
  async http(target, path) {
    const text = await read(target, `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
    const [, head = '', body] = /^(.*?)\r\n\r\n(.+)$/s.exec(text) ?? [];
    if (!head.startsWith('HTTP/1.1 200') || body === undefined) throw new Error(`no answer but ${text}`);
    return /transfer-encoding: chunked/i.test(head)
      ? body.replace(/^[0-9a-f]+\r\n|\r\n0\r\n\r\n$/gi, '')
      : body;
  },
  https: (target, path) =>
    new Promise((resolve, reject) => {
      const options = { ...target, path, rejectUnauthorized: false, agent: false };
      requestHttps(options, async (response) => {
        let text = '';
        for await (const chunk of response.setEncoding('utf8')) text += chunk;
        resolve(text);
      })
        .once('error', reject)
        .end();
    }),
  http2: (target, path) =>
    new Promise((resolve, reject) => {
      const session = connectHttp2('https://localhost', { ...target, rejectUnauthorized: false });
      session.once('error', reject);
      const stream = session.request({ ':path': path });
      let text = '';
      stream.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
      });
      stream.once('error', reject);
      stream.once('end', () => {
        session.close();
        resolve(text);
      });
    }),
  net: (target) => read(target, ''),
};

function read(target: NetConnectOpts, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(target);
    let answer = '';
    socket.setEncoding('utf8').on('data', (chunk) => {
      answer += chunk;
    });
    socket.once('error', reject);
    socket.once('end', () => resolve(answer));
    if (text !== '') socket.write(text);
  });
}
