import { bytes, percent } from '../../common/amounts.ts';
import type {
  GenerationStatus,
  HandoverStatus,
  ServiceStatus,
  StatusDocument,
  UsageDocument,
  WorkerStatus,
} from '../../control/protocol.ts';
import { columnsOf, fold } from './columns.ts';
import { clipped, duration, type Paint, safeDocument, table } from './style.ts';

const WIDTH = 80;

/** Columns of a label next to the other fields. */
const MAX_LABEL = 24;

/** `zero status` as text: no line is longer than 80 characters. */
export function renderStatus(document: StatusDocument, paint: Paint): string {
  const status = safeDocument(document);
  const lines = [
    heading(status, paint),
    ...(status.service ? serviceLines(status.service, paint) : []),
    ...(status.usage && status.usage.interval_ms > 0 ? [usageLine(status.usage)] : []),
    ...supervisorLines(status),
    ...(status.handover ? handoverLines(status.handover, status.service, paint) : []),
    ...(status.pending ? [paint('yellow', pendingLine(status))] : []),
    '',
    ...status.generations.flatMap((generation) => generationLines(generation, status.service, paint)),
    ...(status.generations.length === 0 ? ['no generation'] : []),
    '',
    ...problemLines(status, paint),
    ...listenerLines(status),
    ...steeringLines(status),
  ];
  return `${lines.join('\n')}\n`;
}

function heading({ name, pid, zero, uptime_ms, mode }: StatusDocument, paint: Paint): string {
  const state = mode === 'running' ? `up ${duration(uptime_ms)}` : 'stopping';
  const rest = `  zero ${zero}, pid ${pid}, ${state}`;
  return paint('bold', clipped(name, WIDTH - rest.length)) + rest;
}

