import type { Socket } from 'node:net';
import type { Timers } from '../common/clock.ts';
import { formatDuration } from '../common/duration.ts';
import { reasonOf } from '../common/errors.ts';
import type { TcpGateConfig } from '../config/schema.ts';
import { startAttempts } from './attempts.ts';
import { endSocket } from './end-socket.ts';
import type { Gate, GateCallbacks } from './gate.ts';
import type { ListenerProbe, OpenProbe } from './probes.ts';
import { connectTo, nameTarget } from './target.ts';

// A check of a probe costs tens of microseconds.
const LOOK_PAUSE = 20;

/**
 * Passes when a connection is established. For a listener, passes when the worker has accepted the connection, because
 * the kernel completes every handshake there. The connection is ended at once without data.
 * @param open required if the config names a listener
 */
export function startTcpGate(
  config: TcpGateConfig,
  open: OpenProbe | null,
  timers: Timers,
  callbacks: GateCallbacks,
): Gate {
  const { listener, interval } = config;
  const attempt = (stop: AbortSignal): Promise<string | null> => {
    if (listener === undefined) return connectOnce(config, timers, stop);
    return acceptOnce(listener, config.timeout, open, timers, stop);
  };
  return startAttempts({ name: 'tcp', interval, timers, attempt }, callbacks);
}

async function connectOnce(config: TcpGateConfig, timers: Timers, stop: AbortSignal): Promise<string | null> {
  const socket: Socket = await connectTo(config, null);
  const where = `connect to ${nameTarget(config)}`;
  return new Promise((resolve) => {
    const timer = timers.set(config.timeout, () => end(`no answer within ${formatDuration(config.timeout)}`));
    const abort = (): void => end('stopped');
    const end = (reason: string | null): void => {
      timers.clear(timer);
      stop.removeEventListener('abort', abort);
      endSocket(socket);
      resolve(reason === null ? null : `${where}: ${reason}`);
    };
    stop.addEventListener('abort', abort);
    socket.on('error', (error) => end(reasonOf(error)));
    socket.on('connect', () => end(null));
    if (stop.aborted) end('stopped');
  });
}

async function acceptOnce(
  listener: string,
  timeout: number,
  open: OpenProbe | null,
  timers: Timers,
  stop: AbortSignal,
): Promise<string | null> {
  if (open === null) return `listener ${listener}: it is not steered`;
  const probe: ListenerProbe = open(listener);
  let left = Math.ceil(timeout / LOOK_PAUSE);
  try {
    while (probe.accepted() === 'waiting') {
      if (left <= 0) return `connect to listener ${listener}: not accepted within ${formatDuration(timeout)}`;
      left -= 1;
      await pause(timers, stop);
      if (stop.aborted) return 'stopped';
    }
    return probe.accepted() === 'accepted'
      ? null
      : `connect to listener ${listener}: dropped before it was accepted`;
  } finally {
    probe.close();
  }
}

/** Ends early when the result is no longer needed. */
function pause(timers: Timers, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      timers.clear(timer);
      stop.removeEventListener('abort', end);
      resolve();
    };
    const timer = timers.set(LOOK_PAUSE, end);
    stop.addEventListener('abort', end);
  });
}
