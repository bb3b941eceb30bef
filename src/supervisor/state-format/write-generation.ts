import type { VerifyConfig } from '../../config/index.ts';
import { exactUsage } from '../../facts/parts.ts';
import type { Generation, Stage } from '../../lifecycle/generation.ts';
import type { Worker, WorkerLife } from '../../lifecycle/worker.ts';
import type { GenerationDocument } from './version-2.ts';
import { exitDocument, orNull, retryDocument } from './write-parts.ts';
import { settingsDocument, verifyDocument } from './write-settings.ts';

type WorkerDocument = GenerationDocument['workers'][number];

/**
 * The document of a generation without its workers.
 * @param verify the health check in the config of the generation; undefined for none
 */
export function generationFrame(
  generation: Generation,
  verify: VerifyConfig | undefined,
): Omit<GenerationDocument, 'workers'> {
  const { id, since, label, settings, stage, firstLane, remains, usage, relisten, replacePause } = generation;
  const { adopted } = generation;
  return {
    generation: id,
    since_monotonic_ms: since,
    ...(label !== null && { label }),
    stage: stageDocument(stage),
    settings: settingsDocument(settings),
    verify: orNull(verify, verifyDocument),
    first_lane: firstLane,
    ...(adopted && { adopted }),
    replacement_pause: orNull(replacePause, retryDocument),
    remaining_processes: remains.map(({ worker, incarnation, until, retry }) => ({
      worker,
      incarnation,
      sigkill_monotonic_ms: until,
      retry: orNull(retry, retryDocument),
    })),
    usage: orNull(usage, exactUsage),
    backlog_retry: orNull(relisten, retryDocument),
  };
}

function stageDocument(stage: Stage): GenerationDocument['stage'] {
  const { name } = stage;
  switch (name) {
    case 'starting':
      return { name, deadline_monotonic_ms: stage.deadline };
    case 'ready':
    case 'serving':
    case 'standby':
      return { name };
    case 'retiring': {
      const { since, successor, replaced, served, signalled } = stage;
      return {
        name,
        since_monotonic_ms: since,
        successor,
        successor_promoted: replaced,
        served,
        asked_to_stop: signalled,
      };
    }
    case 'stopping':
      return { name, since_monotonic_ms: stage.since, served: stage.retired };
  }
}

/** @param gates the gates of its generation, without `uptime` */
export function workerDocument(worker: Worker, gates: readonly string[]): WorkerDocument {
  const { index, lane, rescue, membership, incarnation, attempts, life, leave, lastExit } = worker;
  return {
    worker: index,
    lane,
    rescue,
    membership,
    incarnation,
    attempts,
    state: workerState(life, gates),
    leaving: leave === null ? null : { unreachable_since_monotonic_ms: leave.since },
    ...(lastExit && {
      last_exit: {
        at_monotonic_ms: lastExit.at,
        exit: orNull(lastExit.exit, exitDocument),
        reason: lastExit.reason,
      },
    }),
  };
}

function workerState(life: WorkerLife, gates: readonly string[]): WorkerDocument['state'] {
  const { name } = life;
  switch (name) {
    case 'spawning':
      return { name };
    case 'up':
      return {
        name,
        pid: life.pid,
        since_monotonic_ms: life.since,
        gates_passed: [...gates, 'uptime'].filter((gate) => !life.waiting.includes(gate)),
        gates_waiting: life.waiting,
        ready_monotonic_ms: life.readyAt,
        hung: life.hung,
        unhealthy: life.unhealthy,
        sigkill_sent: life.killed,
        drains: life.drains,
      };
    case 'backoff':
      return { name, until_monotonic_ms: life.until };
    case 'stopping':
      return {
        name,
        pid: life.pid,
        since_monotonic_ms: life.since,
        deadline_monotonic_ms: life.killAt,
        sigkill_sent: life.killed,
        retry: orNull(life.retry, retryDocument),
        signals_refused: life.refused,
      };
    case 'ended':
      return { name, exit: orNull(life.exit, exitDocument) };
  }
}
