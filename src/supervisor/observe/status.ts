import type { StatusDocument } from '../../control/status-document.ts';
import { PROTOCOL } from '../../control/version.ts';
import { type FailureDocument, failureDocument } from '../../facts/parts.ts';
import { lastExitDocument, serviceDocument } from '../../facts/service.ts';
import { type Generation, retiringGenerations } from '../../lifecycle/generation.ts';
import type { Handover } from '../../lifecycle/handover.ts';
import { holdsLane } from '../../lifecycle/lane.ts';
import type { Request } from '../../lifecycle/requests.ts';
import { healthOf } from '../../lifecycle/service-state.ts';
import { candidateOf, type State } from '../../lifecycle/state.ts';
import type { Steering } from '../../lifecycle/steering.ts';
import { waitsForFirstStart } from '../../lifecycle/worker.ts';
import { formatAddress } from '../../linux/sockaddr.ts';
import type { Listeners } from '../../listeners/listeners.ts';
import type { Deviation } from '../run/generations.ts';
import type { ConfigFile } from '../start/config-source.ts';

export interface StatusSources {
  readonly name: string;
  /** null for a service from command line arguments. */
  readonly configFile: ConfigFile | null;
  readonly version: string;
  readonly startedAt: number;
  readonly supervisor: StatusDocument['supervisor'];
  readonly keeper: StatusDocument['keeper'];
  /** Milliseconds of the state's clock. */
  readonly now: number;
  readonly state: State;
  readonly listeners: Pick<Listeners, 'queues' | 'snapshot'>;
  /** The other executable that restarted workers of a generation run. */
  readonly deviationOf: (generation: number) => Deviation | null;
  readonly lastEvent: StatusDocument['last_event'] | null;
}

/** The document that `zero status` shows. */
export function statusOf(sources: StatusSources): StatusDocument {
  const { name, configFile, version, startedAt, supervisor, keeper, now, state, listeners, deviationOf } =
    sources;
  const { lastEvent } = sources;
  const { steering } = state.demands;
  const steered = state.generations.some(({ settings }) => settings.handover.steered);
  return {
    version: PROTOCOL,
    name,
    pid: process.pid,
    uptime_ms: Math.round(now - startedAt),
    zero: version,
    config_file: configFile && fileDocument(configFile),
    mode: state.stop ? 'stopping' : 'running',
    ...(supervisor && { supervisor }),
    ...(keeper !== undefined && { keeper }),
    service: serviceDocument(healthOf(state), now),
    incumbent: state.incumbent,
    handover: state.handover && handoverStatus(state, state.handover, now),
    pending: state.pending !== null,
    ...(state.pending && { pending_handover: requestStatus(state.pending) }),
    generations: state.generations.map((generation) =>
      generationStatus(generation, state, now, deviationOf(generation.id)),
    ),
    listeners: listenerStatus(listeners),
    problems: problemsOf(state),
    steering: steering && steered ? steeringStatus(steering) : null,
    retiring: retiringGenerations(state).map(({ id }) => id),
    ...(lastEvent && { last_event: lastEvent }),
  };
}

function fileDocument({ path, device, inode }: ConfigFile): NonNullable<StatusDocument['config_file']> {
  return { path, device, inode };
}

function handoverStatus(
  state: State,
  handover: Handover,
  now: number,
): NonNullable<StatusDocument['handover']> {
  const { step, incumbent, since } = handover;
  const candidate = state.generations.find((generation) => generation.id === candidateOf(handover));
  const share = step.name === 'canary' ? candidate?.settings.handover.canary[step.index] : undefined;
  return {
    ...requestStatus(handover.request),
    step: step.name,
    candidate: candidateOf(handover),
    incumbent,
    since_ms_ago: Math.round(now - since),
    ...(share ? { canary: { percent: share.percent } } : {}),
    ...('until' in step ? { until_ms: Math.max(0, Math.round(step.until - now)) } : {}),
    ...waitingFor(state, handover, candidate),
  };
}

