import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { renderHistory } from '../../../src/cli/render/history.ts';
import { renderFact } from '../../../src/cli/render/progress.ts';
import { renderStatus } from '../../../src/cli/render/status.ts';
import { painter } from '../../../src/cli/render/style.ts';
import { renderVerdict } from '../../../src/cli/render/verdict.ts';
import { type ControlClient, controlClient } from '../../../src/control/client.ts';
import { ClientError } from '../../../src/control/client-error.ts';
import { corpusOf, type Target } from '../target.ts';
import { formatsLike } from './formats.ts';

interface Recorded {
  readonly request: { readonly path: string };
  readonly answer: {
    readonly status: number;
    readonly headers: Readonly<Record<string, string>>;
    readonly body?: unknown;
    readonly lines?: readonly string[];
  };
}

const plain = painter(false);

/** Every request with a distinct response. Each returns the text for a terminal. */
const REQUESTS: Readonly<Record<string, (client: ControlClient) => Promise<string>>> = {
  status: async (client) => renderStatus(await client.status(), plain),
  history: async (client) => renderHistory(await client.history(), plain),
  signal: async (client) => String((await client.signal({ signal: 'TERM' })).generation),
  promote: async (client) => `${await client.promote()}`,
  wait: (client) =>
    all(client.wait({}), (line) =>
      'verdict' in line ? renderVerdict(line.verdict, plain) : 'fact' in line ? renderFact(line.fact) : null,
    ),
  reload: (client) =>
    all(client.reload({}), (line) => ('verdict' in line ? renderVerdict(line.verdict, plain, 80) : null)),
  scale: (client) => all(client.scale({ workers: 1 }), () => null),
  stop: (client) => all(client.stop({}), () => null),
  upgrade: (client) => all(client.upgrade({}), () => null),
  logs: (client) => all(client.logs({}), () => null),
  events: (client) => all(client.events(), () => null),
};

/** Responses of another program than zero to a command. */
export function answers(): Target {
  const folder = mkdtempSync(join(tmpdir(), 'zero-fuzz-'));
  const path = join(folder, 'control.sock');
  let answer = Buffer.alloc(0);
  const server = net.createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    // After the request was read: closing a connection with unread bytes would reset it.
    socket.once('data', () => socket.end(answer));
    socket.resume();
  });
  const names = Object.keys(REQUESTS);
  let isListening = false;
  return {
    name: 'answers',
    corpus: corpusOf('answers', formatsLike(/\.json$/, 'control-1').map(answerOf)),
    words: [
      '"fact":',
      '"verdict":',
      '"accepted":',
      '"output":',
      'data: ',
      'Zero-Protocol: ',
      'Content-Length: ',
      '0\r\n\r\n',
    ],
    async check(input) {
      if (!isListening) await new Promise<void>((resolve) => server.listen(path, resolve));
      isListening = true;
      // The first word is the name of the request.
      const end = input.indexOf(10);
      const named = input.toString('latin1', 0, Math.max(0, end));
      const name = names.includes(named) ? named : (names[input.length % names.length] ?? 'status');
      answer = Buffer.from(end < 0 ? input : input.subarray(end + 1));
      const client = controlClient({ path, version: '1.2.3', patience: 5_000 });
      try {
        const text = (await REQUESTS[name]?.(client)) ?? '';
        // biome-ignore lint/suspicious/noControlCharactersInRegex: no answer may control the terminal.
        assert.ok(!/[\u0000-\u0009\u000b-\u001f\u007f-\u009f]/.test(text), JSON.stringify(text));
        return `${name}: shown`;
      } catch (error) {
        if (!(error instanceof ClientError)) throw error;
        return `${name}: ${error.problem}`;
      }
    },
    close() {
      server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

async function all<Line>(lines: AsyncIterable<Line>, show: (line: Line) => string | null): Promise<string> {
  const shown: string[] = [];
  for await (const line of lines) shown.push(show(line) ?? '');
  return shown.join('\n');
}

function answerOf(file: Buffer): Buffer {
  const { request, answer }: Recorded = JSON.parse(file.toString());
  const { status, headers, body, lines } = answer;
  const [, route = ''] = /^\/v1\/([a-z]+)/.exec(request.path) ?? [];
  const content =
    lines === undefined ? `${JSON.stringify(body)}\n` : lines.map((line) => `${line}\n`).join('');
  // Without a length the response ends with the connection, also after a change.
  const kept = Object.entries(headers).filter(([name]) => name.toLowerCase() !== 'content-length');
  const fields = kept.map(([name, value]) => `${name}: ${value}`);
  const head = [`HTTP/1.1 ${status} OK`, ...fields, '', ''].join('\r\n');
  return Buffer.from(`${route === 'workers' ? 'scale' : route}\n${head}${content}`);
}
