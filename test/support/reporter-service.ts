import type { Puppet } from './puppet.ts';
import { type Puppets, startPuppets } from './puppets.ts';
import type { Scope } from './temporary.ts';
import { startZero, type Zero, type ZeroOptions } from './zero.ts';
import type { RawConfig } from './zero-config.ts';

/** Options of a service that reports how it was started. */
export interface ReporterOptions extends Omit<ZeroOptions, 'config' | 'args'> {
  readonly application?: RawConfig['application'];
  readonly listeners?: RawConfig['service']['listeners'];
  readonly runtime?: Readonly<Record<string, unknown>>;
  readonly readiness?: Readonly<Record<string, unknown>>;
  /**
   * The whole environment of the service except PUPPET_SOCKET, in this order. Omitted: it is set in `runtime`, and
   * zero's own environment has PUPPET_SOCKET.
   */
  readonly variables?: readonly { readonly key: string; readonly value?: string }[];
}

/** A supervisor whose service is test/fixtures/report.pl, which adds nothing to its environment. */
export interface ReporterService {
  readonly zero: Zero;
  readonly puppets: Puppets;
  /** Of the first generation. */
  readonly report: Puppet;
  /** Starts another generation from the current config. */
  reload(): Promise<Puppet>;
  rewrite(changes: ReporterOptions): void;
}

/** Starts the service, and waits for the first report. */
export async function startReporter(scope: Scope, options: ReporterOptions = {}): Promise<ReporterService> {
  const puppets = await startPuppets(scope);
  const { application: _, listeners: __, runtime, readiness, variables, environment, ...rest } = options;
  const zero = startZero(scope, {
    ...rest,
    config: reporterConfig(puppets, options),
    environment: { ...puppets.environment, ...environment },
  });
  const report = await nextReport(zero, puppets);
  return {
    zero,
    puppets,
    report,
    reload() {
      zero.signal('SIGHUP');
      return nextReport(zero, puppets);
    },
    rewrite: (changes) => zero.rewrite(reporterConfig(puppets, { ...options, ...changes })),
  };
}

/** The next report. Rejects with zero's last lines when zero exits. */
function nextReport(zero: Zero, puppets: Puppets): Promise<Puppet> {
  const gone = zero.exited.then(({ code, signal }) => {
    throw new Error(`zero exited with ${signal ?? code}; its last lines:\n${zero.log.text}`);
  });
  return Promise.race([puppets.next(), gone]);
}

function reporterConfig(puppets: Puppets, options: ReporterOptions): RawConfig {
  const [path] = puppets.reporter;
  const own = Object.entries(puppets.environment).map(([key, value]) => ({ key, value }));
  const environment = options.variables === undefined ? {} : { environment: [...own, ...options.variables] };
  return {
    ...(options.application && { application: options.application }),
    service: {
      listeners: options.listeners ?? [{ name: 'http', address: '127.0.0.1:0' }],
      runtime: { path, ...environment, ...options.runtime },
      options: { reload_uptime: '0s' },
      readiness: options.readiness ?? {},
    },
  };
}

/** The variables of a report by name. Values are latin1, so that every byte can be compared. */
export function variablesOf(report: Puppet): Map<string, string> {
  const variables = new Map<string, string>();
  for (const entry of report.environment) {
    const text = entry.toString('latin1');
    const equals = text.indexOf('=');
    variables.set(text.slice(0, equals), text.slice(equals + 1));
  }
  return variables;
}