/** The number of a handover, and the callers that still wait for it. */
function requestStatus({ id, callers }: Request): { id: number; by: string[] } {
  return { id, by: [...new Set(callers.map(({ by }) => by))] };
}

/** The worker or generation that the step waits for. */
function waitingFor(
  state: State,
  { step }: Handover,
  candidate: Generation | undefined,
): { waiting_for?: string[] } {
  if (step.name === 'waiting') {
    return { waiting_for: retiringGenerations(state).map(({ id }) => `generation ${id} to end`) };
  }
  if (step.name !== 'starting' || !candidate) return {};
  const gates = candidate.workers.flatMap(({ life }) => (life.name === 'up' ? life.waiting : []));
  return { waiting_for: [...new Set(gates)] };
}

function generationStatus(
  generation: Generation,
  { join }: State,
  now: number,
  deviation: Deviation | null,
): StatusDocument['generations'][number] {
  const { id, stage, settings, label, since, workers } = generation;
  const { path, directory } = settings;
  const purpose = join?.generation === id && join.purpose.name === 'replace' ? join.purpose : null;
  return {
    id,
    stage: stage.name,
    release: { path, directory, ...(label !== null && { label }) },
    ...(deviation && { executable_changed: deviation }),
    // For a retiring generation, the time since its retirement began.
    since_ms_ago: Math.round(now - ('since' in stage ? stage.since : since)),
    // Workers that were removed from the generation do not count.
    workers: workers.filter(holdsLane).map((worker) => {
      const { index, life, lane, incarnation, rescue, membership, lastExit } = worker;
      const isSpawning = waitsForFirstStart(worker);
      return {
        worker: index,
        pid: life.name === 'up' || life.name === 'stopping' ? life.pid : null,
        state: isSpawning ? 'spawning' : life.name,
        uptime_ms: life.name === 'up' ? Math.round(now - life.since) : null,
        ready: life.name === 'up' && life.readyAt !== null,
        waiting: life.name === 'up' ? life.waiting : [],
        lane: settings.handover.steered ? lane : null,
        restarts: Math.max(0, incarnation - 1),
        ...(life.name === 'backoff' &&
          !isSpawning && { retry_in_ms: Math.max(0, Math.round(life.until - now)) }),
        ...(life.name === 'up' && life.hung && { hung: true }),
        ...(lastExit && { last_exit: lastExitDocument(lastExit, now) }),
        ...((rescue || membership !== 'member') && { role: rescue ? 'rescue' : membership }),
        ...(life.name === 'up' && life.unhealthy !== null && { unhealthy: life.unhealthy }),
        ...(purpose?.worker === index && { replaced_by: purpose.replacement }),
        ...(life.name === 'stopping' && life.refused !== null && { problem: life.refused }),
      };
    }),
  };
}

/** Failed steps that zero retries: effects of the core, and writes of files. */
function problemsOf({ retries, storage, generations }: State): FailureDocument[] {
  const demands = Object.values(retries).map(({ failure }) => failure);
  const files = Object.values(storage).flatMap((unwritten) => (unwritten ? [unwritten.failure] : []));
  const backlogs = generations.flatMap(({ id, relisten }) =>
    relisten ? [{ step: 'listen', reason: `the backlog of generation ${id} could not be set again` }] : [],
  );
  return [...demands, ...files, ...backlogs].map(failureDocument);
}

function steeringStatus({ main, canary, preview }: Steering): StatusDocument['steering'] {
  return {
    main,
    canary: canary && { percent: canary.percent, by: canary.by, lanes: canary.lanes },
    preview,
  };
}

function listenerStatus(listeners: StatusSources['listeners']): StatusDocument['listeners'] {
  const queues = listeners.queues();
  return listeners.snapshot().map(({ name, address, lanes }) => ({
    name,
    address: formatAddress(address),
    steered: lanes.length > 0,
    queue: queues.get(name) ?? null,
    lanes: lanes.length,
  }));
}
