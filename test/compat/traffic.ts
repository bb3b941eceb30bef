import { join } from 'node:path';
import { startExchanges } from '../support/exchanges.ts';
import { askFastCgi } from '../support/fastcgi-load.ts';
import { startLoad } from '../support/load.ts';
import type { LoadResult, Loss } from '../support/load-book.ts';
import type { Scope } from '../support/temporary.ts';
import type { Place } from './place.ts';
import type { ClientKind, CompatServer, Counts } from './server.ts';

/** Clients of one server, from the first promotion to the end of the last handover. */
export interface Traffic {
  /** Resolves once so many more requests were answered on short connections. */
  whenServed(more: number): Promise<void>;
  /** No new requests. Those under way finish or time out. */
  stop(): Promise<{ readonly short: Counts; readonly kept: Counts | null }>;
}

type Start = (scope: Scope, place: Place, server: CompatServer) => Traffic;

const SHORT_CLIENTS = 4;
const KEPT_CLIENTS = 8;

/** RFC 9112, section 9.3.1: a server may close an idle connection while the next request is on its way. */
const isIdleClose = ({ reused, name }: Loss): boolean =>
  reused && (name === 'eof_before_response' || name === 'reset_before_byte');

const countsOf = ({ sent, failures, losses }: LoadResult): Counts => ({
  sent,
  failures,
  idleCloses: losses.filter(isIdleClose).length,
});

/** Kept connections have long pauses, so that most of them are idle when a generation retires. */
const http: Start = (scope, { address }, { path: base = '/', keptClients = KEPT_CLIENTS }) => {
  const path = (id: string): string => `${base}?id=${id}`;
  const common = { target: address, path };
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
      return { short: countsOf(one), kept: countsOf(many) };
    },
  };
};

const fastcgi: Start = (scope, { folder, address }) => {
  const script = join(folder, 'index.php');
  const load = startExchanges(scope, () => askFastCgi(address, script), SHORT_CLIENTS);
  return {
    whenServed: (more) => load.whenAnswered(more),
    async stop() {
      const { sent, failures } = await load.stop();
      return { short: { sent, failures, idleCloses: 0 }, kept: null };
    },
  };
};

const STARTS: Partial<Record<ClientKind, Start>> = { http, fastcgi };

/** Starts the clients that a server of this kind has. */
export function startTraffic(scope: Scope, place: Place, server: CompatServer): Traffic {
  const kind = server.client ?? 'http';
  const start = STARTS[kind];
  if (start === undefined) throw new Error(`no client for ${kind}`);
  return start(scope, place, server);
}
