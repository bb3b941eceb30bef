import type { ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';
import { joinClose, stopAccepting, withoutSweep } from './accepting.ts';
import { closeAfterAnswers } from './answers.ts';
import { type Connection, connectionOf } from './connection.ts';
import { closeIdle, isBetweenRequests, isSilent, onServerTimeout, speaksHttp1 } from './idle.ts';
import { answerUnderWay, endRequestChecks, openStreams, socketsBetweenRequests } from './node-internals.ts';
import type { DrainPlan } from './options.ts';
import type { DrainReport } from './report.ts';
import type { Listener, ServerWatch } from './watch.ts';

/** A connection with an unknown protocol counts as idle after this long without traffic, in ms. */
const QUIET = 1000;

/** An HTTP/2 session receives its GOAWAY after a stream, or after this long without a stream, in ms. */
const SESSION_IDLE = 1000;

/** The drain of one server, from its beginning to its report. */
export class ServerDrain implements Listener {
  readonly report: Promise<DrainReport>;
  readonly #watch: ServerWatch;
  readonly #began = performance.now();
  readonly #counts = { connections: 0, finished: 0, closedIdle: 0, cut: 0, toldToClose: 0, raced: 0 };
  readonly #timers = new Map<string, NodeJS.Timeout>();
  readonly #signals = new Map<AbortSignal, () => void>();
  readonly #undo: (() => void)[] = [];
  readonly #traffic = new Map<Connection, number>();
  #resolve!: (report: DrainReport) => void;
  #deadline = Number.POSITIVE_INFINITY;
  #stoppedAcceptingMs: number | null = null;
  #outcome: DrainReport['outcome'] = 'drained';
  /** The deadline has passed or the drain was aborted: later connections are cut as well. */
  #over: 'timed out' | 'aborted' | null = null;
  #ended = false;

  constructor(watch: ServerWatch, plan: DrainPlan) {
    this.#watch = watch;
    this.report = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    watch.listener = this;
    const { server } = watch;
    this.#undo.push(plan.closes ? joinClose(server, this.report) : withoutSweep(server));
    if ('keepAliveTimeout' in server || 'updateSettings' in server) {
      this.#undo.push(closeAfterAnswers((connection) => watch.connections.has(connection)));
      this.#takeTimeouts();
    }
    for (const connection of watch.connections) this.accepted(connection);
    this.join(plan);
    void this.#stopAccepting(plan);
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** The earlier deadline and every abort signal apply. */
  join({ timeoutMs, idleMs, signal }: DrainPlan): void {
    if (this.#ended) return;
    const deadline = performance.now() + timeoutMs;
    if (deadline < this.#deadline) {
      this.#deadline = deadline;
      this.#setTimer('quiet', Math.max(0, idleMs - QUIET), () => this.#noteTraffic());
      this.#setTimer('sessions', Math.min(SESSION_IDLE, idleMs), () => this.#closeSessions());
      this.#setTimer('idle', idleMs, () => this.#closeIdle());
      this.#setTimer('deadline', timeoutMs, () => this.#cut('timed out'));
    }
    if (signal === null || this.#signals.has(signal)) return;
    const abort = (): void => this.#cut('aborted');
    this.#signals.set(signal, abort);
    if (signal.aborted) setImmediate(abort);
    else signal.addEventListener('abort', abort, { once: true });
  }

  accepted(connection: Connection): void {
    this.#counts.connections += 1;
    if (connection.session !== null) this.sessionBegan(connection, connection.session);
    this.upgraded(connection);
  }

  sessionBegan(connection: Connection, session: ServerHttp2Session): void {
    sayGoawayBehindStream(session, () => {
      connection.toldToClose = true;
    });
  }

  upgraded(connection: Connection): void {
    if (connection.upgraded === null || connection.upgraded === 'unknown') return;
    connection.upgraded.sayGoodbye(() => {
      connection.toldToClose = true;
    });
  }

  closed(connection: Connection): void {
    const counts = this.#counts;
    if (connection.fate === 'cut') counts.cut += 1;
    else if (connection.fate === 'closed idle') counts.closedIdle += 1;
    else counts.finished += 1;
    if (connection.toldToClose) counts.toldToClose += 1;
    if (connection.raced) counts.raced += 1;
    this.#endWhenDone();
  }

  #setTimer(name: string, ms: number, then: () => void): void {
    clearTimeout(this.#timers.get(name));
    this.#timers.set(name, setTimeout(then, ms));
  }

  async #stopAccepting({ timeoutMs, closes }: DrainPlan): Promise<void> {
    await stopAccepting(this.#watch.server, timeoutMs, closes);
    this.#stoppedAcceptingMs = performance.now() - this.#began;
    if (this.#over !== null) this.#cut(this.#over);
    this.#endWhenDone();
  }

  #takeTimeouts(): void {
    const { server } = this.#watch;
    if (server.listenerCount('timeout') > 0) return;
    const onTimeout = (socket: Socket): void => {
      const connection = connectionOf(socket);
      if (connection === undefined) socket.destroy();
      else onServerTimeout(connection);
    };
    server.on('timeout', onTimeout);
    this.#undo.push(() => server.removeListener('timeout', onTimeout));
  }

  #noteTraffic(): void {
    for (const connection of this.#watch.connections) this.#traffic.set(connection, traffic(connection));
  }

  /** The GOAWAY contains the last stream that was processed. Later streams reached no handler (RFC 9113, 8.7). */
  #closeSessions(): void {
    setImmediate(() => {
      for (const connection of this.#watch.connections) {
        if (connection.session === null || connection.toldToClose) continue;
        connection.toldToClose = true;
        connection.session.close();
      }
    });
  }

  /** Runs after the poll phase, when everything that has arrived was read. */
  #closeIdle(): void {
    setImmediate(() => {
      const between = socketsBetweenRequests(this.#watch.server);
      for (const connection of this.#watch.connections) this.#closeIfIdle(connection, between);
    });
  }

  #closeIfIdle(connection: Connection, between: ReadonlySet<Socket> | null): void {
    const { session, socket, fate, upgraded } = connection;
    if (fate !== null) return;
    if (session !== null) {
      connection.toldToClose = true;
      session.close();
    } else if (speaksHttp1(connection)) {
      const idle = between === null || between.has(socket) || isSilent(connection);
      if (idle && isBetweenRequests(connection)) closeIdle(connection);
      else this.#closeBehindAnswer(connection);
    } else if (upgraded === null || upgraded === 'unknown') {
      const quiet = traffic(connection) === this.#traffic.get(connection) && socket.writableLength === 0;
      if (!quiet) return;
      connection.fate = 'closed idle';
      connection.raw.destroy();
    }
  }

  /** A response whose head promised keep-alive leaves the connection idle. Other responses end the connection. */
  #closeBehindAnswer(connection: Connection): void {
    answerUnderWay(connection.socket)?.once('close', () =>
      setImmediate(() => {
        if (connection.fate !== null || !speaksHttp1(connection)) return;
        if (isBetweenRequests(connection)) closeIdle(connection);
        else this.#closeBehindAnswer(connection);
      }),
    );
  }

  #cut(outcome: 'timed out' | 'aborted'): void {
    this.#over = outcome;
    for (const connection of this.#watch.connections) {
      if (connection.fate === null) {
        connection.fate = 'cut';
        this.#outcome = outcome;
      }
      cutOff(connection);
    }
  }

  #endWhenDone(): void {
    if (this.#ended || this.#stoppedAcceptingMs === null || this.#watch.connections.size > 0) return;
    this.#ended = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    for (const [signal, abort] of this.#signals) signal.removeEventListener('abort', abort);
    for (const undo of this.#undo) undo();
    endRequestChecks(this.#watch.server);
    const report: DrainReport = {
      outcome: this.#outcome,
      ...this.#counts,
      stoppedAcceptingMs: this.#stoppedAcceptingMs,
      durationMs: performance.now() - this.#began,
    };
    this.#watch.end(report);
    this.#resolve(report);
  }
}

const traffic = ({ raw }: Connection): number => raw.bytesRead + raw.bytesWritten;

/**
 * A response in progress is reset. Otherwise a response whose length is defined only by the end of the connection would
 * look complete.
 */
function cutOff({ raw, session, socket }: Connection): void {
  session?.destroy();
  if (
    socket === raw &&
    answerUnderWay(socket) !== null &&
    'remotePort' in raw &&
    raw.remotePort !== undefined
  )
    raw.resetAndDestroy();
  else raw.destroy();
}

/**
 * Sends GOAWAY while a stream is open: now, or after the client begins its next stream. An idle client may be sending a
 * request at this moment, and a client that has just opened its session is about to send one. `close()` lets open
 * streams end and closes the session after the last one. `onTold` is called after the GOAWAY was sent.
 *
 * Node cannot send the graceful pair of RFC 9113, 6.8 (a GOAWAY for any stream, then the final one): nghttp2 ignores
 * new streams after every GOAWAY except its own shutdown notice (session_allow_incoming_new_stream), and Node does not
 * offer that notice. Refused streams reached no handler, and the client receives the last processed stream.
 */
function sayGoawayBehindStream(session: ServerHttp2Session, onTold: () => void): void {
  const tell = (): void => {
    onTold();
    session.close();
  };
  if ((openStreams(session)?.size ?? 0) > 0) tell();
  else session.once('stream', tell);
}
