/** One assignment of a notification that zero supports. */
export type NotifyMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'reloading' }
  | { readonly kind: 'stopping' }
  | { readonly kind: 'main_pid'; readonly pid: number }
  | { readonly kind: 'status'; readonly text: string }
  | { readonly kind: 'errno'; readonly errno: number }
  | { readonly kind: 'watchdog' }
  /** The service has found an internal error: as if it had missed its `watchdog` time. */
  | { readonly kind: 'watchdog_trigger' }
  /** Microseconds within which the service sends `watchdog` from now on; 0: it sends none. */
  | { readonly kind: 'watchdog_time'; readonly microseconds: number }
  /** Whether the service, on its shutdown signal, stops accepting and drains its own connections. */
  | { readonly kind: 'drains'; readonly drains: boolean }
  | { readonly kind: 'extend_timeout'; readonly microseconds: number }
  | { readonly kind: 'store_descriptors' }
  /** Closing its descriptor is the answer (sd_notify_barrier(3)). */
  | { readonly kind: 'barrier' };

const ASSIGNMENT = /^([A-Z0-9_]+)=(.*)$/s;
// Allows any pid: PID_MAX_LIMIT is 2^22 (proc_sys_kernel(5)).
const MAX_PID = 4_194_304;
const NONE: readonly NotifyMessage[] = [];
const STRICT_UTF8 = new TextDecoder('utf-8', { fatal: true });

/**
 * The assignments of one datagram in order, newline-separated KEY=VALUE as in sd_notify(3). Unknown keys are skipped,
 * as sd_notify(3) requires, and so is a known key with an invalid value. Null if the datagram is not a notification:
 * binary, empty, without a single assignment.
 */
export function parseNotification(data: Uint8Array): readonly NotifyMessage[] | null {
  const text = decode(data);
  if (text === null) return null;
  const messages: NotifyMessage[] = [];
  let assignments = 0;
  for (const line of text.split('\n')) {
    const [, key, value] = ASSIGNMENT.exec(line) ?? [];
    if (key === undefined || value === undefined) continue;
    assignments += 1;
    messages.push(...meaningOf(key, value));
  }
  return assignments > 0 ? messages : null;
}

function decode(data: Uint8Array): string | null {
  if (data.includes(0)) return null;
  try {
    return STRICT_UTF8.decode(data);
  } catch {
    return null;
  }
}

function meaningOf(key: string, value: string): readonly NotifyMessage[] {
  switch (key) {
    case 'READY':
      return flag(value, 'ready');
    case 'RELOADING':
      return flag(value, 'reloading');
    case 'STOPPING':
      return flag(value, 'stopping');
    case 'FDSTORE':
      return flag(value, 'store_descriptors');
    case 'BARRIER':
      return flag(value, 'barrier');
    case 'WATCHDOG':
      return value === 'trigger' ? [{ kind: 'watchdog_trigger' }] : flag(value, 'watchdog');
    case 'WATCHDOG_USEC':
      return within(value, 0, Number.MAX_SAFE_INTEGER, (microseconds) => ({
        kind: 'watchdog_time',
        microseconds,
      }));
    // X_ is reserved for private use (sd_notify(3)).
    case 'X_ZERO_DRAINS':
      return value === '1' || value === '0' ? [{ kind: 'drains', drains: value === '1' }] : NONE;
    case 'STATUS':
      return [{ kind: 'status', text: value }];
    case 'MAINPID':
      return within(value, 1, MAX_PID, (pid) => ({ kind: 'main_pid', pid }));
    case 'ERRNO':
      return within(value, 0, 4095, (errno) => ({ kind: 'errno', errno }));
    case 'EXTEND_TIMEOUT_USEC':
      return within(value, 1, Number.MAX_SAFE_INTEGER, (microseconds) => ({
        kind: 'extend_timeout',
        microseconds,
      }));
    default:
      return NONE;
  }
}

type Flag = 'ready' | 'reloading' | 'stopping' | 'store_descriptors' | 'barrier' | 'watchdog';

function flag(value: string, kind: Flag): readonly NotifyMessage[] {
  return value === '1' ? [{ kind }] : NONE;
}

function within(
  value: string,
  least: number,
  most: number,
  make: (number: number) => NotifyMessage,
): readonly NotifyMessage[] {
  if (!/^\d{1,16}$/.test(value)) return NONE;
  const number = Number(value);
  return number >= least && number <= most ? [make(number)] : NONE;
}