/** The keeper process, and how often the supervisor was restarted. */
function supervisorLines({ keeper, supervisor }: StatusDocument): string[] {
  const parts = [
    ...(keeper ? [`keeper ${keeper.pid} holds ${counted(keeper.sockets, 'socket')}`] : []),
    ...(supervisor?.restarts ? [`zero was restarted ${counted(supervisor.restarts, 'time')}`] : []),
    ...(supervisor?.upgrades ? [`upgraded ${counted(supervisor.upgrades, 'time')}`] : []),
  ];
  return parts.length === 0 ? [] : fold(parts.join(', '), WIDTH, '  ');
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

/** Empty if all workers serve: the lines of the generations show that. */
function serviceLines({ state, summary, last_exit, retry_in_ms }: ServiceStatus, paint: Paint): string[] {
  if (state === 'up' || state === 'stopping') return [];
  const word = state === 'down' ? 'DOWN' : state;
  const details = [
    ...(retry_in_ms ? [`next start in ${duration(retry_in_ms)}`] : []),
    ...(last_exit === null
      ? []
      : [`last exit ${duration(last_exit.ms_ago)} ago: worker ${last_exit.worker} ${last_exit.reason}`]),
  ];
  const colour = state === 'down' ? 'red' : 'yellow';
  return [
    ...fold(`${word}: ${summary}`, WIDTH, '  ').map((line) => paint(colour, line)),
    ...details.flatMap((line) => fold(`  ${line}`, WIDTH, '    ')),
  ];
}

function isDown(service: ServiceStatus | undefined, generation: number | null): boolean {
  return service?.state === 'down' && service.generation === generation;
}

function pendingLine({ pending_handover }: StatusDocument): string {
  if (pending_handover === undefined) return 'one more reload waits for the end of this handover';
  const { id, by } = pending_handover;
  return clipped(`handover ${id} (${by.join(', ')}) waits for the end of this one`, WIDTH);
}

function handoverLines(handover: HandoverStatus, service: ServiceStatus | undefined, paint: Paint): string[] {
  const { id, by = [], step, candidate, incumbent, canary, until_ms, waiting_for = [] } = handover;
  const share = canary ? ` ${canary.percent} %` : '';
  const left = until_ms === undefined ? '' : `, ${duration(until_ms)} left`;
  const first = `handover ${id}, started ${duration(handover.since_ms_ago)} ago: ${step}${share}${left}`;
  const who = [
    ...(candidate === null ? [] : [`candidate ${candidate}`]),
    ...(incumbent === null ? [] : [`incumbent ${incumbent}${isDown(service, incumbent) ? ' (down)' : ''}`]),
    ...(by.length === 0 ? [] : [`requested by ${by.join(', ')}`]),
  ].join(', ');
  const wait = waiting_for.length > 0 ? wrapped('  waits for ', waiting_for) : [];
  return [paint('yellow', first), ...(who === '' ? [] : fold(`  ${who}`, WIDTH, '    ')), ...wait];
}

function generationLines(
  { id, stage, release, executable_changed, since_ms_ago, workers, connections }: GenerationStatus,
  service: ServiceStatus | undefined,
  paint: Paint,
): string[] {
  const open =
    connections == null ? '' : `, ${connections} ${connections === 1 ? 'connection' : 'connections'}`;
  const down = isDown(service, id);
  const word = down ? 'DOWN' : stage;
  // The time since its start is not the time in these stages.
  const isLater = down || stage === 'ready' || stage === 'standby';
  const rest = `${isLater ? `, started ${duration(since_ms_ago)} ago` : ` for ${duration(since_ms_ago)}`}${open}`;
  const { label } = release;
  const name = `generation ${id}${label === undefined ? '' : ` (${clipped(label, MAX_LABEL)})`}`;
  const head = `${name}  ${word}${rest}`;
  const colour = down ? 'red' : stageColour(stage);
  const painted = `${paint('bold', name)}  ${paint(colour, word)}${rest}`;
  const { path } = release;
  // The path follows on the same line if there is space.
  const release_lines =
    head.length + 2 + columnsOf(path) <= WIDTH
      ? [`${painted}  ${path}`]
      : [painted, `  ${clipped(path, WIDTH - 2)}`];
  const directory = path.startsWith(`${release.directory}/`)
    ? []
    : [`  in ${clipped(release.directory, WIDTH - 5)}`];
  const changed = executable_changed === undefined ? [] : changeLines(executable_changed, paint);
  return [...release_lines, ...directory, ...changed, ...workerLines(workers)];
}

/** The command that restarted workers run instead of the executable. */
function changeLines(
  { runs, path, reason }: NonNullable<GenerationStatus['executable_changed']>,
  paint: Paint,
): string[] {
  const what = runs === 'copy' ? `the kept copy ${path}` : `the file on the disk (${path})`;
  const text = `${reason}: restarted workers run ${what}`;
  return fold(text, WIDTH - 2, '').map((line) => `  ${paint('yellow', line)}`);
}

function stageColour(stage: string): 'green' | 'yellow' | 'faint' {
  if (stage === 'serving') return 'green';
  return stage === 'retiring' || stage === 'stopping' ? 'faint' : 'yellow';
}

function wordOf({ state, role, ready, hung }: WorkerStatus): string {
  if (hung) return 'hung';
  if (state !== 'up') return state;
  if (role === 'rescue') return 'rescue';
  if (!ready) return 'not ready';
  return role === 'leaving' ? 'retiring' : 'up';
}

function workerLines(workers: readonly WorkerStatus[]): string[] {
  const rows = workers.map((one) => [
    `  worker ${one.worker}`,
    wordOf(one),
    one.pid === null ? '' : `pid ${one.pid}`,
    one.uptime_ms === null ? '' : duration(one.uptime_ms),
    one.lane === null ? '' : `lane ${one.lane}`,
    ...(one.usage ? [percent(one.usage.cpu_percent), bytes(one.usage.memory_bytes)] : ['', '']),
  ]);
  return table(rows).flatMap((line, index) => {
    const {
      waiting = [],
      problem,
      unhealthy,
      replaced_by,
      restarts = 0,
      retry_in_ms,
      last_exit,
    } = workers[index] ?? {};
    const past = [
      ...(retry_in_ms === undefined ? [] : [`next start in ${duration(retry_in_ms)}`]),
      ...(restarts === 0 ? [] : [`${restarts} ${restarts === 1 ? 'restart' : 'restarts'}`]),
      ...(last_exit ? [`last exit ${duration(last_exit.ms_ago)} ago: ${last_exit.reason}`] : []),
    ];
    const notes = [
      ...(unhealthy === undefined ? [] : [`not healthy: ${unhealthy}`]),
      ...(replaced_by === undefined ? [] : [`will be replaced by worker ${replaced_by}`]),
      ...(problem === undefined ? [] : [problem]),
    ];
    return [
      line,
      ...(past.length === 0 ? [] : fold(past.join(', '), WIDTH - 4, '  ').map((text) => `    ${text}`)),
      ...(waiting.length === 0 ? [] : wrapped('    waits for ', waiting)),
      ...notes.flatMap((note) => fold(note, WIDTH - 4, '').map((text) => `    ${text}`)),
    ];
  });
}

function problemLines({ problems = [] }: StatusDocument, paint: Paint): string[] {
  return problems.flatMap(({ reason }) =>
    fold(`${reason} (attempted again)`, WIDTH, '  ').map((line) => paint('red', line)),
  );
}

function listenerLines({ listeners }: StatusDocument): string[] {
  const rows = listeners.map(({ name, address, steered, queue, lanes }) => [
    clipped(name, 16),
    clipped(address, 36),
    steered ? `${lanes} ${lanes === 1 ? 'lane' : 'lanes'}` : 'shared',
    queue === null ? '' : `${queue} queued`,
  ]);
  return table(rows);
}

function steeringLines({ steering, service }: StatusDocument): string[] {
  if (!steering) return [];
  const { main, canary, preview } = steering;
  const verb = service?.state === 'down' ? 'wait in' : 'go to';
  return [
    ...wrapped(`new connections ${verb} lane `, main.map(String)),
    ...(canary
      ? wrapped(`${canary.percent} % of them, by ${canary.by}, to lane `, canary.lanes.map(String))
      : []),
    ...(preview ? wrapped('connections from preview_from go to lane ', preview.map(String)) : []),
  ];
}

/** `head` and the comma-separated items, in as many lines as needed. */
function wrapped(head: string, items: readonly string[]): string[] {
  const indent = ' '.repeat(4);
  const lines: string[] = [];
  let line = head;
  let empty = true;
  for (const item of items) {
    const next = `${empty ? '' : ', '}${item}`;
    if (!empty && columnsOf(line) + columnsOf(next) >= WIDTH) {
      lines.push(`${line},`);
      line = indent + clipped(item, WIDTH - indent.length);
    } else {
      line += empty ? clipped(item, WIDTH - line.length - 1) : next;
    }
    empty = false;
  }
  return [...lines, line];
}

/** The resource usage of all workers in one line. */
function usageLine({ cpu_percent, cpu_seconds, memory_bytes, interval_ms }: UsageDocument): string {
  const total = `${duration(cpu_seconds * 1000)} in total`;
  const cpu = `CPU ${percent(cpu_percent)} over the last ${duration(interval_ms)} (${total})`;
  return `${cpu}, memory ${bytes(memory_bytes)}`;
}
