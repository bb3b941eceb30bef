import { join } from 'node:path';
import { Admin } from '../../../src/admin/admin.ts';
import type { DashboardSource, Timeline } from '../../../src/admin/dashboard/source.ts';
import { type AdminServerOptions, createAdminServer } from '../../../src/admin/server.ts';
import type { Readings } from '../../../src/admin/source.ts';
import { EventLog } from '../../../src/control/event-log.ts';
import type { StatusDocument } from '../../../src/control/status-document.ts';
import { bindSocket, listenSocket, openSocket } from '../../../src/linux/sockets.ts';
import { type Scope, temporaryFolder } from '../../support/temporary.ts';
import { talk } from '../control/fixture.ts';
import { statusWith } from './status.ts';

/** A listening socket in a new directory. */
function listening(scope: Scope): { fd: number; path: string } {
  const path = join(temporaryFolder(scope), 'admin.sock');
  const fd = openSocket('unix', 'stream');
  bindSocket(fd, { family: 'unix', path });
  listenSocket(fd, 64);
  return { fd, path };
}

/** The data of an endpoint, which the test can change. */
export class FakeSource {
  now: StatusDocument = statusWith();
  read: Readings = { workers: [], connections: new Map(), listeners: [] };
  failure: Error | null = null;

  status(): StatusDocument {
    return this.now;
  }

  readonly events = new EventLog(() => Date.UTC(2026, 0, 1));
  past: Timeline = { generations: [], handovers: [] };
  /** How often the dashboard has read the status. */
  reads = 0;
  readonly dashboard: DashboardSource = {
    status: async () => {
      this.reads += 1;
      return this.now;
    },
    timeline: async () => this.past,
    events: this.events,
    redactor: () => (text) => text.replaceAll('hunter2', '[redacted]'),
  };

  async readings(): Promise<Readings> {
    if (this.failure !== null) throw this.failure;
    return this.read;
  }
}

/** An endpoint on a new socket, closed at the end of the test. */
export async function serveAdmin(scope: Scope, ownHost: string | null = null) {
  const { fd, path } = listening(scope);
  const source = new FakeSource();
  const warnings: string[] = [];
  const admin = new Admin(source, (message) => warnings.push(message));
  const server = await admin.serve({ fd, ownHost });
  scope.after(() => server.close());
  return { path, source, warnings, admin, server };
}

/** The same with a handler of the test. */
export async function serveAnswer(
  scope: Scope,
  options: Omit<AdminServerOptions, 'fd' | 'warn' | 'ownHost'>,
) {
  const { fd, path } = listening(scope);
  const server = await createAdminServer({ ...options, fd, ownHost: null, warn: () => {} });
  scope.after(() => server.close());
  return { path, server };
}

export interface Got {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

export function parse(text: string): Got {
  const [head = '', ...rest] = text.split('\r\n\r\n');
  const [line = '', ...lines] = head.split('\r\n');
  const headers = lines
    .map((one) => /^([^:]+): (.*)$/.exec(one))
    .map((one) => [one?.[1]?.toLowerCase(), one?.[2]]);
  return {
    status: Number(line.split(' ')[1]),
    headers: new Map(headers as [string, string][]),
    body: rest.join('\r\n\r\n'),
  };
}

/** Sends one request, and returns the response. */
export async function get(
  scope: Scope,
  path: string,
  target: string,
  method = 'GET',
  host = 'localhost',
): Promise<Got> {
  return parse(await talk(scope, path, `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n\r\n`));
}
