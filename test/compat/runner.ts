import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { startBackend } from '../support/backend.ts';
import { ZERO_COMMAND } from '../support/paths.ts';
import { IS_ROOT } from '../support/privileges.ts';
import type { Scope } from '../support/temporary.ts';
import { startZero, type Zero } from '../support/zero.ts';
import type { RawConfig } from '../support/zero-config.ts';
import { findSource, type Place, preparePlace, versionOf } from './place.ts';
import {
  type CompatServer,
  type Counts,
  closesWithoutStop,
  failed,
  type Outcome,
  type Stop,
} from './server.ts';
import { startTraffic } from './traffic.ts';
import { describeSocket, type PassedSocket, passedSockets } from './waiting.ts';

const REQUESTS = 40;
const SECOND = 1000;
/** Time limit for the start and for each handover. */
const STEP_TIMEOUT = 60 * SECOND;

/** Starts zero in a separate mount namespace, with the directory that sd_booted(3) checks. */
const BOOTED = [
  'unshare',
  '--mount',
  'sh',
  '-c',
  'mount -t tmpfs none /run && mkdir -p /run/systemd/system && exec "$@"',
  'sh',
  ...ZERO_COMMAND,
] as const;

/** Lines of a server that report a problem. */
const PROBLEM_LINE =
  /\b(warn(ing)?|error|err|crit(ical)?|alert|emerg|fatal|panic|exception|traceback|failed)\b/i;

/** The config with its output in a file, and with zero's default steering. */
function withOutput({ service }: RawConfig, folder: string): RawConfig {
  return {
    service: {
      ...service,
      handover: { mode: 'auto', ...(service.handover as object | undefined) },
      runtime: { ...service.runtime, name: 'compat' },
      output: { directory: join(folder, 'output'), size: '10MiB', keep: 1 },
    },
  };
}

