import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sendDatagram } from '../../src/linux/datagrams.ts';
import { startExchanges } from '../support/exchanges.ts';
import { askFastCgi } from '../support/fastcgi-load.ts';
import { startLoad } from '../support/load.ts';
import type { LoadResult, Loss } from '../support/load-book.ts';
import type { Scope } from '../support/temporary.ts';
import { askDns, askPgbouncer, askSsh, type Dialect, EchoSession } from './clients.ts';
import type { Place } from './place.ts';
import { type ClientKind, type CompatServer, type Counts, failed } from './server.ts';

/** Clients of one server, from the first promotion to the end of the last handover. */
export interface Traffic {
  /** Resolves after this many further responses on short connections. */
  whenServed(more: number): Promise<void>;
  /** Sends no new requests. Those in progress finish or time out. */
  stop(): Promise<{ readonly short: Counts; readonly kept: Counts | null }>;
}

type Start = (scope: Scope, place: Place, server: CompatServer) => Traffic;

const SHORT_CLIENTS = 4;
const KEPT_CLIENTS = 8;

/** RFC 9112, section 9.3.1: a server may close an idle connection while the next request is in transit. */
const isIdleClose = ({ reused, name }: Loss): boolean =>
  reused && (name === 'eof_before_response' || name === 'reset_before_byte');

const countsOf = ({ sent, failures, losses }: LoadResult, began: number): Counts => ({
  sent,
  failures,
  idleCloses: losses.filter(isIdleClose).map(({ at }) => began + at),
});

/** Kept connections have long pauses, so that most of them are idle when a generation retires. */
const http: Start = (scope, { address }, { path: base = '/', keptClients = KEPT_CLIENTS }) => {
  const path = (id: string): string => `${base}${base.includes('?') ? '&' : '?'}id=${id}`;
  const common = { target: address, path };
  const began = performance.now();
  const short = startLoad(scope, { ...common, clients: SHORT_CLIENTS, think: { from: 0, to: 20 } });
  const kept = startLoad(scope, {
    ...common,
    clients: keptClients,
    connections: 'keep-alive',
    think: { from: 0, to: 200 },
  });
  let phases = 0;
  return {
    whenServed(more) {
      phases += 1;
      short.phase(`phase ${phases}`);
      return short.whenPhaseHas(more);
    },
    async stop() {
      const [one, many] = await Promise.all([short.stop(), kept.stop()]);
      return { short: countsOf(one, began), kept: countsOf(many, began) };
    },
  };
};

/** Requests on separate connections, in any protocol. */
function exchanges(scope: Scope, ask: () => Promise<string>, clients = SHORT_CLIENTS): Traffic {
  const load = startExchanges(scope, ask, clients);
  return {
    whenServed: (more) => load.whenAnswered(more),
    async stop() {
      const { sent, failures } = await load.stop();
      return { short: { sent, failures, idleCloses: [] }, kept: null };
    },
  };
}

/** Sessions of one message, and sessions that stay open and send a message from time to time. */
const websocket: Start = (scope, { address }, { path = '/' }) => {
  const dialect = path === '/' ? ECHO : { ...SOCKET_IO, path };
  const open = async (): Promise<EchoSession> => {
    const session = new EchoSession(address, dialect);
    await session.opened();
    if (dialect.greeting !== null) await session.greet(dialect.greeting);
    return session;
  };
  const short = startExchanges(
    scope,
    async () => {
      const session = await open();
      const text = await session.ask(dialect);
      session.close();
      return text;
    },
    SHORT_CLIENTS,
  );
  let stopping = false;
  let sent = 0;
  const idleCloses: number[] = [];
  const failures: Record<string, number> = {};
  const client = async (): Promise<void> => {
    let session: EchoSession | null = null;
    while (!stopping) {
      const reused = session !== null && !session.closed;
      sent += 1;
      try {
        if (session === null || session.closed) session = await open();
        await session.ask(dialect);
      } catch (error) {
        const name = error instanceof Error ? error.message : String(error);
        failures[name] = (failures[name] ?? 0) + 1;
        if (reused && name === 'eof_before_response') idleCloses.push(performance.now());
        session = null;
      }
      await delay(Math.random() * 200);
    }
    session?.close();
  };
  const running = Promise.all(Array.from({ length: KEPT_CLIENTS }, client));
  scope.after(() => {
    stopping = true;
  });
  return {
    whenServed: (more) => short.whenAnswered(more),
    async stop() {
      stopping = true;
      const [counts] = await Promise.all([short.stop(), running]);
      return {
        short: { sent: counts.sent, failures: counts.failures, idleCloses: [] },
        kept: { sent, failures, idleCloses },
      };
    },
  };
};

const ECHO: Dialect = { path: '/', greeting: null, heartbeat: null, request: 'hello', answer: /^hello$/ };
// Engine.IO: 2 is a ping, 3 a pong, 4 a message. In a message, Socket.IO: 0 is CONNECT, 2 an event, 3 its
// acknowledgement, each followed by the number of the event.
const SOCKET_IO: Omit<Dialect, 'path'> = {
  greeting: '40',
  heartbeat: ['2', '3'],
  request: '420["echo","hello"]',
  answer: /^430\["hello"\]$/,
};

/** Every message has a number, and must be in the file that rsyslog writes. */
const syslog: Start = (scope, { folder, address }) => {
  const path = address.replace('unixgram:', '');
  let sent = 0;
  const traffic = exchanges(
    scope,
    async () => {
      sent += 1;
      sendDatagram(path, `<13>Nov 27 05:00:00 example: message-${sent}-end`);
      await delay(5);
      return 'sent';
    },
    2,
  );
  return {
    ...traffic,
    async stop() {
      const { short } = await traffic.stop();
      await delay(1000);
      const text = readFileSync(join(folder, 'messages'), 'utf8');
      const received = new Set(text.match(/message-\d+-end/g)).size;
      const lost = short.sent - received - failed(short);
      return { short: { ...short, failures: { ...short.failures, ...(lost > 0 && { lost }) } }, kept: null };
    },
  };
};

const fastcgi: Start = (scope, { folder, address }) =>
  exchanges(scope, () => askFastCgi(address, join(folder, 'index.php')));

const dns: Start = (scope, { address }) =>
  exchanges(scope, async () => {
    const text = await askDns(address, 'example.test');
    await delay(5);
    return text;
  });

const pgbouncer: Start = (scope, { address }) => exchanges(scope, () => askPgbouncer(address));

const ssh: Start = (scope, { folder, address }) => exchanges(scope, () => askSsh(address, folder));

const STARTS: Readonly<Record<ClientKind, Start>> = {
  http,
  websocket,
  fastcgi,
  dns,
  syslog,
  pgbouncer,
  ssh,
};

/** Starts the clients for a server of this kind. */
export function startTraffic(scope: Scope, place: Place, server: CompatServer): Traffic {
  return STARTS[server.client ?? 'http'](scope, place, server);
}
