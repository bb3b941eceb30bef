import type { TcpGateConfig } from '../config/schema.ts';
import { reasonOf, startAttempts } from './attempts.ts';
import type { Gate, GateCallbacks, Timers } from './gate.ts';
import { connectOptions } from './target.ts';

/** Passes as soon as a connection is established; it is closed at once, without a byte. */
export function startTcpGate(config: TcpGateConfig, timers: Timers, callbacks: GateCallbacks): Gate {
  return startAttempts(
    {
      name: 'tcp',
      interval: config.interval,
      timers,
      attempt: (stop) => connectOnce(config, timers, stop),
    },
    callbacks,
  );
}

async function connectOnce(config: TcpGateConfig, timers: Timers, stop: AbortSignal): Promise<string | null> {
  const { connect } = await import('node:net');
  if (stop.aborted) return 'stopped';
  const where = `connect to ${config.address.text}`;
  return new Promise((resolve) => {
    const socket = connect(connectOptions(config.address));
    const timer = timers.set(config.timeout, () => end(`no answer within ${config.timeout} ms`));
    const abort = (): void => end('stopped');
    const end = (reason: string | null): void => {
      timers.clear(timer);
      stop.removeEventListener('abort', abort);
      socket.destroy();
      resolve(reason === null ? null : `${where}: ${reason}`);
    };
    stop.addEventListener('abort', abort);
    socket.on('error', (error) => end(reasonOf(error)));
    socket.on('connect', () => end(null));
  });
}