async function within<Result>(work: Promise<Result>, what: string): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${what}: not done after ${STEP_TIMEOUT / SECOND} s`)),
      STEP_TIMEOUT,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The lines in an output file that report a problem. Lines that differ only in numbers count once. */
function problemLines(folder: string): string[] {
  let text = '';
  try {
    text = readFileSync(join(folder, 'output', 'compat.log'), 'utf8');
  } catch {
    // The server wrote nothing.
  }
  const lines = text.split('\n').map((line) => line.replace(/^\S+ (stdout|stderr) \S+ /, ''));
  const kinds = new Map<string, string>();
  for (const line of lines) if (PROBLEM_LINE.test(line)) kinds.set(line.replaceAll(/\d+/g, 'N'), line);
  return [...kinds.values()];
}

/** Events of zero that report a problem. */
function problemEvents({ log }: Zero): string[] {
  const texts: string[] = [];
  for (const fact of log.facts) {
    const { event } = fact;
    if (event === 'warning' || event === 'error') texts.push(`zero: ${fact.message}`);
    else if (event === 'worker_killed' || event === 'leftovers_killed') texts.push(`zero: ${event}`);
    else if (event === 'worker_exited' && !fact.expected) texts.push('zero: worker_exited, unexpected');
  }
  return [...new Set(texts)];
}

interface Observed {
  readonly handovers: number;
  readonly short: Counts | null;
  readonly kept: Counts | null;
  readonly warnings: readonly string[];
  /** The sockets of the first generation while it serves. */
  readonly sockets: readonly PassedSocket[];
  readonly stops: readonly Stop[];
  readonly exit: string | null;
}

/** When each generation stops. The facts have no time of their own. */
function watchStops({ log }: Zero): Map<number, Stop> {
  const stops = new Map<number, Stop>();
  log.onFact((fact) => {
    const now = performance.now();
    if (fact.event !== 'worker_signalled' && fact.event !== 'generation_gone') return;
    const { from = now } = stops.get(fact.generation) ?? {};
    stops.set(fact.generation, { from, to: now });
  });
  return stops;
}

/** Starts the server, hands it over under load, and stops it. Rejects when a step fails. */
async function observe(scope: Scope, server: CompatServer, place: Place, wanted: number): Promise<Observed> {
  const { folder, config } = place;
  const zero = startZero(scope, {
    ...(server.booted && { command: BOOTED }),
    folder: join(folder, 'zero'),
    config: withOutput(config, folder),
    environment: { ...place.environment, ...server.environment },
  });
  await within(zero.fact('generation_promoted', { generation: 1 }), 'start').catch((error: Error) => {
    throw new Error(`${error.message}:\n${zero.log.text.slice(-1500)}`);
  });
  const stops = watchStops(zero);
  const { requests = REQUESTS } = server;
  const traffic = startTraffic(scope, place, server);
  await within(traffic.whenServed(requests), 'first requests');
  const workers = zero.log.all('worker_spawned').map(({ pid }) => pid);
  const sockets = passedSockets(place.address, workers);
  let handovers = 0;
  for (let generation = 1; generation <= wanted; generation += 1) {
    await within(traffic.whenServed(requests), `requests to generation ${generation}`);
    const from = zero.cursor;
    zero.signal('SIGHUP');
    const { outcome } = await within(zero.fact('handover_finished', {}, from), `handover ${generation}`);
    if (outcome !== 'promoted')
      throw new Error(`handover ${generation}: ${outcome}:\n${zero.log.text.slice(-2000)}`);
    await within(zero.fact('generation_gone', { generation }), `end of generation ${generation}`);
    handovers += 1;
  }
  await within(traffic.whenServed(requests), 'requests to the last generation');
  const counts = await within(traffic.stop(), 'end of the load');
  zero.signal('SIGTERM');
  const { code, signal } = await within(zero.exited, 'stop');
  const warnings = [...problemEvents(zero), ...problemLines(folder)];
  return {
    handovers,
    ...counts,
    warnings,
    sockets,
    stops: [...stops.values()],
    exit: code === 0 ? null : `zero exited with ${signal ?? code}`,
  };
}

function judge(server: CompatServer, { short, kept, warnings, sockets, stops, exit }: Observed): string[] {
  const problems: string[] = [];
  if (sockets.length === 0) problems.push('no process of the server has the socket of zero');
  if (sockets.some(({ isBlocking, loops }) => isBlocking && loops > 0))
    problems.push(
      'an event loop waits for a blocking socket: it stops where another process takes the connection',
    );
  if (short !== null && failed(short) > 0)
    problems.push(`short connections: ${JSON.stringify(short.failures)} of ${short.sent}`);
  if (kept !== null && failed(kept) > (server.closesIdle ? kept.idleCloses.length : 0))
    problems.push(`keep-alive connections: ${JSON.stringify(kept.failures)} of ${kept.sent}`);
  const unexplained = kept === null ? [] : closesWithoutStop(kept, stops);
  if (unexplained.length > 0)
    problems.push(`keep-alive connections: ${unexplained.length} closed while no generation stopped`);
  if (warnings.length > 0 && server.warnings === undefined)
    problems.push(`warnings: ${warnings.slice(0, 5).join(' | ').slice(0, 1000)}`);
  if (exit !== null) problems.push(exit);
  return problems;
}

/** Runs one server with this number of handovers. Never rejects: `problems` contains the failures. */
export async function runServer(scope: Scope, server: CompatServer, handovers: number): Promise<Outcome> {
  const { title, source } = server;
  const nothing = { handovers: 0, short: null, kept: null, sockets: [], warnings: [] };
  const found = findSource(source);
  if (found === null) {
    const what =
      'debian' in source ? `${source.program}: apt-get install ${source.debian}` : JSON.stringify(source);
    return { title, version: 'missing', ...nothing, problems: [`missing: ${what}`] };
  }
  const version = await versionOf(source, found);
  if (server.root && !IS_ROOT) return { title, version, ...nothing, problems: ['not run: needs root'] };
  try {
    const backend = await startBackend(scope);
    const place = await preparePlace(scope, server, found, backend.address);
    const observed = await observe(scope, server, place, handovers);
    const sockets = [...new Set(observed.sockets.map(describeSocket))];
    return { title, version, ...observed, sockets, problems: judge(server, observed) };
  } catch (error) {
    const { message, stderr } = error as Error & { stderr?: string };
    return {
      title,
      version,
      ...nothing,
      problems: [`${message}${stderr ? `\n${stderr}` : ''}`.slice(0, 3000)],
    };
  }
}
