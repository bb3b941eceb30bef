import { type Gate, type GateCallbacks, once } from './gate.ts';
import type { NotifySource } from './notify-socket.ts';

/** Passes on READY=1 of any process of the worker. */
export function startNotifyGate(source: NotifySource, callbacks: GateCallbacks): Gate {
  const verdict = once(callbacks);
  let status: string | null = null;
  const unsubscribe = source.subscribe((message) => {
    if (message.kind === 'ready') verdict.passed();
    else if (message.kind === 'status') status = message.text;
    else if (message.kind === 'errno') status = `ERRNO=${message.errno}`;
  });
  // Only after the caller has the gate.
  if (source.ready) queueMicrotask(() => verdict.passed());

  return {
    name: 'notify',
    lastReason: () => (status === null ? 'no READY=1 received on NOTIFY_SOCKET' : `no READY=1: ${status}`),
    close() {
      verdict.over();
      unsubscribe();
    },
  };
}
